"""health against real sockets: what an image's HEALTHCHECK and a kubelet's probe stand on."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Dict, Iterator, Tuple

import pytest
from click.testing import CliRunner

from skill.cli import main_group

READY = (200, {"ready": True, "failing": []})
RED = (503, {"ready": False, "failing": ["telegram"]})


class Answers:
    """A server on a free port whose replies a test sets by path; everything else is a page."""

    def __init__(self) -> None:
        self.replies: Dict[str, Tuple[int, Any]] = {}
        replies = self.replies

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, value = replies.get(self.path, (200, None))
                body = json.dumps(value).encode() if value is not None else b"<html>OpenClaw</html>"
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def answers() -> Iterator[Answers]:
    made = Answers()
    yield made
    made.server.shutdown()
    made.server.server_close()


def call(tmp_path: Path, port: int, *words: str) -> Tuple[int, Any]:
    env = {
        "HOME": str(tmp_path),
        "PATH": "",
        "IFLOW_DOCTOR_LANG": "en",
        "OPENCLAW_GATEWAY_PORT": str(port),
    }
    done = CliRunner(env=env).invoke(main_group, ["--json", "health", *words])
    return done.exit_code, done.output


@pytest.mark.parametrize(
    "words, ready, startup, code",
    [
        ((), READY, "started", 0),
        ((), RED, "started", 0),
        (("--ready",), READY, "started", 0),
        (("--ready",), RED, "started", 1),
        (("--started",), RED, "started", 0),
        (("--started",), RED, "starting", 1),
    ],
)
def test_each_question_has_its_own_answer(
    tmp_path: Path, answers: Answers, words: Any, ready: Any, startup: str, code: int
) -> None:
    answers.replies.update({"/readyz": ready, "/startupz": (200, {"status": startup})})
    assert call(tmp_path, answers.server.server_port, *words)[0] == code


def test_a_page_with_200_is_not_alive(tmp_path: Path, answers: Answers) -> None:
    assert call(tmp_path, answers.server.server_port)[0] == 1


def test_nobody_listens(tmp_path: Path, answers: Answers) -> None:
    port = answers.server.server_port
    answers.server.shutdown()
    answers.server.server_close()
    assert call(tmp_path, port)[0] == 1
