"""The only place that knows the product's modules, in the layout of 1.0.0 and in the one of rooms."""

from __future__ import annotations

import importlib
import io
import json
import os
import re
import sys
from typing import Any, Dict, List, Optional, Tuple

from .tables import Tables

_NUMBER = re.compile(r"\d+")
NAMES: Dict[str, Tuple[str, ...]] = {
    "host": ("skill.host",),
    "cli": ("skill.cli",),
    "settings": ("skill.settings",),
    "watch": ("skill.watchdog.watch", "skill.watchdog"),
    "policy": ("skill.watchdog.policy", "skill.policy"),
    "judge": ("skill.openclaw.judge", "skill.judge"),
    "keeper": ("skill.platforms.keeper.main", "skill.keeper"),
    "keeper_system": ("skill.platforms.keeper.system", "skill.keeperlib"),
    "systemctl": ("skill.platforms.systemctl", "skill.platforms.systemdbus"),
    "outbox": ("skill.notify.outbox",),
    "notify": ("skill.notify",),
    "heartbeat": ("skill.notify.heartbeat",),
    "library": ("skill.cases.library", "skill.cases"),
    "matcher": ("skill.cases.matcher", "skill.case_matcher"),
    "openclaw_config": ("skill.openclaw.config",),
    "machine": ("skill.machine",),
    "install": ("skill.openclaw.install",),
    "home": ("skill.openclaw.home",),
    "redact": ("skill.redact",),
    "visit": ("skill.doctor.visit", "skill.doctor"),
}


