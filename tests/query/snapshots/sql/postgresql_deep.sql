SELECT customer_id, id, customer_name FROM attendances WHERE provider_id = $1 AND id = ANY (ARRAY(SELECT id FROM attendances WHERE provider_id = $2 AND event_starts_at <= $3 ORDER BY customer_name_folded NULLS LAST, customer_name NULLS LAST, id LIMIT 51 OFFSET 500000)) ORDER BY customer_name_folded NULLS LAST, customer_name NULLS LAST, id
-- (7, 7, datetime.datetime(2026, 9, 21, 14, 13, 20))
