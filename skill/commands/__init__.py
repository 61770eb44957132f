"""The command groups, one file each. Here: help and click's own complaints in one language, and how
the commands say times and marks.
"""

from __future__ import annotations

import importlib
import re
import time
from typing import Any, Dict, List

import click

from ..model import Text

_TWO = re.compile(r"^(.*?\S)\s*(?:\s/\s+|\n\n)(?=[^/]*[\u4e00-\u9fff])(.*)$", re.S)
# click's messages (8.0 to 8.5), by their English text. The values are click's to fill in.
CLICK: Dict[str, str] = {
    "Aborted!": "已取消。",
    "Arguments": "参数",
    "Commands": "命令",
    "Could not open file {filename!r}: {message}": "无法打开文件 {filename!r}：{message}",
    "Choose from:\n\t{choices}": "可选：\n\t{choices}",
    "Did you mean {possibility}?": "是不是 {possibility}？",
    "(Did you mean one of: {possibilities}?)": "（是不是其中之一：{possibilities}？）",
    "(Possible options: {possibilities})": "（是不是其中之一：{possibilities}？）",
    "Error: {message}": "错误：{message}",
    "Got unexpected extra argument ({args})": "多余的参数：{args}",
    "Invalid value for {param_hint}: {message}": "{param_hint} 的值不对：{message}",
    "Invalid value: {message}": "值不对：{message}",
    "Missing argument": "缺少参数",
    "Missing command.": "缺少子命令。",
    "Missing option": "缺少选项",
    "Missing parameter": "缺少参数",
    "Missing {param_type}": "缺少 {param_type}",
    "No such command {name!r}.": "没有命令 {name!r}。",
    "No such option: {name}": "没有选项 {name}",
    "No such option {name!r}.": "没有选项 {name!r}。",
    "Option {name!r} does not take a value.": "选项 {name!r} 不带值。",
    "Option {name!r} requires an argument.": "选项 {name!r} 需要一个值。",
    "Options": "选项",
    "Positional arguments": "参数",
    "Show the version and exit.": "显示版本。",
    "Show this message and exit.": "显示本帮助。",
    "Takes {nargs} values but 1 was given.": "需要 {nargs} 个值，只给了 1 个。",
    "Try '{command} {option}' for help.": "帮助：{command} {option}",
    "Usage:": "用法：",
    "default: {default}": "默认：{default}",
    "env var: {var}": "环境变量：{var}",
    "required": "必填",
    "unknown error": "未知错误",
    "{name} {filename!r} does not exist.": "{name} {filename!r} 不存在。",
    "{name} {filename!r} is a directory.": "{name} {filename!r} 是目录。",
    "{name} {filename!r} is a file.": "{name} {filename!r} 是文件。",
    "{name} {filename!r} is not readable.": "{name} {filename!r} 不可读。",
    "{value!r} is not a valid {number_type}.": "{value!r} 不是有效的 {number_type}。",
    "{value!r} is not one of {choices}.": "{value!r} 不在可选值 {choices} 之中。",
    "{value!r} is not {choice}.": "{value!r} 不是 {choice}。",
    "{value} is not in the range {range}.": "{value} 不在范围 {range} 内。",
    "File": "文件",
    "Path": "路径",
    "file": "文件",
    "path": "路径",
}
# Plural forms, where the second sentence is another one.
MANY = {
    "Did you mean {possibility}?": "(Did you mean one of: {possibilities}?)",
    "Takes {nargs} values but 1 was given.": "需要 {nargs} 个值，给了 {len} 个。",
    "Option {name!r} requires an argument.": "选项 {name!r} 需要 {nargs} 个值。",
    "{value!r} is not {choice}.": "{value!r} is not one of {choices}.",
}


def one_language(text: str, zh: bool) -> str:
    """Return the wanted half of a help text written as "English. / 中文。"; a text with one half
    only is returned whole.
    """
    found = _TWO.match(text or "")
    return found.group(2 if zh else 1) if found else text


