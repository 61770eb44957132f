"""How each kind of step is done. Whether it may be is in allowed_paths.py, when in execute.py."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Tuple

from ..context import Context
from ..errors import RepairError
from ..files import private_dir, write_atomic
from ..model import Delete, EndProcess, Move, Plan, Run, Service, State, Text, Wait, Write
from ..openclaw import gateway, lock
from ..openclaw.ledger import Ledger

DEAF_GRACE_S = 10.0  # s between SIGTERM and SIGKILL of a gateway that answers nothing
POLITE_GRACE_S = 330.0  # s for one that may finish its work: its longest drain


class Serving(RepairError):
    """The gateway answers at this very moment: nothing stops or restarts it."""


RUNS_WAIT_S = 300.0


def wait_for_runs(ctx: Context, plan: Plan, say: Any) -> float:
    """A gateway that answers and works for somebody is not restarted in the middle of it; answer
    the seconds waited, RUNS_WAIT_S at most.

    Only our plugin inside the gateway knows of runs. One that is hung or gone, or that reports
    nothing lately, is not waited for.
    """
    if not any(
        isinstance(step, Service) and step.action in ("restart", "stop") for step in plan.steps
    ):
        return 0.0
    began, told = ctx.host.monotonic(), False
    while ctx.host.monotonic() - began < RUNS_WAIT_S:
        runs = gateway.active_runs(ctx.host, ctx.home)
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
        write(step)
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


def write(step: Write, was: Optional[Callable[[bytes], None]] = None) -> None:
    """was: handed what is being replaced; what it raises leaves that where it is."""
    private_dir(Path(step.path).parent)
    write_atomic(step.path, step.content, step.mode, keep_mode=True, was=was)


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
    """Undo move(path, to); never over something that is there. Raises OSError."""
    if not os.path.lexists(to):
        return
    if os.path.lexists(path):
        raise FileExistsError("{} is there already".format(path))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.rename(to, path)


def end(ctx: Context, step: EndProcess) -> None:
    process = gateway.look_at(ctx.host, step.pid)
    if process is None or abs(process.started - step.started) > 1.0:
        return
    if _runs_again(ctx) and ctx.verdict.pid == step.pid:
        raise RepairError(Text.of("pid {} runs again", "pid {} 已恢复运行", step.pid))
    if not gateway.end_gateway(ctx.host, ctx.home, process, step.grace_s, who="level 3").gone:
        raise RepairError(Text.of("pid {} could not be ended", "无法结束 pid {}", step.pid))


def service(ctx: Context, action: str, timeout_s: float) -> None:
    """One action of the service manager, in the ledger before it comes. A restart without a process
    is a start; before a stop the process is ended by us, for a manager's signals come seconds after
    the last probe, and nobody counts its kill. Raises Serving before a stop or restart of a gateway
    that answers, ServiceError as the platform does.
    """
    platform = ctx.platform
    if platform is None:
        raise RepairError(Text("no service manager is known", "没有可用的系统服务管理器"))
    if action in ("stop", "restart") and gateway.serves(ctx.host, ctx.home):
        raise Serving(Text("the gateway answers", "网关有响应"))
    if action in ("stop", "restart"):
        _not_from_inside(ctx)
    if action == "restart" and _runs_again(ctx):
        raise Serving(Text("the gateway runs again", "网关已恢复运行"))
    if action in ("restart", "start"):
        alive = live_process(ctx)
        if action == "start" and alive:
            return
        if action == "restart" and (not alive or _ended_first(ctx)):
            action = "start"
    ledger = Ledger(ctx.host, ctx.home)
    if action in ("start", "restart") and _stopped_meanwhile(ctx) and not ledger.owed_start():
        raise RepairError(Text("it was stopped on purpose meanwhile", "它在此期间已被手动停止"))
    if action == "stop" and _would_be_killed(ctx) and not ledger.may_kill():
        raise RepairError(_NO_THIRD)  # the manager kills what does not end, and knows no limit
    if action == "stop" and _keeps_it(ctx):
        _ended_first(ctx)
    if action in ("stop", "restart"):
        may = getattr(platform, "may", None)
        if may is not None:
            may(action)
        ledger.note(action, who="level 3")
    if action == "start":
        reset = getattr(platform, "reset_failed", None)
        if reset is not None:
            try:
                reset()
            except Exception:  # nothing to reset is no fault; the start below tells
                pass
    getattr(platform, action.replace("-", "_"))()
    if action == "start":  # only now is no start owed any more
        ledger.note(action, who="level 3")
    if action == "stop" and getattr(gateway.service_of(platform), "result", "") == "timeout":
        ledger.note("kill", who="level 1", why="its manager's time for a stop was over")


def _not_from_inside(ctx: Context) -> None:
    """Raise RepairError where the gateway is above this process: its end would be the repair's."""
    row = lock.holding(ctx.host, ctx.home).row
    if row is not None and row.pid in lock.own_tree(ctx.host):
        raise RepairError(
            Text(
                "this command runs inside the gateway, and ending the gateway would end it too",
                "此命令运行在网关内部，结束网关会连它一起结束",
            ),
            hint=Text("run it in a terminal of its own", "请在单独的终端中运行"),
        )


