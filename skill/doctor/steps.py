"""What a step may touch, how each kind of step is done and undone. The healer decides when; this
file knows how.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from ..context import Context
from ..errors import RepairError
from ..files import is_something_else, private_dir, write_atomic
from ..model import Delete, EndProcess, Move, Plan, Run, Service, Text, Wait, Write
from ..openclaw import config as openclaw_config
from ..store.good_copies import service_files

ACTIONS = ("start", "stop", "restart", "reset-failed", "reload", "install")
PROGRAMS = ("openclaw", "npm")  # what a Run may start, besides node with openclaw's own entry file
DEAF_GRACE_S = 10.0  # s between SIGTERM and SIGKILL of a gateway that answers nothing
DATABASE = re.compile(r"\.sqlite(-wal|-shm|-journal)?$")


def refuse(ctx: Context, plan: Plan) -> None:
    """Raise RepairError for a step that may not be: workspace, sessions, memory and credentials are
    nobody's to repair.
    """
    for step in plan.steps:
        if isinstance(step, Write) and not _may_write(ctx, step.path):
            raise RepairError(Text.of("a repair may not write {}", "修复不得写入 {}", step.path))
        if isinstance(step, Move) and not _may_move(ctx, step.path, step.to):
            raise RepairError(Text.of("a repair may not move {}", "修复不得移动 {}", step.path))
        if isinstance(step, Delete) and not _may_delete(ctx, step.path):
            raise RepairError(Text.of("a repair may not delete {}", "修复不得删除 {}", step.path))
        if isinstance(step, Run) and not _may_run(ctx, step.argv):
            raise RepairError(
                Text.of(
                    "a repair may not run {}", "修复不得运行 {}", step.argv[0] if step.argv else "-"
                )
            )
        if isinstance(step, Service) and step.action not in ACTIONS:
            raise RepairError(
                Text.of("unknown service action {}", "未知的服务动作 {}", step.action)
            )
        if not isinstance(step, (Write, Move, Delete, Run, Service, Wait, EndProcess)):
            raise RepairError(Text.of("unknown step {}", "未知的步骤 {}", type(step).__name__))


def _real(path: str) -> str:
    return os.path.realpath(path)


def _inside(path: str, folder: Path) -> bool:
    return _real(path).startswith(_real(str(folder)) + os.sep)


def writable_files(ctx: Context) -> List[str]:
    """Every file that a repair may write, beside our own directory."""
    view = openclaw_config.load(ctx.home.config_path)
    good = (ctx.last_good or {}).get("files") or {}
    includes = [str(path) for path in view.files] + [
        str(path) for path in good if str(path).endswith((".json", ".json5"))
    ]
    files = (
        [str(ctx.home.config_path), str(ctx.home.env_file)]
        + includes
        + [str(path) for path in service_files(ctx)]
    )
    return [_real(path) for path in files + _service_paths(ctx)]


def _service_paths(ctx: Context) -> List[str]:
    """The files in which this service manager keeps the gateway's environment, as the platform
    itself names them (no effects).
    """
    try:
        return [str(path) for path in ctx.platform.environment_override({}, ())[1]]
    except (
        Exception
    ):  # no manager, or nothing that can be read: then nothing of it may be written either
        return []


def _may_write(ctx: Context, path: str) -> bool:
    if _inside(path, ctx.home.doctor_dir) or _real(path) in writable_files(ctx):
        return True
    from ..store.good_copies import candidates

    if any(_real(path) == _real(known) for good in candidates(ctx.home) for known in good.files):
        return True
    folder = (
        Path(ctx.host.env.get("XDG_CONFIG_HOME") or Path(ctx.host.home) / ".config")
        / "systemd"
        / "user"
    )
    return _inside(path, folder) and bool(
        re.search(r"openclaw-gateway[A-Za-z0-9_.-]*\.service\.d/[A-Za-z0-9_.-]+\.conf$", path)
    )


def _may_move(ctx: Context, path: str, to: str) -> bool:
    if not _inside(to, ctx.home.doctor_dir / "quarantine"):
        return False
    if path == str(ctx.home.config_path):
        return is_something_else(path) or os.path.islink(
            path
        )  # never the file itself: that one is written, and snapshotted first
    if _inside(path, ctx.home.state_dir / "extensions"):
        return (
            os.path.dirname(_real(path)) == _real(str(ctx.home.state_dir / "extensions"))
            or "@" in path
        )
    if DATABASE.search(path) and (
        _inside(path, ctx.home.state_dir / "state") or _inside(path, ctx.home.state_dir / "agents")
    ):
        return True
    return _inside(path, ctx.home.state_dir / "tmp") and bool(
        re.search(r"gateway\.[A-Za-z0-9]+\.lock$", path)
    )


def _may_delete(ctx: Context, path: str) -> bool:
    from ..repairs.free_disk import OLD_LOG, log_dir, old_logs

    if OLD_LOG.match(os.path.basename(path)) and os.path.dirname(_real(path)) == _real(
        str(log_dir(ctx))
    ):
        return path in [str(item) for item in old_logs(ctx)]
    if _inside(path, ctx.home.doctor_dir / "snapshots"):
        return True
    return _inside(path, ctx.home.logs_dir) and os.path.basename(path).startswith("watchdog.log.")


def _may_run(ctx: Context, argv: Sequence[str]) -> bool:
    if not argv:
        return False
    name = os.path.basename(argv[0]).lower()
    name = name[:-4] if name.endswith((".cmd", ".exe")) else name
    if name in PROGRAMS:
        return True
    return (
        name.startswith("node")
        and len(argv) > 1
        and os.path.basename(argv[1]) in ("openclaw.mjs", "openclaw.js", "entry.js", "openclaw")
    )


RUNS_WAIT_S = 300.0


def wait_for_runs(ctx: Context, plan: Plan, say: Any) -> float:
    """A gateway that answers and works for somebody is not restarted in the middle of it; return
    the seconds waited, RUNS_WAIT_S at most.

    Only our plugin inside the gateway knows of runs. One that is hung or gone, or that reports
    nothing lately, is not waited for.
    """
    from ..openclaw import gateway

    if not any(
        isinstance(step, Service) and step.action in ("restart", "stop") for step in plan.steps
    ):
        return 0.0
    began, told = ctx.host.monotonic(), False
    while ctx.host.monotonic() - began < RUNS_WAIT_S:
        runs = gateway.active_runs(ctx.home, ctx.host.now())
        if not runs or gateway.ask(ctx.host, ctx.home, 5.0)["answer"] not in (
            "ready",
            "not-ready",
            "live",
        ):
            break
        if not told:
            told = True
            minutes = RUNS_WAIT_S / 60
            say(
                Text(
                    "the gateway works on {} run(s): "
                    "the restart waits, up to {:.0f} minutes".format(runs, minutes),
                    "网关正在执行 {} 个任务：重启将等待，最多 {:.0f} 分钟".format(runs, minutes),
                )
            )
        ctx.host.sleep(2.0)
    return ctx.host.monotonic() - began if told else 0.0


# -- doing -----------------------------------------------------------------------------------------
def do(ctx: Context, step: Any) -> None:
    """Carry out one step. Raises RepairError or OSError."""
    if isinstance(step, Write):
        private_dir(Path(step.path).parent)
        write_atomic(step.path, step.content, step.mode, keep_mode=True)
    elif isinstance(step, Move):
        move(step.path, step.to)
    elif isinstance(step, Delete):
        if os.path.lexists(step.path):
            os.unlink(step.path)
    elif isinstance(step, Run):
        done = ctx.host.run(list(step.argv), timeout=step.timeout_s, env=environment(ctx, step))
        if done.code not in step.ok_codes:
            tail = (done.err or done.out).strip().splitlines()[-1:] or [""]
            ended = (
                "not found"
                if done.missing
                else "ended after {:.0f} s".format(step.timeout_s)
                if done.timed_out
                else "exit {}".format(done.code)
            )
            raise RepairError(
                "{}: {} {}".format(" ".join(step.argv[:4]), ended, tail[0][:200]).strip()
            )
    elif isinstance(step, Wait):
        ctx.host.sleep(step.seconds)
    elif isinstance(step, EndProcess):
        end(ctx, step)
    elif isinstance(step, Service):
        service(ctx, step.action, step.timeout_s)


def environment(ctx: Context, step: Run) -> Dict[str, str]:
    """The account's environment; for openclaw the one in which it speaks about this gateway."""
    env = dict(ctx.host.env)
    if "npm" not in os.path.basename(step.argv[0]):
        from ..openclaw.cli import environment as for_openclaw

        env = for_openclaw(ctx.host, ctx.home, step.argv[:1])
    env.update(step.env)
    return env


