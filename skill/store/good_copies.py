"""Our own verified copies of what a healthy gateway ran with: config, includes, .env, service file,
and an inventory.

<doctor dir>/good/<n>/: manifest.json {taken, hash, files{original path: stored name}, inventory},
merged.json (includes merged in, variables not substituted), and the stored files. Needed because
OpenClaw 2026.9.6 writes openclaw.json.last-good after no start.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

from ..context import Context
from ..errors import HealerError
from ..files import private_dir, read_json, write_atomic, write_json
from ..openclaw import config as openclaw_config
from ..openclaw import install
from ..openclaw.home import Home

KEEP = 10
# our own drop-in: repair-service-env writes it, and takes it back by itself
OWN = "iflow-doctor.conf"
MAX_FILE = 5_000_000  # a config larger than this is not one
# What OpenClaw keeps beside its config: written before its own changes, after a hot edit, and what
# it refused or found clobbered (which may be the newest that is whole).
RING = (".last-good", ".bak", ".bak.1", ".bak.2", ".bak.3", ".bak.4")
REFUSED = (".rejected.*", ".clobbered.*")


@dataclass(frozen=True)
class Good:
    """One candidate to go back to. files: original path -> bytes (the config first). verified: the
    gateway was ready with it.
    """

    source: str
    taken: float
    data: Mapping[str, Any]
    files: Mapping[str, bytes]
    verified: bool = False
    inventory: Mapping[str, Any] = field(default_factory=dict)


def service_files(ctx: Context) -> List[Path]:
    """The service definition of this profile where there is one (systemd user unit and drop-ins,
    launchd plist).
    """
    host, profile = ctx.host, ctx.home.profile
    base = Path(host.home)
    if host.system == "darwin":
        names = [
            base / "Library/LaunchAgents" / "ai.openclaw.{}.plist".format(profile or "gateway")
        ]
    else:
        unit = "openclaw-gateway{}.service".format("-" + profile if profile else "")
        root = Path(host.env.get("XDG_CONFIG_HOME") or base / ".config") / "systemd" / "user"
        names = [root / unit] + sorted((root / (unit + ".d")).glob("*.conf"))
    return [name for name in names if os.path.isfile(name)]


def keep(ctx: Context, whole: bool = True, started: float = 0.0) -> Optional[str]:
    """Copy what runs now; return the new copy's folder, None when it is the same as the newest or
    does not parse. Raises OSError.

    whole=False: the config alone has proven itself; plugins and databases stay as they were known.
    started: when the gateway that is ready was started (epoch seconds, 0.0 unknown). After an
    update under it the new OpenClaw and its plugins have not run yet: they stay as known, too.
    """
    if whole and started:
        whole = not install.replaced_since(install.package_dir(ctx.host, ctx.platform), started)
    view = openclaw_config.load(ctx.home.config_path)
    if not view.ok or not _acceptable(view.data):
        return None
    paths = (
        list(view.files)
        + [p for p in [ctx.home.env_file] if os.path.isfile(p)]
        + service_files(ctx)
    )
    contents: Dict[str, bytes] = {}
    for path in paths:
        raw = path.read_bytes()
        if len(raw) <= MAX_FILE:
            contents[str(path)] = raw
    digest = hashlib.sha256()
    for path_text, raw in sorted(contents.items()):
        digest.update(
            path_text.encode("utf-8", "surrogateescape") + b"\0" + hashlib.sha256(raw).digest()
        )
    root = private_dir(ctx.home.doctor_dir / "good")
    numbers = _numbers(root)
    latest = _manifest(root / str(numbers[-1])) if numbers else {}
    inventory = _inventory(ctx) if whole or not latest else latest.get("inventory") or {}
    inventoried = ctx.host.now() if whole or not latest else _inventoried(latest)
    digest.update(json.dumps(inventory, sort_keys=True, default=str).encode())
    if latest.get("hash") == digest.hexdigest():
        return None
    number = numbers[-1] + 1 if numbers else 1
    building = root / ".new"
    shutil.rmtree(str(building), ignore_errors=True)
    private_dir(building)
    names: Dict[str, str] = {}
    for index, (path_text, raw) in enumerate(contents.items()):
        names[path_text] = "{:02d}-{}".format(index, Path(path_text).name)
        write_atomic(building / names[path_text], raw)
    write_json(building / "merged.json", view.data)
    write_json(
        building / "manifest.json",
        {
            "taken": ctx.host.now(),
            "hash": digest.hexdigest(),
            "files": names,
            "inventory": inventory,
            "inventoried": inventoried,
        },
    )
    building.rename(root / str(number))
    for old in _numbers(root)[:-KEEP]:
        shutil.rmtree(str(root / str(old)), ignore_errors=True)
    return str(root / str(number))


def _inventoried(manifest: Mapping[str, Any]) -> float:
    return float(manifest.get("inventoried") or manifest.get("taken") or 0)


def _inventory(ctx: Context) -> Dict[str, Any]:
    try:
        from ..openclaw.plugins import inventory

        return dict(inventory(ctx))
    except Exception:  # an observer: without it the copy of the config is still worth keeping
        return {}


def newest(home: Home) -> Optional[Dict[str, Any]]:
    """The newest copy as Context.last_good carries it: folder, taken, files{original path: stored
    path}, inventory, config (merged).
    """
    root = home.doctor_dir / "good"
    for number in reversed(_numbers(root)):
        folder = root / str(number)
        manifest = _manifest(folder)
        data = _merged(folder)
        if manifest and _acceptable(data):
            files = {str(k): str(folder / str(v)) for k, v in manifest.get("files", {}).items()}
            return {
                "folder": str(folder),
                "taken": float(manifest.get("taken", 0)),
                "inventoried": _inventoried(manifest),
                "files": files,
                "inventory": manifest.get("inventory") or {},
                "config": data,
            }
    return None


def candidates(home: Home, newest_first: bool = False) -> List[Good]:
    """Return the good copies in the order to try: ours, newest first, then OpenClaw's own ring;
    newest_first: by their age alone. Each parses and has its gateway section.
    """
    found = _ours(home)
    for path in _ring(home):
        view = openclaw_config.load(path)
        if not view.ok or not _acceptable(view.data):
            continue
        if any(good.files.get(str(home.config_path)) == view.raw for good in found):
            continue
        found.append(
            Good(path.name, path.stat().st_mtime, view.data, {str(home.config_path): view.raw})
        )
    return sorted(found, key=lambda good: -good.taken) if newest_first else found


def _ring(home: Home) -> List[Path]:
    main = home.config_path
    found = [main.with_name(main.name + end) for end in RING]
    for pattern in REFUSED:
        with contextlib.suppress(OSError):
            found += sorted(main.parent.glob(glob.escape(main.name) + pattern), reverse=True)[:5]
    return [path for path in found if os.path.isfile(path)]


def _ours(home: Home) -> List[Good]:
    root = home.doctor_dir / "good"
    found: List[Good] = []
    for number in reversed(_numbers(root)):
        folder = root / str(number)
        manifest, data = _manifest(folder), _merged(folder)
        try:
            files = {
                str(path): (folder / str(name)).read_bytes()
                for path, name in manifest.get("files", {}).items()
            }
        except OSError:
            continue
        main = files.get(str(home.config_path))
        if main is None or not _acceptable(data):
            continue
        ordered = {str(home.config_path): main}
        ordered.update(files)
        taken = float(manifest.get("taken", 0))
        found.append(
            Good(
                "good/{}".format(number),
                taken,
                data,
                ordered,
                True,
                manifest.get("inventory") or {},
            )
        )
    return found


def _acceptable(data: Any) -> bool:
    """A copy that lost its gateway section is no good copy, however well it parses."""
    gateway = data.get("gateway") if isinstance(data, Mapping) else None
    return isinstance(gateway, Mapping) and bool(gateway.get("mode"))


def _numbers(root: Path) -> List[int]:
    try:
        return sorted(int(item.name) for item in root.iterdir() if item.name.isdigit())
    except OSError:
        return []


def _manifest(folder: Path) -> Dict[str, Any]:
    try:
        value = read_json(folder / "manifest.json", {})
    except HealerError:
        return {}
    return value if isinstance(value, dict) and isinstance(value.get("files"), dict) else {}


def _merged(folder: Path) -> Any:
    try:
        return read_json(folder / "merged.json", {})
    except HealerError:
        return {}


# -- the files that define the service (unit, drop-ins, plist) ------------------------------------
def defines_service(path: str) -> bool:
    return path.endswith((".service", ".plist")) or os.path.dirname(path).endswith(".service.d")


def _defines_theirs(path: str) -> bool:
    return defines_service(path) and os.path.basename(path) != OWN


def units_now(ctx: Context) -> Dict[str, bytes]:
    """path -> content. What cannot be read counts as empty: it is not what it was."""
    return {str(path): _read(path) for path in service_files(ctx) if _defines_theirs(str(path))}


def units_of(good: Good) -> Dict[str, bytes]:
    return {path: raw for path, raw in good.files.items() if _defines_theirs(path)}


def differing(now: Mapping[str, bytes], then: Mapping[str, bytes]) -> List[str]:
    """Files with another content, files that are gone, files that are new."""
    return sorted(path for path in {*now, *then} if now.get(path) != then.get(path))


def newest_with_units(home: Home) -> Optional[Good]:
    """The newest verified copy that holds a definition of the service."""
    return next((good for good in candidates(home) if good.verified and units_of(good)), None)


def other_units(home: Home, now: Mapping[str, bytes]) -> Optional[Good]:
    """The newest verified copy whose definition differs from the present one.

    Not always the newest of all: a unit that was edited under a running gateway has not started one
    yet, and is kept all the same.
    """
    return next(
        (
            good
            for good in candidates(home)
            if good.verified and units_of(good) and differing(now, units_of(good))
        ),
        None,
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
