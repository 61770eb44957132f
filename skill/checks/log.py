"""Log signatures that are certain by themselves: a few sentences that only one cause can print. The
case library holds the rest.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Iterable, Tuple

from ..model import Check, Finding, Severity, Text
from ..openclaw import abilities, logs
from .base import looking

if TYPE_CHECKING:
    from .base import Seen

# slug, pattern, what it means. Sentences of OpenClaw 2026.9.6 and of node, seen on the real
# gateway.
SIGNATURES: Tuple[Tuple[str, str, Text], ...] = (
    (
        "config-invalid",
        r"Gateway failed to start: Invalid config at|OpenClaw config is invalid",
        Text("The gateway refused the config", "网关拒绝了该配置"),
    ),
    (
        "config-blocked",
        r"Gateway start blocked:|Missing config\. Run `openclaw setup`",
        Text("The gateway found no usable config", "网关找不到可用的配置"),
    ),
    (
        "auth-refused",
        r"Refusing to bind gateway to \S+ without auth|auth is set to password, but no password",
        Text("The gateway refused to open without authentication", "网关拒绝在无认证时启动"),
    ),
    (
        "secrets-unavailable",
        r"required secrets are unavailable",
        Text("A secret that the gateway needs cannot be resolved", "网关所需的密钥无法解析"),
    ),
    (
        "older-binary",
        r"OpenClaw binary \([^)]*\) is older than the config",
        Text("The installed OpenClaw is older than the config", "已安装的 OpenClaw 比配置旧"),
    ),
    ("port-in-use", r"EADDRINUSE|is already in use\.", Text("The port was taken", "端口被占用")),
    (
        "state-locked",
        r"another OpenClaw process owns gateway-lifecycle|StateDatabaseCoordinatorContentionError",
        Text(
            "Another OpenClaw process holds the state directory", "另一个 OpenClaw 进程占用状态目录"
        ),
    ),
    (
        "agent-schema-older",
        r"uses schema version \d+; (?:stop active agents|run openclaw doctor)",
        Text(
            "A database has an older schema and wants openclaw doctor --fix",
            "数据库结构较旧，需要运行 openclaw doctor --fix",
        ),
    ),
    (
        "integrity-slow",
        r"SQLite (?:integrity check|inspection|quick check|reclamation) timed out",
        Text(
            "A check of a database took too long: slow, not damaged",
            "数据库校验耗时过长：是慢，不是损坏",
        ),
    ),
    (
        "database-locked",
        r"database (?:table )?is locked|SQLITE_(?:BUSY|LOCKED)",
        Text("A database was held by another program", "数据库被其他程序占用"),
    ),
    (
        "owner-lease",
        r"owner lease is still active",
        Text(
            "The owner lease of a gateway that was killed has not expired yet (300 s)",
            "被强行结束的网关的 owner 租约尚未过期（300 秒）",
        ),
    ),
    (
        "loopback",
        r"loopback\b.{0,60}(?:resolve[sd]? to|cannot be bound|could not be bound)"
        r"|listen EADDRNOTAVAIL",
        Text("The loopback address could not be used", "无法使用本机回环地址"),
    ),
    (
        "temp-folder",
        r"(?:Unable to create|Unsafe) fallback [\w ]{1,40}dir: |set XDG_CACHE_HOME to a writable",
        Text(
            "The gateway found no folder for its temporary copies",
            "网关找不到可存放临时副本的文件夹",
        ),
    ),
    (
        "database-unreadable",
        r"shared state database is unreadable"
        r"(?!.{0,400}(?:fallback [\w ]{1,40}dir: |XDG_CACHE_HOME))"
        r"|file is not a database|database disk image is malformed",
        Text("The state database cannot be read", "状态数据库无法读取"),
    ),
    (
        "database-newer",
        r"uses newer schema version|schema\(s\) are newer than this build"
        r"|\bgateway\]? requires a newer OpenClaw build\b",
        Text("A database is newer than the installed OpenClaw", "数据库比已安装的 OpenClaw 新"),
    ),
    (
        "migration-refused",
        # 2026.9.6: "gateway requires state migration. Stop the service ..., then run openclaw
        # doctor --fix"; "Legacy session store requires migration: ..."
        r"startup migrations did not complete cleanly|\bschema migration required\b"
        r"|\bgateway\]? requires (?:[\w-]+ ){1,5}migration\b"
        r"|\b(?:store|database|schema|state|sessions?)\b.{0,60}\brequires? (?:a )?migration\b",
        Text("A startup migration refused to go on", "启动迁移未能完成"),
    ),
    (
        "disk-full",
        r"ENOSPC|database or disk is full|no space left on device",
        Text("The disk was full", "磁盘已满"),
    ),
    (
        "read-only",
        r"EROFS|attempt to write a readonly database|read-only file system",
        Text("The state directory cannot be written", "状态目录不可写"),
    ),
    (
        "permission",
        r"EACCES: permission denied|EPERM: operation not permitted",
        Text("Permission was denied", "权限被拒绝"),
    ),
    (
        "module-missing",
        r"ERR_MODULE_NOT_FOUND|Cannot find (?:module|package)|missing dist/entry",
        Text("A file of the installation is missing", "安装文件缺失"),
    ),
    (
        "node-too-old",
        r"node:sqlite is unavailable|requires Node(?:\.js)? ?>?=?",
        Text("Node is too old", "Node 版本过低"),
    ),
    (
        "node-options",
        r"is not allowed in NODE_OPTIONS",
        Text("Node refuses NODE_OPTIONS", "Node 拒绝 NODE_OPTIONS"),
    ),
    ("heap", r"JavaScript heap out of memory", Text("The heap was exhausted", "堆内存耗尽")),
    (
        "fd-limit",
        r"EMFILE|too many open files",
        Text("No file descriptors were left", "文件描述符耗尽"),
    ),
    (
        "stays-alive",
        r"Process will stay alive; fix the issue and restart",
        Text(
            "A restart failed and the process stays alive without a port",
            "重启失败，进程存活但无端口",
        ),
    ),
    (
        "breaker",
        r"restart-loop breaker tripped",
        Text("OpenClaw's crash-loop breaker tripped", "OpenClaw 崩溃循环保护已触发"),
    ),
    (
        "runtime-token",
        r"Generated a runtime token for this startup",
        Text(
            "The gateway made up a token: clients are locked out",
            "网关生成了临时令牌：客户端会被拒绝",
        ),
    ),
    (
        "registry-unreachable",
        r"Failed to install missing configured plugin",
        Text(
            "A plugin download failed: the registry cannot be reached",
            "插件下载失败：无法访问注册表",
        ),
    ),
    (
        "triage",
        r"Automatic triage is preparing|Debugging prompt: ",
        Text(
            "OpenClaw's own triage ran after the failed start", "启动失败后 OpenClaw 运行了自带诊断"
        ),
    ),
)
STATES = (
    "breaker",
    "runtime-token",
    "registry-unreachable",
)  # what still matters while the gateway answers


def run(ctx: Seen) -> Iterable[Finding]:
    look = looking(ctx)
    lines = look.log.splitlines()[-2000:]
    for slug, pattern, title in SIGNATURES:
        if look.up and slug not in STATES:
            continue
        if slug == "node-too-old" and abilities.without_sqlite(look.log):
            continue  # it is new enough: `node` and `resources` say what it lacks
        line = next((row for row in reversed(lines) if re.search(pattern, row)), "")
        if line and not logs.quoted(line):
            yield Finding(
                "log/" + slug,
                Severity.WARNING if not look.up else Severity.INFO,
                title,
                "",
                None,
                {"line": line.strip()[:300]},
            )


CHECK = Check("log", Text("Log signatures", "日志特征"), run)