def move(path: str, to: str) -> None:
    """Rename; never over something that is there. Raises OSError."""
    if not os.path.lexists(path):
        return
    if os.path.lexists(to):
        raise FileExistsError("{} is there already".format(to))
    private_dir(Path(to).parent)
    os.rename(path, to)


def move_back(path: str, to: str) -> None:
    """Undo move(path, to). What stands at `path` by now (a database created again) is kept beside
    it.
    """
    if not os.path.lexists(to):
        return
    if os.path.lexists(path):
        os.rename(path, to + ".made-meanwhile")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.rename(to, path)


def end(ctx: Context, step: EndProcess) -> None:
    from ..openclaw.gateway import end_gateway, look_at

    process = look_at(step.pid)
    if process is None or abs(process.started - step.started) > 1.0:
        return
    if not end_gateway(ctx.host, ctx.home, process, step.grace_s, who="level 3").gone:
        raise RepairError(Text.of("pid {} could not be ended", "无法结束 pid {}", step.pid))


def service(ctx: Context, action: str, timeout_s: float) -> None:
    """One action of the service manager. A restart without a process is a start. Raises
    ServiceError as the platform does.
    """
    platform = ctx.platform
    if platform is None:
        raise RepairError(Text("no service manager is known", "没有可用的系统服务管理器"))
    if action in ("restart", "start"):
        alive = live_process(ctx)
        if action == "start" and alive:
            return
        if action == "restart" and (not alive or _ended_deaf(ctx)):
            action = "start"
    name = action.replace("-", "_")
    if action == "start":
        reset = getattr(platform, "reset_failed", None)
        if reset is not None:
            try:
                reset()
            except Exception:  # nothing to reset is no fault; the start below tells
                pass
    getattr(platform, name)()


