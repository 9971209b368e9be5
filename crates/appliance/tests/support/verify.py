"""Verifies forwarded requests with Python's own libraries for Standard Webhooks and CloudEvents.

Reads JSON lines with "headers", "body" and "secret" from standard input. Prints the id, type and times of each event. Ends
with an error at the first request that does not verify.
"""

import json
import sys

from cloudevents.http import from_http
from standardwebhooks.webhooks import Webhook

for line in sys.stdin:
    request = json.loads(line)
    body, headers = request["body"].encode(), request["headers"]
    Webhook(request["secret"]).verify(body, headers)
    event = from_http(headers, body)
    print(event["id"], event["type"], event["recordedtime"], event.data["event"])
