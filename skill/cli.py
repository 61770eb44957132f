"""The entrypoint. Commands live in commands/, one file a group, and are imported only when they are
called.

Exit codes: 0 fine, 1 problem found (or could not act), 2 could not find out or wrong usage.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

import click

from . import __version__
from .commands import complaint, localize, speak
from .errors import HealerError
from .host import Host, locale_lang
from .model import Text

if TYPE_CHECKING:
    from .openclaw.home import Home
    from .settings import Settings

# command -> (module of commands/, one line in English, in Chinese). The help is made of this table:
# nothing is imported for it.
COMMANDS: Dict[str, Tuple[str, str, str]] = {
    "status": (
        "status",
        "Is everything all right? If not, what to type.",
        "一切正常吗？不正常时该输入什么。",
    ),
    "diagnose": (
        "diagnose",
        "Say what is wrong and what to type next.",
        "诊断问题并给出下一步命令。",
    ),
    "heal": ("heal", "Repair what is wrong now (asks first).", "修复当前问题（先询问）。"),
    "health": (
        "watch",
        "Ask once, with an exit code (for probes).",
        "询问一次并返回退出码。",
    ),
    "watch": ("watch", "Run the watchdog (level 2).", "运行守护进程（第二级）。"),
    "pause": ("watch", "Do nothing for a while (maintenance).", "暂停一段时间（维护）。"),
    "resume": ("watch", "End a pause.", "结束暂停。"),
    "drill": (
        "drill",
        "Break a practice gateway and watch it heal.",
        "在演练网关上演练故障与自愈。",
    ),
    "service": ("service", "Install, remove or show the services.", "安装、移除或查看系统服务。"),
    "check-config": ("config", "Check openclaw.json before a start.", "启动前检查 openclaw.json。"),
    "list-cases": ("cases", "List the case library.", "列出案例库。"),
    "explain": ("cases", "Explain one case.", "解释一个案例。"),
    "add-case": ("cases", "Add a case of your own.", "添加自己的案例。"),
    "incidents": ("incidents", "Outages and what became of them.", "事故及其结果。"),
    "incident": (
        "incidents",
        "One incident: timeline, changes, how to undo.",
        "一起事故：经过、改动、如何撤销。",
    ),
    "log": (
        "incidents",
        "What the watchdog saw and did, in words.",
        "守护进程日志的文字版。",
    ),
    "stats": ("heal", "Incidents, time to recover, success rates.", "事故、恢复时间、成功率统计。"),
    "page": ("views", "A page with everything at a glance.", "用浏览器页面一览全局。"),
    "report": ("views", "The page as one file, for a ticket.", "把页面写成一个文件，便于附上。"),
    "review": ("views", "The last seven days on one page.", "一页看完最近七天。"),
    "issue": ("views", "What is left to you, as a GitHub issue.", "需要你处理的问题，作为 issue。"),
    "metrics": ("views", "Metrics for Prometheus.", "供 Prometheus 采集的指标。"),
    "fleet": (
        "views",
        "Many gateways: which there are, how they do.",
        "多个网关：有哪些，状况如何。",
    ),
    "snapshots": ("heal", "List or restore what repairs have kept.", "列出或还原修复前的快照。"),
    "ai": (
        "ai",
        "The AI emergency doctor: status, attach, run.",
        "AI 急救医生：状态、旁观、运行。",
    ),
    "notify": ("notify", "Alerts: test, list, set up, flush.", "告警：测试、列出、设置、发送。"),
    "ack": ("notify", "Acknowledge an incident: no more reminders.", "确认事故，不再提醒。"),
    "config": ("config", "Show or change settings.", "查看或修改设置。"),
}
HIDDEN: Dict[str, str] = {
    "treat": "heal",
    "keep-good": "internal",
    "record": "internal",
    "before-restart": "internal",
    "shim": "internal",
}

# Names that the user's documents call by their module, and the command each one is.
ALIASES = {"watchdog": "watch", "config_checker": "check-config", "config-checker": "check-config"}

# The user's documented flags at top level, and the command each one is.
FLAGS = {
    "--diagnose": ["diagnose"],
    "--stats": ["stats"],
    "--list-cases": ["list-cases"],
    "--add-case": ["add-case"],
    "--check-config": ["check-config"],
    "--test": ["watch", "--test"],
    "--heal": ["heal"],
    "--fix": ["heal"],
}


def detect_lang(env: Any, argv: Optional[List[str]] = None) -> str:
    """ "zh" or "en": --lang, else IFLOW_DOCTOR_LANG, else the setting `lang`, else the locale of
    the environment.
    """
    words = list(argv or [])
    for index, word in enumerate(words):
        if word == "--lang" and index + 1 < len(words):
            return "zh" if words[index + 1].lower().startswith("zh") else "en"
        if word.startswith("--lang="):
            return "zh" if word[7:].lower().startswith("zh") else "en"
    chosen = str(env.get("IFLOW_DOCTOR_LANG") or _lang_setting(env) or "")
    if chosen:
        return "zh" if chosen.lower().startswith("zh") else "en"
    return locale_lang(env)


def _lang_setting(env: Any) -> str:
    """The setting `lang` of our own config.json, read cheaply: errors in it are for the command to
    report.
    """
    from .files import read_file
    from .openclaw.home import state_dir_of

    try:
        found = json.loads(
            read_file(state_dir_of(Host(env=env)) / "iflow-doctor" / "config.json").decode("utf-8")
        ).get("lang")
    except (OSError, ValueError, AttributeError):
        return ""
    return found if found in ("zh", "en") else ""


def _lang(ctx: click.Context) -> str:
    """The language of this call: the program's own, set before click reads the words."""
    app = ctx.find_object(App)
    return app.lang if app else detect_lang(os.environ)


