"""A minimal recipient of outbound events in Flask on SQLite, for comparison.

It checks little and stores durably: each 200 follows a commit with synchronous=FULL.
"""

import hashlib
import json
import os
import sqlite3
import threading

from flask import Flask, Response, request

REQUIRED = ("event", "version", "timestamp", "lsid")

app = Flask(__name__)
local = threading.local()


def connect():
    connection = sqlite3.connect(os.environ["STORE"], timeout=30, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def prepare():
    """Creates the store once, before the workers start: two workers would lock each other out."""
    connection = connect()
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY, record TEXT NOT NULL)")
    connection.close()


def database():
    """Returns the connection of this thread."""
    if not hasattr(local, "connection"):
        local.connection = connect()
    return local.connection


prepare()


@app.post("/events")
def receive():
    form = request.form.to_dict()
    missing = [name for name in REQUIRED if name not in form]
    if missing or not form["timestamp"].isdigit():
        return {"problems": missing or ["timestamp"]}, 400
    identity = hashlib.sha256(json.dumps(form, sort_keys=True).encode()).hexdigest()
    key = f"{int(form['timestamp']):012}.{form['lsid']}.{identity}"
    database().execute("INSERT OR IGNORE INTO events VALUES (?, ?)", (key, json.dumps(form)))
    return Response(status=200)
