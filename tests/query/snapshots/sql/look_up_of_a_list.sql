WITH counted AS MATERIALIZED (SELECT value, count(*) AS count
  FROM (SELECT unnest(CASE WHEN len(instructor_ids) = 0 THEN [NULL]::BIGINT[] ELSE instructor_ids END) AS value
  FROM attendances
  WHERE provider_id = ?
  AND event_starts_at <= ?) AS listed
  GROUP BY 1), named AS MATERIALIZED (SELECT *
  FROM (SELECT value, instructor_name AS label, instructor_name_folded AS label_folded, count
  FROM counted
  LEFT JOIN instructor ON instructor.provider_id = ?
  AND instructor.id = value) AS named
  WHERE value IS NOT NULL) SELECT (SELECT count(*)
  FROM named) AS total, (SELECT coalesce(sum(count), 0)::BIGINT
  FROM counted
  WHERE value IS NULL) AS missing, coalesce(there, false), value, label, count
  FROM (SELECT 1) AS once
  LEFT JOIN (SELECT true AS there, *
  FROM named
  ORDER BY count DESC, label_folded NULLS LAST, label NULLS LAST, value LIMIT 5 OFFSET 10) AS page ON true
  ORDER BY count DESC, label_folded NULLS LAST, label NULLS LAST, value
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20), 7)

WITH counted AS MATERIALIZED (SELECT value, count(*) AS count
  FROM (SELECT unnest(CASE WHEN cardinality(instructor_ids) = 0 THEN ARRAY[NULL]::BIGINT[] ELSE instructor_ids END) AS value
  FROM attendances
  WHERE provider_id = $1
  AND event_starts_at <= $2) AS listed
  GROUP BY 1), named AS MATERIALIZED (SELECT *
  FROM (SELECT value, instructor_name AS label, instructor_name_folded AS label_folded, count
  FROM counted
  LEFT JOIN instructor ON instructor.provider_id = $3
  AND instructor.id = value) AS named
  WHERE value IS NOT NULL) SELECT (SELECT count(*)
  FROM named) AS total, (SELECT coalesce(sum(count), 0)::BIGINT
  FROM counted
  WHERE value IS NULL) AS missing, coalesce(there, false), value, label, count
  FROM (SELECT 1) AS once
  LEFT JOIN (SELECT true AS there, *
  FROM named
  ORDER BY count DESC, label_folded NULLS LAST, label NULLS LAST, value LIMIT 5 OFFSET 10) AS page ON true
  ORDER BY count DESC, label_folded NULLS LAST, label NULLS LAST, value
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20), 7)

