#!/usr/bin/env python3
"""List the attended bookings of a timeframe, page by page. Needs nothing but Python.

    client.py [BASE_URL [TOKEN [TIMEFRAME]]]

BASE_URL and TOKEN may also come from TURNOUT_URL and TURNOUT_TOKEN. TIMEFRAME is, for example, last_30_days, 2026-10
or 2026-09-01..2026-09-30.
"""

import http.client
import json
import os
import re
import sys
from urllib.parse import urlencode, urljoin, urlsplit


def arguments():
    given = dict(enumerate(sys.argv[1:]))
    base = given.get(0) or os.environ.get("TURNOUT_URL", "http://127.0.0.1:8000")
    token = given.get(1) or os.environ.get("TURNOUT_TOKEN", "")
    return base, token, given.get(2) or "last_30_days"


def get(connection, url, token):
    """Send one request; return the parsed body and the address of the next page, or None after the last."""
    parts = urlsplit(url)
    headers = {"Accept": "application/json", "Authorization": f"Token {token}"}
    connection.request("GET", f"{parts.path}?{parts.query}", headers=headers)
    answer = connection.getresponse()
    body = json.loads(answer.read())
    if answer.status != http.client.OK:
        sys.exit(f"{answer.status} {body['code']}: {body['message']} {body['field_errors']}")
    following = re.search(r'<([^>]*)>; rel="next"', answer.getheader("Link", ""))
    return body, urljoin(url, following[1]) if following else None


def main():
    base, token, timeframe = arguments()
    address = urlsplit(base)
    kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
    connection = kinds[address.scheme](address.netloc)
    query = {
        "status": "attended",
        "event_timeframe": timeframe,
        "columns": "event.starts_at,event.name,customer.name",
        "sort": "event.starts_at",
        "limit": 100,
    }
    url = f"{base.rstrip('/')}/api/v2/reports/attendances/data?{urlencode(query)}"
    while url:
        body, url = get(connection, url, token)
        for row in body["rows"]:
            print(row["event"]["starts_at"], row["event"]["name"], row["customer"]["name"], sep="\t")
    print(f"{body['total']} attended", file=sys.stderr)


main()
