"""What OpenClaw itself says of its config: kept answer, its own log, its program, its schema, in this order.

A check of its own, because the program needs 1 to 4 s (more on a crowded machine) and the rest of the config must not wait for it.
"""

from __future__ import annotations

import re
from typing import Any, Iterable, Iterator, Mapping

from ..model import Check, Finding, Text
from ..openclaw import cli
from .config import RESTORE
from .look import looking
from .tell import error, info


def run(ctx: Any) -> Iterable[Finding]:
    look = looking(ctx)
    if look.config.error:
        return
    validation = cli.validate(look, look.cli_timeout)
    if not validation.known:
        en, zh = "OpenClaw could not validate the config: ", "OpenClaw 无法校验配置:"
        yield info("config/unvalidated", en + validation.error, zh + validation.error)
    elif not validation.valid:
        yield from issues(validation.issues, validation.source)


def issues(found: Iterable[Mapping[str, Any]], source: str) -> Iterator[Finding]:
    """Issues of `openclaw config validate` (or of its schema) as findings with the dotted path of the fault."""
    for issue in list(found)[:30]:
        path, message = str(issue.get("path", "")), str(issue.get("message", ""))[:300]
        path = "" if path == "<root>" else path
        keys = (
            re.findall(r'"([^"]+)"', message)
            if message.startswith(("Unrecognized key", "invalid config: must not have additional"))
            else []
        )
        for key in keys:
            dotted = "{}.{}".format(path, key) if path else key
            yield error(
                "config/unrecognized-key",
                "OpenClaw does not know the key {}".format(dotted),
                "OpenClaw 不认识配置项 {}".format(dotted),
                dotted,
                ("openclaw config unset {}".format(dotted), "openclaw config unset {}".format(dotted)),
                key=key,
                parent=path,
                source=source,
            )
        if not keys:
            yield _issue(path, message, issue.get("allowedValues"), source)


def _issue(path: str, message: str, allowed: Any, source: str) -> Finding:
    if re.match(r"unknown channel id", message):
        channel = path.split(".")[-1]
        return error(
            "config/channel-plugin-missing",
            "Channel {} is configured, and its plugin is not installed".format(channel),
            "已配置频道 {},但对应插件未安装".format(channel),
            path,
            (
                "openclaw plugins install <plugin of {}>, or: openclaw config unset {}".format(channel, path),
                "openclaw plugins install <{} 的插件>,或:openclaw config unset {}".format(channel, path),
            ),
            channel=channel,
            source=source,
        )
    if path.startswith("plugins.slots"):
        name = message.split(":")[-1].strip()
        return error(
            "plugins/slot-missing",
            "{}: {}".format(path, message),
            "{} 指定的插件 {} 不存在".format(path, name),
            path,
            ("openclaw config unset {}".format(path), "openclaw config unset {}".format(path)),
            plugin=name,
            source=source,
        )
    missing = re.match(r"plugin not found: (\S+)", message)
    if missing:
        return error(
            "plugins/missing",
            "{}: {}".format(path, message),
            "{}:找不到插件 {}".format(path, missing.group(1)),
            path,
            None,
            plugin=missing.group(1),
            source=source,
        )
    extra = {"allowed": list(allowed)[:20]} if isinstance(allowed, list) else {}
    hint = " (allowed: {})".format(", ".join(str(v) for v in extra["allowed"])) if extra and "allowed" not in message else ""
    if "include file" in message:
        return error("config/include-missing", message, "被 $include 的文件有问题:" + message, path, RESTORE, source=source)
    return error(
        "config/invalid-value",
        "{}: {}{}".format(path or "the config", message, hint),
        "{} 的值无效:{}{}".format(path or "配置", message, hint),
        path,
        RESTORE,
        message=message,
        source=source,
        **extra,
    )


CHECK = Check("validation", Text("Config in OpenClaw's own eyes", "OpenClaw 自身的配置校验"), run)
