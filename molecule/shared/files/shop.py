#!/usr/bin/python3
"""A small shop to be backed up: takes orders over HTTP, keeps them in SQLite (WAL), writes a log line for each.

    GET  /orders     all orders, oldest first, as JSON
    POST /orders     the body is what is ordered
"""

import json
import signal
import sqlite3
import sys
import threading
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

DATA = Path("/srv/shop")
LOG = Path("/var/log/shop/shop.log")
ADDRESS = ("127.0.0.1", 8080)


def log(text):
    with LOG.open("a", encoding="utf-8") as file:
        file.write(f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%S.%fZ} {text}\n")


class Orders:
    """The orders: one connection, used by one request at a time."""

    def __init__(self, path):
        self.lock = threading.Lock()
        self.database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, item TEXT NOT NULL)")

    def add(self, item):
        with self.lock:
            return self.database.execute("INSERT INTO orders (item) VALUES (?)", (item,)).lastrowid

    def all(self):
        with self.lock:
            return [item for (item,) in self.database.execute("SELECT item FROM orders ORDER BY id")]


class Handler(BaseHTTPRequestHandler):
    orders = None

    def answer(self, value, status=200):
        body = json.dumps(value).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/orders":
            self.answer(self.orders.all())
        else:
            self.answer({"error": "not found"}, 404)

    def do_POST(self):
        item = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        number = self.orders.add(item)
        log(f"order {number}: {item}")
        self.answer({"order": number}, 201)

    def log_message(self, *_):
        """Our own log says it."""


def stop(*_):
    raise SystemExit


def main():
    signal.signal(signal.SIGTERM, stop)
    Handler.orders = Orders(DATA / "orders.db")
    server = ThreadingHTTPServer(ADDRESS, Handler)
    log("started")
    try:
        server.serve_forever()
    finally:
        log("stopped")


if __name__ == "__main__":
    sys.exit(main())
