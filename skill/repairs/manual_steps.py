"""What a person can do where level 3 could not: said in place of a hint that only names our own
repair once more.
"""

from __future__ import annotations

from typing import Callable, Dict, Optional

from ..context import Context
from ..model import Finding, Text

Writer = Callable[[Context, Finding], Text]


def hint(ctx: Context, finding: Optional[Finding]) -> Optional[Text]:
    """The way by hand for this finding; None where its own hint is one already."""
    writer = WRITERS.get(finding.check_id) if finding is not None else None
    return writer(ctx, finding) if writer is not None and finding is not None else None


def _own_copy(ctx: Context, finding: Finding) -> Text:
    return Text.of(
        "No copy of {0} that OpenClaw accepts is left. Put a backup of your own in its place, "
        "or write a new one: openclaw configure",
        "没有留下 OpenClaw 可接受的 {0} 副本。请放回你自己的备份，或重新生成：openclaw configure",
        ctx.home.config_path,
    )


def _syntax(ctx: Context, finding: Finding) -> Text:
    line, column = finding.evidence.get("line"), finding.evidence.get("column")
    return Text.of(
        "Correct {0}{1} with an editor, or put a backup of your own in its place. Check it: "
        "openclaw config validate",
        "请用编辑器改正 {0}{2}，或放回你自己的备份。检查：openclaw config validate",
        ctx.home.config_path,
        " (line {}, column {})".format(line, column) if line else "",
        "（第 {} 行第 {} 列）".format(line, column) if line else "",
    )


def _value(ctx: Context, finding: Finding) -> Text:
    return Text.of(
        "Give {0} a valid value in {1} with an editor. Check it: openclaw config validate",
        "请用编辑器在 {1} 中给 {0} 填上有效的值。检查：openclaw config validate",
        finding.path or Text("the key named above", "上面提到的配置项"),
        ctx.home.config_path,
    )


def _include(ctx: Context, finding: Finding) -> Text:
    return Text.of(
        "Put the file back, or take its $include out of {0}. Check it: openclaw config validate",
        "请放回该文件，或从 {0} 中删除对应的 $include。检查：openclaw config validate",
        ctx.home.config_path,
    )


def _database(ctx: Context, finding: Finding) -> Text:
    return Text.of(
        "Put a backup of {0} in its place, or move it (with its -wal and -shm) elsewhere while "
        "the gateway is stopped, then: "
        "openclaw gateway start. Without it OpenClaw starts with an empty one",
        "请放回 {0} 的备份；或先停止网关，把它（连同 -wal 与 -shm）移走，再运行 openclaw gateway "
        "start。没有它时 OpenClaw 会以空数据库启动",
        finding.path,
    )


def _room(ctx: Context, finding: Finding) -> Text:
    return Text.of(
        "Free some room on the disk of {0} (df -h {0} and df -i {0} show it), then: "
        "iflow-doctor heal",
        "请在 {0} 所在磁盘上腾出空间（用 df -h {0} 与 df -i {0} 查看），然后：iflow-doctor heal",
        finding.path,
    )


def _read_only(ctx: Context, finding: Finding) -> Text:
    return Text.of(
        "Find out why the filesystem of {} is read-only (dmesg | tail), make it writable "
        "again, then: iflow-doctor heal",
        "请查明 {} 所在文件系统为何只读（dmesg | tail），恢复可写后运行：iflow-doctor heal",
        finding.path,
    )


def _node(ctx: Context, finding: Finding) -> Text:
    return Text.of(
        "Install Node.js {} (nodejs.org, or: nvm install 24), then: openclaw gateway install "
        "--force",
        "请安装 Node.js {}（nodejs.org，或：nvm install 24），"
        "然后：openclaw gateway install --force",
        finding.evidence.get("wanted") or "24",
    )


def _zero(ctx: Context, finding: Finding) -> Text:
    return Text.of(
        "Put a backup of {} in its place while the gateway is stopped; without one OpenClaw "
        "starts with an empty one",
        "请在网关停止时放回 {} 的备份；没有备份时 OpenClaw 会以空数据库启动",
        finding.path,
    )


def _native(ctx: Context, finding: Finding) -> Text:
    return Text(
        "npm install -g openclaw    # builds its native modules for this node; then: openclaw "
        "gateway restart",
        "npm install -g openclaw    # 为当前 node 重新构建原生模块；然后：openclaw gateway restart",
    )


WRITERS: Dict[str, Writer] = {
    "config/syntax": _syntax,
    "config/missing": _own_copy,
    "config/empty": _own_copy,
    "config/shrunk": _own_copy,
    "config/include-missing": _include,
    "config/invalid-value": _value,
    "database/corrupt": _database,
    "database/zero-bytes": _zero,
    "disk/full": _room,
    "disk/inodes": _room,
    "disk/read-only": _read_only,
    "node/too-old": _node,
    "node/missing": _node,
    "service/node-missing": _node,
    "installation/native-module": _native,
}
