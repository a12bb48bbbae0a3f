SELECT min(event_day) - '1970-01-01'::DATE, max(event_day) - '1970-01-01'::DATE
  FROM attendances
  WHERE provider_id = ?
  AND event_starts_at <= ?
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20))

WITH groups AS MATERIALIZED (SELECT event_minute // 60 AS event_start_hour_number, event_day - '1970-01-01'::DATE AS event_start_date_number, (event_day - '1970-01-01'::DATE) - (((event_day - '1970-01-01'::DATE) + 3) % 7 + 7) % 7 AS event_start_week_number, date_trunc('month', event_day)::DATE - '1970-01-01'::DATE AS event_start_month_number, date_trunc('year', event_day)::DATE - '1970-01-01'::DATE AS event_start_year_number, count(*) AS count
  FROM attendances
  WHERE provider_id = ?
  AND event_starts_at <= ?
  GROUP BY 1, 2, 3, 4, 5) SELECT total, ahead, coalesce(there, false), event_start_hour, event_start_date, event_start_week, event_start_month, event_start_year, count, event_start_hour_number, event_start_date_number, event_start_week_number, event_start_month_number, event_start_year_number
  FROM (SELECT count(*) AS total, count(*) AS ahead
  FROM groups) AS counted
  LEFT JOIN (SELECT true AS there, event_start_hour_number::BIGINT AS event_start_hour, strftime('1970-01-01'::DATE + event_start_date_number::INTEGER, '%Y-%m-%d') AS event_start_date, strftime('1970-01-01'::DATE + event_start_week_number::INTEGER, '%G-W%V') AS event_start_week, strftime('1970-01-01'::DATE + event_start_month_number::INTEGER, '%Y-%m') AS event_start_month, strftime('1970-01-01'::DATE + event_start_year_number::INTEGER, '%Y') AS event_start_year, count, event_start_hour_number, event_start_date_number, event_start_week_number, event_start_month_number, event_start_year_number
  FROM groups
  ORDER BY event_start_hour_number, event_start_date_number, event_start_week_number, event_start_month_number, event_start_year_number LIMIT 51 OFFSET 0) AS page ON true
  ORDER BY event_start_hour_number, event_start_date_number, event_start_week_number, event_start_month_number, event_start_year_number
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20))

SELECT count(*)
  FROM (SELECT event_minute // 60 AS event_start_hour_number, event_day - '1970-01-01'::DATE AS event_start_date_number, (event_day - '1970-01-01'::DATE) - (((event_day - '1970-01-01'::DATE) + 3) % 7 + 7) % 7 AS event_start_week_number, date_trunc('month', event_day)::DATE - '1970-01-01'::DATE AS event_start_month_number, date_trunc('year', event_day)::DATE - '1970-01-01'::DATE AS event_start_year_number, count(*) AS count
  FROM attendances
  WHERE provider_id = ?
  AND event_starts_at <= ?
  GROUP BY 1, 2, 3, 4, 5) AS groups
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20))

