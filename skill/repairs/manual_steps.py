"""What a person can do where level 3 could not: said in place of a hint that only names our own
repair once more.
"""

from __future__ import annotations

from shlex import quote
from typing import Any, Callable, Dict, Mapping, Optional

from ..context import Context
from ..model import Finding, Plan, Repair, Risk, Text

Writer = Callable[[Context, Finding], Text]


def hint(ctx: Context, finding: Optional[Finding]) -> Optional[Text]:
    """The way by hand for this finding; None where its own hint is one already."""
    outside = ctx.finding("config/immutable")
    if outside is not None and finding is not None and finding.check_id.startswith("config/"):
        return Text.of(
            "Correct it at its source and deploy it again: {} is managed from outside ({})",
            "请在源头改正并重新部署：{} 由外部管理（{}）",
            ctx.home.config_path,
            outside.evidence.get("owner", "?"),
        )
    writer = WRITERS.get(finding.check_id) if finding is not None else None
    return writer(ctx, finding) if writer is not None and finding is not None else None


def _own_copy(ctx: Context, finding: Finding) -> Text:
    return _lines(
        Text.of(
            "No copy of {0} that OpenClaw accepts is left: put a backup of your own there, or "
            "write a new one.",
            "没有留下 OpenClaw 可接受的 {0} 副本：请放回你自己的备份，或重新生成。",
            ctx.home.config_path,
        ),
        "openclaw configure",
    )


def _syntax(ctx: Context, finding: Finding) -> Text:
    line, column = finding.evidence.get("line"), finding.evidence.get("column")
    place = quote(str(ctx.home.config_path))
    if not line:
        return _lines(_EDIT, "nano " + place, CHECK)
    said = Text.of(
        "Correct line {0}, column {1}, or put a backup of your own there.",
        "请改正第 {0} 行第 {1} 列，或放回你自己的备份。",
        line,
        column,
    )
    return _lines(said, "nano +{},{} {}".format(line, column, place), CHECK)


def _value(ctx: Context, finding: Finding) -> Text:
    said = Text.of(
        "Give {} a valid value.",
        "请给 {} 填上有效的值。",
        finding.path or Text("the key named above", "上面提到的配置项"),
    )
    return _lines(said, "nano " + quote(str(ctx.home.config_path)), CHECK)


def _include(ctx: Context, finding: Finding) -> Text:
    if finding.evidence.get("broken"):
        correct = Text("Correct it, or take its $include out.", "请改正它，或删除对应的 $include。")
        return _lines(correct, "nano " + quote(str(finding.path)), CHECK)
    said = Text(
        "Put the missing file back, or take its $include out.",
        "请放回缺少的文件，或删除对应的 $include。",
    )
    return _lines(said, "nano " + quote(str(ctx.home.config_path)), CHECK)


def _database(ctx: Context, finding: Finding) -> Text:
    said = Text.of(
        "If you have a backup of {}, put it there between these two commands, and move its -wal "
        "and -shm files away. Without one OpenClaw starts with an empty database.",
        "如果有 {} 的备份，请在下面两条命令之间放回原处，并移走它的 -wal 和 -shm 文件。"
        "没有备份时 OpenClaw 会以空数据库启动。",
        finding.path,
    )
    return _lines(said, "openclaw gateway stop", "openclaw gateway start")


def _room(ctx: Context, finding: Finding) -> Text:
    said = Text("Free some room; it is started by itself then.", "请腾出空间，之后会自动启动。")
    place = quote(finding.path or "/")
    return _lines(
        said,
        "df -h {0}; df -i {0}".format(place),
        "du -xh {} --max-depth=2 2>/dev/null | sort -h | tail".format(quote(str(ctx.host.home))),
    )


def _read_only(ctx: Context, finding: Finding) -> Text:
    said = Text.of(
        "The filesystem of {} is read-only: find out why, and make it writable again.",
        "{} 所在的文件系统为只读：请查明原因并恢复可写。",
        finding.path,
    )
    return _lines(said, "sudo dmesg | tail -20", "iflow-doctor heal")


def _node(ctx: Context, finding: Finding) -> Text:
    wanted = str(finding.evidence.get("wanted") or "24")
    said = Text.of(
        "Install Node.js {} (without nvm: from nodejs.org).",
        "请安装 Node.js {}（没有 nvm 时从 nodejs.org 安装）。",
        wanted,
    )
    major = "".join(c for c in wanted.split(".")[0] if c.isdigit()) or "24"
    return _lines(said, "nvm install " + major, "openclaw gateway install --force")


def _native(ctx: Context, finding: Finding) -> Text:
    said = Text(
        "This builds its native modules for this node.", "这会为当前 node 重新构建原生模块。"
    )
    return _lines(said, "npm install -g openclaw && openclaw gateway restart")


_EDIT = Text("Correct it, or put a backup of your own there.", "请改正它，或放回你自己的备份。")
CHECK = "openclaw config validate"


def _lines(said: Text, *commands: str) -> Text:
    """A sentence, then what can be pasted, a line each."""
    return Text(*("\n".join((sentence, *commands)) for sentence in said))


WRITERS: Dict[str, Writer] = {
    "config/syntax": _syntax,
    "config/missing": _own_copy,
    "config/empty": _own_copy,
    "config/shrunk": _own_copy,
    "config/include-missing": _include,
    "config/invalid-value": _value,
    "database/corrupt": _database,
    "database/zero-bytes": _database,
    "disk/full": _room,
    "disk/inodes": _room,
    "disk/read-only": _read_only,
    "node/too-old": _node,
    "node/missing": _node,
    "service/node-missing": _node,
    "installation/native-module": _native,
}


def tell(ctx: Context, params: Mapping[str, Any]) -> Plan:
    """Do nothing but say what only a person can do: keys, billing, QR login, root.

    params: {"en": ..., "zh": ...} as a case's solution gives it; the findings' own remedies
    follow.
    """
    errors = [f for f in ctx.verdict.findings if f.severity.value == "error"]
    hints = [step for step in (hint(ctx, f) or f.fix_hint for f in errors) if step][:3]
    en = [str(params["en"])] if params.get("en") else []
    zh = [str(params["zh"])] if params.get("zh") else []
    en += [step.en for step in hints if step.en not in en]
    zh += [step.zh for step in hints if step.zh not in zh]
    said = Text(
        "; ".join(part.rstrip(". ") for part in en), "；".join(part.rstrip("。 ") for part in zh)
    )
    advice = Text(
        said.en or "Look at: iflow-doctor diagnose", said.zh or "请查看：iflow-doctor diagnose"
    )
    return Plan("tell-person", (), Risk.READ, ctx.verdict.reason, verify="none", advice=advice)


_TEXT = {"type": "string", "maxLength": 2000}
TELL = Repair(
    "tell-person",
    Risk.READ,
    Text("Tell the person what to do", "告诉用户该怎么做"),
    tell,
    {"type": "object", "additionalProperties": False, "properties": {"en": _TEXT, "zh": _TEXT}},
)
