"""openclaw.json: there, readable, parses, and still what it was. What OpenClaw itself says of it is
in validation.py: that is slow.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Iterable, Iterator, List, Mapping

from ..files import is_something_else
from ..model import Check, Finding, Text
from ..openclaw.config import ConfigView, differing, get, managed_by, meant, parse
from ..store import served
from . import config_rules
from .base import Look, error, info, looking, warning

if TYPE_CHECKING:
    from .base import Seen

RESTORE = ("Restore the last good copy: iflow-doctor heal", "恢复最近的可用副本：iflow-doctor heal")


def run(ctx: Seen) -> Iterable[Finding]:
    look = looking(ctx)
    view = look.config
    yield from _owner(look)
    if view.error:
        yield from _broken(look, view)
        if view.error != "include":
            return
    if not _utf8(view.raw):
        en = (
            "The config file holds bytes that are not UTF-8: OpenClaw reads each as a "
            "replacement character"
        )
        yield warning(
            "config/encoding",
            en,
            "配置文件含有非 UTF-8 字节：OpenClaw 会把它们读成替换字符",
            view.path,
        )
    yield from _history(look, view)
    if isinstance(view.data, Mapping):
        yield from config_rules.check(look, view)


def _broken(look: Look, view: ConfigView) -> Iterator[Finding]:
    path = str(view.path)
    if view.error == "missing":
        link = os.path.islink(path)
        why = (
            (
                " (a link to {} that does not exist)".format(os.readlink(path)),
                "，它是一个指向不存在文件的链接",
            )
            if link
            else ("", "")
        )
        yield error(
            "config/missing",
            "There is no config file" + why[0],
            "配置文件不存在" + why[1],
            path,
            RESTORE,
            broken_link=link,
        )
    elif view.error == "unreadable":
        if is_something_else(
            path
        ):  # there is no config then; what lies in its place can be set aside
            what = (
                ("directory", "目录")
                if os.path.isdir(path)
                else ("link to itself", "指向自身的链接")
                if os.path.islink(path) and not os.path.exists(path)
                else ("pipe or a device", "管道或设备")
            )
            en, zh = (
                "A {} lies where the config file should be".format(what[0]),
                "配置文件的位置上是一个{}".format(what[1]),
            )
            yield error("config/missing", en, zh, path, RESTORE, kind=what[0])
            return
        fix = "chown $(id -un) '{0}' && chmod 600 '{0}'".format(path)
        en, zh = (
            "The config file cannot be read: " + view.message,
            "配置文件无法读取：" + view.message,
        )
        yield error("config/unreadable", en, zh, path, (fix, fix), kind="permission")
    elif view.error == "empty":
        yield error(
            "config/empty",
            "The config file is empty",
            "配置文件是空的",
            path,
            RESTORE,
            size=len(view.raw),
        )
    elif view.error == "include":
        yield from _include(view)
    else:
        yield from _syntax(look, view)


def _syntax(look: Look, view: ConfigView) -> Iterator[Finding]:
    shape = shape_of(view.raw)
    place = "line {} column {}".format(view.line, view.column) if view.line else ""
    en = {
        "text-before": "Text stands before the JSON",
        "truncated": "The file ends too early",
        "encoding": "The file is not UTF-8",
        "nul": "The file is full of NUL bytes",
    }
    zh = {
        "text-before": "JSON 之前有多余文字",
        "truncated": "文件不完整（被截断）",
        "encoding": "文件不是 UTF-8 编码",
        "nul": "文件内容全是空字节",
    }
    where = " ({})".format(place) if place else ""
    yield error(
        "config/syntax",
        "The config file does not parse{}: {}".format(where, en.get(shape, view.message[:200])),
        "配置文件语法错误{}：{}".format(
            "（第 {} 行第 {} 列）".format(view.line, view.column) if place else "",
            zh.get(shape, view.message[:200]),
        ),
        view.path,
        RESTORE,
        line=view.line,
        column=view.column,
        shape=shape,
    )


def _utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def shape_of(raw: bytes) -> str:
    """What kind of damage: nul, encoding (UTF-16), text-before, truncated, syntax."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "encoding"
    if not raw.strip(b"\0 \r\n\t"):
        return "nul"
    text = raw.decode("utf-8-sig", "replace")
    start = re.search(r"^\s*\{", text, re.M)
    if start and text[: start.start()].strip() and not text.lstrip().startswith(("{", "//", "/*")):
        try:
            parse(text[start.start() :])
            return "text-before"
        except (ValueError, RecursionError):
            return "syntax"
    bare = re.sub(
        r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|//[^\n]*|/\*.*?\*/', "", text, flags=re.S
    )
    return "truncated" if bare.count("{") > bare.count("}") else "syntax"


def _include(view: ConfigView) -> Iterator[Finding]:
    gone = [p for p in view.files[1:] if not os.path.isfile(p)]
    for path in gone:
        yield error(
            "config/include-missing",
            "An included file is missing: {}".format(path),
            "缺少被 $include 的文件：{}".format(path),
            path,
            RESTORE,
            file=str(path),
        )
    if not gone:
        path = view.files[-1] if view.files else view.path
        why = " ".join(view.message.replace("<string>:", "line ").split())[:160]
        yield error(
            "config/include-missing",
            "An included file cannot be read: {}: {}".format(path, why),
            "被 $include 的文件无法解析：{}：{}".format(path, why),
            path,
            RESTORE,
            file=str(path),
            broken=True,
        )


# -- what it was -----------------------------------------------------------------------------------
def _history(look: Look, view: ConfigView) -> Iterator[Finding]:
    before = look.last_config
    if before is None or not isinstance(view.data, Mapping) or (view.error and not view.data):
        return
    changed = differing(before, view.data)
    if changed:
        yield info(
            "config/changed",
            "The config differs from the last healthy run in {} place(s)".format(len(changed)),
            "配置与上次健康运行时相比有 {} 处不同".format(len(changed)),
            view.path,
            None,
            paths=changed[:100],
            since=(look.last_good or {}).get("taken"),
            served=served.with_config(look.home, view.raw),
        )
    old, new = meant(before), meant(view.data)
    lost = sorted(set(old) - set(new))
    sections = lost_sections(before, view.data)
    mode = get(before, "gateway.mode") and not get(view.data, "gateway.mode")
    if mode and (len(lost) >= 4 or "gateway" in sections):
        # OpenClaw refuses such a file and calls it clobbered. A shorter one that it accepts is an
        # edit, whatever it lost.
        yield error(
            "config/shrunk",
            "The config lost {} of {} values since the last healthy run, gateway.mode among "
            "them".format(len(lost), len(old)),
            "配置自上次健康运行以来丢失了 {}/{} 个值，其中包括 gateway.mode".format(
                len(lost), len(old)
            ),
            view.path,
            RESTORE,
            lost=lost[:50],
            sections=sections,
        )


def _owner(look: Look) -> Iterator[Finding]:
    """A config that OpenClaw itself may not write: its source lies elsewhere."""
    owner = managed_by(look.config.path, look.host.env, look.service_env)
    if owner:
        yield info(
            "config/immutable",
            "The config is managed from outside ({}): change it at its source".format(owner),
            "配置由外部管理（{}）：请在源头修改".format(owner),
            look.config.path,
            None,
            owner=owner,
        )


def lost_sections(before: Mapping[str, Any], after: Mapping[str, Any]) -> List[str]:
    return sorted(str(key) for key in before if key not in after)


CHECK = Check("config", Text("Config file", "配置文件"), run)
