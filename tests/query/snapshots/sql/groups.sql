SELECT min(event_day) - '1970-01-01'::DATE, max(event_day) - '1970-01-01'::DATE
  FROM attendances
  WHERE provider_id = ?
  AND event_starts_at <= ?
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20))

WITH groups AS MATERIALIZED (SELECT venue_name, (isodow(event_day) + 6) % 7 AS day_of_week_number, any_value(venue_name_folded) AS venue_name_folded, count(*) AS count
  FROM attendances
  WHERE provider_id = ?
  AND event_starts_at <= ?
  GROUP BY 1, 2) SELECT total, ahead, coalesce(there, false), venue_name, day_of_week, count, day_of_week_number
  FROM (SELECT count(*) AS total, count(*) AS ahead
  FROM groups) AS counted
  LEFT JOIN (SELECT true AS there, venue_name, list_extract(['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'], day_of_week_number + 1) AS day_of_week, count, day_of_week_number, venue_name_folded
  FROM groups
  ORDER BY venue_name_folded NULLS LAST, venue_name NULLS LAST, day_of_week_number LIMIT 51 OFFSET 0) AS page ON true
  ORDER BY venue_name_folded NULLS LAST, venue_name NULLS LAST, day_of_week_number
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20))

SELECT count(*)
  FROM (SELECT venue_name, (isodow(event_day) + 6) % 7 AS day_of_week_number, any_value(venue_name_folded) AS venue_name_folded, count(*) AS count
  FROM attendances
  WHERE provider_id = ?
  AND event_starts_at <= ?
  GROUP BY 1, 2) AS groups
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20))

