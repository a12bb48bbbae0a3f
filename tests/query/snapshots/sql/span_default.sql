SELECT event_starts_at, id FROM attendances WHERE provider_id = ?
  AND event_starts_at <= make_timestamp(?)
  AND hash(id) % ? = 0 ORDER BY event_starts_at DESC, id
-- (7, 1790000000000000, 1000)

SELECT customer_id, id FROM attendances WHERE provider_id = ?
  AND event_starts_at <= make_timestamp(?)
  AND event_starts_at >= make_timestamp(?)
  AND (event_starts_at > make_timestamp(?) OR (event_starts_at = make_timestamp(?)
  AND (id < ?))) ORDER BY event_starts_at DESC, id
-- (7, 1790000000000000, 1700000000000009, 1700000000000009, 1700000000000009, 5)

SELECT customer_id, id FROM attendances WHERE provider_id = ?
  AND event_starts_at <= make_timestamp(?)
  AND event_starts_at <= make_timestamp(?)
  AND (event_starts_at < make_timestamp(?) OR (event_starts_at = make_timestamp(?)
  AND (id > ? OR id = ?)))
  AND event_starts_at >= make_timestamp(?)
  AND (event_starts_at > make_timestamp(?) OR (event_starts_at = make_timestamp(?)
  AND (id < ?))) ORDER BY event_starts_at DESC, id
-- (7, 1790000000000000, 1700000000000009, 1700000000000009, 1700000000000009, 5, 5, 1700000000000000, 1700000000000000, 1700000000000000, 7)

SELECT customer_id, id FROM attendances WHERE provider_id = ?
  AND event_starts_at <= make_timestamp(?)
  AND event_starts_at <= make_timestamp(?)
  AND (event_starts_at < make_timestamp(?) OR (event_starts_at = make_timestamp(?)
  AND (id > ? OR id = ?))) ORDER BY event_starts_at DESC, id
-- (7, 1790000000000000, 1700000000000000, 1700000000000000, 1700000000000000, 7, 7)

