SELECT count(*) FROM attendances WHERE provider_id = ?
  AND event_starts_at <= make_timestamp(?)
-- (7, 1790000000000000)

SELECT customer_id, id, customer_name FROM attendances WHERE provider_id = ?
  AND rowid IN (SELECT rowid FROM attendances WHERE provider_id = ?
  AND event_starts_at <= make_timestamp(?) ORDER BY customer_name_folded NULLS LAST, customer_name NULLS LAST, id LIMIT 51 OFFSET 500000) ORDER BY customer_name_folded NULLS LAST, customer_name NULLS LAST, id
-- (7, 7, 1790000000000000)

