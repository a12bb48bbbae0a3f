SELECT min(event_day) - '1970-01-01'::DATE, max(event_day) - '1970-01-01'::DATE
  FROM attendances
  WHERE provider_id = ?
  AND event_starts_at <= ?
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20))

WITH groups AS MATERIALIZED (SELECT status, event_minute AS event_start_time_number, count(*) AS count
  FROM attendances
  WHERE provider_id = ?
  AND event_starts_at <= ?
  GROUP BY 1, 2) SELECT total, ahead, coalesce(there, false), status, event_start_time, event_start_time_number
  FROM (SELECT count(*) AS total, count(*) AS ahead
  FROM groups) AS counted
  LEFT JOIN (SELECT true AS there, status, printf('%02d:%02d', event_start_time_number // 60, event_start_time_number % 60) AS event_start_time, event_start_time_number
  FROM groups
  ORDER BY event_start_time_number DESC, status LIMIT 0 OFFSET 0) AS page ON true
  ORDER BY event_start_time_number DESC, status
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20))

SELECT count(*)
  FROM (SELECT status, event_minute AS event_start_time_number, count(*) AS count
  FROM attendances
  WHERE provider_id = ?
  AND event_starts_at <= ?
  GROUP BY 1, 2) AS groups
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20))