def localize(command: click.Command, zh: bool) -> click.Command:
    """Leave one language in the help of a command, its options and the commands below it."""
    items: List[Any] = [command, *command.params]
    for item in items:
        both = vars(item).setdefault("_both", getattr(item, "help", None))
        if both is not None:
            said = one_language(both, zh)
            item.help = CLICK.get(said, said) if zh else said
    for below in getattr(command, "commands", {}).values():
        localize(below, zh)
    return command


def speak(zh: bool) -> None:
    """Give click's own words in Chinese, or in English.

    click asks gettext, which finds a catalogue by LANGUAGE and LANG: every program that we start
    would inherit those and print in Chinese what we read in English. So its two functions are
    replaced where it uses them.
    """
    import gettext

    for name in ("core", "decorators", "exceptions", "formatting", "parser", "termui", "types"):
        module = importlib.import_module("click." + name)
        if hasattr(module, "_"):
            setattr(module, "_", _one if zh else gettext.gettext)  # noqa: B010
        if hasattr(module, "ngettext"):
            setattr(module, "ngettext", _many if zh else gettext.ngettext)  # noqa: B010


def _one(text: str) -> str:
    return CLICK.get(text, text)


def _many(one: str, many: str, count: int) -> str:
    text = one if count == 1 else MANY.get(one, one)
    return CLICK.get(text, text)


def complaint(error: click.ClickException) -> str:
    """Return click's complaint as one line."""
    said = error.format_message()
    return re.sub(r"\s*\n\s*", " ", said).strip()


# -- times, counts and marks ----------------------------------------------------------------------
MARKS = {0: ("OK", "green"), 1: ("!!", "red"), 2: ("??", "yellow")}


def mark(code: int) -> str:
    """Return OK, !! or ??, in colour where the terminal shows one."""
    word, colour = MARKS[code]
    return click.style(word, fg=colour, bold=True)


def bold(text: str) -> str:
    return click.style(text, bold=True)


def clock(at: float, now: float) -> Text:
    """Return a moment in local time, as short as it is clear: "02:45", "yesterday 02:45", "Nov 26
    02:45", with the year when it is another one.
    """
    then, today = time.localtime(at), time.localtime(now)
    hour = time.strftime("%H:%M", then)
    if then[:3] == today[:3]:
        return Text(hour, hour)
    if then[:3] == time.localtime(now - 86400)[:3]:
        return Text("yesterday " + hour, "昨天 " + hour)
    day = "{} {}".format(MONTHS[then.tm_mon - 1], then.tm_mday)
    zh = "{} 月 {} 日".format(then.tm_mon, then.tm_mday)
    if then.tm_year != today.tm_year:
        day, zh = "{} {}".format(day, then.tm_year), "{} 年 {}".format(then.tm_year, zh)
    return Text("{} {}".format(day, hour), "{} {}".format(zh, hour))


def since(at: float, now: float) -> Text:
    """Return "since 02:45, 17 min"."""
    return Text.of("since {}, {}", "{} 起，已 {}", clock(at, now), rough(now - at))


def rough(seconds: float) -> Text:
    """Return a length of time in its largest unit that is not 0: "17 min", "3 h"."""
    from ..notify.incidents import span  # not for every command

    whole = span(seconds if seconds < 60 else seconds // 60 * 60)
    return Text(*(" ".join(side.split(" ")[: 4 if seconds >= 3600 else 2]) for side in whole))


def epoch(stamp: str) -> float:
    """Return the epoch seconds of a stamp such as 2026-11-28T02:45:00+0000; 0.0 for none."""
    for form in ("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S%z"):
        try:
            return _local(stamp, form)
        except ValueError:
            continue
    return 0.0


def _local(stamp: str, form: str) -> float:
    from datetime import datetime

    return datetime.strptime(stamp.strip(), form).timestamp()


MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
