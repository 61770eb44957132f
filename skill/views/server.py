"""A small web server for the metrics and for the page: loopback, GET only, nothing written."""

from __future__ import annotations

import hmac
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Dict, Tuple

TEXT = "text/plain; version=0.0.4; charset=utf-8"
HTML = "text/html; charset=utf-8"
# path -> (content type, whether the token is asked for, what makes the body)
Routes = Dict[str, Tuple[str, bool, Callable[[], str]]]
SAFE = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
)


def serve(address: str, port: int, token: str, routes: Routes, policy: str = "") -> Any:
    """Return a ThreadingHTTPServer for these routes; the caller runs it. Raises OSError.

    token: `Authorization: Bearer TOKEN` is asked where the route says so; "" asks for none.
    policy: a Content-Security-Policy for the pages.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = 5.0

        def do_GET(self) -> None:
            route = routes.get(self.path.split("?")[0])
            if not self._local():
                self._reply(403, TEXT, "this server answers to loopback names only\n")
            elif route is None:
                self._reply(404, TEXT, "not here\n")
            elif route[1] and token and not self._allowed():
                self._reply(401, TEXT, "a bearer token is needed\n")
            else:
                self._reply(200, route[0], route[2]())

        def _local(self) -> bool:
            """A page of somebody else's that resolves its own name to loopback must not read us."""
            name = self.headers.get("Host", "").rpartition(":")[0] or self.headers.get("Host", "")
            return address not in ("127.0.0.1", "::1") or name.strip("[]") in (
                "127.0.0.1",
                "localhost",
                "::1",
            )

        def _allowed(self) -> bool:
            said = self.headers.get("Authorization", "").encode("latin-1", "replace")
            return hmac.compare_digest(said, ("Bearer " + token).encode())

        def _reply(self, status: int, kind: str, body: str) -> None:
            raw = body.encode("utf-8", "replace")
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(raw)))
            for name, value in SAFE:
                self.send_header(name, value)
            if policy and kind == HTML:
                self.send_header("Content-Security-Policy", policy)
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_words: Any) -> None:
            pass

    return ThreadingHTTPServer((address, port), Handler)
