"""The gateway process itself: one thread, so that whatever blocks it blocks every answer, as in a
Node event loop.
"""

from __future__ import annotations

import errno
import http.server
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from ...openclaw import config as openclaw_config
from . import rules, state

VERSION = "2026.9.6"
PLAIN_START_S = (
    0.8  # a start takes this long unless the drill says otherwise; the port opens at 60 % of it
)
BIND_PATIENCE_S = 2.0  # how long a taken port is tried again (the real one: about 10 s)


def log(line: str, subsystem: str = "gateway") -> None:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + ".000+00:00"
    print(
        "{} [{}] {}".format(stamp, subsystem, line) if subsystem else "{} {}".format(stamp, line),
        flush=True,
    )


class Refused(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Handler(http.server.BaseHTTPRequestHandler):
    """Health as JSON, everything else 200 with a page, as the real one does."""

    timeout = 5
    gateway: "Gateway"

    def do_GET(self) -> None:
        status, kind, body = self.gateway.answer(self.path.split("?")[0])
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


class Server(http.server.HTTPServer):
    allow_reuse_address = os.name != "nt"
    request_queue_size = 64
    timeout = 0.1

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a probe that hung up is no news


class Gateway:
    """State of the one gateway this process is. run() answers the exit code."""

    def __init__(self, state_dir: Path, config_path: Path) -> None:
        self.state_dir, self.config_path = state_dir, config_path
        self.server: Optional[Server] = None
        self.began = self.listening_at = time.monotonic()
        self.wish = ""  # "stop" or "restart", set by signals
        self.suppressed: List[str] = []
        self.plugins: List[state.Plugin] = []
        self.zombie = False
        self.was_ready = False

    # -- what a probe sees -------------------------------------------------------------------------
    def answer(self, path: str) -> Tuple[int, str, bytes]:
        wish = state.control(self.state_dir)
        if wish.get("slow_s"):
            time.sleep(float(wish["slow_s"]))
        while state.control(self.state_dir).get(
            "busy"
        ):  # a blocked event loop: no signal handler runs either
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        status, value = self.health(path, wish)
        if value is None:
            return (
                200,
                "text/html; charset=utf-8",
                b"<!doctype html>\n<html><head><title>OpenClaw</title></head><body>practice</bo"
                b"dy></html>\n",
            )
        return (
            status,
            "application/json; charset=utf-8",
            json.dumps(value, separators=(",", ":")).encode(),
        )

    def health(self, path: str, wish: Dict[str, Any]) -> Tuple[int, Optional[Dict[str, Any]]]:
        up = int((time.monotonic() - self.began) * 1000)
        draining = bool(wish.get("draining")) or self.wish == "stop"
        starting = not self.started(wish)
        if path in ("/health", "/healthz"):
            return 200, {"ok": True, "status": "live"}
        if path in ("/startup", "/startupz"):
            if starting or draining:
                word = "draining" if draining else "starting"
                return 503, {
                    "ok": False,
                    "status": word,
                    "pendingReason": "startup-sidecars",
                    "version": VERSION,
                    "uptimeMs": up,
                }
            return 200, {"ok": True, "status": "started", "version": VERSION, "uptimeMs": up}
        if path in ("/ready", "/readyz"):
            failing = (
                ["gateway-draining"]
                if draining
                else ["startup-sidecars"]
                if starting
                else list(wish.get("failing") or [])
            )
            loop = {"degraded": False, "reasons": [], "delayP99Ms": 21.0, "utilization": 0.02}
            value = {"ready": not failing, "failing": failing, "uptimeMs": up, "eventLoop": loop}
            suppressed = wish.get("suppressed", self.suppressed)
            if suppressed:
                value["suppressed"] = list(suppressed)
            return (503 if failing else 200), value
        return 200, None

    def started(self, wish: Dict[str, Any]) -> bool:
        return time.monotonic() - self.began >= float(wish.get("start_s", PLAIN_START_S))

    # -- life --------------------------------------------------------------------------------------
    def boot(self) -> None:
        """Everything up to the open port. Raise Refused with the exit code."""
        self.began = time.monotonic()
        self.was_ready = False
        log("loading configuration…")
        refusal = rules.refusal(self.config_path, os.environ, self.state_dir / ".env")
        if refusal:
            for line in refusal.lines:
                log(line, "")
            raise Refused(refusal.code)
        view = openclaw_config.load(self.config_path)
        port = int(os.environ.get("OPENCLAW_GATEWAY_PORT") or view.get("gateway.port", 18789))
        fault = state.database_fault(self.state_dir)
        if fault:
            place = self.state_dir / "state" / "openclaw.sqlite"
            log(
                "Gateway failed to start: shared state database is unreadable at {}: {}. | "
                "gateway.maintenance_required".format(place, fault),
                "",
            )
            raise Refused(rules.REFUSED)
        other = state.take_lock(self.state_dir, self.config_path, port)
        if other:
            log(
                "Gateway failed to start: another OpenClaw process owns gateway-lifecycle (pid "
                "{}). | gateway.maintenance_required".format(other),
                "",
            )
            raise Refused(rules.REFUSED)
        log("starting...")
        self.breaker(view)
        self.plugins = state.plugins(self.state_dir, view, log)
        wish = state.control(self.state_dir)
        time.sleep(0.6 * float(wish.get("start_s", PLAIN_START_S)))
        self.listen(port)
        log("http server listening (practice; {:.1f}s)".format(time.monotonic() - self.began))

    def breaker(self, view: openclaw_config.ConfigView) -> None:
        unclean = state.note_boot(self.state_dir)
        channels = view.get("channels", {}) or {}
        self.suppressed = []
        if unclean >= state.BREAKER_BOOTS:
            self.suppressed = [
                name
                for name, item in channels.items()
                if isinstance(item, dict) and item.get("enabled") is not False
            ]
            log(
                "restart-loop breaker tripped: {} unclean boot(s) within 300000ms; suppressing "
                "channel/provider account auto-start.".format(unclean)
            )

    def listen(self, port: int) -> None:
        handler = type("BoundHandler", (Handler,), {"gateway": self})
        deadline = time.monotonic() + BIND_PATIENCE_S
        while True:
            try:
                self.server = Server(("127.0.0.1", port), handler)
                return
            except OSError as error:
                if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                    self._taken(port, error)
            time.sleep(0.2)

    def _taken(self, port: int, error: OSError) -> None:
        log(
            "Gateway failed to start: another gateway instance is already listening on "
            "ws://127.0.0.1:{} | listen EADDRINUSE: address"
            " already in use 127.0.0.1:{}".format(port, port),
            "",
        )
        log("Port {} is already in use. ({})".format(port, error.strerror), "")
        raise Refused(1)

    def close(self) -> None:
        if self.server:
            self.server.server_close()
            self.server = None

    def tick(self) -> Optional[int]:
        """One turn of the loop; return an exit code when it is over."""
        if self.server:
            self.server.handle_request()
        else:
            time.sleep(0.1)
        wish = state.control(self.state_dir)
        if not self.was_ready and not self.zombie and self.started(wish):
            self.was_ready = True
            log("ready")
        if self.wish == "stop":
            return self.stop(wish)
        if self.wish == "restart":
            self.restart()
        for plugin in self.plugins:
            plugin.tick(time.monotonic() - self.began, log)
        return None

    def stop(self, wish: Dict[str, Any]) -> int:
        log("received SIGTERM; shutting down")
        until = time.monotonic() + float(wish.get("drain_s", 0))
        while self.server and time.monotonic() < until:
            self.server.handle_request()
        self.close()
        state.note_clean_end(self.state_dir)
        state.drop_lock(self.state_dir)
        log("completed cleanly", "shutdown")
        return 0

    def restart(self) -> None:
        """In-process restart. A config that cannot be used leaves a process without a port: the
        zombie.
        """
        self.wish = ""
        log("received SIGUSR2; restarting")
        self.close()
        state.note_clean_end(self.state_dir)
        try:
            self.boot()
            self.zombie = False
        except Refused:
            self.zombie = True
            log(
                "startup failed: the config cannot be used. Process will stay alive; fix the "
                "issue and restart."
            )

    def run(self) -> int:
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "wish", "stop"))
        signal.signal(signal.SIGINT, lambda *_: setattr(self, "wish", "stop"))
        if hasattr(signal, "SIGUSR2"):
            signal.signal(signal.SIGUSR2, lambda *_: setattr(self, "wish", "restart"))
            signal.signal(
                signal.SIGUSR1,
                lambda *_: print(
                    "Debugger listening on ws://127.0.0.1:0/", file=sys.stderr, flush=True
                ),
            )
        try:
            self.boot()
        except Refused as refused:
            return refused.code
        while True:
            code = self.tick()
            if code is not None:
                return code


def places() -> Tuple[Path, Path]:
    """(state directory, config file) as the environment says."""
    home = Path(os.environ.get("HOME") or os.environ.get("USERPROFILE") or os.path.expanduser("~"))
    state_dir = Path(os.environ.get("OPENCLAW_STATE_DIR") or home / ".openclaw")
    return state_dir, Path(os.environ.get("OPENCLAW_CONFIG_PATH") or state_dir / "openclaw.json")


def main() -> int:
    try:  # the short name of the process, as `ps -o comm` shows the real one
        Path("/proc/self/comm").write_text("openclaw-gatewa")
    except OSError:
        pass
    options = os.environ.get("NODE_OPTIONS", "")
    if "--no-such" in options:
        print("node: {} is not allowed in NODE_OPTIONS".format(options.split()[0]), file=sys.stderr)
        return 9
    return Gateway(*places()).run()


if __name__ == "__main__":
    sys.exit(main())
