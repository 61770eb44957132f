"""Windows Task Scheduler. OpenClaw's own task is used; the watchdog's task, started every minute if
it does not run, starts it again.

RestartOnFailure of a task only counts for a task that could not be started, and three times: it
does not bring back a gateway that
crashed later. What does: a trigger that repeats every minute, with MultipleInstancesPolicy
IgnoreNew. Not run on a real Windows (docs/platforms.md). Words in schtasks' answers are translated
there: only numbers and XML are read.
"""

from __future__ import annotations

import csv
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Tuple
from xml.sax.saxutils import escape

from ..errors import ServiceError
from ..host import Completed, Host
from ..model import Text, Write
from ..openclaw import cli as openclaw_program
from ..openclaw.home import Home
from . import common, removal
from .base import ServicePlan, ServiceState, noted, whose
from .keeper import system

if TYPE_CHECKING:
    from ..settings import Settings

RUNNING, NEVER_RAN, ENDED_BY_USER = (
    0x41301,
    0x41303,
    0x41306,
)  # SCHED_S_TASK_RUNNING, _HAS_NOT_RUN, _TERMINATED
LAST_RESULT = 6  # column of /FO CSV /V: names are translated, the order is not


class Schtasks:
    name = "schtasks"
    actor = "iflow-doctor"

    def __init__(self, host: Host, home: Home, settings: Optional[Settings] = None) -> None:
        self.host, self.home, self.settings = host, home, settings
        self.task = "OpenClaw Gateway" + (" ({})".format(home.profile) if home.profile else "")
        mark = common.suffix(host, home, "")
        self.watchdog_task = "OpenClaw iFlow Doctor" + (" ({})".format(mark) if mark else "")

    def _run(self, *words: str, timeout: float = 30.0) -> Completed:
        done = self.host.run(["schtasks", *words], timeout=timeout)
        if done.missing:
            raise ServiceError(Text("schtasks was not found", "找不到 schtasks"))
        return done

    def _must(self, *words: str) -> None:
        done = self._run(*words)
        if not done.ok:
            raise ServiceError(
                Text.of(
                    "schtasks {} failed: {}",
                    "schtasks {} 失败：{}",
                    words[0],
                    (done.err or done.out).strip()[-200:],
                ),
                'schtasks /Query /TN "{}" /V'.format(self.task),
            )

    # -- looking -----------------------------------------------------------------------------------
    def service_state(self) -> ServiceState:
        """The task, and the process that holds OpenClaw's lock: its launcher may end before the
        gateway does.
        """
        pid, what = system.lock_holder(str(self.home.state_dir))
        state = self._state(self.task, pid if what == "gateway" else None)
        return whose(self.host, self.home, state)

    def watchdog_state(self) -> ServiceState:
        return self._state(self.watchdog_task, None)

    def _state(self, task: str, pid: Optional[int]) -> ServiceState:
        try:
            xml = self._run("/Query", "/TN", task, "/XML", timeout=15.0)
            row = (
                self._run("/Query", "/TN", task, "/FO", "CSV", "/V", "/NH", timeout=15.0)
                if xml.ok
                else xml
            )
        except ServiceError as error:
            return ServiceState(False, "unknown", main_pid=pid, detail=str(error))
        if xml.timed_out:
            return ServiceState(False, "unknown", main_pid=pid, detail="schtasks did not answer")
        gateway = task == self.task
        if not xml.ok:
            stopped = removal.by_person(self.home) if gateway else None
            return ServiceState(
                False,
                "active" if pid else "inactive",
                main_pid=pid,
                stopped_by_operator=False if pid else stopped,
            )
        result = last_result(row.out)
        enabled = not re.search(
            r"</Triggers>.*<Settings>.*<Enabled>\s*false\s*</Enabled>.*</Settings>", xml.out, re.S
        )
        running = bool(pid) or result == RUNNING
        code = None if running or result in (None, RUNNING, NEVER_RAN, ENDED_BY_USER) else result
        stopped = (
            False
            if running
            else True
            if (not enabled or result == ENDED_BY_USER)
            else False
            if code
            else None
        )
        active = "active" if running else "failed" if code else "inactive"
        return ServiceState(
            True,
            active,
            "",
            "" if result is None else hex(result),
            code,
            pid,
            0,
            enabled,
            stopped,
            task,
        )

    # -- acting ------------------------------------------------------------------------------------
    @noted("start")
    def start(self) -> None:
        if not self._run("/Query", "/TN", self.task, "/XML", timeout=15.0).ok:
            self.install()
            return
        self._must("/Change", "/TN", self.task, "/ENABLE")
        self._must("/Run", "/TN", self.task)

    @noted("stop")
    def stop(self) -> None:
        """End the task, then the process that still holds the lock: a task's end does not reach
        everything it started.
        """
        self._run("/End", "/TN", self.task)
        if self._ours():
            self._must("/Change", "/TN", self.task, "/DISABLE")
        pid, what = system.lock_holder(str(self.home.state_dir))
        if pid and what == "gateway":
            self.host.run(["taskkill", "/F", "/T", "/PID", str(pid)], timeout=30.0)

    @noted("restart")
    def restart(self) -> None:
        self.stop()
        self.start()

    def reset_failed(self) -> None:
        """Task Scheduler keeps no such state."""

    def reload(self) -> None:
        """Enable a task that an update left disabled."""
        self._must("/Change", "/TN", self.task, "/ENABLE")

    def tend(self) -> bool:
        """Keep the definition of OpenClaw's task, and what it starts, for the day it is gone."""
        done = self._run("/Query", "/TN", self.task, "/XML", timeout=15.0)
        if not done.ok:
            return False
        removal.remember(self.host, self.home, self.command())
        content = ("\ufeff" + done.out.replace("\0", "").lstrip("\ufeff")).encode("utf-16-le")
        copy = self._place("gateway.kept.xml")
        if "\ufffd" in done.out or (os.path.isfile(copy) and copy.read_bytes() == content):
            # written in a code page that lost letters: no copy is better than a wrong one
            return False
        common.write_files(((str(copy), content),))
        return True

    def hurry(self) -> Optional[ServiceState]:
        return None

    def _ours(self) -> bool:
        return os.path.isfile(self._place("gateway.xml"))

    def _place(self, name: str) -> Path:
        return self.home.doctor_dir / "service" / name

    # -- what it starts ----------------------------------------------------------------------------
    def _script(self) -> Path:
        """OpenClaw's launcher: the task runs it, and it sets the environment and starts node."""
        name = "gateway-{}.cmd".format(self.home.profile) if self.home.profile else "gateway.cmd"
        both = [self.home.state_dir / name, self.home.state_dir / "gateway.cmd"]
        return next((path for path in both if os.path.isfile(path)), both[0])

    def _script_lines(self) -> List[str]:
        try:
            return self._script().read_text("utf-8", "replace").splitlines()
        except OSError:
            return []

    def command(self) -> List[str]:
        for line in reversed(self._script_lines()):
            text = line.strip()
            if text and not re.match(
                r"(?i)@?(rem|echo|set|setlocal|endlocal|cd|chcp|exit|if|goto|:)\b|:", text
            ):
                return [a or b for a, b in re.findall(r'"([^"]*)"|(\S+)', text)]
        return []

    def environment(self) -> Dict[str, str]:
        found = (
            re.match(r'(?i)\s*@?set\s+"?([A-Za-z_]\w*)=(.*?)"?\s*$', line)
            for line in self._script_lines()
        )
        return {m.group(1): m.group(2).replace("%%", "%") for m in found if m}

    def environment_override(
        self, set: Mapping[str, str], unset: Sequence[str]
    ) -> Tuple[Tuple[Any, ...], Tuple[str, ...]]:
        """Tasks have no environment of their own: the lines of OpenClaw's launcher script are
        changed.
        """
        lines, target = self._script_lines(), str(self._script())
        if not lines:
            raise ServiceError(
                Text.of("{} cannot be read", "{} 无法读取", target),
                "openclaw gateway install --force",
            )
        names = {*set, *unset} - {"LimitNOFILE", "ExecStart[0]"}
        kept = [
            line
            for line in lines
            if not re.match(
                r'(?i)\s*@?set\s+"?({})='.format("|".join(map(re.escape, names)) or "(?!)"), line
            )
        ]
        added = [
            'set "{}={}"'.format(k, v.replace("%", "%%")) for k, v in set.items() if k in names
        ] + ['set "{}="'.format(k) for k in unset]
        first = 1 if kept and kept[0].lower().startswith("@echo") else 0
        text = "\r\n".join(kept[:first] + added + kept[first:]) + "\r\n"
        program = self.command()[:1]
        if "ExecStart[0]" in set and program:
            text = text.replace('"{}"'.format(program[0]), '"{}"'.format(set["ExecStart[0]"]))
        return (Write(target, text.encode("utf-8")),), (target,)

    # -- installing --------------------------------------------------------------------------------
    def _user(self) -> str:
        name, domain = self.host.env.get("USERNAME", ""), self.host.env.get("USERDOMAIN", "")
        if not name:
            raise ServiceError(
                Text("%USERNAME% is not set", "没有设置 %USERNAME%"),
                Text("run this as the user whose gateway it is", "请以网关所属用户运行"),
            )
        return "{}\\{}".format(domain, name) if domain else name

    def _definition(self, kind: str, argv: Sequence[str], env: Mapping[str, str]) -> ServicePlan:
        """A task runs a small Python file of ours: task definitions know no environment variables,
        batch files no Unicode.
        """
        task = self.watchdog_task if kind == "watchdog" else self.task
        runner = self._place(kind + ".pyw")
        values = {
            "DESCRIPTION": "Keeps the OpenClaw Gateway answering (iflow-doctor)"
            if kind == "watchdog"
            else "OpenClaw Gateway (iflow-doctor)",
            "USER": escape(self._user()),
            "PRIORITY": "8" if kind == "watchdog" else "7",
            "COMMAND": escape(windowless(sys.executable)),
            "ARGUMENTS": escape(subprocess.list2cmdline([str(runner)])),
            "FOLDER": escape(str(self.home.state_dir)),
        }
        xml = common.render("schtasks", "task.xml", values)
        files = (
            (str(runner), runner_source(argv, env).encode("utf-8")),
            (
                str(self._place(kind + ".xml")),
                ("\ufeff" + xml.replace("\n", "\r\n")).encode("utf-16-le"),
            ),
        )
        create = ("schtasks", "/Create", "/TN", task, "/XML", str(self._place(kind + ".xml")), "/F")
        return ServicePlan(files, (create, ("schtasks", "/Run", "/TN", task)))

    def plan_service(self, kind: str) -> ServicePlan:
        if kind == "watchdog":
            return self._definition(
                kind, ["-m", "skill", "watch"], common.watchdog_environment(self.host)
            )
        if self._run("/Query", "/TN", self.task, "/XML", timeout=15.0).ok:
            return ServicePlan()
        kept = self._place("gateway.kept.xml")
        if os.path.isfile(kept) and os.path.isfile(self._script()):
            create = ("schtasks", "/Create", "/TN", self.task, "/XML", str(kept), "/F")
            return ServicePlan((), (create, ("schtasks", "/Run", "/TN", self.task)))

        program = openclaw_program.find(self.host)
        if program:
            return ServicePlan((), ((*program, "gateway", "install", "--json"),))
        return self._plan_own()

    def _plan_own(self) -> ServicePlan:
        return self._definition(
            "gateway",
            common.gateway_command(self.host),
            common.gateway_environment(self.host, self.home),
        )

    def install(self, dry_run: bool = False) -> ServicePlan:
        plan = self.plan_service("gateway")
        if dry_run:
            return plan
        try:
            common.run_plan(self.host, plan, self.host.env, 180.0)
        except ServiceError:
            plan = self._plan_own()
            common.run_plan(self.host, plan, self.host.env)
        self.tend()
        return plan

    def uninstall(self, dry_run: bool = False) -> ServicePlan:
        """Only a gateway task of our own goes."""
        if not self._ours():
            return ServicePlan()
        return self._delete(self.task, "gateway", dry_run)

    def install_watchdog(self, dry_run: bool = False) -> ServicePlan:
        plan = self.plan_service("watchdog")
        if not dry_run:
            self._run("/End", "/TN", self.watchdog_task)
            common.run_plan(self.host, plan, self.host.env)
        return plan

    def uninstall_watchdog(self, dry_run: bool = False) -> ServicePlan:
        return self._delete(self.watchdog_task, "watchdog", dry_run)

    def _delete(self, task: str, kind: str, dry_run: bool) -> ServicePlan:
        if not dry_run and self._run("/Query", "/TN", task, "/XML", timeout=15.0).ok:
            self._run("/End", "/TN", task)
            self._must("/Delete", "/TN", task, "/F")
            for name in (kind + ".xml", kind + ".pyw"):
                if os.path.isfile(self._place(name)):
                    os.unlink(self._place(name))
        return ServicePlan(
            (), (("schtasks", "/End", "/TN", task), ("schtasks", "/Delete", "/TN", task, "/F"))
        )