def _ended_deaf(ctx: Context) -> bool:
    """A gateway that does not answer will not act on a polite restart either (minutes): end exactly
    this process. True when gone.
    """
    from ..openclaw.gateway import ask, end_gateway, lock_holder

    holder = lock_holder(ctx.home)
    if (
        holder is None
        or not holder.started
        or ask(ctx.host, ctx.home, 5.0)["answer"] not in ("silent", "refused")
    ):
        return False
    grace_s = 0.0 if holder.status == "T" else DEAF_GRACE_S
    return end_gateway(ctx.host, ctx.home, holder, grace_s, who="level 3").gone


def live_process(ctx: Context) -> bool:
    """Is a gateway of this state directory alive?"""
    from ..openclaw.gateway import lock_holder, look_at

    if lock_holder(ctx.home) is not None:
        return True
    try:
        pid = getattr(ctx.platform.service_state(), "main_pid", None)
    except Exception:  # the manager may be gone
        pid = None
    return isinstance(pid, int) and pid > 0 and look_at(pid) is not None


# -- for people and for the journal ----------------------------------------------------------------
def describe(step: Any, lang: str = "en") -> str:
    """One line without secrets: contents and environments are never shown."""
    if isinstance(step, Write):
        return (
            Text("write {} ({} bytes)", "写入 {}（{} 字节）")
            .to(lang)
            .format(step.path, len(step.content))
        )
    if isinstance(step, Move):
        return Text("move {} to {}", "将 {} 移至 {}").to(lang).format(step.path, step.to)
    if isinstance(step, Delete):
        return Text("delete {}", "删除 {}").to(lang).format(step.path)
    if isinstance(step, Run):
        return Text("run {}", "运行 {}").to(lang).format(" ".join(step.argv))
    if isinstance(step, Wait):
        return Text("wait {:.0f} s", "等待 {:.0f} 秒").to(lang).format(step.seconds)
    if isinstance(step, EndProcess):
        return Text("end process {}", "结束进程 {}").to(lang).format(step.pid)
    if isinstance(step, Service):
        return Text("{} the gateway service", "网关服务：{}").to(lang).format(step.action)
    return type(step).__name__


def moves_of(steps: Iterable[Any]) -> List[Tuple[str, str]]:
    return [(step.path, step.to) for step in steps if isinstance(step, Move)]


def free_bytes(path: Path) -> Optional[int]:
    try:
        return shutil.disk_usage(str(path)).free
    except OSError:
        return None


def plan_json(plan: Plan, lang: str = "en") -> Mapping[str, Any]:
    """A plan as a person reviews it."""
    return {
        "repair": plan.repair,
        "risk": plan.risk.value,
        "why": plan.why.to(lang),
        "steps": [describe(step, lang) for step in plan.steps],
        "configPaths": list(plan.config_paths),
        "verify": plan.verify,
        "advice": plan.advice.to(lang) if plan.advice else "",
    }
