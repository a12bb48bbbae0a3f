WITH counted AS MATERIALIZED (SELECT status AS value, NULL::VARCHAR AS label, NULL::VARCHAR AS label_folded, count(*) AS count
  FROM attendances
  WHERE provider_id = ?
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
-- (7,)

WITH counted AS MATERIALIZED (SELECT status AS value, NULL::VARCHAR AS label, NULL::VARCHAR AS label_folded, count(*) AS count
  FROM attendances
  WHERE provider_id = $1
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
-- (7,)

