"""What OpenClaw itself says of its config: kept answer, its own log, its program, its schema, in
this order.

Hints name the file to edit: `openclaw config set|unset` refuses to work on a config that is invalid
(measured on 2026.9.6).

A check of its own, because the program needs 1 to 4 s (more on a crowded machine) and the rest of
the config must not wait for it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Iterable, Iterator, Mapping, Tuple

from ..model import Check, Finding, Text
from ..openclaw import validation as openclaw_validation
from .base import error, info, looking
from .config import RESTORE

if TYPE_CHECKING:
    from .base import Seen


def run(ctx: Seen) -> Iterable[Finding]:
    look = looking(ctx)
    if look.config.error:
        return
    validation = openclaw_validation.validate(replace(look.ctx, logs=look.log), look.cli_timeout)
    if not validation.known:
        en, zh = "OpenClaw could not validate the config: ", "OpenClaw 无法校验配置："
        yield info("config/unvalidated", en + validation.error, zh + validation.error)
    elif not validation.valid:
        yield from issues(validation.issues, validation.source, str(look.config.path))


def issues(
    found: Iterable[Mapping[str, Any]], source: str, file: str = "openclaw.json"
) -> Iterator[Finding]:
    """Issues of `openclaw config validate` (or of its schema) as findings with the dotted path of
    the fault. file: what to edit.
    """
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
                take_out(dotted, file),
                key=key,
                parent=path,
                source=source,
            )
        if not keys:
            yield _issue(path, message, issue.get("allowedValues"), source, file)


def take_out(key: str, file: str) -> Tuple[str, str]:
    return "Take {} out of {}".format(key, file), "从 {} 中删除 {}".format(file, key)


def _issue(path: str, message: str, allowed: Any, source: str, file: str) -> Finding:
    if re.match(r"unknown channel id", message):
        channel = path.split(".")[-1]
        return error(
            "config/channel-plugin-missing",
            "Channel {} is configured, and its plugin is not installed".format(channel),
            "已配置频道 {}，但对应插件未安装".format(channel),
            path,
            (
                "{}; or: openclaw plugins install <plugin of {}>".format(
                    take_out(path, file)[0], channel
                ),
                "{}；或：openclaw plugins install <{} 的插件>".format(
                    take_out(path, file)[1], channel
                ),
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
            take_out(path, file),
            plugin=name,
            source=source,
        )
    missing = re.match(r"plugin not found: (\S+)", message)
    if missing:
        return error(
            "plugins/missing",
            "{}: {}".format(path, message),
            "{}：找不到插件 {}".format(path, missing.group(1)),
            path,
            None,
            plugin=missing.group(1),
            source=source,
        )
    extra = {"allowed": list(allowed)[:20]} if isinstance(allowed, list) else {}
    hint = (
        " (allowed: {})".format(", ".join(str(v) for v in extra["allowed"]))
        if extra and "allowed" not in message
        else ""
    )
    if "include file" in message:
        return error(
            "config/include-missing",
            message,
            "被 $include 的文件有问题：" + message,
            path,
            RESTORE,
            source=source,
        )
    return error(
        "config/invalid-value",
        "{}: {}{}".format(path or "the config", message, hint),
        "{} 的值无效：{}{}".format(path or "配置", message, hint),
        path,
        RESTORE,
        message=message,
        source=source,
        **extra,
    )


CHECK = Check("validation", Text("Config in OpenClaw's own eyes", "OpenClaw 自身的配置校验"), run)
