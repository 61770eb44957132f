"""The openclaw package: there, whole, not being written, the version it was."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterable, Iterator, NamedTuple, Optional, Tuple

from ..files import json_bounded
from ..model import Check, Finding, Text
from ..openclaw import abilities, install
from ..openclaw import cli as openclaw_program
from .base import Look, error, info, looking, warning

if TYPE_CHECKING:
    from .base import Seen

# What node says of a program file that is not what was published.
BROKEN_CODE = re.compile(
    r"SyntaxError: (?:Invalid or unexpected token|Unexpected|missing \)|The requested "
    r"module)|ERR_INVALID_PACKAGE_CONFIG"
)
NATIVE = re.compile(
    r"NODE_MODULE_VERSION|was compiled against a different Node\.js version|invalid ELF "
    r"header|ERR_DLOPEN_FAILED"
)
_ERRORS = re.compile(r"failed to start|start blocked|FATAL ERROR|Error:", re.I)
# What OpenClaw's updater calls its reason in a saved failure, plainest first.
REASON_KEYS = ("reasonCode", "reason", "failedPhase", "code")
REINSTALL = ("npm install -g openclaw@{}", "npm install -g openclaw@{}")


def run(ctx: Seen) -> Iterable[Finding]:
    look = looking(ctx)
    package, inventory = look.package, look.inventory
    writing = install.being_written(package, look.host.now())
    writers = install.writers(package, look.host, look.processes)
    if writing or writers:
        yield warning(
            "installation/updating",
            "A package manager is writing the installation{}".format(
                " (pid {})".format(writers[0]) if writers else ""
            ),
            "包管理器正在写入安装目录{}".format("(pid {})".format(writers[0]) if writers else ""),
            package or "",
            None,
            pids=writers,
            marker=writing,
        )
        if writers:
            return
    before = str(inventory.get("version") or "")
    hint = tuple(text.format(before or look.version or "latest") for text in REINSTALL)
    if package is None or not os.path.isfile(package / "package.json"):
        program = openclaw_program.find(look.host, ctx.platform)
        gone = bool(inventory.get("package")) and not os.path.exists(str(inventory["package"]))
        # A wrapper (asdf, mise, nix) whose package cannot be told: that is no missing installation.
        if not look.up and not look.elsewhere and (gone or not program):
            yield error(
                "installation/missing",
                "OpenClaw is not installed where the service or PATH says",
                "在服务或 PATH 所指的位置找不到 OpenClaw",
                package or inventory.get("package") or "",
                (hint[0], hint[1]),
                version=before,
            )
        return
    yield from _whole(look, package, (hint[0], hint[1]))
    said = abilities.about(look.version)
    if said is not None:
        yield info(
            "installation/untested-version",
            said.en,
            said.zh,
            package,
            None,
            version=look.version,
            standing=abilities.standing(look.version),
        )
    if look.up and any(install.replaced_since(package, row.started) for row in look.gateways):
        yield info(
            "installation/restart-pending",
            "The running gateway is older than the installed OpenClaw {}: it takes a restart to "
            "use it, and parts that it has not loaded yet may fail until then".format(look.version),
            "运行中的网关早于已安装的 OpenClaw {}：重启后才会使用新版本，"
            "在此之前尚未加载的部分可能出错".format(look.version),
            package,
            ("openclaw gateway restart", "openclaw gateway restart"),
            version=look.version,
        )
    if before and look.version and before != look.version:
        yield info(
            "installation/version-changed",
            "OpenClaw went from {} to {} since the last healthy run".format(before, look.version),
            "自上次健康运行以来，OpenClaw 从 {} 变为 {}".format(before, look.version),
            package,
            None,
            before=before,
            now=look.version,
        )
    yield from _update(look, before)
    words = look.crash_log if not look.up else ""
    if NATIVE.search(words):
        # The greedy folder ends at the innermost node_modules: a plugin brings its own.
        module = re.search(
            r"((?:[A-Za-z]:)?[/\\][^\s'\":]*)[/\\]node_modules[/\\]((?:@[^/\s'\"]+/)?[^/\\\s'\""
            r"]+)[/\\][^\s'\"]*\.node",
            words,
        )
        yield error(
            "installation/native-module",
            "A native module does not fit this node{}".format(
                ": " + module.group(2) if module else ""
            ),
            "原生模块与当前 node 不匹配{}".format(":" + module.group(2) if module else ""),
            package,
            None,
            module=module.group(2) if module else "",
            folder=module.group(1) if module else "",
        )


def _update(look: Look, before: str) -> Iterator[Finding]:
    """What the last update left behind: a failure with its reason, a gateway not started."""
    failed = last_failed_update(look.home.state_dir, look.last_good_taken)
    if failed:
        yield warning(
            "installation/update-failed",
            "The last update failed: {}".format(failed.reason or "no reason was recorded"),
            "上次更新失败：{}".format(failed.reason or "没有记录原因"),
            str(failed.path),
            (
                "openclaw update status --json, then: openclaw update repair",
                "openclaw update status --json，然后：openclaw update repair",
            ),
            reason=failed.reason,
        )
    changed = bool(before and look.version and before != look.version)
    state = look.service
    stopped = (
        state is not None
        and state.exists
        and state.active in ("inactive", "failed")
        and not state.stopped_by_operator
        and not look.gateways
    )
    if (failed or changed) and stopped and not look.up and not _ERRORS.search(look.log):
        yield warning(
            "installation/update-left-stopped",
            "An update ended and nobody started the gateway again",
            "更新已结束，但没有人重新启动网关",
            "",
            ("openclaw gateway start", "openclaw gateway start"),
        )


def _whole(look: Look, package: Any, hint: "tuple[str, str]") -> Iterator[Finding]:
    missing = install.missing_files(package)
    if not missing and not look.up and BROKEN_CODE.search(look.log):
        missing = install.altered_files(package)
    if missing:
        say = error if not look.up else warning
        yield say(
            "installation/missing-file",
            "{} of the installation are missing or damaged: {}".format(
                "Files" if len(missing) > 1 else "Parts", ", ".join(missing[:3])
            ),
            "安装文件缺失或已损坏：{}".format(", ".join(missing[:3])),
            package,
            hint,
            files=missing[:20],
            version=look.version,
        )
    gone = install.missing_dependencies(package)
    if gone:
        # OpenClaw 2026.9.6 starts without some of its optional packages; when it is down, a missing
        # one is a likely cause.
        say = error if not look.up else warning
        yield say(
            "installation/missing-file",
            "Packages that OpenClaw needs are missing: {}".format(", ".join(gone[:4])),
            "缺少 OpenClaw 依赖的包：{}".format(", ".join(gone[:4])),
            package,
            hint,
            packages=gone[:20],
            version=look.version,
        )


class Failed(NamedTuple):
    path: Path
    at: float  # epoch seconds of the file
    reason: str  # OpenClaw's own reason code; "" when the file holds none


def last_failed_update(state_dir: Path, since: float) -> Optional[Failed]:
    """The newest saved failure that is younger than `since`, as far as it can be read."""
    found = []
    try:
        for path in (state_dir / "logs" / "support").glob("openclaw-update-failure-*.json"):
            found.append((path.stat().st_mtime, path))
    except OSError:
        return None
    at, path = max(found, default=(0.0, state_dir))
    if not found or at <= since:
        return None
    return Failed(path, at, _reason(path))


def _reason(path: Path) -> str:
    try:
        value = json_bounded(path.read_bytes()[:262144].decode("utf-8", "replace"))
    except (OSError, ValueError, RecursionError):
        return ""
    told = sorted(_told(value, 0))
    return told[0][1] if told else ""


def _told(value: Any, depth: int) -> Iterator[Tuple[Tuple[int, int], str]]:
    """Every reason in it with its rank: the plainest name first, the outermost first."""
    if not isinstance(value, dict) or depth > 3:
        return
    for rank, key in enumerate(REASON_KEYS):
        said = value.get(key)
        if isinstance(said, str) and 2 < len(said) <= 60 and " " not in said:
            yield (rank, depth), said
    for inner in value.values():
        yield from _told(inner, depth + 1)


CHECK = Check("installation", Text("Installation", "安装完整性"), run)
