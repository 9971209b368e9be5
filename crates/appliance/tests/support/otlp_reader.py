"""Reads requests of OTLP/HTTP by OpenTelemetry's own definitions: one file a request, in JSON, or in protobuf and gzip as
collectors send them on. An unknown field is an error. Prints a JSON line for each log record."""

import gzip
import json
import sys

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest


def parse(body):
    if body[:2] == b"\x1f\x8b":
        return ExportLogsServiceRequest.FromString(gzip.decompress(body))
    return json_format.Parse(body.decode(), ExportLogsServiceRequest(), ignore_unknown_fields=False)


def value_of(value):
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [value_of(one) for one in value.array_value.values]
    return getattr(value, kind)


def attributes(of):
    return {attribute.key: value_of(attribute.value) for attribute in of.attributes}


for path in sys.argv[1:]:
    with open(path, "rb") as body:
        request = parse(body.read())
    for resource in request.resource_logs:
        for scope in resource.scope_logs:
            for record in scope.log_records:
                print(json.dumps({
                    "resource": attributes(resource.resource),
                    "scope": scope.scope.name,
                    "time": record.time_unix_nano,
                    "observed": record.observed_time_unix_nano,
                    "severity": record.severity_number,
                    "name": record.event_name,
                    "body": value_of(record.body),
                    "attributes": attributes(record),
                }))
