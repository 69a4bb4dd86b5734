"""Stands in for the prediction service in every mood that the deployment DAG must cope with.

    stub_api.py PORT [--healthz 503] [--metadata 500] [--creation-time 2025-08-22T06:00:00+09:00]

Needs nothing but Python 3, so it runs in millrace/base too. Answers GET and POST alike.
"""

import argparse
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--host", default="0.0.0.0")
    parser.add_argument("--healthz", type=int, default=200, help="status of /healthz")
    parser.add_argument("--metadata", type=int, default=200, help="status of /metadata")
    parser.add_argument("--creation-time", default="2025-01-01T00:00:00Z")
    return parser.parse_args()


ARGS = arguments()


class Stub(BaseHTTPRequestHandler):
    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        replies = {
            "/healthz": (ARGS.healthz, {"status": "stub"}),
            "/metadata": (ARGS.metadata, {"creation_time": ARGS.creation_time}),
        }
        status, facts = replies.get(self.path, (404, {}))
        body = json.dumps(facts).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer

    def log_message(self, *_) -> None:
        pass


ThreadingHTTPServer((ARGS.host, ARGS.port), Stub).serve_forever()
