SELECT customer_name, id FROM attendances WHERE provider_id = ?
  AND event_starts_at <= ?
  AND hash(id) % ? = 0 ORDER BY customer_name_folded DESC NULLS LAST, customer_name DESC NULLS LAST, id
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20), 1000)

SELECT customer_id, id FROM attendances WHERE provider_id = ?
  AND event_starts_at <= ?
  AND (customer_name_folded > ? OR (customer_name_folded = ?
  AND (customer_name > ? OR (customer_name = ?
  AND (id < ?))))) ORDER BY customer_name_folded DESC NULLS LAST, customer_name DESC NULLS LAST, id
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20), 'zoe', 'zoe', 'Zoë', 'Zoë', 5)

SELECT customer_id, id FROM attendances WHERE provider_id = ?
  AND event_starts_at <= ?
  AND ((customer_name_folded < ? OR customer_name_folded IS NULL) OR (customer_name_folded = ?
  AND ((customer_name < ? OR customer_name IS NULL) OR (customer_name = ?
  AND (id > ? OR (id = ?
  AND (true)))))))
  AND (customer_name_folded > ? OR (customer_name_folded = ?
  AND (customer_name > ? OR (customer_name = ?
  AND (id < ?))))) ORDER BY customer_name_folded DESC NULLS LAST, customer_name DESC NULLS LAST, id
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20), 'zoe', 'zoe', 'Zoë', 'Zoë', 5, 5, 'emile', 'emile', 'Émile', 'Émile', 7)

SELECT customer_id, id FROM attendances WHERE provider_id = ?
  AND event_starts_at <= ?
  AND ((customer_name_folded < ? OR customer_name_folded IS NULL) OR (customer_name_folded = ?
  AND ((customer_name < ? OR customer_name IS NULL) OR (customer_name = ?
  AND (id > ? OR (id = ?
  AND (true))))))) ORDER BY customer_name_folded DESC NULLS LAST, customer_name DESC NULLS LAST, id
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20), 'emile', 'emile', 'Émile', 'Émile', 7, 7)

