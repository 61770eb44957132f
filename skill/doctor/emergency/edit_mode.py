"""Hands mode: the CLI edits a redacted copy of the config in an empty directory of its own; what it
changed becomes a plan like any other.

The live config is never in its reach, and no secret is in the copy: placeholders go out, and are
put back on this machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

from ...model import Plan, Risk, Service, Text, Write
from ...openclaw import config as openclaw_config
from ...redact import Redactor
from . import allowed
from . import plan as plans

MAX_CONFIG = 1_000_000  # bytes
# Exact commands, read only, that look at the copy. None of them touches the gateway or the live
# config.
COMMANDS = ("openclaw config validate --json", "openclaw config validate", "openclaw --version")


@dataclass(frozen=True)
class Work:
    """folder: the clean working directory. edit: the copy. shown: what was put into it (redacted
    text).
    """

    folder: str
    edit: str
    shown: str
    commands: Tuple[str, ...] = COMMANDS

    def places(self) -> Dict[str, str]:
        return {
            "copy": self.shown,
            "edit": self.edit,
            "workdir": self.folder,
            "commands": ", ".join("`{}`".format(c) for c in self.commands),
        }


def prepare(ctx: Any, folder: str, redactor: Redactor) -> Optional[Work]:
    """Put the redacted copy into the directory; None where there is no config to edit (plan mode is
    used then).
    """
    try:
        text = ctx.home.config_path.read_bytes()[:MAX_CONFIG].decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None
    if not text.strip():
        return None
    shown = redactor.clean(text)
    if (
        redactor.restore(shown) != text
    ):  # a text that already held something like a placeholder cannot be mapped back
        return None
    target = Path(folder) / "openclaw.json"
    target.write_text(shown, "utf-8")
    target.chmod(0o600)
    return Work(folder, str(target), shown)


def plan_of(ctx: Any, work: Work, redactor: Redactor) -> Optional[Plan]:
    """What was edited, as a plan; None when nothing was changed. Raise plans.Refused when it may
    not be carried out.
    """
    target = Path(work.edit)
    if target.is_symlink() or not target.is_file() or target.stat().st_size > MAX_CONFIG:
        raise plans.Refused(
            Text(
                "the copy of the config is gone or no longer a plain file",
                "配置副本不见了，或不再是普通文件",
            )
        )
    edited = target.read_text("utf-8", "replace")
    if edited == work.shown:
        return None
    try:
        after = openclaw_config.parse(edited)
    except (ValueError, RecursionError):
        raise plans.Refused(
            Text("the edited config does not parse", "改过的配置无法解析")
        ) from None
    restored = redactor.restore(edited)
    try:
        now = openclaw_config.parse(restored)
    except (ValueError, RecursionError):
        raise plans.Refused(
            Text("the edited config does not parse", "改过的配置无法解析")
        ) from None
    before = _before(ctx)
    changed = openclaw_config.diff(before, now)
    if not changed and before and _parses(ctx):
        return None
    del after
    _no_moved_secrets(before, now, redactor)
    reasons = allowed.refusals(
        before,
        now,
        allowed.named_paths(ctx.verdict.findings),
        allowed.as_mapping((ctx.last_good or {}).get("config")),
    )
    if reasons:
        raise plans.Refused(
            "the edit is not allowed: {}".format("; ".join(dict.fromkeys(reasons[:5])))
        )
    path = str(ctx.home.config_path)
    return Plan(
        "ai-hands",
        (Write(path, restored.encode("utf-8")), Service("restart", 120.0)),
        Risk.GUARDED,
        Text(
            "the AI changed {}".format(", ".join(changed[:8]) or "the config's syntax"),
            "AI 修改了 {}".format("、".join(changed[:8]) or "配置的语法"),
        ),
        touches=(path,),
        config_paths=tuple(changed) if _parses(ctx) else ("*",),
    )


def _parses(ctx: Any) -> bool:
    try:
        return isinstance(
            openclaw_config.parse(ctx.home.config_path.read_bytes().decode("utf-8-sig")), dict
        )
    except (OSError, ValueError, RecursionError):
        return False


def _before(ctx: Any) -> Any:
    """What the edit is measured by: the file as it is; when it does not parse, the last good copy.
    Refused where there is neither.
    """
    if _parses(ctx):
        return openclaw_config.parse(ctx.home.config_path.read_bytes().decode("utf-8-sig"))
    good = (ctx.last_good or {}).get("config")
    if not good:
        raise plans.Refused(
            Text(
                "the config does not parse and there is no good copy to measure an edit by",
                "配置无法解析，且没有可比对的可用副本",
            )
        )
    return good


def _no_moved_secrets(before: Any, now: Any, redactor: Redactor) -> None:
    """A placeholder that turns up at another key would carry a secret there (into a URL, a header,
    a prompt).
    """
    old = dict(openclaw_config.leaves(before))
    for path, value in openclaw_config.leaves(now):
        if isinstance(value, str) and old.get(path) != value and redactor.clean(value) != value:
            raise plans.Refused(
                Text.of(
                    "{} would hold a secret that was not there before",
                    "{} 会含有此前没有的密钥",
                    path,
                )
            )