def _stopped_meanwhile(ctx: Context) -> bool:
    """Whether it was stopped since this visit looked: the owner's wish outranks our plan."""
    state = gateway.service_of(ctx.platform)
    now = getattr(state, "stopped_by_operator", None) is True
    return now and ctx.verdict.state is not State.STOPPED


_NO_THIRD = Text("two hard kills in five minutes: no third", "五分钟内已强制结束两次：不再强制结束")


def _would_be_killed(ctx: Context) -> bool:
    """Whether the living process is the one that was judged deaf: no polite stop ends it."""
    return ctx.verdict.state in (State.HUNG, State.ZOMBIE) and live_process(ctx)


def _runs_again(ctx: Context) -> bool:
    """Whether the process was judged because it was stopped (SIGSTOP), and runs by now: what it
    does from here on is not known yet.
    """
    judged = ctx.seen.process if ctx.seen is not None else None
    if judged is None or judged.status != "T":
        return False
    now = gateway.look_at(ctx.host, judged.pid)
    same = now is not None and abs(now.started - judged.started) <= 1.0
    return same and now is not None and now.status != "T"


def just_started(ctx: Context) -> bool:
    """Whether a gateway lives that began after this visit looked: somebody has just started it."""
    process = gateway.lock_holder(ctx.host, ctx.home)
    seen = ctx.seen.at if ctx.seen is not None else ctx.host.now()
    return process is not None and process.pid != ctx.verdict.pid and process.started >= seen


def _ended_first(ctx: Context) -> bool:
    """End exactly the living process before it is started again: seconds lie between the last
    probe and a signal that a service manager carries. True when gone; False where only the manager
    may.

    A gateway that was judged deaf will not act on a polite end (minutes); one that only began to
    start has time for it. Raises Serving for one that answers, RepairError at the limit of kills.
    """
    process = gateway.lock_holder(ctx.host, ctx.home)
    if process is None:
        pid = getattr(gateway.service_of(ctx.platform), "main_pid", None)
        process = gateway.look_at(ctx.host, pid) if isinstance(pid, int) and pid > 0 else None
    if process is None or not process.started:
        return False
    judged = ctx.verdict.state in (State.HUNG, State.ZOMBIE) and ctx.verdict.pid == process.pid
    grace_s = 0.0 if process.status == "T" else DEAF_GRACE_S if judged else POLITE_GRACE_S
    ended = gateway.end_gateway(ctx.host, ctx.home, process, grace_s, who="level 3")
    if ended in (gateway.Ended.ANSWERS, gateway.Ended.RUNS):
        raise Serving(Text("the gateway answers", "网关有响应"))
    if ended is gateway.Ended.LIMIT:
        raise RepairError(_NO_THIRD)
    return ended.gone


def _keeps_it(ctx: Context) -> bool:
    """Whether our service manager keeps the living process, and can hold it down afterwards."""
    if getattr(ctx.platform, "name", "") == "container":
        return False
    pid = getattr(gateway.service_of(ctx.platform), "main_pid", None)
    if not isinstance(pid, int) or pid <= 0:
        return False
    holder = gateway.lock_holder(ctx.host, ctx.home)
    if holder is None or holder.pid == pid:
        return True
    row = ctx.host.process(holder.pid)  # up to 2026.4 a launcher starts the gateway as its child
    return row is not None and row.ppid == pid


def live_process(ctx: Context) -> bool:
    """Is a gateway of this state directory alive?"""
    if gateway.lock_holder(ctx.host, ctx.home) is not None:
        return True
    pid = getattr(gateway.service_of(ctx.platform), "main_pid", None)
    return isinstance(pid, int) and pid > 0 and gateway.look_at(ctx.host, pid) is not None


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


_STAMP = re.compile(r"\d{8}T\d{6}(?:\.\d+)?")


def key_of(plans: Iterable[Plan]) -> str:
    """A name of exactly these plans: what they do, to which values; "" for none. The moment at
    which they were made, which names what they keep, is no part of it.
    """
    import hashlib

    def place(path: str) -> str:
        folder, name = os.path.split(path)
        return os.path.join(folder, _STAMP.sub("*", name))

    def said(step: Any) -> Any:
        if isinstance(step, Write):
            return ("write", place(step.path), step.content, step.mode)
        if isinstance(step, Move):
            return ("move", step.path, _STAMP.sub("*", step.to))
        return step

    rows = [
        (plan.repair, sorted(plan.params.items()), [said(step) for step in plan.steps])
        for plan in plans
    ]
    return hashlib.sha256(repr(rows).encode("utf-8", "replace")).hexdigest()[:32] if rows else ""


def moves_of(steps: Iterable[Any]) -> List[Tuple[str, str]]:
    return [(step.path, step.to) for step in steps if isinstance(step, Move)]


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
