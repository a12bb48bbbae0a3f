#!/bin/sh
# List the attended bookings of a timeframe as CSV, page by page. Needs curl.
#
#   client.sh [BASE_URL [TOKEN [TIMEFRAME]]]
#
# BASE_URL and TOKEN may also come from TURNOUT_URL and TURNOUT_TOKEN.
set -eu

base=${1:-${TURNOUT_URL:-http://127.0.0.1:8000}}
token=${2:-${TURNOUT_TOKEN:-}}
timeframe=${3:-last_30_days}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

columns=event.starts_at,event.name,customer.name
next="${base%/}/api/v2/reports/attendances/data?format=csv&status=attended&event_timeframe=$timeframe&columns=$columns&sort=event.starts_at&limit=100"
skip=0 # the header row is wanted once

while [ -n "$next" ]; do
    # The token goes through standard input, so that a list of processes does not show it.
    if ! curl --silent --show-error --fail-with-body --dump-header "$work/headers" --output "$work/page" \
        --config - "$next" <<END
header = "Authorization: Token $token"
END
    then
        cat "$work/page" >&2 2>/dev/null || true
        exit 1
    fi
    tail -n "+$((skip + 1))" "$work/page"
    skip=1
    next=$(tr -d '\r' <"$work/headers" | sed -n 's/^[Ll][Ii][Nn][Kk]:.*<\([^>]*\)>; rel="next".*/\1/p')
done
