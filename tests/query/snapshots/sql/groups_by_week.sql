SELECT min(event_day) - '1970-01-01'::DATE, max(event_day) - '1970-01-01'::DATE
  FROM attendances
  WHERE provider_id = ?
  AND event_starts_at <= ?
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20))

WITH groups AS MATERIALIZED (SELECT status, sum(count)::BIGINT AS count, sum(week_2929)::BIGINT AS week_2929
  FROM (SELECT status, count(*) AS count, 0 AS week_2929
  FROM attendances
  WHERE provider_id = ?
  AND event_starts_at <= ?
  AND event_day < '1970-01-01'::DATE + ?::INTEGER
  GROUP BY 1
  UNION ALL SELECT status, count(*) AS count, count(*) FILTER (WHERE event_day >= '1970-01-01'::DATE + ?::INTEGER) AS week_2929
  FROM attendances
  WHERE provider_id = ?
  AND event_starts_at <= ?
  AND event_day >= '1970-01-01'::DATE + ?::INTEGER
  GROUP BY 1) AS parts
  GROUP BY 1) SELECT total, ahead, coalesce(there, false), status, count, week_2929
  FROM (SELECT count(*) AS total, count(*) AS ahead
  FROM groups) AS counted
  LEFT JOIN (SELECT true AS there, status, count, week_2929
  FROM groups
  ORDER BY status LIMIT 51 OFFSET 0) AS page ON true
  ORDER BY status
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20), 20500, 20500, 7, datetime.datetime(2026, 9, 21, 14, 13, 20), 20500)

SELECT count(*)
  FROM (SELECT status, sum(count)::BIGINT AS count, sum(week_2929)::BIGINT AS week_2929
  FROM (SELECT status, count(*) AS count, 0 AS week_2929
  FROM attendances
  WHERE provider_id = ?
  AND event_starts_at <= ?
  AND event_day < '1970-01-01'::DATE + ?::INTEGER
  GROUP BY 1
  UNION ALL SELECT status, count(*) AS count, count(*) FILTER (WHERE event_day >= '1970-01-01'::DATE + ?::INTEGER) AS week_2929
  FROM attendances
  WHERE provider_id = ?
  AND event_starts_at <= ?
  AND event_day >= '1970-01-01'::DATE + ?::INTEGER
  GROUP BY 1) AS parts
  GROUP BY 1) AS groups
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20), 20500, 20500, 7, datetime.datetime(2026, 9, 21, 14, 13, 20), 20500)

