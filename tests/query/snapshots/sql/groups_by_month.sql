SELECT min(event_day) - '1970-01-01'::DATE, max(event_day) - '1970-01-01'::DATE
  FROM attendances
  WHERE provider_id = ?
  AND event_starts_at <= ?
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20))

WITH groups AS MATERIALIZED (SELECT offering_type_name, any_value(offering_type_name_folded) AS offering_type_name_folded, sum(count)::BIGINT AS count, sum(month_24312)::BIGINT AS month_24312, sum(month_24313)::BIGINT AS month_24313, 0 AS month_24234
  FROM (SELECT offering_type_name, any_value(offering_type_name_folded) AS offering_type_name_folded, count(*) AS count, 0 AS month_24312, 0 AS month_24313
  FROM attendances
  WHERE provider_id = ?
  AND event_starts_at <= ?
  AND event_day < '1970-01-01'::DATE + ?::INTEGER
  GROUP BY 1
  UNION ALL SELECT offering_type_name, any_value(offering_type_name_folded) AS offering_type_name_folded, count(*) AS count, count(*) FILTER (WHERE event_day >= '1970-01-01'::DATE + ?::INTEGER
  AND event_day < '1970-01-01'::DATE + ?::INTEGER) AS month_24312, count(*) FILTER (WHERE event_day >= '1970-01-01'::DATE + ?::INTEGER) AS month_24313
  FROM attendances
  WHERE provider_id = ?
  AND event_starts_at <= ?
  AND event_day >= '1970-01-01'::DATE + ?::INTEGER
  GROUP BY 1) AS parts
  GROUP BY 1) SELECT total, ahead, coalesce(there, false), offering_type_name, count, month_24312, month_24313, month_24234
  FROM (SELECT count(*) AS total, count(*) AS ahead
  FROM groups) AS counted
  LEFT JOIN (SELECT true AS there, offering_type_name, count, month_24312, month_24313, month_24234, offering_type_name_folded
  FROM groups
  ORDER BY month_24312 DESC, month_24234, offering_type_name_folded NULLS LAST, offering_type_name NULLS LAST LIMIT 51 OFFSET 0) AS page ON true
  ORDER BY month_24312 DESC, month_24234, offering_type_name_folded NULLS LAST, offering_type_name NULLS LAST
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20), 20454, 20454, 20485, 20485, 7, datetime.datetime(2026, 9, 21, 14, 13, 20), 20454)

SELECT count(*)
  FROM (SELECT offering_type_name, any_value(offering_type_name_folded) AS offering_type_name_folded, sum(count)::BIGINT AS count, sum(month_24312)::BIGINT AS month_24312, sum(month_24313)::BIGINT AS month_24313, 0 AS month_24234
  FROM (SELECT offering_type_name, any_value(offering_type_name_folded) AS offering_type_name_folded, count(*) AS count, 0 AS month_24312, 0 AS month_24313
  FROM attendances
  WHERE provider_id = ?
  AND event_starts_at <= ?
  AND event_day < '1970-01-01'::DATE + ?::INTEGER
  GROUP BY 1
  UNION ALL SELECT offering_type_name, any_value(offering_type_name_folded) AS offering_type_name_folded, count(*) AS count, count(*) FILTER (WHERE event_day >= '1970-01-01'::DATE + ?::INTEGER
  AND event_day < '1970-01-01'::DATE + ?::INTEGER) AS month_24312, count(*) FILTER (WHERE event_day >= '1970-01-01'::DATE + ?::INTEGER) AS month_24313
  FROM attendances
  WHERE provider_id = ?
  AND event_starts_at <= ?
  AND event_day >= '1970-01-01'::DATE + ?::INTEGER
  GROUP BY 1) AS parts
  GROUP BY 1) AS groups
-- (7, datetime.datetime(2026, 9, 21, 14, 13, 20), 20454, 20454, 20485, 20485, 7, datetime.datetime(2026, 9, 21, 14, 13, 20), 20454)

