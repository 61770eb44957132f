"""Many gateways: who belongs to the fleet (a file that Prometheus reads), and whether this one may
be healed right now.

Prometheus and Alertmanager are the engine; we only ask them. What they do not answer decides
nothing: a gateway is never left sick because its fleet's monitoring is.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple
from urllib.parse import quote

from ..errors import SettingsError
from ..files import json_bounded, private_dir, read_file, write_atomic
from ..host import Host
from ..model import State, Text
from ..openclaw.home import Home
from ..settings import Settings

STORM = "openclaw_fleet:storm"  # recorded by templates/dashboards/fleet-rules.yml
ASK_S = 2.0
LABELS = ("gateway", "host", "cluster")


class Target(NamedTuple):
    """One gateway's doctor: where its metrics are read, and what it is called."""

    address: str
    gateway: str
    host: str = ""
    cluster: str = ""

    @property
    def labels(self) -> Dict[str, str]:
        return {name: getattr(self, name) for name in LABELS if getattr(self, name)}


def read(path: Path) -> List[Target]:
    """The targets of a file for Prometheus' file_sd_configs; [] where there is none. Raise
    SettingsError where it is something else: it is not ours to overwrite then.
    """
    try:
        groups = json_bounded(read_file(path).decode("utf-8"))
        return [
            Target(str(address), *(str(group["labels"].get(name, "")) for name in LABELS))
            for group in groups
            for address in group["targets"]
        ]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise SettingsError(
            Text.of("{} is no list of targets: {}", "{} 不是目标列表：{}", path, error),
            Text("give another --file", "请用 --file 指定另一个文件"),
        ) from error


def write(path: Path, targets: Sequence[Target]) -> None:
    """Write them at once and readable for Prometheus, which runs as somebody else."""
    rows = [{"targets": [one.address], "labels": one.labels} for one in targets]
    private_dir(path.parent) if not os.path.exists(path.parent) else None
    write_atomic(path, json.dumps(rows, indent=2, ensure_ascii=False) + "\n", 0o644)


def state_of(host: Host, target: Target) -> str:
    """What the watchdog there says of its gateway; "?" where nobody says anything."""
    reply = host.get("http://{}/metrics".format(target.address), ASK_S, 1 << 20)
    found = re.search(
        rb'^openclaw_doctor_state\{state="([a-z_]+)"\} 1$', reply.body or b"", re.MULTILINE
    )
    name = found.group(1).decode() if found and reply.status == 200 else "?"
    return name if name in [state.value for state in State] else "?"


def labels_of(host: Host, home: Home, settings: Settings) -> Dict[str, str]:
    """What this gateway is called in the fleet: as `fleet add` wrote it for its own machine."""
    name = str(settings.get("fleet.gateway", "")) or "{}:{}".format(host.hostname(), home.port)
    found = {"gateway": name, "host": host.hostname()}
    cluster = str(settings.get("fleet.cluster", ""))
    return {**found, "cluster": cluster} if cluster else found


# -- may it be healed? -----------------------------------------------------------------------------
def held(host: Host, home: Home, settings: Settings) -> Tuple[str, str]:
    """("", "") where it may be healed; else why not and until when or how many: ("storm", "0.6"),
    ("silence", comment).
    """
    share = _storm(host, settings)
    if share:
        return "storm", share
    said = silenced(host, labels_of(host, home, settings), settings)
    return ("silence", said) if said else ("", "")


def _storm(host: Host, settings: Settings) -> str:
    """The share of sick gateways while that is too large, and for two calm minutes after it."""
    base = str(settings.get("fleet.prometheus", "")).rstrip("/")
    if not base:
        return ""
    cluster = str(settings.get("fleet.cluster", ""))
    chosen = '{{cluster="{}"}}'.format(re.sub(r'["\\\n]', "", cluster)) if cluster else ""
    query = "max({}{})".format(STORM, chosen)
    found = _get(host, "{}/api/v1/query?query={}".format(base, quote(query)))
    try:
        return str(found["data"]["result"][0]["value"][1]) if found and _over(found) else ""
    except (KeyError, IndexError, TypeError):
        return ""


def _over(found: Mapping[str, Any]) -> bool:
    try:
        return float(found["data"]["result"][0]["value"][1]) > 0
    except (KeyError, IndexError, TypeError, ValueError):
        return False


def silenced(host: Host, labels: Mapping[str, str], settings: Settings) -> str:
    """The comment of an active silence that names this gateway, its host or its cluster; "" where
    there is none. One that only names an alert silences that alert, not the healing.
    """
    base = str(settings.get("fleet.alertmanager", "")).rstrip("/")
    found = _get(host, base + "/api/v2/silences") if base else None
    for one in found if isinstance(found, list) else []:
        try:
            active = one["status"]["state"] == "active" and _until(one["endsAt"]) > host.now()
            if active and _names(host, one["matchers"], labels):
                return str(one.get("comment") or "?")[:80]
        except (KeyError, TypeError, ValueError):
            continue
    return ""


def _names(host: Host, matchers: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> bool:
    """Whether every matcher holds for our labels, and they speak of nothing else."""
    if any(one["name"] not in LABELS for one in matchers):
        return False
    for one in matchers:
        value, wanted = labels.get(str(one["name"]), ""), str(one["value"])
        same = _fits(host, wanted, value) if one.get("isRegex") else wanted == value
        if same is not (one.get("isEqual", True) is not False):
            return False
    return bool(matchers)


FITS = "import re, sys; sys.exit(0 if re.fullmatch(sys.argv[1], sys.argv[2]) else 9)"
FITS_S, FITS_KEPT = 1.0, 500
_fitted: Dict[Tuple[str, str], Optional[bool]] = {}


def _fits(host: Host, pattern: str, value: str) -> Optional[bool]:
    """Whether a pattern of Alertmanager's fits the whole value; None where it cannot be told.

    Strangers write it for an engine that never goes back; ours may take endless time: asked
    once, in a process of its own that is ended when it takes too long.
    """
    if re.fullmatch(r"[\w :/-]*", pattern):
        return pattern == value
    key = (pattern, value)
    if key not in _fitted:
        if len(_fitted) >= FITS_KEPT or len(pattern) > 4096:
            return None
        argv = [sys.executable, "-I", "-S", "-c", FITS, pattern, value]
        code = host.run(argv, timeout=FITS_S).code
        _fitted[key] = code == 0 if code in (0, 9) else None
    return _fitted[key]


def _until(stamp: str) -> float:
    return datetime.strptime(stamp[:19] + "+0000", "%Y-%m-%dT%H:%M:%S%z").timestamp()


def _get(host: Host, url: str) -> Optional[Any]:
    """The JSON at this address; None where nobody answers with any."""
    reply = host.get(url, ASK_S, 1 << 20)
    if reply.status != 200:
        return None
    try:
        return json_bounded(reply.body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


# -- what is told to Alertmanager ------------------------------------------------------------------
def stamp(at: float) -> str:
    """RFC 3339 in UTC, as Alertmanager reads and writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def silence(labels: Mapping[str, str], start: float, end: float) -> Dict[str, Any]:
    """The body of POST /api/v2/silences for a pause of this gateway."""
    return {
        "matchers": [
            {"name": "gateway", "value": labels["gateway"], "isRegex": False, "isEqual": True}
        ],
        "startsAt": stamp(start),
        "endsAt": stamp(end),
        "createdBy": "iflow-doctor",
        "comment": "iflow-doctor pause on {}".format(labels.get("host", "?")),
    }
