WITH counted AS MATERIALIZED (SELECT event_minute // 60 AS value, NULL::VARCHAR AS label, NULL::VARCHAR AS label_folded, count(*) AS count
  FROM attendances
  WHERE provider_id = ?
  AND isodow(event_day) IN (?)
  AND event_starts_at <= ?
  GROUP BY 1), named AS MATERIALIZED (SELECT *
  FROM counted
  WHERE value IS NOT NULL) SELECT (SELECT count(*)
  FROM named) AS total, (SELECT coalesce(sum(count), 0)::BIGINT
  FROM counted
  WHERE value IS NULL) AS missing, coalesce(there, false), value, label, count
  FROM (SELECT 1) AS once
  LEFT JOIN (SELECT true AS there, *
  FROM named
  ORDER BY count DESC, label_folded NULLS LAST, label NULLS LAST, value LIMIT 50 OFFSET 0) AS page ON true
  ORDER BY count DESC, label_folded NULLS LAST, label NULLS LAST, value
-- (7, 1, datetime.datetime(2026, 9, 21, 14, 13, 20))

WITH counted AS MATERIALIZED (SELECT (event_minute / 60) AS value, NULL::VARCHAR AS label, NULL::VARCHAR AS label_folded, count(*) AS count
  FROM attendances
  WHERE provider_id = $1
  AND (((event_day + 3) % 7 + 7) % 7 + 1) IN ($2)
  AND event_starts_at <= $3
  GROUP BY 1), named AS MATERIALIZED (SELECT *
  FROM counted
  WHERE value IS NOT NULL) SELECT (SELECT count(*)
  FROM named) AS total, (SELECT coalesce(sum(count), 0)::BIGINT
  FROM counted
  WHERE value IS NULL) AS missing, coalesce(there, false), value, label, count
  FROM (SELECT 1) AS once
  LEFT JOIN (SELECT true AS there, *
  FROM named
  ORDER BY count DESC, label_folded NULLS LAST, label NULLS LAST, value LIMIT 50 OFFSET 0) AS page ON true
  ORDER BY count DESC, label_folded NULLS LAST, label NULLS LAST, value
-- (7, 1, datetime.datetime(2026, 9, 21, 14, 13, 20))

