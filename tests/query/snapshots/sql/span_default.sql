SELECT event_starts_at, id FROM attendances WHERE provider_id = ?
  AND event_starts_at <= ?
  AND hash(id) % ? = 0 ORDER BY event_starts_at DESC, id
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20), 1000)

SELECT customer_id, id FROM attendances WHERE provider_id = ?
  AND event_starts_at <= ?
  AND event_starts_at >= ?
  AND (event_starts_at > ? OR id < ?) ORDER BY event_starts_at DESC, id
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20), datetime.datetime(2023, 11, 14, 22, 13, 20, 9), datetime.datetime(2023, 11, 14, 22, 13, 20, 9), 5)

SELECT customer_id, id FROM attendances WHERE provider_id = ?
  AND event_starts_at <= ?
  AND event_starts_at <= ?
  AND (event_starts_at < ? OR id > ? OR (id = ?
  AND (true)))
  AND event_starts_at >= ?
  AND (event_starts_at > ? OR id < ?) ORDER BY event_starts_at DESC, id
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20), datetime.datetime(2023, 11, 14, 22, 13, 20, 9), datetime.datetime(2023, 11, 14, 22, 13, 20, 9), 5, 5, datetime.datetime(2023, 11, 14, 22, 13, 20), datetime.datetime(2023, 11, 14, 22, 13, 20), 7)

SELECT customer_id, id FROM attendances WHERE provider_id = ?
  AND event_starts_at <= ?
  AND event_starts_at <= ?
  AND (event_starts_at < ? OR id > ? OR (id = ?
  AND (true))) ORDER BY event_starts_at DESC, id
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20), datetime.datetime(2023, 11, 14, 22, 13, 20), datetime.datetime(2023, 11, 14, 22, 13, 20), 7, 7)

