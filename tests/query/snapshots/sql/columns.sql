SELECT count(*), min(event_starts_at), max(event_starts_at) FROM attendances WHERE provider_id = ?
  AND event_starts_at <= make_timestamp(?)
-- (7, 1790000000000000)

SELECT customer_id, customer_membership_id, membership_id, membership_name, event_name, event_starts_at, id FROM attendances WHERE provider_id = ?
  AND event_starts_at <= make_timestamp(?) ORDER BY event_starts_at DESC, id LIMIT 51
-- (7, 1790000000000000)

