SELECT 1 FROM attendances WHERE provider_id = ? AND event_starts_at <= ? AND ((customer_name_folded > ? OR customer_name_folded IS NULL) OR (customer_name_folded = ? AND ((customer_name > ? OR customer_name IS NULL) OR (customer_name = ? AND (id > ?))))) LIMIT 1
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20), 'zoe', 'zoe', 'Zoë', 'Zoë', 12)
