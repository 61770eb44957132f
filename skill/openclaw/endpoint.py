"""What the gateway's endpoints say, asked where the living process really listens.

Facts (measured on 2026.9.6): `/` and unknown paths answer 200 HTML, so only JSON with the right
fields counts; /readyz 503 names failing[]; a tripped crash-loop breaker is /readyz 200 with
suppressed[]. A port that is given to the program (--port, the service's file) beats the config.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, Dict, List, Mapping, Optional, Set, Tuple

from ..files import json_bounded
from ..host import Host, Process, Reply
from . import lock
from .gateway_process import listens
from .home import Home
from .processes import is_main, state_dir

SERVING = ("ready", "not-ready", "live")
LAST_PROBE = 1.0  # s: what the probe before a signal, a stop or a restart may take


def body_of(reply: Reply) -> Dict[str, Any]:
    """The JSON object of a reply; {} for anything else."""
    try:
        value = json_bounded(reply.body[:65536].decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def ask(host: Host, home: Home, timeout: float) -> Dict[str, Any]:
    """The endpoints, as fields of an Observation. One request when all is well.

    Where to ask is what the living process says: the port of its lock, then the configured one,
    then what it listens on; over http and https. `endpoint` is set where that is not home's.
    """
    held = lock.holding(host, home)
    row = held.row if held.life is lock.Life.ALIVE else None
    named = held.lock.port if row is not None and held.lock is not None else 0
    first = home
    if row is not None and named and named != home.port and listens(host, row.pid, named):
        first = replace(home, port=named)
    found = _ask_either(host, first, timeout)
    if found["answer"] not in SERVING:
        # a gateway that answers elsewhere is alive: two more questions at most before it is called
        # anything else
        for port in _own_ports(host, row or _unlocked(host, home), {first.port})[:3]:
            other = _ask_either(host, replace(home, port=port), min(timeout, LAST_PROBE))
            if other["answer"] in SERVING and "html" not in other:
                found = other
                break
    if found.pop("html", False) and _is_its_listener(host, home, row, found["at"][0]):
        found["answer"] = "live"  # up to 2026.3.6: no endpoint but the page
    at = found.pop("at")
    if at != (home.port, home.scheme) and found["answer"] in SERVING:
        found["endpoint"] = at
    return found


def _unlocked(host: Host, home: Home) -> Optional[Process]:
    """The gateway of this state directory by its environment: its lock may have been cleaned away,
    or not be written yet.
    """
    rows = [r for r in host.processes() if is_main(r) and r.pid != os.getpid()]
    named = [r for r in rows if lock.same_place(state_dir(r) or "", home.state_dir)]
    return max(named, key=lambda r: r.started, default=None)


def _own_ports(host: Host, row: Optional[Process], asked: Set[int]) -> List[int]:
    if row is None:
        return []
    try:
        return sorted({r.port for r in host.listeners(row.pid)} - asked)
    except OSError:
        return []


def _is_its_listener(host: Host, home: Home, row: Optional[Process], port: int) -> bool:
    """Whether the listener there is provably the gateway of this state directory."""
    try:
        pids = {r.pid for r in host.listeners(None) if r.port == port and r.pid}
    except OSError:
        return row is not None and bool(listens(host, row.pid, port))
    rows = [found for found in map(host.process, pids) if found is not None]
    if row is not None:
        return any(r.pid == row.pid or r.ppid == row.pid or row.ppid == r.pid for r in rows)
    return any(lock.names_us(home, r) for r in rows)


def _ask_either(host: Host, home: Home, timeout: float) -> Dict[str, Any]:
    """Ask over the configured scheme; over the other one where the reply is not HTTP at all, as
    between plain text and TLS.
    """
    found = _ask(host, home, timeout)
    if found["answer"] == "unreachable":
        other = "http" if home.scheme == "https" else "https"
        second = _ask(host, replace(home, scheme=other), timeout)
        if second["answer"] != "unreachable":
            return second
        if found.pop("garbled", False):
            found["answer"] = "foreign"
    found.pop("garbled", None)
    return found


def _ask(host: Host, home: Home, timeout: float) -> Dict[str, Any]:
    at = (home.port, home.scheme)
    reply = host.get(home.url("/readyz"), timeout)
    body = body_of(reply)
    if reply.error:
        # cut or garbled: somebody answers, who neither hangs nor is silent
        answer = {"refused": "refused", "timeout": "silent"}.get(reply.error, "unreachable")
        said: Dict[str, Any] = {"answer": answer, "seconds": reply.seconds, "at": at}
        return {**said, "garbled": True} if reply.error == "garbled" else said
    loop = body.get("eventLoop")
    found: Dict[str, Any] = {
        "at": at,
        "seconds": reply.seconds,
        "event_loop_degraded": isinstance(loop, Mapping) and loop.get("degraded") is True,
        "failing": _names(body.get("failing")),
        "suppressed": _names(body.get("suppressed")),
    }
    if isinstance(body.get("ready"), bool):
        found["answer"] = "ready" if body["ready"] and reply.status == 200 else "not-ready"
        if found["answer"] == "ready":
            found["startup"] = "started"
            return found
    else:
        # Older gateways know no /readyz (404, or the 200 HTML of the control page).
        live = host.get(home.url("/healthz"), timeout)
        said = body_of(live)
        if live.status == 200 and said.get("ok") is True and said.get("status") == "live":
            found["answer"] = "live"
        elif live.error in ("timeout", "refused"):
            found["answer"] = "silent" if live.error == "timeout" else "refused"
        else:
            found["answer"] = "foreign"
            if live.status == 200 and b"<html" in live.body[:2000].lower():
                found["html"] = True
        return found
    startup = body_of(host.get(home.url("/startupz"), timeout))
    found["startup"] = str(startup.get("status", ""))
    if "gateway-draining" in found["failing"]:
        found["startup"] = "draining"
    return found


def serves(host: Host, home: Home) -> bool:
    """Whether the gateway answers at this very moment and is not on its way out: the last question
    before each signal, stop and restart.
    """
    found = ask(host, home, LAST_PROBE)
    return found["answer"] in ("ready", "live", "not-ready") and found.get("startup") != "draining"


def _names(value: Any) -> Tuple[str, ...]:
    return tuple(str(item)[:80] for item in value[:50]) if isinstance(value, list) else ()
