"""The way in, as a list of steps that --dry-run prints and a run carries out. Every step can be
done again.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from .. import __version__
from ..errors import HealerError
from ..files import private_dir, write_atomic
from ..host import Host
from ..model import Text
from . import bundle, manifest, python_env, selfcheck
from .manifest import Places
from .shim import place
from .shim import text as shim_text


class Step(NamedTuple):
    what: Text
    do: Callable[[], None]


@dataclass
class Options:
    service: bool = True
    shim: bool = True
    plugin: bool = False
    profile: bool = False  # may shell profiles be edited?
    drill: bool = True
    wheelhouse: Optional[str] = None


@dataclass
class Install:
    """One run. `done` is the manifest, written before each change it names, so that an interrupted
    run can be undone too.
    """

    host: Host
    places: Places
    options: Options
    proofs: List[selfcheck.Proof] = field(default_factory=list)
    notes: List[Text] = field(default_factory=list)

    def __post_init__(self) -> None:
        missing = bundle.missing(self.places.source)
        if missing:
            raise HealerError(
                Text.of(
                    "{} is not a complete copy of the skill: {} missing",
                    "{} 不是完整的技能副本：缺少 {}",
                    self.places.source,
                    ", ".join(missing),
                ),
                Text(
                    "unpack the whole archive, or clone the repository, and run its install.sh",
                    "请解压整个归档或克隆仓库，再运行其中的 install.sh",
                ),
            )
        self.fingerprint = bundle.fingerprint(self.places.source)
        self.env = self.places.env_dir(self.fingerprint)
        self.previous = python_env.target_of(self.places)
        self.done: Dict[str, Any] = manifest.read(self.places.manifest)
        self.where = place.choose(self.host, self.places.bin_dir)
        self.swapped = False
        self.absent = self._absent()

    @property
    def upgrade(self) -> bool:
        return self.previous is not None

    def in_place(self) -> bool:
        """True when we run out of the skill directory itself, or it is a developer's link: then it
        is not ours to replace.
        """
        target = self.places.skill_dir
        return target.is_symlink() or os.path.realpath(str(target)) == os.path.realpath(
            str(self.places.source)
        )

    def steps(self) -> List[Step]:
        """What will be done, in order. Reads only."""
        p, o = self.places, self.options
        found: List[Step] = []

        def add(en: str, zh: str, do: Callable[[], None]) -> None:
            found.append(Step(Text(en, zh), do))

        if not os.path.isfile(self.env / ".complete"):
            add(
                "make the private environment {}".format(self.env),
                "创建私有环境 {}".format(self.env),
                lambda: python_env.build(self.host, p, self.env, o.wheelhouse),
            )
        add(
            "check it: list the cases{}".format(", heal a practice gateway" if o.drill else ""),
            "自检：列出案例{}".format("，修复一次演练网关" if o.drill else ""),
            self.check,
        )
        if not self.in_place():
            add(
                "copy the skill to {}".format(p.skill_dir),
                "把技能复制到 {}".format(p.skill_dir),
                self.copy_skill,
            )
        if self.previous != self.env:
            add(
                "use it: {} -> {}".format(p.current, self.env.name),
                "启用：{} -> {}".format(p.current, self.env.name),
                self.switch,
            )
        folder = self.where.folder
        add(
            "write {}".format(folder / shim_text.launcher_name(p.windows)),
            "写入 {}".format(folder / shim_text.launcher_name(p.windows)),
            self.write_launcher,
        )
        if o.shim:
            add(
                "write the shim {}".format(folder / shim_text.name(self.host.system)),
                "写入垫片 {}".format(folder / shim_text.name(self.host.system)),
                self.write_shim,
            )
        if not self.where.in_path:
            for profile in place.files(self.host) if o.profile else []:
                add(
                    "add a marked PATH line to {}".format(profile),
                    "在 {} 中加入带标记的 PATH 行".format(profile),
                    functools.partial(self.add_profile, profile),
                )
        if o.service:
            add(
                "install and start the services (iflow-doctor service install)",
                "安装并启动服务（iflow-doctor service install）",
                self.service,
            )
        if o.plugin:
            add("link the plugin into OpenClaw", "把插件链接到 OpenClaw", self.link_plugin)
        add(
            "verify: status, one watch tick, notify list",
            "验证：状态、一次巡检、通知列表",
            self.verify,
        )
        add("remove environments of older versions", "删除旧版本环境", self.tidy)
        return found

    # -- the steps ---------------------------------------------------------------------------------
    def note(self, **values: Any) -> None:
        self.done.update(values)
        manifest.write(self.places.manifest, self.done)

    def _absent(self) -> List[str]:
        """The folders that we shall have made. Asked before the lock's file makes some of them."""
        found: List[str] = []
        for folder in (
            self.places.skill_dir.parent,
            self.places.doctor_dir,
            self.places.prefix,
            self.places.bin_dir,
        ):
            while not os.path.exists(folder) and folder != folder.parent:
                found.append(str(folder))
                folder = folder.parent
        return found

    def begin(self) -> None:
        """Remember which folders we make, so that the way back can take them away again."""
        made = sorted(set(self.done["made_dirs"]) | set(self.absent))
        self.note(
            version=__version__,
            fingerprint=self.fingerprint,
            prefix=str(self.places.prefix),
            made_dirs=made,
        )

    def check(self) -> None:
        self.proofs += selfcheck.before(self.host, self.places, self.env, self.options.drill)
        self._demand("the new version does not pass its own check; nothing was changed")

    def _demand(self, what: str) -> None:
        bad = [proof for proof in self.proofs if not proof.ok]
        if bad:
            raise HealerError(
                "{}: {}".format(
                    what, "; ".join("{}: {}".format(proof.name, proof.line) for proof in bad)
                )
            )

    def copy_skill(self) -> None:
        target, fresh, aside = (
            self.places.skill_dir,
            self.places.doctor_dir / "skill.new",
            self.places.doctor_dir / "skill.old",
        )
        private_dir(self.places.doctor_dir)
        shutil.rmtree(str(fresh), ignore_errors=True)
        bundle.copy(self.places.source, fresh)
        self.note(skill_dir=str(target))
        target.parent.mkdir(parents=True, exist_ok=True)
        if os.path.exists(target):
            shutil.rmtree(str(aside), ignore_errors=True)
            os.replace(str(target), str(aside))
        os.replace(str(fresh), str(target))

    def switch(self) -> None:
        python_env.switch(self.places, self.env)
        self.swapped = True

    def stable_python(self) -> Path:
        return self.places.python(self.env if self.places.windows else self.places.current)

    def write_launcher(self) -> None:
        target = self.where.folder / shim_text.launcher_name(self.places.windows)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            shim_text.write_launcher(target, self.stable_python(), self.places.windows)
        except FileExistsError as error:
            self.notes.append(Text(str(error), "{}：已有同名文件，未改动".format(target)))
            return
        self.note(launcher=str(target))

    def write_shim(self) -> None:
        target = self.where.folder / shim_text.name(self.host.system)
        old = self.done["shim"]
        if old and old != str(target) and shim_text.is_shim(Path(old)):
            Path(old).unlink()
        self.note(shim=str(target))
        write_atomic(
            target,
            shim_text.render(str(self.stable_python()), self.host.system, str(target.parent)),
            mode=0o755,
        )

    def add_profile(self, profile: Path) -> None:
        self.note(profiles=sorted(set(self.done["profiles"]) | {str(profile)}))
        place.add(profile, self.where.folder)

    def service(self) -> None:
        self.note(service=True)
        done = selfcheck.run(
            self.host, self.places, self.current(), ("service", "install"), timeout=180.0
        )
        if not done.ok:
            tail = (done.err or done.out).strip()[-400:]
            self.notes.append(
                Text(
                    "the service was not installed: {}".format(tail),
                    "服务没有装上：{}".format(tail),
                )
            )
        elif (
            "iflow-doctor watch" in done.out
        ):  # level 1 is ours here (a container), and nothing starts the watchdog by itself
            en = (
                "no service manager here: the watchdog does not run by itself. Start it with "
                "the container: iflow-doctor watch"
            )
            self.notes.append(
                Text(
                    en,
                    "这里没有系统服务管理器，守护进程不会自动运行。"
                    "请随容器启动：iflow-doctor watch",
                )
            )

    def current(self) -> Path:
        return self.env if self.places.windows else self.places.current

    def link_plugin(self) -> None:
        real = place.real(self.host)
        if real is None:
            self.notes.append(
                Text(
                    "openclaw is not in PATH: the plugin was not linked",
                    "PATH 中没有 openclaw：未链接插件",
                )
            )
            return
        self.note(plugin=True)
        folder = self.places.source if self.in_place() else self.places.skill_dir
        argv: Tuple[str, ...] = (
            str(real),
            "plugins",
            "install",
            "--link",
            str(folder),
            "--force",
            "--accept-capabilities",
        )
        done = self.host.run(argv, timeout=180.0)
        if not done.ok:
            tail = (done.err or done.out).strip()[-400:]
            self.notes.append(
                Text(
                    "OpenClaw did not take the plugin: {}".format(tail),
                    "OpenClaw 没有接受插件：{}".format(tail),
                )
            )

    def verify(self) -> None:
        self.proofs += selfcheck.after(self.host, self.places, self.current())
        self._demand("the installation does not run on this home")

    def tidy(self) -> None:
        for path in python_env.old(self.places, [self.env]):
            shutil.rmtree(str(path), ignore_errors=True)
        shutil.rmtree(str(self.places.doctor_dir / "skill.old"), ignore_errors=True)

    def leave_no_empty_folder(self) -> None:
        """After a failed first run: the folders we made and did not fill. Does nothing to one that
        holds something.
        """
        for name in sorted(self.absent, key=len, reverse=True):
            with contextlib.suppress(OSError):
                os.rmdir(name)

    def roll_back(self) -> bool:
        """After a failed run: the previous environment and skill directory again, the watchdog
        restarted on them. True when it did.
        """
        aside, target = self.places.doctor_dir / "skill.old", self.places.skill_dir
        if os.path.isdir(aside) and self.previous is not None:
            shutil.rmtree(str(target), ignore_errors=True)
            with contextlib.suppress(OSError):
                os.replace(str(aside), str(target))
        if not self.swapped or self.previous is None:
            if python_env.target_of(self.places) != self.env:
                shutil.rmtree(
                    str(self.env), ignore_errors=True
                )  # nobody uses it, and it did not pass
            if self.previous is None and not any(
                self.done[key] for key in ("skill_dir", "shim", "launcher", "service", "plugin")
            ):
                with contextlib.suppress(OSError):
                    # a first installation that did nothing yet leaves nothing
                    self.places.manifest.unlink()
            return False
        python_env.switch(self.places, self.previous)
        shutil.rmtree(str(self.env), ignore_errors=True)
        if self.options.service:
            selfcheck.run(
                self.host, self.places, self.current(), ("service", "install"), timeout=180.0
            )
        return True