class Product:
    """The modules of the product that runs, whichever layout it has."""

    def __init__(self) -> None:
        self.modules: Dict[str, Any] = {}
        host = self.module("host")
        self.Host, self.Completed, self.Reply = host.Host, host.Completed, host.Reply
        self._prepared = False

    def module(self, name: str) -> Any:
        if name not in self.modules:
            for place in NAMES[name]:
                try:
                    found = importlib.import_module(place)
                except ModuleNotFoundError:
                    continue
                if place == "skill.watchdog" and not hasattr(found, "Watchdog"):
                    continue
                self.modules[name] = found
                break
            else:
                raise ImportError("the product has none of {}".format(", ".join(NAMES[name])))
        return self.modules[name]

    def keeper_modules(self) -> Tuple[Any, Any]:
        return self.module("keeper_system"), self.module("keeper")

    # -- once per process ---------------------------------------------------------------------------------------------
    def prepare(self) -> None:
        """Import what runs will need, and keep what costs time and decides nothing: settings schema, case library, regexes."""
        if self._prepared:
            return
        self._prepared = True
        for name in NAMES:
            if name != "machine":  # 1.0.0 has none
                self.module(name)
        for name in ("heal", "internal", "watch", "notify"):
            importlib.import_module("skill.commands." + name).add(self.module("cli").main_group)
        for name in ("jsonschema", "json5", "filelock", "rapidfuzz"):
            importlib.import_module(name)
        _import_all("skill.checks")
        _import_all("skill.repairs")
        self._remember_settings()
        self._remember_library()
        self._remember_package()
        self._watch_ticks()

    def _remember_settings(self) -> None:
        settings = self.module("settings")
        schema, issues = settings.schema(), settings.issues_of
        settings.schema = lambda: schema
        kept: Dict[str, Any] = {}

        def issues_of(value: Any, node: Any = None) -> Any:
            key = repr(value)
            if node is not schema and node is not None:
                return issues(value, node)
            if key not in kept:
                kept[key] = issues(value, schema)
            return list(kept[key])

        settings.issues_of = issues_of

    def _remember_package(self) -> None:
        """Where OpenClaw is installed: the same in every run, and looked up at every look."""
        install = self.module("install")
        find = install.package_dir
        kept: Dict[Any, Any] = {}

        def package_dir(host: Any, platform: Any = None) -> Any:
            key = (str(host.env.get("PATH")), getattr(platform, "name", None))
            if key not in kept:
                kept[key] = find(host, platform)
            return kept[key]

        install.package_dir = package_dir

    def _remember_library(self) -> None:
        library, matcher = self.module("library"), self.module("matcher")
        load, match = library.load_or_shipped, matcher.match
        kept: Dict[str, Any] = {}
        found: Dict[Any, Any] = {}

        def load_or_shipped(home: Any, *args: Any, **more: Any) -> Any:
            if "it" not in kept:
                kept["it"] = load(home, *args, **more)
            return kept["it"]

        def matched(cases: Any, symptom: str, log: str, *args: Any, **more: Any) -> Any:
            key = (symptom, _bones(log), args, tuple(sorted(more.items())))
            if key not in found:
                found[key] = list(match(cases, symptom, log, *args, **more))
            return list(found[key])

        library.load_or_shipped = load_or_shipped
        matcher.match = matched

    def _watch_ticks(self) -> None:
        kind = self.module("watch").Watchdog
        tick = kind.tick
        product = self

        def watched(dog: Any) -> Any:
            verdict = tick(dog)
            if product.world is not None:
                product.world.after_tick(dog)
            return verdict

        kind.tick = watched
        enqueue_of = self.module("outbox").enqueue

        def enqueue(ctx: Any, alert: Any) -> bool:
            taken = enqueue_of(ctx, alert)
            if product.world is not None:
                product.world.queued(alert, taken)
            return bool(taken)

        for name in ("outbox", "notify"):
            self.module(name).enqueue = enqueue

    world: Any = None

    # -- in a run -----------------------------------------------------------------------------------------------------
    def begin(self, world: Any) -> None:
        self.world = world
        self.module("systemctl").available = lambda host: world.manager.name == "systemd"
        for name in ("heartbeat",):
            getattr(self.module(name), "_last", {}).clear()

    def host(self, world: Any) -> Any:
        return self.Host(
            **self._tables(world),
            now=world.wall,
            monotonic=lambda: world.mono,
            sleep=world.sleep,
            run=world.run_program,
            start=world.start_program,
            get=world.http_get,
            env=dict(world.env),
            system="linux",
            **({"tmp": str(world.root / "tmp")} if hasattr(self.Host, "tmp") else {}),
        )

    def _tables(self, world: Any) -> Dict[str, Any]:
        """The process and socket tables, where the product asks its host for them."""
        if "processes" not in self.Host.__dataclass_fields__:
            return {}
        tables = Tables(world, self.module("machine"))
        names: Tuple[str, ...] = (
            "process",
            "processes",
            "environ",
            "usage",
            "listeners",
            "signal",
            "boot",
        )
        if "deleted" in self.Host.__dataclass_fields__:
            names += ("deleted",)
        return {name: getattr(tables, name) for name in names}

    def command(self, words: List[str], world: Any) -> Tuple[int, str]:
        """`python -m skill WORDS` with this world's host: (exit code, what it printed)."""
        import click

        said: List[str] = []
        app = self._app(world, said)
        words = [w for w in words if w != "--json"]
        command = self.module("cli").main_group.commands[words[0]]
        try:
            with command.make_context(words[0], list(words[1:]), obj=app) as ctx:
                command.invoke(ctx)
        except click.exceptions.Exit as stop:
            return int(stop.exit_code), "\n".join(said)
        except Exception as error:
            code = getattr(error, "exit_code", None)
            if code is None and isinstance(error, OSError):
                code = 2  # as cli.main() answers
            if code is None:
                raise
            world.note("{} ended: {!r}".format(words[0], error))
            return int(code), "\n".join(said)
        return 0, "\n".join(said)

    def _app(self, world: Any, said: List[str]) -> Any:
        base = self.module("cli").App

        class App(base):  # type: ignore[misc,valid-type]
            def say(self, text: Any) -> None:
                said.append(text.to("en") if hasattr(text, "to") else str(text))

            def out(self, value: Any) -> None:
                said.append(json.dumps(value, ensure_ascii=False, default=str))

        return App("en", True, self.host(world))

    def set_up(self, world: Any) -> int:
        """The owner installs level 1: the platform's own start()."""
        app = self._app(world, [])
        app.context().platform.start()
        return 0

    def outbox_of(self, world: Any) -> Any:
        home = self.module("home").locate(self.host(world))
        return self.module("outbox"), home


def _bones(log: str) -> str:
    """What of a log can matter to a match: its lines without their times, the last ones."""
    lines = [_NUMBER.sub("0", line.split(" ", 1)[-1]) for line in log.splitlines()[-60:]]
    return "\n".join(dict.fromkeys(lines))


def _import_all(package: str) -> None:
    module = importlib.import_module(package)
    for name in sorted(os.listdir(os.path.dirname(str(module.__file__)))):
        if name.endswith(".py") and name != "__init__.py":
            importlib.import_module(package + "." + name[:-3])


_product: Optional[Product] = None


def product() -> Product:
    """The product, imported and prepared once."""
    global _product
    if _product is None:
        _product = Product()
        _product.prepare()
    return _product


class Quiet(io.StringIO):
    """Where prints of the product go during a run."""

    def isatty(self) -> bool:
        return False

    def write(self, text: str) -> int:
        return len(text)


def silence() -> Tuple[Any, Any]:
    before = (sys.stdout, sys.stderr)
    sys.stdout = sys.stderr = Quiet()
    return before
