SELECT min(event_day) - '1970-01-01'::DATE, max(event_day) - '1970-01-01'::DATE
  FROM attendances
  WHERE provider_id = ?
  AND venue_id IN (?, ?)
  AND event_starts_at <= ?
-- (7, 1, 2, datetime.datetime(2026, 9, 21, 14, 13, 20))

WITH groups AS MATERIALIZED (SELECT customer_id, customer_name, customer_email, any_value(customer_name_folded) AS customer_name_folded, any_value(customer_email_folded) AS customer_email_folded, count(*) AS count
  FROM attendances
  WHERE provider_id = ?
  AND venue_id IN (?, ?)
  AND event_starts_at <= ?
  GROUP BY 1, 2, 3) SELECT total, ahead, coalesce(there, false), customer_id, customer_name, customer_email, count
  FROM (SELECT count(*) AS total, count(*) AS ahead
  FROM groups) AS counted
  LEFT JOIN (SELECT true AS there, customer_id, customer_name, customer_email, count, customer_name_folded, customer_email_folded
  FROM groups
  ORDER BY count DESC, customer_name_folded NULLS LAST, customer_name NULLS LAST, customer_id, customer_email_folded NULLS LAST, customer_email NULLS LAST LIMIT 6 OFFSET 20) AS page ON true
  ORDER BY count DESC, customer_name_folded NULLS LAST, customer_name NULLS LAST, customer_id, customer_email_folded NULLS LAST, customer_email NULLS LAST
-- (7, 1, 2, datetime.datetime(2026, 9, 21, 14, 13, 20))

SELECT count(*)
  FROM (SELECT customer_id, customer_name, customer_email, any_value(customer_name_folded) AS customer_name_folded, any_value(customer_email_folded) AS customer_email_folded, count(*) AS count
  FROM attendances
  WHERE provider_id = ?
  AND venue_id IN (?, ?)
  AND event_starts_at <= ?
  GROUP BY 1, 2, 3) AS groups
-- (7, 1, 2, datetime.datetime(2026, 9, 21, 14, 13, 20))

