WITH groups AS MATERIALIZED (SELECT venue_name, day_of_week_number, any_value(venue_name_folded) AS venue_name_folded, sum(count)::BIGINT AS count, sum(year_2024)::BIGINT AS year_2024, sum(year_2025)::BIGINT AS year_2025, sum(year_2026)::BIGINT AS year_2026
  FROM (SELECT venue_name, (isodow(event_day) + 0) % 7 AS day_of_week_number, any_value(venue_name_folded) AS venue_name_folded, count(*) AS count, 0 AS year_2024, 0 AS year_2025, 0 AS year_2026
  FROM attendances
  WHERE provider_id = ?
  AND (list_has_any(instructor_ids, [?]::BIGINT[]))
  AND event_starts_at <= ?
  AND event_day < '1970-01-01'::DATE + ?::INTEGER
  GROUP BY 1, 2
  UNION ALL SELECT venue_name, (isodow(event_day) + 0) % 7 AS day_of_week_number, any_value(venue_name_folded) AS venue_name_folded, count(*) AS count, count(*) FILTER (WHERE event_day >= '1970-01-01'::DATE + ?::INTEGER
  AND event_day < '1970-01-01'::DATE + ?::INTEGER) AS year_2024, count(*) FILTER (WHERE event_day >= '1970-01-01'::DATE + ?::INTEGER
  AND event_day < '1970-01-01'::DATE + ?::INTEGER) AS year_2025, count(*) FILTER (WHERE event_day >= '1970-01-01'::DATE + ?::INTEGER) AS year_2026
  FROM attendances
  WHERE provider_id = ?
  AND (list_has_any(instructor_ids, [?]::BIGINT[]))
  AND event_starts_at <= ?
  AND event_day >= '1970-01-01'::DATE + ?::INTEGER
  GROUP BY 1, 2) AS parts
  GROUP BY 1, 2) SELECT total, ahead, coalesce(there, false), venue_name, day_of_week, count, year_2024, year_2025, year_2026, day_of_week_number
  FROM (SELECT count(*) AS total, count(*) FILTER (WHERE count >= ?
  AND (count > ? OR venue_name_folded < ? OR (venue_name_folded = ?
  AND (venue_name < ? OR (venue_name = ?
  AND (day_of_week_number < ?)))))) AS ahead
  FROM groups) AS counted
  LEFT JOIN (SELECT true AS there, venue_name, list_extract(['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'], day_of_week_number + 1) AS day_of_week, count, year_2024, year_2025, year_2026, day_of_week_number, venue_name_folded
  FROM groups
  WHERE count >= ?
  AND (count > ? OR venue_name_folded < ? OR (venue_name_folded = ?
  AND (venue_name < ? OR (venue_name = ?
  AND (day_of_week_number < ?)))))
  ORDER BY count, venue_name_folded DESC NULLS FIRST, venue_name DESC NULLS FIRST, day_of_week_number DESC LIMIT 51 OFFSET 0) AS page ON true
  ORDER BY count, venue_name_folded DESC NULLS FIRST, venue_name DESC NULLS FIRST, day_of_week_number DESC
-- (7, 3, datetime.datetime(2026, 9, 21, 14, 13, 20), 19723, 19723, 20089, 20089, 20454, 20454, 7, 3, datetime.datetime(2026, 9, 21, 14, 13, 20), 19723, 8, 8, 'zoe', 'zoe', 'Zoë', 'Zoë', 2, 8, 8, 'zoe', 'zoe', 'Zoë', 'Zoë', 2)

SELECT venue_name, list_extract(['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'], day_of_week_number + 1) AS day_of_week, count, year_2024, year_2025, year_2026
  FROM (SELECT venue_name, day_of_week_number, any_value(venue_name_folded) AS venue_name_folded, sum(count)::BIGINT AS count, sum(year_2024)::BIGINT AS year_2024, sum(year_2025)::BIGINT AS year_2025, sum(year_2026)::BIGINT AS year_2026
  FROM (SELECT venue_name, (isodow(event_day) + 0) % 7 AS day_of_week_number, any_value(venue_name_folded) AS venue_name_folded, count(*) AS count, 0 AS year_2024, 0 AS year_2025, 0 AS year_2026
  FROM attendances
  WHERE provider_id = ?
  AND (list_has_any(instructor_ids, [?]::BIGINT[]))
  AND event_starts_at <= ?
  AND event_day < '1970-01-01'::DATE + ?::INTEGER
  GROUP BY 1, 2
  UNION ALL SELECT venue_name, (isodow(event_day) + 0) % 7 AS day_of_week_number, any_value(venue_name_folded) AS venue_name_folded, count(*) AS count, count(*) FILTER (WHERE event_day >= '1970-01-01'::DATE + ?::INTEGER
  AND event_day < '1970-01-01'::DATE + ?::INTEGER) AS year_2024, count(*) FILTER (WHERE event_day >= '1970-01-01'::DATE + ?::INTEGER
  AND event_day < '1970-01-01'::DATE + ?::INTEGER) AS year_2025, count(*) FILTER (WHERE event_day >= '1970-01-01'::DATE + ?::INTEGER) AS year_2026
  FROM attendances
  WHERE provider_id = ?
  AND (list_has_any(instructor_ids, [?]::BIGINT[]))
  AND event_starts_at <= ?
  AND event_day >= '1970-01-01'::DATE + ?::INTEGER
  GROUP BY 1, 2) AS parts
  GROUP BY 1, 2) AS groups
  ORDER BY count DESC, venue_name_folded NULLS LAST, venue_name NULLS LAST, day_of_week_number
-- (7, 3, datetime.datetime(2026, 9, 21, 14, 13, 20), 19723, 19723, 20089, 20089, 20454, 20454, 7, 3, datetime.datetime(2026, 9, 21, 14, 13, 20), 19723)

