"""What the families share: the list, the decorator, and what is done to gateways more than once.

Values come from place.rng. pick() keeps half of every choice for seeds that begin with "held-":
those are what the README calls the held-out setting.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any, Callable, List, Sequence

from ..model import NOTHING, Facts, Fault
from ..place import Place, ask

ALL: List[Fault] = []
BOTH, REAL, PRACTICE = ("openclaw", "practice"), ("openclaw",), ("practice",)
Inject = Callable[[Place], Any]


def fault(id: str, family: str, title: str, right: str, **more: Any) -> Callable[[Inject], Inject]:
    """Put a function into the list as what injects a fault."""

    def keep(inject: Inject) -> Inject:
        if any(one.id == id for one in ALL):
            raise ValueError("two faults are called " + id)
        ALL.append(Fault(id, family, title, right, inject, **more))
        return inject

    return keep


def control(id: str, family: str, title: str, **more: Any) -> Callable[[Inject], Inject]:
    more.setdefault("limit_s", 50.0)
    return fault(id, family, title, NOTHING, kind="control", **more)


def pick(place: Place, options: Sequence[Any]) -> Any:
    """One of the options; a held-out seed gets the second half, every other the first."""
    half = (len(options) + 1) // 2
    held = place.seed.startswith("held-")
    some = options[half:] if held and len(options) > 1 else options[:half]
    return place.rng.choice(list(some))


def seconds(place: Place, low: float, high: float) -> float:
    """A time between two; a held-out seed gets the upper half."""
    middle = (low + high) / 2
    if place.seed.startswith("held-"):
        return place.rng.uniform(middle, high)
    return place.rng.uniform(low, middle)


def dead_config(place: Place, text: str, meant: bool = False) -> None:
    """The file is written and the gateway ends, as at a reboot or an update."""
    place.write(text, meant)
    place.kill_gateway()


def edited(place: Place, change: Any, meant: bool = False) -> None:
    place.edit(change, meant)
    place.kill_gateway()


def run_helper(place: Place, code: str, *words: str) -> int:
    """Start a Python program of nobody's; it may not be touched. Return its pid."""
    argv = [sys.executable, "-c", code, *words]
    child = place.spawn(argv, "helper.out", env=place.bare())
    place.notes.setdefault("strangers", []).append(child.pid)
    place.notes.setdefault("helpers", []).append(child.pid)
    place.cleanup(lambda: _end(child.pid))
    return child.pid


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass


LISTEN = """
import http.server, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(sys.argv[2])); self.end_headers(); self.wfile.write(sys.argv[3].encode())
    def log_message(self, *a): pass
class S(http.server.ThreadingHTTPServer):
    allow_reuse_address = True
import time
while True:
    try:
        s = S(("127.0.0.1", int(sys.argv[1])), H)
        break
    except OSError:
        time.sleep(0.02)
s.serve_forever()
"""
BURN = """
import time
end = time.time() + float(__import__("sys").argv[1])
while time.time() < end:
    pass
"""


def squat(place: Place, port: int, status: int = 200, body: str = "<html>hello</html>") -> int:
    pid = run_helper(place, LISTEN, str(port), str(status), body)
    place.words["squatter"] = str(pid)
    return pid


def take_port(place: Place, status: int = 200, body: str = "<html>hello</html>") -> int:
    """Somebody else is on the gateway's port before it comes back."""
    place.signal_gateway(signal.SIGSTOP)
    pid = squat(place, place.port, status, body)
    place.kill_gateway()
    place.wait(10, lambda: ask(place.port).status == status)
    return pid


def ready_again(place: Place, old_pid: int, wait_s: float = 200.0) -> bool:
    """Wait until another process than `old_pid` answers ready."""

    def there() -> bool:
        one = place.gateway()
        return one is not None and one.pid != old_pid and place.ready()

    return place.wait(wait_s, there)


def pid_of(place: Place) -> int:
    one = place.gateway()
    return one.pid if one else 0


def kill_subject(place: Place) -> None:
    """kill -9 of everything the subject runs, but not of the gateway nor of what stands for its
    service manager (which starts it again).
    """
    from .. import procs

    rows = place.known.rows()
    spared = procs.tree([one.pid for one in place.gateways(rows)], rows) | set(place.subject_roots)
    for one in rows:
        if one.pid in procs.tree(place.subject_roots, rows) - spared:
            _end(one.pid)


def stall(place: Place, for_s: float) -> None:
    """The event loop stands still and then goes on by itself."""
    if place.target.practice:
        place.control(busy=True)
        place.later(for_s, lambda: place.control(busy=None))
        return
    freeze(place, for_s)


def freeze(place: Place, for_s: float) -> None:
    who = place.signal_gateway(signal.SIGSTOP)
    if who:
        place.later(for_s, lambda: _cont(who[0]))


def _cont(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGCONT)
    except OSError:
        pass


def has_setting(place: Place, path: str) -> List[str]:
    """An oracle's complaint where a dotted path is not in the config."""
    value: Any = place.data()
    for part in path.split("."):
        if not isinstance(value, dict) or part not in value:
            return ["{} is not in the config".format(path)]
        value = value[part]
    return []


def plugin_off(place: Place, name: str) -> List[str]:
    """A bad plugin must be off or aside, and its files not lost."""
    entry = place.data().get("plugins", {}).get("entries", {}).get(name, {})
    here = (place.state / "extensions" / name / "index.js").exists()
    if here and isinstance(entry, dict) and entry.get("enabled", True) is not False:
        return ["the plugin {} is still on".format(name)]
    if not list(place.home.rglob("*{}*/index.js".format(name))):
        return ["the plugin's files are gone"]
    return []


__all__ = [name for name in globals() if not name.startswith("_")] + ["Facts", "time"]
