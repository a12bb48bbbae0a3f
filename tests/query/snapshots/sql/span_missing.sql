SELECT checkin_ocurred_at, id FROM attendances WHERE provider_id = ?
  AND event_starts_at <= ?
  AND hash(id) % ? = 0 ORDER BY checkin_ocurred_at NULLS LAST, id
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20), 1000)

SELECT customer_id, id FROM attendances WHERE provider_id = ?
  AND event_starts_at <= ?
  AND (checkin_ocurred_at < ? OR (checkin_ocurred_at = ?
  AND (id < ?))) ORDER BY checkin_ocurred_at NULLS LAST, id
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20), datetime.datetime(2023, 11, 14, 22, 13, 20), datetime.datetime(2023, 11, 14, 22, 13, 20), 5)

SELECT customer_id, id FROM attendances WHERE provider_id = ?
  AND event_starts_at <= ?
  AND ((checkin_ocurred_at > ? OR checkin_ocurred_at IS NULL) OR (checkin_ocurred_at = ?
  AND (id > ? OR (id = ?
  AND (true)))))
  AND (checkin_ocurred_at IS NOT NULL OR (checkin_ocurred_at IS NULL
  AND (id < ?))) ORDER BY checkin_ocurred_at NULLS LAST, id
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20), datetime.datetime(2023, 11, 14, 22, 13, 20), datetime.datetime(2023, 11, 14, 22, 13, 20), 5, 5, 7)

SELECT customer_id, id FROM attendances WHERE provider_id = ?
  AND event_starts_at <= ?
  AND ((checkin_ocurred_at IS NULL
  AND (id > ? OR (id = ?
  AND (true))))) ORDER BY checkin_ocurred_at NULLS LAST, id
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20), 7, 7)

