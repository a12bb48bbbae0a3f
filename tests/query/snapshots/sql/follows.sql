SELECT 1 FROM attendances WHERE provider_id = ? AND event_starts_at <= make_timestamp(?) AND ((customer_name_folded > ? OR customer_name_folded IS NULL) OR (customer_name_folded = ? AND ((customer_name > ? OR customer_name IS NULL) OR (customer_name = ? AND (id > ?))))) LIMIT 1
-- (7, 1790000000000000, 'zoe', 'zoe', 'Zoë', 'Zoë', 12)
