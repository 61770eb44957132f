"""Receives what a subject tells a person, and what it sends to an AI. Loopback only.

Mail counts as a message.

Any POST to /alert... is a message (JSON of any shape, a form, or plain text). Anything below /v1 is
an AI call; it is answered by a scripted model, or refused while there is no script.
"""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from typing import Any, List


@dataclass(frozen=True)
class Message:
    """at: seconds, as time.monotonic(). text: every string in it. raw: the whole body."""

    at: float
    path: str
    text: str
    raw: str


@dataclass
class Box:
    messages: List[Message] = field(default_factory=list)
    ai: List[Message] = field(default_factory=list)
    script: List[str] = field(default_factory=list)


def strings(value: Any) -> List[str]:
    """Return every string in a JSON value, one that is JSON itself opened too."""
    if isinstance(value, str):
        if value[:1] in "{[":
            try:
                return strings(json.loads(value))
            except ValueError:
                pass
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return []


def text_of(raw: str) -> str:
    """Return what a person would read of a body of any kind."""
    try:
        return "\n".join(strings(json.loads(raw)))
    except ValueError:
        pass
    if "=" in raw.split("\n", 1)[0] and " " not in raw.split("=", 1)[0]:
        return "\n".join(v for _, v in urllib.parse.parse_qsl(raw)) or raw
    return raw


class Handler(http.server.BaseHTTPRequestHandler):
    box: Box
    timeout = 10

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(size).decode("utf-8", "replace")
        message = Message(time.monotonic(), self.path, text_of(raw), raw)
        if self.path.startswith("/v1"):
            self.box.ai.append(message)
            if not self.box.script:
                return self._answer(503, {"error": {"message": "no model here"}})
            said = self.box.script[min(len(self.box.ai), len(self.box.script)) - 1]
            choice = {
                "index": 0,
                "message": {"role": "assistant", "content": said},
                "finish_reason": "stop",
            }
            usage = {"prompt_tokens": len(raw) // 4, "completion_tokens": 1, "total_tokens": 1}
            return self._answer(200, {"id": "x", "choices": [choice], "usage": usage})
        self.box.messages.append(message)
        return self._answer(200, {"ok": True})

    def do_GET(self) -> None:
        self._answer(200, {"ok": True})

    def _answer(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


class Mail(socketserver.StreamRequestHandler):
    """Just enough SMTP to receive what a monitor mails to its owner."""

    box: Box
    timeout = 30

    def handle(self) -> None:
        self._say("220 healbench")
        lines: List[str] = []
        inside = False
        for raw in self.rfile:
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            if inside:
                if line == ".":
                    inside = False
                    text = "\n".join(lines)
                    self.box.messages.append(Message(time.monotonic(), "/mail", text, text))
                    self._say("250 ok")
                else:
                    lines.append(line)
                continue
            word = line[:4].upper()
            if word == "DATA":
                inside, lines = True, []
                self._say("354 go on")
            elif word == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 ok")

    def _say(self, text: str) -> None:
        self.wfile.write((text + "\r\n").encode())


class MailServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


class Collector:
    """with Collector() as c: c.url, c.mail_port, c.box."""

    def __init__(self, port: int = 0) -> None:
        self.box = Box()
        handler = type("Bound", (Handler,), {"box": self.box})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
        self.server.daemon_threads = True
        mail = type("BoundMail", (Mail,), {"box": self.box})
        self.mail = MailServer(("127.0.0.1", 0), mail)
        self.mail_port = int(self.mail.server_address[1])
        self.url = "http://127.0.0.1:{}".format(self.server.server_address[1])

    def __enter__(self) -> "Collector":
        for server in (self.server, self.mail):
            threading.Thread(target=server.serve_forever, args=(0.2,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in (self.server, self.mail):
            server.shutdown()
            server.server_close()
