"""Hands mode: the CLI edits a copy of the config in an empty directory of its own; what it changed
becomes a plan like any other.

The same is hidden as in plan mode: every text and comment that may be private stands as a mark
("<HIDDEN_1>") and is put back on this machine. The live config is never in its reach.
"""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Set

from ...model import Plan, Risk, Service, Text, Write
from ...openclaw import config as openclaw_config
from ...openclaw import validation
from ...redact import Redactor
from . import allowed
from . import plan as plans
from .shape import Shape

if TYPE_CHECKING:
    from ...context import Context

MAX_CONFIG = 200_000  # bytes
# Comments, texts in either quotes, and numbers that are no small ones.
_TOKEN = re.compile(
    r"(?P<comment>//[^\n]*|/\*[\s\S]*?\*/)|(?P<text>\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')"
    r"|(?P<number>(?<![\w.])-?\d{5,}(?![\w.]))|(?P<cut>[\"'][^\n]*)"
)
_MARK = re.compile(r"\"<HIDDEN_(\d+)>\"|/\*<HIDDEN_(\d+)>\*/")


@dataclass(frozen=True)
class Work:
    """folder: the clean working directory. edit: the copy. shown: what was put into it. hidden:
    what each mark stands for.
    """

    folder: str
    edit: str
    shown: str
    hidden: Mapping[str, str] = field(default_factory=dict)

    def places(self) -> Dict[str, str]:
        return {"copy": self.shown, "edit": self.edit}

    def restore(self, text: str) -> str:
        return _MARK.sub(lambda m: self.hidden.get(m.group(0), m.group(0)), text)


def prepare(ctx: Context, folder: str, redactor: Redactor) -> Optional[Work]:
    """Put the copy into the directory; None where there is no config to edit (plan mode is used
    then).
    """
    try:
        text = ctx.home.config_path.read_bytes()[: MAX_CONFIG + 1].decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None
    if not text.strip() or len(text) > MAX_CONFIG or "<HIDDEN_" in text:
        return None
    hidden: Dict[str, str] = {}
    seen = _shown_values(ctx)

    def mark(match: "re.Match[str]") -> str:
        token = match.group(0)
        if match.group("text"):
            after = text[match.end() : match.end() + 40]
            inner = token[1:-1]
            key = bool(re.match(r"\s*:", after))
            if key and redactor.clean(inner) == inner and len(inner) <= 60:
                return token
            if not key and inner in seen and redactor.clean(inner) == inner:
                return token
        if match.group("number") and token in seen:
            return token
        form = "/*<HIDDEN_{}>*/" if match.group("comment") else '"<HIDDEN_{}>"'
        name = form.format(len(hidden) + 1)
        hidden[name] = token
        return name

    shown = _TOKEN.sub(mark, text)
    target = Path(folder) / "openclaw.json"
    target.write_text(shown, "utf-8")
    target.chmod(0o600)
    work = Work(folder, str(target), shown, hidden)
    return work if work.restore(shown) == text else None


def _shown_values(ctx: Context) -> Set[str]:
    """Values that plan mode would show too, as they stand in the file."""
    view = openclaw_config.load(ctx.home.config_path)
    good = (ctx.last_good or {}).get("config")
    shape, found = Shape.of(ctx), {"true", "false", "null", "on", "off"}
    for data in (view.data if view.ok else None, good):
        for path, value in openclaw_config.leaves(data or {}):
            if isinstance(value, (str, int, float)) and not isinstance(value, bool):
                if shape.value(path.split("."), value) == value:
                    found.add(str(value))
    return found


def plan_of(ctx: Context, work: Work, redactor: Redactor) -> Optional[Plan]:
    """What was edited, as a plan; None when nothing was changed. Raise plans.Refused when it may
    not be carried out.
    """
    target = Path(work.edit)
    if target.is_symlink() or not os.path.isfile(target) or target.stat().st_size > 2 * MAX_CONFIG:
        raise plans.Refused(
            Text(
                "the copy of the config is gone or no longer a plain file",
                "配置副本不见了，或不再是普通文件",
            )
        )
    edited = target.read_text("utf-8", "replace")
    if edited == work.shown:
        return None
    counts: List[str] = [found.group(0) for found in _MARK.finditer(edited)]
    if len(set(counts)) < len(counts) or any(name not in work.hidden for name in counts):
        raise plans.Refused(Text("a mark was copied or invented", "有标记被复制或捏造"))
    restored = work.restore(edited)
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
    _no_moved_secrets(before, now, redactor, set(work.hidden.values()))
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
    _valid(ctx, restored)
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


def _valid(ctx: Context, text: str) -> None:
    """OpenClaw's own validator looks at the edit before anything is written; what it says goes back
    to the model.
    """
    with tempfile.TemporaryDirectory(prefix="iflow-doctor-") as folder:
        trial = Path(folder) / "openclaw.json"
        trial.write_text(text, "utf-8")
        trial.chmod(0o600)
        try:
            answer = validation.validate(
                replace(ctx, home=replace(ctx.home, config_path=trial), logs=""), 30.0
            )
        except Exception:  # it cannot say: then /readyz will
            return
    if answer.known and not answer.valid:
        raise plans.Refused(
            "OpenClaw would reject the edited config: {}".format(
                "; ".join(
                    "{}: {}".format(issue.get("path"), str(issue.get("message"))[:120])
                    for issue in answer.issues[:4]
                )
            )
        )


def _parses(ctx: Context) -> bool:
    try:
        return isinstance(
            openclaw_config.parse(ctx.home.config_path.read_bytes().decode("utf-8-sig")), dict
        )
    except (OSError, ValueError, RecursionError):
        return False


def _before(ctx: Context) -> Any:
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


def _no_moved_secrets(before: Any, now: Any, redactor: Redactor, hidden: Set[str]) -> None:
    """What was hidden and turns up at another key would carry it there (into a URL, a header, a
    prompt).
    """
    old = dict(openclaw_config.leaves(before))
    for path, value in openclaw_config.leaves(now):
        if not isinstance(value, str) or old.get(path) == value:
            continue
        moved = any(len(token) > 6 and token[1:-1] in value for token in hidden)
        if moved or redactor.clean(value) != value or "<HIDDEN_" in value:
            raise plans.Refused(
                Text.of(
                    "{} would hold a secret that was not there before",
                    "{} 会含有此前没有的密钥",
                    path,
                )
            )
