"""The command groups, one file each. Here: how their help and click's own complaints are shown in
one language.
"""

from __future__ import annotations

import re
from typing import Any, Optional

import click

_TWO = re.compile(r"^(.*?\S)\s*(?: / |\n\n)(?=[^/]*[\u4e00-\u9fff])(.*)$", re.S)
CLICK = {"Options": "选项", "Commands": "命令", "Usage: ": "用法："}
FLAGS_OF_CLICK = {
    "Show this message and exit.": "显示本帮助。",
    "Show the version and exit.": "显示版本。",
}


def one_language(text: str, zh: bool) -> str:
    """Help is written as "English. / 中文。": answer the half that is wanted, the whole where there
    is one half only.
    """
    found = _TWO.match(text or "")
    return found.group(2 if zh else 1) if found else text


def localize(command: click.Command, zh: bool) -> click.Command:
    """Leave one language in the help of a command, its options and the commands below it."""
    command.help = one_language(command.help or "", zh)
    for option in command.params:
        if isinstance(option, click.Option):
            option.help = one_language(option.help or "", zh)
    for below in getattr(command, "commands", {}).values():
        localize(below, zh)
    return command


class ChineseHelp(click.HelpFormatter):
    """click's own few words in Chinese."""

    def write_usage(self, prog: str, args: str = "", prefix: Optional[str] = None) -> None:
        super().write_usage(prog, args, prefix or CLICK["Usage: "])

    def write_heading(self, heading: str) -> None:
        super().write_heading(CLICK.get(heading, heading))

    def write_dl(self, rows: Any, col_max: int = 30, col_spacing: int = 2) -> None:
        super().write_dl(
            [(name, FLAGS_OF_CLICK.get(said, said)) for name, said in rows], col_max, col_spacing
        )


def usage_zh(error: click.ClickException) -> str:
    """click's commonest complaints in Chinese; of the others its own words."""
    if isinstance(error, click.NoSuchOption):
        near = "，是不是 {}？".format(error.possibilities[0]) if error.possibilities else ""
        return "没有选项 {}{}".format(error.option_name, near)
    if isinstance(error, click.MissingParameter):
        return "缺少参数 {}".format(error.param.human_readable_name if error.param else "")
    if isinstance(error, click.BadParameter):
        return "{} 的值不对：{}".format(
            error.param.human_readable_name if error.param else "参数", error.message
        )
    said = error.format_message()
    for pattern, chinese in (
        (r"No such command '(.*?)'\.(?: Did you mean (.*?)\?)?", "没有命令 {0}{1}"),
        (r"(Missing command)", "缺少子命令"),
        (r"Got unexpected extra arguments? \((.*?)\)", "多余的参数：{0}"),
    ):
        found = re.match(pattern, said)
        if found:
            parts = list(found.groups()) + [None]
            return chinese.format(parts[0], "，是不是 {}？".format(parts[1]) if parts[1] else "")
    return said
