"""How a child process of a bridge is found, what it may see, how it is watched and how every
process of its run is ended.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from .. import machine
from ..errors import SettingsError
from ..files import read_json, tail_bytes, write_json
from ..host import WINDOWS, Completed, Host, Process, end_group, run_program
from ..openclaw import config as openclaw_config

if TYPE_CHECKING:
    from ..context import Context

RUN_ID = "IFLOW_DOCTOR_AI_RUN"
# What any program needs to run at all. No OPENCLAW_* and nothing else of the gateway is among them.
COMMON = tuple(
    "PATH HOME USER LOGNAME SHELL LANG LC_* TZ TMPDIR XDG_* TERM HTTP_PROXY HTTPS_PROXY "
    "ALL_PROXY NO_PROXY http_proxy https_proxy "
    "all_proxy no_proxy SSL_CERT_FILE SSL_CERT_DIR NODE_EXTRA_CA_CERTS SYSTEMROOT SystemRoot "
    "WINDIR COMSPEC PATHEXT APPDATA LOCALAPPDATA "
    "USERPROFILE PROGRAMDATA TEMP TMP".split()
)
# Where installers put these programs; the watchdog's service has a short PATH.
_FOLDERS = (
    ".local/bin",
    ".claude/local",
    ".npm-global/bin",
    ".bun/bin",
    ".opencode/bin",
    ".volta/bin",
    "n/bin",
    ".yarn/bin",
    "AppData/Roaming/npm",
)
_SYSTEM = ("/usr/local/bin", "/opt/homebrew/bin", "/home/linuxbrew/.linuxbrew/bin", "/usr/bin")
OUTPUT_LIMIT = 20_000_000  # bytes of one child's output that are read


def find_program(ctx: Context, name: str, setting: str = "") -> str:
    """Path of a CLI: ai.programs.<id>, PATH, the usual folders, nvm's newest. "" when it is not
    there.
    """
    chosen = (ctx.settings.get("ai.programs") or {}).get(setting or name, "")
    if chosen:
        return str(chosen) if os.access(str(chosen), os.X_OK) else ""
    found = ctx.host.which(name)
    if found:
        return str(found)
    home = ctx.host.home
    folders = [str(home / part) for part in _FOLDERS] + list(_SYSTEM)
    folders += [str(p) for p in sorted(home.glob(".nvm/versions/node/*/bin"), reverse=True)]
    names = [name + ext for ext in (".cmd", ".exe", "")] if ctx.host.system == "win32" else [name]
    for folder in folders:
        for each in names:
            path = os.path.join(folder, each)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                return path
    return ""


def variables(ctx: Context) -> Dict[str, str]:
    """What the person set for AI CLIs in their own environment.

    OpenClaw's keys are not theirs: what <state dir>/.env or the config's env section holds is left
    out, also where a gateway has put it into the environment that we were started from.
    """
    view = openclaw_config.load(ctx.home.config_path)
    theirs = openclaw_config.variables(view, {}, ctx.home.env_file)
    return {name: value for name, value in ctx.host.env.items() if theirs.get(name) != value}


def linked(folder: str, source: Path, *names: str) -> Path:
    """A folder of its own for a CLI that holds nothing but links to the files of its login."""
    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    for name in names:
        origin = source / name
        if not os.path.isfile(origin) or os.path.exists(home / name):
            continue
        try:
            os.symlink(str(origin), str(home / name))
        except OSError:  # no links on this system: a copy, which a refreshed login will not reach
            shutil.copyfile(str(origin), str(home / name))
    return home


def allowed(values: Mapping[str, str], names: Sequence[str]) -> Dict[str, str]:
    exact = {name for name in names if not name.endswith("*")}
    prefixes = tuple(name[:-1] for name in names if name.endswith("*"))
    return {
        k: v
        for k, v in values.items()
        if v and (k in exact or (prefixes and k.startswith(prefixes)))
    }


def environment(
    ctx: Context,
    program: str,
    names: Sequence[str],
    run_id: str,
    extra: Optional[Mapping[str, str]] = None,
) -> Dict[str, str]:
    """The whole environment of a child: the allow-list, the program's own folder on PATH (its `env
    node`), the run id.
    """
    env = allowed(ctx.host.env, COMMON)
    env.update(allowed(variables(ctx), names))
    env["HOME"] = str(ctx.host.home)
    folders = (
        [os.path.dirname(program), os.path.dirname(os.path.realpath(program))] if program else []
    )
    folders += env.get("PATH", os.defpath).split(os.pathsep)
    folders += [os.path.dirname(found) for found in _node(ctx)]
    env["PATH"] = os.pathsep.join(dict.fromkeys(f for f in folders if f))
    env.update({"NO_COLOR": "1", "CI": "1", RUN_ID: run_id})
    more = dict(extra or {})
    env["PATH"] = os.pathsep.join(part for part in (env["PATH"], more.pop("PATH", "")) if part)
    env.update(more)
    return env


def _node(ctx: Context) -> List[str]:
    """A node beside openclaw: a machine with OpenClaw has one, even when the service's PATH does
    not.
    """
    if ctx.host.which("node"):
        return []
    try:
        from ..openclaw.cli import find

        return list(find(ctx.host, ctx.platform) or ())[:1]
    except Exception:  # only a convenience
        return []


def run(
    ctx: Context,
    argv: Sequence[str],
    env: Mapping[str, str],
    timeout: float,
    cwd: str,
    stdin: str = "",
    hopeless: Optional[Callable[[str], bool]] = None,
) -> Completed:
    """Run one CLI call. It ends by itself, after `timeout` seconds, or as soon as `hopeless(stderr
    so far)` says so.

    Afterwards no process of the run is left, however it ended (an exception included).
    """
    try:
        if ctx.host.run is not run_program:  # a fake host
            done: Completed = ctx.host.run(
                argv, timeout=timeout, env=env, cwd=cwd, stdin=stdin.encode("utf-8")
            )
            return done
        return _watched(argv, env, timeout, cwd, stdin, hopeless)
    finally:
        end_run(env[RUN_ID])


def _watched(
    argv: Sequence[str],
    env: Mapping[str, str],
    timeout: float,
    cwd: str,
    stdin: str,
    hopeless: Optional[Callable[[str], bool]],
) -> Completed:
    """As host.run_program, but output goes to files, so that it can be looked at while the child is
    still at work.
    """
    began = time.monotonic()
    flags: Dict[str, Any] = (
        {"creationflags": 0x00000200} if WINDOWS else {"start_new_session": True}
    )
    folder = Path(tempfile.mkdtemp(prefix="iflow-doctor-ai-"))
    out, err = folder / "out", folder / "err"
    (folder / "in").write_bytes(stdin.encode("utf-8"))
    try:
        with open(folder / "in", "rb") as into, open(out, "wb") as to_out, open(
            err, "wb"
        ) as to_err:
            try:
                process = subprocess.Popen(
                    list(argv),
                    stdin=into,
                    stdout=to_out,
                    stderr=to_err,
                    env=dict(env),
                    cwd=cwd,
                    **flags,
                )
            except (OSError, ValueError) as error:
                return Completed(argv, None, "", str(error), missing=True)
        ended = False
        try:
            while not ended:
                try:
                    process.wait(min(1.0, max(0.05, timeout - (time.monotonic() - began))))
                    break
                except subprocess.TimeoutExpired:
                    ended = time.monotonic() - began >= timeout
                    # only what the program itself complains of: the words of a session are about
                    # outages, and end nothing
                    ended = ended or bool(hopeless and hopeless(_read(err)))
        finally:
            if process.poll() is None:
                end_group(process, 3.0)
        return Completed(
            argv,
            None if ended else process.returncode,
            _read(out),
            _read(err),
            timed_out=ended,
            seconds=time.monotonic() - began,
        )
    finally:
        shutil.rmtree(str(folder), ignore_errors=True)


def _read(path: Path) -> str:
    return tail_bytes(path, OUTPUT_LIMIT).decode("utf-8", "replace")


def processes_of(matches: Callable[[str], bool]) -> List[Process]:
    """Processes whose environment carries a run id that `matches`. Those that cannot be read are
    not ours.
    """
    return [
        row
        for row in machine.process_table()
        if row.pid != os.getpid()
        and row.state != "zombie"
        and matches((machine.environ_of(row.pid) or {}).get(RUN_ID, ""))
    ]


def end_run(run_id: str, grace_s: float = 3.0) -> int:
    """SIGTERM, grace, SIGKILL for every process of a run, in whatever session it is; return how
    many there were.
    """
    return _end(lambda value: value == run_id, grace_s) if run_id else 0


def end_orphans(prefix: str) -> int:
    """End what is left of runs of ours whose owner is dead (kill -9 in the middle of a call). Run
    ids: <prefix>-<owner pid>-<random>.
    """
    pattern = re.compile(re.escape(prefix) + r"-(\d+)-\w+$")

    def orphan(value: str) -> bool:
        found = pattern.match(value)
        return found is not None and machine.process_of(int(found.group(1))) is None

    return _end(orphan, 3.0)


def doctor_lives(host: Host, session: Mapping[str, Any]) -> bool:
    """Is the process that made this call still there? One that began later has only its number."""
    found = host.process(int(session.get("pid") or -1))
    since = float(session.get("since") or 0.0)
    return found is not None and (not found.started or found.started <= since + 2.0)


def end_orphan(host: Host, session: Path) -> int:
    """Given the file about the call at work: when its doctor is gone (kill -9), end what it had
    started. Cheap while there is none. Returns how many processes were ended.
    """
    try:
        value = read_json(session, {})
    except SettingsError:
        return 0
    if not isinstance(value, dict) or value.get("state") != "asking" or not value.get("pid"):
        return 0
    if doctor_lives(host, value):
        return 0
    ended = end_run(str(value.get("run") or ""))
    write_json(session, dict(value, state="killed"))
    return ended


def _end(matches: Callable[[str], bool], grace_s: float) -> int:
    targets = processes_of(matches)
    machine.end_rows(targets, grace_s)
    machine.end_rows(processes_of(matches), 0.0)  # what they started meanwhile
    return len(targets)


def version_of(ctx: Context, program: str, timeout: float = 15.0) -> Tuple[int, ...]:
    """(2, 1, 330) from `<program> --version`; () when it does not say. Costs no money."""
    env = environment(ctx, program, (), "", {})
    done = ctx.host.run(
        [program, "--version"], timeout=timeout, env=env, cwd=str(Path(ctx.host.home)), stdin=b""
    )
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", done.out + done.err)
    return tuple(int(part or 0) for part in found.groups()) if found else ()
