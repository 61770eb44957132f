"""A small web server for the metrics and for the page: loopback; POST only where it is allowed."""

from __future__ import annotations

import contextlib
import hmac
import json
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Tuple

from ..model import Text

if TYPE_CHECKING:
    from ..context import Context
    from ..doctor.result import Treatment
    from ..model import Plan
    from .page import Offer

TEXT = "text/plain; version=0.0.4; charset=utf-8"
HTML = "text/html; charset=utf-8"
# path -> (content type, whether the token is asked for, what makes the body)
Routes = Dict[str, Tuple[str, bool, Callable[[], str]]]
# path -> what takes a JSON object and returns (status, text)
Posts = Dict[str, Callable[[Mapping[str, Any]], Tuple[int, str]]]
MOST_POSTED = 4096
SAFE = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
)


def serve(
    address: str,
    port: int,
    token: str,
    routes: Routes,
    policy: str = "",
    posts: Optional[Posts] = None,
) -> Any:
    """Return a ThreadingHTTPServer for these routes; the caller runs it. Raises OSError.

    token: `Authorization: Bearer TOKEN` is asked where the route says so; "" asks for none.
    policy: a Content-Security-Policy for the pages. posts: what may be asked for; each needs the
    token in its header, JSON, a Host and an Origin of our own: no page of somebody else's can send
    that, and a browser asks us first whether it may (we never say yes).
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

        def do_POST(self) -> None:
            act = (posts or {}).get(self.path)
            kind = self.headers.get("Content-Type", "").split(";")[0].strip().lower()
            origin = self.headers.get("Origin", "")
            if not self._local() or origin != "http://" + self.headers.get("Host", ""):
                self._reply(403, TEXT, "this server answers to its own page only\n")
            elif act is None:
                self._reply(404, TEXT, "not here\n")
            elif not token or not self._allowed():
                self._reply(401, TEXT, "a bearer token is needed\n")
            elif kind != "application/json":
                self._reply(415, TEXT, "JSON is needed\n")
            else:
                body = self._posted()
                if body is None:
                    self._reply(400, TEXT, "a small JSON object is needed\n")
                else:
                    status, said = act(body)
                    self._reply(status, TEXT, said + "\n")

        def _posted(self) -> Optional[Mapping[str, Any]]:
            try:
                length = int(self.headers.get("Content-Length", "0"))
                if not 0 < length <= MOST_POSTED:
                    return None
                value = json.loads(self.rfile.read(length).decode("utf-8"))
            except (OSError, ValueError):
                return None
            return value if isinstance(value, dict) else None

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
            with contextlib.suppress(OSError):  # a reader that has gone away
                self.wfile.write(raw)

        def log_message(self, *_words: Any) -> None:
            pass

    return ThreadingHTTPServer((address, port), Handler)


# -- repairs that wait for a yes ------------------------------------------------------------------
class Desk:
    """Plans, and carries out what the owner agreed to, one at a time, by the door `heal` uses."""

    def __init__(self, context: Callable[[], Context], lang: str) -> None:
        self.context, self.lang, self.lock = context, lang, threading.Lock()
        self.plans: Tuple[Plan, ...] = ()
        self.busy: Optional[Text] = None
        self.worker: Optional[threading.Thread] = None
        self.note: Optional[Text] = None

    def offer(self) -> Offer:
        """Return what can be agreed to now."""
        from .page import Offer

        with self.lock:
            note, lang = self.busy or self.note, self.lang
            made = Offer("", note=note.to(lang) if note else "", busy=self.busy is not None)
            if not self.plans or self.busy:
                return made
            return self._offered(made)

    def _offered(self, made: Offer) -> Offer:
        from ..doctor import steps

        lang = self.lang
        said, changes = [], []
        for plan in self.plans:
            said += [steps.describe(step, lang) for step in plan.steps]
            changes += differences(self.context(), plan)
        first = self.plans[0]
        title = ", ".join(plan.repair for plan in self.plans)
        return replace(
            made,
            key=key_of(self.plans),
            title=title,
            why=first.why.to(lang),
            steps=tuple(said),
            changes=tuple(changes),
        )

    def asked(self, body: Mapping[str, Any]) -> Tuple[int, str]:
        """Look for a plan (no key), or carry out exactly the plan that was shown."""
        key = str(body.get("key") or "")
        with self.lock:
            if self.busy:
                return 409, "busy"
            if key and key != key_of(self.plans):
                return 409, "another plan"
            self.busy, self.note = Text("Looking for a repair …", "正在查找修复方案……"), None
            self.worker = threading.Thread(target=self._work, args=(key,), daemon=True)
            self.worker.start()
        return 202, "begun"

    def finish(self, say: Callable[[Text], None]) -> None:
        """Wait for a repair that is at work: a gateway must not stay stopped by a page that is
        closed. A second Ctrl-C (KeyboardInterrupt) ends the wait.
        """
        if self.worker is None or not self.worker.is_alive():
            return
        say(
            Text(
                "A repair is at work and is brought to its end. Ctrl-C again leaves it.",
                "正在执行修复，完成后退出。再按一次 Ctrl-C 则直接退出。",
            )
        )
        self.worker.join()
        if self.note:
            say(self.note)

    def _work(self, key: str) -> None:
        try:
            note = self._carry_out(key) if key else self._plan()
        except Exception as error:  # what fell over is said on the page, not in a dead thread
            note = Text.of("It did not work: {}", "没有成功：{}", error)
        with self.lock:
            self.busy, self.note = None, note

    def _visit(self, agreed: str) -> Treatment:
        from ..doctor import visit

        def say(text: Text) -> None:
            with self.lock:
                self.busy = text

        ctx = self.context()
        name = "manual-{}".format(time.strftime("%Y%m%dT%H%M%S", time.gmtime(ctx.host.now())))
        budget = float(ctx.settings.get("start_budget", 300))
        return visit.treat(
            ctx, name, bool(agreed), not agreed, say=say, patience=budget, agreed=agreed
        )

    def _plan(self) -> Text:
        result = self._visit("")
        with self.lock:
            self.plans = result.plans if result.outcome == "asked" else ()
        if self.plans:
            return Text.of("{}", "{}", result.cause)
        if result.outcome == "nothing":
            return Text("Nothing to repair.", "无需修复。")
        return Text.of("{} {}", "{} {}", result.cause, result.next_step or Text("", ""))

    def _carry_out(self, key: str) -> Text:
        """What was agreed to is done, or nothing: compared once more as the last thing before it.
        What is to do after it is shown, and waits for a yes of its own.
        """
        result = self._visit(key)
        with self.lock:
            self.plans = result.plans if result.outcome == "asked" else ()
        if self.plans and not result.actions:
            return Text(
                "The situation has changed meanwhile; nothing was done. Look at it again.",
                "情况已变化，未做任何改动。请重新查看。",
            )
        if self.plans:
            return Text.of(
                "That was carried out and did not suffice: {}",
                "已执行，但还不够：{}",
                result.cause,
            )
        ends = {
            "healed": Text("Repaired: the gateway is ready.", "已修复：网关已就绪。"),
            "nothing": Text("Nothing was repaired.", "没有修复任何东西。"),
        }
        end = ends.get(result.outcome, Text("Your action is needed.", "需要你处理。"))
        return Text.of("{} {}", "{}{}", end, result.cause)


def key_of(plans: Tuple[Plan, ...]) -> str:
    """Return a name of exactly these plans (doctor.steps.key_of)."""
    from ..doctor import steps

    return steps.key_of(plans)


def differences(ctx: Context, plan: Plan) -> List[str]:
    """Return the unified difference of every text file that the plan writes, without secrets."""
    import difflib

    from ..model import Write
    from ..openclaw import known_secrets

    clean, lines = known_secrets.redactor(ctx).clean, []
    for step in plan.steps:
        if not isinstance(step, Write):
            continue
        try:
            before = Path(step.path).read_bytes()[:200_000].decode("utf-8", "replace")
        except OSError:
            before = ""
        after = step.content[:200_000].decode("utf-8", "replace")
        made = difflib.unified_diff(
            clean(before).splitlines(),
            clean(after).splitlines(),
            step.path,
            step.path,
            "",
            "",
            2,
            "",
        )
        lines += list(made)[:120]
    return lines