class Group(click.Group):
    """Knows every command by name, imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> List[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> Optional[click.Command]:
        name = ALIASES.get(name, name)
        if name not in self.commands:
            module = COMMANDS[name][0] if name in COMMANDS else HIDDEN.get(name)
            if not module:
                return None
            importlib.import_module("skill.commands." + module).add(self)
            localize(self, _lang(ctx) == "zh")
        return self.commands.get(name)

    def resolve_command(self, ctx: click.Context, args: List[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(args[0], list(COMMANDS), 1)
            said = Text("No such command {}.", "没有命令 {}。").to(_lang(ctx)).format(args[0])
            guess = Text(" Did you mean {}?", "是不是 {}？").to(_lang(ctx)).format(*near or [""])
            raise click.UsageError(said + (guess if near else ""), error.ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        column = 2 if _lang(ctx) == "zh" else 1
        with formatter.section("命令" if column == 2 else "Commands"):
            formatter.write_dl([(name, row[column]) for name, row in COMMANDS.items()])


class App:
    """What commands get as ctx.obj: language, json wish, and lazily the Context of this user's
    gateway.
    """

    def __init__(self, lang: str, as_json: bool, host: Optional[Host] = None) -> None:
        self.lang, self.as_json = lang, as_json
        self.host = host or Host()
        self._complained = ""

    def context(self, strict: bool = False) -> Any:
        """The Context of this user's gateway. strict: wrong settings are an error instead of the
        last good ones with a warning.
        """
        from . import settings
        from .context import Context
        from .openclaw.home import locate

        home = locate(self.host)
        if strict:
            loaded = settings.load(self.host, home)
        else:
            loaded, complaint = settings.load_or_last_good(self.host, home)
            if complaint and str(complaint) != self._complained:
                self._complained = str(complaint)  # once is enough
                told = "invalid settings; using the last valid ones: {}\n  -> {}"
                if self.lang == "zh":
                    told = "设置有误，改用上次正确的设置：{}\n  -> {}"
                click.echo(
                    told.format(complaint.text.to(self.lang), complaint.todo.to(self.lang)),
                    err=True,
                )
        home = settings.place(home, loaded)
        return Context(self.host, home, loaded, platform=self.platform(home, loaded))

    def platform(self, home: Home, settings: Settings) -> Any:
        try:
            from .platforms import choose

            return choose(self.host, home, settings)
        except HealerError:
            return None

    def say(self, text: Any) -> None:
        """Print a Text in the chosen language, or a plain string."""
        click.echo(text.to(self.lang) if hasattr(text, "to") else text)

    def out(self, value: Any) -> None:
        click.echo(json.dumps(value, ensure_ascii=False, indent=1, default=str))


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--lang",
    type=click.Choice(["zh", "en"]),
    default=None,
    help="zh | en (default: the locale). / zh | en（默认按系统语言）。",
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output. / 输出 JSON。")
@click.version_option(__version__, "-V", "--version", prog_name="iflow-doctor")
@click.pass_context
def main_group(ctx: click.Context, lang: Optional[str], as_json: bool) -> None:
    """OpenClaw Self-Healing: brings the Gateway back, or tells its owner exactly what is wrong.

    让 OpenClaw 网关自愈；自愈不了时，准确告诉主人出了什么问题。
    """
    app = ctx.find_object(App)
    spoken = lang or (app.lang if app else detect_lang(os.environ))
    ctx.obj = type(app)(spoken, as_json, app.host) if app else App(spoken, as_json)


def rewrite(argv: List[str]) -> List[str]:
    """Turn the user's documented flags into commands; lift --json and --lang to where the group
    reads them.

    `--json` and `--lang` are accepted anywhere, before or after the command.
    """
    words, lifted, rest = list(argv), [], []
    index = 0
    while index < len(words):
        word = words[index]
        if word == "--":
            rest += words[index:]
            break
        if word == "--json":
            lifted.append(word)
        elif word == "--lang" and index + 1 < len(words):
            lifted += words[index : index + 2]
            index += 1
        elif word.startswith("--lang="):
            lifted.append(word)
        elif word.startswith("--diagnose=") and not _has_command(rest):
            rest += ["diagnose", word.split("=", 1)[1]]
        elif word in FLAGS and not _has_command(rest):
            rest += FLAGS[word]
        else:
            rest.append(word)
        index += 1
    return lifted + rest


def _has_command(words: List[str]) -> bool:
    return any(not word.startswith("-") for word in words)


def main(argv: Optional[List[str]] = None) -> None:
    """Run the command line and exit with its honest code."""
    words = rewrite(list(sys.argv[1:] if argv is None else argv))
    ours = words[: words.index("--")] if "--" in words else words
    as_json, zh = "--json" in ours, detect_lang(os.environ, ours) == "zh"
    _utf8()
    localize(main_group, zh)
    speak(zh)
    app = App("zh" if zh else "en", as_json)
    try:
        if as_json and not {"-h", "--help", "-V", "--version"}.isdisjoint(ours):
            sys.exit(_help_as_json(words, app))
        code = main_group.main(args=words, prog_name="iflow-doctor", standalone_mode=False, obj=app)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.Abort:
        _fail("已取消" if zh else "aborted", "", 2, as_json, zh)
    except click.ClickException as error:
        at = getattr(error, "ctx", None)
        if at and not as_json and error.message.startswith(("Missing command", "缺少子命令")):
            click.echo(at.get_help(), err=True)
            sys.exit(2)
        if not as_json:
            error.show()
            sys.exit(2)
        hint = "{} --help".format(at.command_path if at else "iflow-doctor")
        _fail(complaint(error), hint, 2, as_json, zh)
    except HealerError as error:
        lang = "zh" if zh else "en"
        _fail(error.text.to(lang), error.todo.to(lang), error.exit_code, as_json, zh)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        place = " ({})".format(error.filename) if error.filename else ""
        hint = (
            "请检查该路径的权限和磁盘剩余空间"
            if zh
            else "check the permissions of this path and the free disk space"
        )
        _fail("{}{}".format(error.strerror or error, place), hint, 2, as_json, zh)
    except Exception as error:
        # A fault of our own: nobody is helped by a page of source lines at 3 a.m.; its place is
        # what a report needs.
        frame = traceback.extract_tb(error.__traceback__)[-1]
        what = "内部错误 {!r}（{}:{}）" if zh else "internal error {!r} at {}:{}"
        hint = (
            "本次未得出任何结论；请将这一行反馈给我们"
            if zh
            else "nothing was determined; please report this line"
        )
        _fail(
            what.format(error, os.path.basename(frame.filename), frame.lineno), hint, 2, as_json, zh
        )


def _fail(message: str, hint: str, code: int, as_json: bool, zh: bool) -> None:
    """Say what went wrong and what to do, and end with the exit code: as JSON on stdout, else on
    stderr.
    """
    if as_json:
        click.echo(
            json.dumps(
                {"ok": False, "error": message, "hint": hint, "exit_code": code}, ensure_ascii=False
            )
        )
    else:
        click.echo(
            "{}{}{}".format(
                "错误：" if zh else "error: ", message, "\n  -> " + hint if hint else ""
            ),
            err=True,
        )
    sys.exit(code)


def _help_as_json(words: List[str], app: App) -> int:
    """--help and --version print a text; under --json it travels as one value."""
    held = io.StringIO()
    code = 0
    with contextlib.redirect_stdout(held):
        try:
            main_group.main(args=words, prog_name="iflow-doctor", standalone_mode=False, obj=app)
        except click.exceptions.Exit as stop:
            code = stop.exit_code
    click.echo(
        json.dumps(
            {"ok": code == 0, "version": __version__, "text": held.getvalue().rstrip()},
            ensure_ascii=False,
        )
    )
    return code


def _utf8() -> None:
    """Chinese on a console or pipe that claims ASCII must not crash us. What reads a pipe on
    Windows (Node, an agent) reads UTF-8.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            if os.name == "nt" and not stream.isatty() and "PYTHONIOENCODING" not in os.environ:
                stream.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
            unicode = (stream.encoding or "").lower().startswith("utf")
            errors = "replace" if unicode else "backslashreplace"
            stream.reconfigure(errors=errors)  # type: ignore[union-attr]
        except (AttributeError, ValueError):
            pass
