SELECT greatest(count(*), min(0)), min(event_starts_at), max(event_starts_at) FROM attendances WHERE provider_id = ?
  AND event_starts_at >= ?
  AND event_starts_at <= ?
  AND updated_at >= ?
-- (7, datetime.datetime(2025, 12, 31, 23, 0), datetime.datetime(2026, 1, 31, 22, 59, 59, 999999), datetime.datetime(2026, 1, 1, 0, 0))

SELECT id, updated_at, customer_id, customer_name, customer_email, customer_thumbnail_url, event_id, event_starts_at, event_ends_at, event_name, offering_type_id, offering_type_name, venue_id, venue_name, instructor_ids, instructor_names, booking_method, customer_membership_id, membership_id, membership_name, booking_source_name, status, checkin_ocurred_at, is_first_attendance FROM attendances WHERE provider_id = ?
  AND event_starts_at >= ?
  AND event_starts_at <= ?
  AND updated_at >= ? ORDER BY event_starts_at DESC, id LIMIT 51
-- (7, datetime.datetime(2025, 12, 31, 23, 0), datetime.datetime(2026, 1, 31, 22, 59, 59, 999999), datetime.datetime(2026, 1, 1, 0, 0))

