SELECT min(event_day) - '1970-01-01'::DATE, max(event_day) - '1970-01-01'::DATE
  FROM attendances
  WHERE provider_id = ?
  AND event_starts_at <= ?
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20))

WITH groups AS MATERIALIZED (SELECT count(*) AS count
  FROM attendances
  WHERE provider_id = ?
  AND event_starts_at <= ? HAVING count(*) > 0) SELECT total, ahead, coalesce(there, false), count
  FROM (SELECT count(*) AS total, count(*) AS ahead
  FROM groups) AS counted
  LEFT JOIN (SELECT true AS there, count
  FROM groups LIMIT 51 OFFSET 0) AS page ON true
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20))

SELECT count(*)
  FROM (SELECT count(*) AS count
  FROM attendances
  WHERE provider_id = ?
  AND event_starts_at <= ? HAVING count(*) > 0) AS groups
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20))

