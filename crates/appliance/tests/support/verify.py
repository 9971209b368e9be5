"""Verifies requests as a recipient of webhooks would that knows nothing of who sends them.

Reads JSON lines from standard input, each with "headers", "body" and "secret"; prints each event's id and type as the CloudEvents
library has read it. Ends with an error at the first that does not verify.
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
