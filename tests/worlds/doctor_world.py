"""A home in a temporary folder with a make-believe gateway: it is up when its service was started
and `healthy()` says so.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Dict, List, Optional

from fake_machine import Machine

from skill import settings
from skill.context import Context
from skill.host import Completed, Host, Reply
from skill.model import Finding, Severity, State, Text, Verdict, Write
from skill.openclaw.home import Home

CONFIG = """// notes
{
  gateway: {mode: "local", port: 18901, auth: {mode: "token", token: "t"}}, // keep
  agents: {defaults: {model: "a/b.c"}},
}
"""


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / ".openclaw"
        self.state.mkdir()
        self.config = self.state / "openclaw.json"
        self.config.write_text(CONFIG)
        self.clock = 1_800_000_000.0
        self.started = False
        self.calls: List[str] = []
        self.machine = Machine()
        self.healthy: Callable[[], bool] = lambda: True
        self.on_run: Callable[[List[str]], Completed] = lambda argv: Completed(
            argv, None, missing=True
        )
        env = {"HOME": str(folder), "PATH": str(folder / "bin")}
        self.host = Host(
            now=lambda: self.clock,
            monotonic=lambda: self.clock,
            sleep=self._sleep,
            run=self._run,
            start=self._no,
            get=self._get,
            env=env,
            **self.machine.fields(),
        )
        self.home = Home(self.state, self.config, port=18901)

    def _no(self, *_args: Any, **_more: Any) -> int:
        raise OSError("nothing is started here")

    def _sleep(self, seconds: float) -> None:
        self.clock += max(seconds, 0.01)

    def _run(self, argv: Any, **_more: Any) -> Completed:
        self.calls.append(" ".join(str(word) for word in argv))
        return self.on_run(list(argv))

    def _get(self, url: str, timeout: float = 5.0, limit: int = 65536) -> Reply:
        if not (self.started and self.healthy()):
            return Reply(error="refused")
        body: Dict[str, Any] = (
            {"ready": True, "failing": []}
            if url.endswith("/readyz")
            else {"ok": True, "status": "live"}
        )
        return Reply(200, json.dumps(body).encode())

    # the platform
    # ----------------------------------------------------------------------------------------------
    name = "fake"

    def start(self) -> None:
        self.calls.append("start")
        self.started = True

    def stop(self) -> None:
        self.calls.append("stop")
        self.started = False

    def restart(self) -> None:
        self.stop()
        self.start()

    def reload(self) -> None:
        self.calls.append("reload")

    def install(self) -> None:
        self.calls.append("install")

    def command(self) -> List[str]:
        return []

    def environment(self) -> Dict[str, str]:
        return {"NODE_OPTIONS": "--no-such-flag"}

    def environment_override(self, set: Any, unset: Any) -> Any:
        self.calls.append("override {} {}".format(dict(set), list(unset)))
        return (Write(str(self.home.doctor_dir / "override.json"), b"{}"),), ()

    def service_state(self) -> Any:
        return SimpleNamespace(
            main_pid=None, active="active" if self.started and self.healthy() else "failed"
        )

    def context(
        self,
        *findings: Finding,
        state: State = State.MISCONFIGURED,
        last_good: Optional[Any] = None,
        **values: Any,
    ) -> Context:
        loaded = settings.Settings(
            {
                **settings.defaults(settings.schema()),
                "ai": {"enabled": False, "mode": "plan"},
                **values,
            },
            {},
        )
        verdict = Verdict(
            state, Text("it is down", "已停机"), exit_code=78, findings=tuple(findings)
        )
        return Context(self.host, self.home, loaded, verdict, platform=self, last_good=last_good)

    def parses(self) -> bool:
        from skill.openclaw.config import load

        return load(self.config).ok


def finding(check: str, path: str = "", **evidence: Any) -> Finding:
    return Finding(
        check, Severity.ERROR, Text(check, check), path, Text("do this", "这样做"), evidence
    )


def with_findings(ctx: Context, *findings: Finding) -> Context:
    return ctx.with_verdict(replace(ctx.verdict, findings=tuple(findings)))
