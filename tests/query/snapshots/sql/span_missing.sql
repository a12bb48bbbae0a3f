SELECT checkin_ocurred_at, id FROM attendances WHERE provider_id = ?
  AND event_starts_at <= make_timestamp(?)
  AND hash(id) % ? = 0 ORDER BY checkin_ocurred_at NULLS LAST, id
-- (7, 1790000000000000, 1000)

SELECT customer_id, id FROM attendances WHERE provider_id = ?
  AND event_starts_at <= make_timestamp(?)
  AND (checkin_ocurred_at < make_timestamp(?) OR (checkin_ocurred_at = make_timestamp(?)
  AND (id < ?))) ORDER BY checkin_ocurred_at NULLS LAST, id
-- (7, 1790000000000000, 1700000000000000, 1700000000000000, 5)

SELECT customer_id, id FROM attendances WHERE provider_id = ?
  AND event_starts_at <= make_timestamp(?)
  AND ((checkin_ocurred_at > make_timestamp(?) OR checkin_ocurred_at IS NULL) OR (checkin_ocurred_at = make_timestamp(?)
  AND (id > ? OR id = ?)))
  AND (checkin_ocurred_at IS NOT NULL OR (checkin_ocurred_at IS NULL
  AND (id < ?))) ORDER BY checkin_ocurred_at NULLS LAST, id
-- (7, 1790000000000000, 1700000000000000, 1700000000000000, 5, 5, 7)

SELECT customer_id, id FROM attendances WHERE provider_id = ?
  AND event_starts_at <= make_timestamp(?)
  AND ((checkin_ocurred_at IS NULL
  AND (id > ? OR id = ?))) ORDER BY checkin_ocurred_at NULLS LAST, id
-- (7, 1790000000000000, 7, 7)

