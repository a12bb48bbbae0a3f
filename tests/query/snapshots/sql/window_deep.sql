SELECT greatest(count(*), min(0)) FROM attendances WHERE provider_id = ?
  AND event_starts_at <= ?
  AND event_starts_at <= ?
  AND event_starts_at > ?
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20), datetime.datetime(2023, 11, 14, 22, 13, 20, 9), datetime.datetime(2023, 11, 14, 22, 13, 20))

SELECT id, updated_at, customer_id, customer_name, customer_email, customer_thumbnail_url, event_id, event_starts_at, event_ends_at, event_name, offering_type_id, offering_type_name, venue_id, venue_name, instructor_ids, instructor_names, booking_method, customer_membership_id, membership_id, membership_name, booking_source_name, status, checkin_ocurred_at, is_first_attendance FROM attendances WHERE provider_id = ?
  AND rowid IN (SELECT rowid FROM attendances WHERE provider_id = ?
  AND event_starts_at <= ?
  AND event_starts_at <= ?
  AND event_starts_at > ? ORDER BY event_starts_at DESC, id LIMIT 51 OFFSET 1000) ORDER BY event_starts_at DESC, id
-- (7, 7, datetime.datetime(2026, 9, 21, 14, 13, 20), datetime.datetime(2023, 11, 14, 22, 13, 20, 9), datetime.datetime(2023, 11, 14, 22, 13, 20))

