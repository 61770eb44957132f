"""systemd's unit files as text: quoting, reading what is in force, writing our drop-ins. No
effects.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, Sequence, Tuple

from ..host import Host
from ..openclaw.home import Home
from . import common, systemdunit
from .base import ServicePlan

Lines = List[Tuple[str, str, str]]  # (section, key, value)


def quote(word: str, command: bool = False) -> str:
    """One word of ExecStart= (command) or Environment=: % is doubled, $ only in commands, blanks
    and quotes are escaped.
    """
    if "\n" in word or "\r" in word:
        raise ValueError("a unit file cannot hold a line break: {!r}".format(word[:80]))
    word = word.replace("%", "%%")
    if command:
        word = word.replace("$", "$$")
    if word and not re.search(r"[\s\"'\\;]", word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def exec_line(argv: Iterable[str]) -> str:
    return " ".join(quote(word, command=True) for word in argv)


def environment_lines(values: Mapping[str, str]) -> str:
    return "\n".join(
        "Environment=" + quote("{}={}".format(k, v)) for k, v in sorted(values.items())
    )


def split(text: str) -> List[str]:
    """Words of an ExecStart= or Environment= value, unquoted; %% and $$ undone. Other % specifiers
    stay as they are.
    """
    words: List[str] = []
    current, mark, inside = "", "", False
    position = 0
    while position < len(text):
        char = text[position]
        if char == "\\" and position + 1 < len(text):
            position += 1
            current += text[position]
            inside = True
        elif mark:
            if char == mark:
                mark = ""
            else:
                current += char
        elif char in "\"'":
            mark, inside = char, True
        elif char.isspace():
            if inside or current:
                words.append(current)
            current, inside = "", False
        else:
            current += char
            inside = True
        position += 1
    if inside or current:
        words.append(current)
    return [word.replace("%%", "%") for word in words]


def parse(text: str) -> Lines:
    """(section, key, value) of every assignment, in order; continuation lines joined, comments left
    out.
    """
    found: Lines = []
    section, held = "", ""
    for raw in text.splitlines():
        if re.match(r"\s*[#;]", raw):
            continue
        line = held + raw
        if line.endswith("\\"):
            held = line[:-1] + " "
            continue
        held = ""
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif "=" in line:
            key, value = line.split("=", 1)
            found.append((section, key.strip(), value.strip()))
    return found


def exec_start(lines: Lines) -> List[str]:
    """argv of the ExecStart= in force: an empty assignment forgets the earlier ones."""
    argv: List[str] = []
    for section, key, value in lines:
        if (section, key) == ("Service", "ExecStart"):
            argv = (
                [word.replace("$$", "$") for word in split(value.lstrip("@-:+!"))] if value else []
            )
    return argv


def environment(lines: Lines) -> Dict[str, str]:
    """Environment= and UnsetEnvironment= in force (without EnvironmentFile=)."""
    values: Dict[str, str] = {}
    gone: List[str] = []
    for section, key, value in lines:
        if section != "Service":
            continue
        if key == "Environment":
            if not value:
                values = {}
            values.update(word.split("=", 1) for word in split(value) if "=" in word)  # type: ignore[misc]
        elif key == "UnsetEnvironment":
            gone += split(value)
    return {k: v for k, v in values.items() if k not in gone}


def override(
    before: Lines, command: Sequence[str], set: Mapping[str, str], unset: Sequence[str]
) -> str:
    """Our environment drop-in: what it held before, changed by `set` and `unset`.

    "LimitNOFILE" and "ExecStart[N]" (0: the program, mostly node) are understood beside variables;
    command: argv in force.
    """
    values = environment(before)
    gone = [
        word
        for section, key, value in before
        if (section, key) == ("Service", "UnsetEnvironment")
        for word in split(value)
    ]
    limits = {
        key: value
        for section, key, value in before
        if section == "Service" and key == "LimitNOFILE"
    }
    argv = exec_start(before)
    for name, value in set.items():
        if name == "LimitNOFILE":
            limits[name] = str(int(value))
        elif name.startswith("ExecStart["):
            argv = list(argv or command)
            argv[int(name[len("ExecStart[") : -1])] = value
        else:
            values[name] = value
            gone = [word for word in gone if word != name]
    for name in unset:
        values.pop(name, None)
        gone += [name] if name not in gone else []
    lines = [
        "# Written by iflow-doctor: a repair of the service's environment. Delete this file to "
        "undo it.",
        "[Service]",
    ]
    lines += ["{}={}".format(k, v) for k, v in sorted(limits.items())]
    lines += [environment_lines(values)] if values else []
    lines += ["UnsetEnvironment=" + " ".join(quote(name) for name in gone)] if gone else []
    lines += ["ExecStart=", "ExecStart=" + exec_line(argv)] if argv else []
    return "\n".join(lines) + "\n"


WATCHDOG_SEC = (
    90  # s; the watchdog says every second that it is alive, its longest single act takes some 60 s
)


def gateway(host: Host, home: Home, path: Path) -> ServicePlan:
    """A gateway's unit, for where OpenClaw's own installer cannot write one."""
    values = {
        "EXEC": systemdunit.exec_line(common.gateway_command(host)),
        "ENVIRONMENT": systemdunit.environment_lines(
            {**common.gateway_environment(host, home), "OPENCLAW_SYSTEMD_UNIT": path.name}
        ),
    }
    return _plan(home, path, "openclaw-gateway.service", values, (("enable", "--now", path.name),))


def watchdog(host: Host, home: Home, path: Path) -> ServicePlan:
    """The unit of our watchdog; restarted, so that an upgrade runs at once."""
    values = {
        "STATE_DIR": str(home.state_dir).replace("\n", " "),
        "EXEC": systemdunit.exec_line(common.watchdog_command()),
        "ENVIRONMENT": systemdunit.environment_lines(common.watchdog_environment(host)),
        "WATCHDOG_SEC": str(WATCHDOG_SEC),
    }
    return _plan(
        home,
        path,
        "openclaw-iflow-doctor.service",
        values,
        (("enable", path.name), ("restart", "--no-block", path.name)),
    )


def _plan(
    home: Home, path: Path, template: str, values: Dict[str, str], then: Tuple[Tuple[str, ...], ...]
) -> ServicePlan:
    title = " ({})".format(home.profile) if home.profile else ""
    unit = common.render("systemd", template, {"TITLE": title, **values}).encode("utf-8")
    commands = tuple(("systemctl", "--user", *words) for words in (("daemon-reload",), *then))
    return ServicePlan(((str(path), unit),), commands)