def windowless(python: str) -> str:
    """pythonw.exe beside python.exe: a task of a logged-in user would show a console window."""
    other = re.sub(r"(?i)python\.exe$", "pythonw.exe", python)
    return other if os.path.exists(other) else python


def runner_source(argv: Sequence[str], env: Mapping[str, str]) -> str:
    """A Python file that sets the environment and becomes `-m skill ...` (or runs the gateway's
    program and answers its code).
    """
    head = (
        "# Written by iflow-doctor.\nimport os, runpy, subprocess, sys\nos.environ.update({!a})\n"
    ).format(dict(env))
    if list(argv[:1]) == ["-m"]:
        path = (
            "sys.path[:0] = [p for p in os.environ.get('PYTHONPATH', '').split(os.pathsep) if p]\n"
        )
        return (
            head
            + path
            + "sys.argv = {!a}\n"
            "runpy.run_module({!a}, run_name='__main__', alter_sys=True)\n".format(
                list(argv[1:]), argv[1]
            )
        )
    return head + "sys.exit(subprocess.call({!a}, creationflags=0x08000000))\n".format(list(argv))


def last_result(text: str) -> Optional[int]:
    """The numeric "Last Result" of the first row of `schtasks /Query /FO CSV /V /NH`; None when
    there is none.
    """
    for row in csv.reader(io.StringIO(text)):
        if len(row) > LAST_RESULT and re.fullmatch(r"-?\d+", row[LAST_RESULT].strip()):
            return int(row[LAST_RESULT]) & 0xFFFFFFFF
    return None
