"""GitHub's issue API as its public documentation describes it, strict: auth, versions, validation,
pagination by Link header, secondary rate limits, 404 for what one may not see.
"""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Dict, List, Optional, Tuple
from urllib.parse import parse_qs, urlsplit

TOKEN = "ghp_standIn0fATokenThatWritesIssues1234"


class GitHub:
    """One repository. refuse: status and headers for the next requests; die_after: the number of a
    write after which the connection breaks although it was done.
    """

    def __init__(self, private: bool = True, page: int = 100) -> None:
        self.private, self.page = private, page
        self.issues: List[Dict[str, Any]] = []
        self.comments: Dict[int, List[Dict[str, Any]]] = {}
        self.log: List[str] = []
        self.sent: List[str] = []
        self.refuse: List[Tuple[int, Dict[str, str], str]] = []
        self.break_after_write: Optional[int] = None
        self.writes = 0
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.work("GET")

            def do_POST(self) -> None:
                self.work("POST")

            def do_PATCH(self) -> None:
                self.work("PATCH")

            def work(self, method: str) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                raw = self.rfile.read(length).decode("utf-8")
                stub.sent.append(raw + str(dict(self.headers)))
                status, value, headers = stub.answer(method, self.path, raw, dict(self.headers))
                stub.log.append("{} {} {}".format(method, self.path.split("?")[0], status))
                if method != "GET" and status < 300:
                    stub.writes += 1
                    if stub.break_after_write == stub.writes:
                        self.close_connection = True
                        self.connection.close()
                        return
                body = json.dumps(value).encode()
                self.send_response(status)
                for key, said in headers.items():
                    self.send_header(key, said)
                self.send_header("Content-Type", "application/json; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_words: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:{}".format(self.server.server_port)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def answer(
        self, method: str, path: str, raw: str, headers: Dict[str, str]
    ) -> Tuple[int, Any, Dict[str, str]]:
        if self.refuse:
            status, more, message = self.refuse.pop(0)
            return status, {"message": message}, more
        if not headers.get("User-Agent"):
            return 403, {"message": "Request forbidden by administrative rules."}, {}
        if headers.get("Authorization") != "Bearer " + TOKEN:
            return 401, {"message": "Bad credentials"}, {}
        if headers.get("X-GitHub-Api-Version") not in (None, "2022-11-28"):
            return 400, {"message": "unsupported version"}, {}
        parts = urlsplit(path)
        query = {key: value[0] for key, value in parse_qs(parts.query).items()}
        if not parts.path.startswith("/repos/me/ops"):
            return 404, {"message": "Not Found"}, {}
        rest = parts.path[len("/repos/me/ops") :]
        body = json.loads(raw) if raw else {}
        if method == "GET" and rest == "":
            return 200, {"full_name": "me/ops", "private": self.private}, {}
        if rest == "/issues":
            return self._list(path, query) if method == "GET" else self._create(body)
        found = re.match(r"/issues/(\d+)(/comments)?$", rest)
        issue = next((i for i in self.issues if found and i["number"] == int(found.group(1))), None)
        if not found or issue is None:
            return 404, {"message": "Not Found"}, {}
        if found.group(2):
            if method == "GET":
                return self._paged(self.comments[issue["number"]], path, query)
            if not isinstance(body.get("body"), str) or not body["body"]:
                return 422, {"message": "Validation Failed"}, {}
            row = {"id": len(self.log) + 1000, "body": body["body"]}
            self.comments[issue["number"]].append(row)
            return 201, row, {}
        if method == "PATCH":
            reasons = (None, "completed", "not_planned", "reopened", "duplicate")
            if body.get("state") not in (None, "open", "closed"):
                return 422, {"message": "Validation Failed"}, {}
            if body.get("state_reason") not in reasons:
                return 422, {"message": "Validation Failed"}, {}
            issue.update({key: body[key] for key in ("state", "title", "body") if key in body})
            return 200, issue, {}
        return 200, issue, {}

    def _list(self, path: str, query: Dict[str, str]) -> Tuple[int, Any, Dict[str, str]]:
        if query.get("state", "open") not in ("open", "closed", "all"):
            return 422, {"message": "Validation Failed"}, {}
        wanted = set(filter(None, query.get("labels", "").split(",")))
        rows = [
            row
            for row in reversed(self.issues)
            if query.get("state", "open") in ("all", row["state"])
            and wanted <= {label["name"] for label in row["labels"]}
        ]
        return self._paged(rows, path, query)

    def _paged(
        self, rows: List[Any], path: str, query: Dict[str, str]
    ) -> Tuple[int, Any, Dict[str, str]]:
        size = min(self.page, int(query.get("per_page", "30")), 100)
        number = int(query.get("page", "1"))
        part = rows[(number - 1) * size : number * size]
        headers = {}
        if number * size < len(rows):
            after = re.sub(r"([?&])page=\d+", r"\g<1>page={}".format(number + 1), path)
            headers["Link"] = '<{}{}>; rel="next"'.format(self.url, after)
        return 200, part, headers

    def _create(self, body: Dict[str, Any]) -> Tuple[int, Any, Dict[str, str]]:
        if not isinstance(body.get("title"), str) or not body["title"].strip():
            return 422, {"message": "Validation Failed", "errors": [{"field": "title"}]}, {}
        if len(body["title"]) > 256 or len(body.get("body", "")) > 65536:
            return 422, {"message": "Validation Failed"}, {}
        number = len(self.issues) + 1
        labels = [{"name": name} for name in body.get("labels", [])]
        row = {"number": number, "state": "open", "labels": labels, "title": body["title"]}
        row["body"] = body.get("body")
        self.issues.append(row)
        self.comments[number] = []
        return 201, row, {}
