"""The way back: everything the manifest names, and what an interrupted run may have left. Records
stay unless purged.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
from pathlib import Path
from typing import List

from ..host import Host
from ..model import Text
from . import manifest, python_env, selfcheck
from .install import Step
from .manifest import Places
from .shim import place
from .shim import text as shim_text

# What belongs to the user: the history, their own cases and settings, the reports of incidents, and
# what repairs took out of their config, moved aside or overwrote; good copies of openclaw.json,
# and alerts that were not sent.
KEPT = (
    "records.json",
    "cases.json",
    "config.json",
    "good",
    "incidents",
    "outbox",
    "quarantine",
    "reports",
    "snapshots",
)


def steps(host: Host, places: Places, purge: bool) -> List[Step]:
    """What will be undone, in order. Reads only."""
    done = manifest.read(places.manifest)
    found: List[Step] = []
    env = python_env.target_of(places)
    if env is not None and os.path.exists(places.python(env)):
        found.append(
            Step(
                Text("stop and remove the services", "停止并移除服务"),
                lambda: _service(host, places, env),
            )
        )
    if done["plugin"] or _linked(host, places):
        found.append(
            Step(
                Text("unlink the plugin from OpenClaw", "从 OpenClaw 移除插件链接"),
                lambda: _plugin(host),
            )
        )
    folder = place.choose(host, places.bin_dir).folder
    for name in sorted({done["shim"], str(folder / shim_text.name(host.system))} - {""}):
        if shim_text.is_shim(Path(name)):
            found.append(_delete(Path(name)))
    for name in sorted(
        {done["launcher"], str(folder / shim_text.launcher_name(places.windows))} - {""}
    ):
        if shim_text.is_launcher(Path(name)):
            found.append(_delete(Path(name)))
    for profile in sorted(set(done["profiles"]) | {str(path) for path in place.files(host)}):
        if place.present(Path(profile)):
            found.append(
                Step(
                    Text(
                        "take our line out of {}".format(profile),
                        "从 {} 中去掉我们的行".format(profile),
                    ),
                    functools.partial(_quiet, place.remove, Path(profile)),
                )
            )
    if done["skill_dir"] and os.path.isdir(Path(done["skill_dir"])):
        found.append(_delete(Path(done["skill_dir"])))
    for path in (
        [places.current]
        + python_env.old(places, [])
        + ([places.prefix / "venv.txt"] if places.windows else [])
    ):
        if os.path.exists(path) or path.is_symlink():
            found.append(_delete(path))
    for path in sorted(places.doctor_dir.iterdir()) if os.path.isdir(places.doctor_dir) else []:
        named = any(step.what.en.endswith(str(path)) for step in found)
        unsent = path.name != "outbox" or any(path.glob("*.json"))  # alerts that nobody has read
        if (purge or not (path.name.startswith(KEPT) and unsent)) and not named:
            found.append(_delete(path))
    for path in sorted((places.state_dir / "logs").glob("watchdog.log*")) if purge else []:
        found.append(_delete(path))
    folders = list(done["made_dirs"]) + [
        str(places.bin_dir),
        str(places.prefix),
        str(places.doctor_dir),
    ]
    found.append(
        Step(
            Text("remove the folders that are empty now", "删除已空的文件夹"),
            lambda: _empty(folders),
        )
    )
    return found


def _service(host: Host, places: Places, env: Path) -> None:
    selfcheck.run(
        host,
        places,
        env if places.windows else places.current,
        ("service", "uninstall"),
        timeout=120.0,
    )


def _linked(host: Host, places: Places) -> bool:
    """True when openclaw.json loads our plugin (linked by anyone): without its folder it would be a
    broken reference.
    """
    config = Path(host.env.get("OPENCLAW_CONFIG_PATH") or places.state_dir / "openclaw.json")
    try:
        return '"plugins"' in config.read_text("utf-8", "replace") and str(
            places.skill_dir
        ) in config.read_text("utf-8", "replace")
    except OSError:
        return False


def _plugin(host: Host) -> None:
    real = place.real(host)
    if real is not None:
        host.run(
            (str(real), "plugins", "uninstall", "openclaw-iflow-doctor", "--force"), timeout=120.0
        )
        # OpenClaw leaves {"enabled": false} under our name; nothing of ours stays in openclaw.json
        host.run(
            (str(real), "config", "unset", "plugins.entries.openclaw-iflow-doctor"), timeout=120.0
        )


def _delete(path: Path) -> Step:
    def do() -> None:
        if os.path.isdir(path) and not path.is_symlink():
            shutil.rmtree(str(path), ignore_errors=True)
        else:
            _quiet(path.unlink)

    return Step(Text("delete {}".format(path), "删除 {}".format(path)), do)


def _quiet(do, *arguments) -> None:  # type: ignore[no-untyped-def]
    with contextlib.suppress(OSError):
        do(*arguments)


def _empty(folders: List[str]) -> None:
    for name in sorted(set(folders), key=len, reverse=True):
        _quiet(Path(name).rmdir)
