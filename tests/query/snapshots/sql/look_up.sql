WITH counted AS MATERIALIZED (SELECT venue_id AS value, any_value(venue_name) AS label, any_value(venue_name_folded) AS label_folded, count(*) AS count
  FROM attendances
  WHERE provider_id = ?
  AND status IN (?)
  AND event_starts_at <= ?
  GROUP BY 1), named AS MATERIALIZED (SELECT *
  FROM counted
  WHERE value IS NOT NULL
  AND strpos(coalesce(label_folded, value::VARCHAR), ?) > 0) SELECT (SELECT count(*)
  FROM named) AS total, (SELECT coalesce(sum(count), 0)::BIGINT
  FROM counted
  WHERE value IS NULL) AS missing, coalesce(there, false), value, label, count
  FROM (SELECT 1) AS once
  LEFT JOIN (SELECT true AS there, *
  FROM named
  ORDER BY count DESC, label_folded NULLS LAST, label NULLS LAST, value LIMIT 50 OFFSET 0) AS page ON true
  ORDER BY count DESC, label_folded NULLS LAST, label NULLS LAST, value
-- (7, 'attended', datetime.datetime(2026, 9, 21, 14, 13, 20), 'hall')

WITH counted AS MATERIALIZED (SELECT venue_id AS value, min(venue_name) AS label, min(venue_name_folded) AS label_folded, count(*) AS count
  FROM attendances
  WHERE provider_id = $1
  AND status IN ($2)
  AND event_starts_at <= $3
  GROUP BY 1), named AS MATERIALIZED (SELECT *
  FROM counted
  WHERE value IS NOT NULL
  AND strpos(coalesce(label_folded, value::VARCHAR), $4) > 0) SELECT (SELECT count(*)
  FROM named) AS total, (SELECT coalesce(sum(count), 0)::BIGINT
  FROM counted
  WHERE value IS NULL) AS missing, coalesce(there, false), value, label, count
  FROM (SELECT 1) AS once
  LEFT JOIN (SELECT true AS there, *
  FROM named
  ORDER BY count DESC, label_folded NULLS LAST, label NULLS LAST, value LIMIT 50 OFFSET 0) AS page ON true
  ORDER BY count DESC, label_folded NULLS LAST, label NULLS LAST, value
-- (7, 'attended', datetime.datetime(2026, 9, 21, 14, 13, 20), 'hall')

