SELECT greatest(count(*), min(0)), min(event_starts_at), max(event_starts_at) FROM attendances WHERE provider_id = ?
  AND event_starts_at <= ?
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20))

SELECT customer_id, customer_membership_id, membership_id, membership_name, event_name, event_starts_at, id FROM attendances WHERE provider_id = ?
  AND event_starts_at <= ? ORDER BY event_starts_at DESC, id LIMIT 51
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20))

