SELECT greatest(count(*), min(0)) FROM attendances WHERE provider_id = ?
  AND event_starts_at <= ?
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20))

SELECT customer_id, id, customer_name FROM attendances WHERE provider_id = ?
  AND rowid IN (SELECT rowid FROM attendances WHERE provider_id = ?
  AND event_starts_at <= ? ORDER BY customer_name_folded NULLS LAST, customer_name NULLS LAST, id LIMIT 51 OFFSET 500000) ORDER BY customer_name_folded NULLS LAST, customer_name NULLS LAST, id
-- (7, 7, datetime.datetime(2026, 9, 21, 14, 13, 20))

