"""config: show or change settings, in our own config.json in the state directory. check-config:
the user's config checker on the command line.
"""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional, Tuple

import click

from ..errors import UsageError
from ..model import Text

if TYPE_CHECKING:
    from ..cli import App

MARKS = {"ok": "✓", "warning": "!", "error": "✗", "skipped": "-"}
RESULT = {
    0: Text("The config is fine.", "配置没有问题。"),
    1: Text(
        "The config has errors: the gateway will not work like this.",
        "配置有错误：网关将无法正常工作。",
    ),
    2: Text("The config could not be checked completely.", "未能完成全部检查。"),
}
_TRUE, _FALSE = ("true", "on", "yes", "1"), ("false", "off", "no", "0")


def add(main: click.Group) -> None:
    main.add_command(config)
    main.add_command(check_config)


@click.group(invoke_without_command=True)
@click.option("--get", "wanted", metavar="KEY", help="Print one value. / 打印一个值。")
@click.option(
    "--set",
    "assignments",
    metavar="KEY=VALUE",
    multiple=True,
    help="Set a value; may be repeated. / 设置一个值，可重复。",
)
@click.option(
    "--unset", "removed", metavar="KEY", multiple=True, help="Back to the default. / 恢复默认。"
)
@click.option(
    "--list",
    "everything",
    is_flag=True,
    help="Every setting, its value and where it comes from. / 列出全部设置及来源。",
)
@click.option("--changed", is_flag=True, help="Only what is not the default. / 只列出改动过的。")
@click.pass_context
def config(
    click_ctx: click.Context,
    wanted: Optional[str],
    assignments: Tuple[str, ...],
    removed: Tuple[str, ...],
    everything: bool,
    changed: bool,
) -> None:
    """Show or change settings. Without an option: --list. / 查看或修改设置。"""
    from .. import settings
    from ..openclaw.home import locate

    if click_ctx.invoked_subcommand is not None:
        return
    app = click_ctx.obj
    home = locate(app.host)
    node = settings.schema()
    pairs = [
        _pair(text, node) for text in assignments
    ]  # all are judged before the first is written
    for key in removed:
        rule(node, key)
    for key, value in pairs:
        settings.save(home, key, value)
    for key in removed:
        settings.save(home, key, None)
    loaded = settings.load(app.host, home)
    if pairs or removed:
        for key in [key for key, _ in pairs] + list(removed):
            _tell_set(app, key, loaded, str(home.doctor_dir / "config.json"))
        return
    if wanted:
        rule(node, wanted)
        value = masked(wanted, loaded.get(wanted))  # null: a documented key that nothing sets
        click.echo(
            json.dumps(value, ensure_ascii=False)
            if app.as_json or not isinstance(value, str)
            else value
        )
        return
    _list(app, node, loaded, changed)


@config.command()
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def accept(app: App, as_json: bool) -> None:
    """Say that openclaw.json is right as it is: it becomes the newest good copy. /
    确认当前 openclaw.json 正确，作为最新备份。
    """
    from ..openclaw import config as openclaw_config
    from ..openclaw import validation
    from ..store import good_copies, served

    ctx = app.context()
    view = openclaw_config.load(ctx.home.config_path)
    said = validation.validate(ctx) if view.ok else None
    wrong = [
        "{}: {}".format(issue.get("path", ""), issue.get("message", ""))
        for issue in (said.issues if said is not None and said.known and not said.valid else ())
    ]
    if not view.ok:
        wrong = [view.message]
    elif not wrong and not openclaw_config.get(view.data, "gateway.mode"):
        wrong = ["gateway.mode"]
    if wrong:
        if as_json or app.as_json:
            app.out({"ok": False, "issues": wrong})
        else:
            sentence = Text("OpenClaw would not start with it: {}", "OpenClaw 无法用它启动：{}")
            app.say(sentence.to(app.lang).format("; ".join(wrong)))
        raise click.exceptions.Exit(1)
    served.accept(ctx.home)
    folder = good_copies.keep(ctx)
    if as_json or app.as_json:
        app.out({"ok": True, "kept": folder or (good_copies.newest(ctx.home) or {}).get("folder")})
        return
    app.say(
        Text(
            "Accepted. From now on this is the config that a repair goes back to.",
            "已确认。今后的修复将以此配置为准。",
        )
    )


def rule(node: Mapping[str, Any], dotted: str) -> Mapping[str, Any]:
    """The schema of one key. Raise UsageError with the nearest valid key where there is none."""
    from ..settings import known_keys

    found: Any = node
    for part in dotted.split("."):
        found = found.get("properties", {}).get(part) if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping):
        near = difflib.get_close_matches(dotted, known_keys(node), 1, 0.5)
        raise UsageError(
            Text.of("unknown key {}", "没有设置项 {}", dotted),
            Text.of("did you mean {}?", "是不是 {}？", near[0])
            if near
            else "iflow-doctor config --list",
        )
    return found


def parse_value(text: str, node: Mapping[str, Any]) -> Any:
    """Given what a person typed and the key's schema, return the value; a word stays a word where
    the schema wants one.
    """
    kinds = node.get("type", "string")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if "boolean" in kinds and text.strip().lower() in _TRUE + _FALSE:
        return text.strip().lower() in _TRUE
    if "array" in kinds and not text.lstrip().startswith("["):
        text = "[{}]".format(text)
    if kinds != ["string"]:
        try:
            return json.loads(text)
        except ValueError:
            pass
    return text


def masked(key: str, value: Any) -> Any:
    """The value as it may be shown: of a webhook the host, of another secret nothing. References
    (${NAME}, SecretRefs) stay.
    """
    from urllib.parse import urlsplit

    from ..settings import SENSITIVE

    if isinstance(value, Mapping):
        inside = {name: masked("{}.{}".format(key, name), item) for name, item in value.items()}
        return dict(value) if {"source", "id"} <= set(value) else inside
    if isinstance(value, list):
        return [masked(key, item) for item in value]
    if (
        not isinstance(value, str)
        or not value
        or not SENSITIVE.search(key)
        or value.startswith("${")
    ):
        return value
    parts = urlsplit(value)
    return (
        "{}://{}/***".format(parts.scheme, parts.hostname)
        if parts.scheme and parts.hostname
        else "***"
    )


def _pair(text: str, node: Mapping[str, Any]) -> Tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(
            Text.of("--set {}: must be KEY=VALUE", "--set {}：必须写成 键=值", text),
            "iflow-doctor config --set auto_heal=true",
        )
    value = parse_value(value, rule(node, key.strip()))
    return key.strip(), value


def _tell_set(app: App, key: str, loaded: Any, own: str) -> None:
    """Say what holds now: an environment variable may still win over what was just written."""
    value, source = masked(key, loaded.get(key)), loaded.sources.get(key, "")
    if app.as_json:
        app.out({"key": key, "value": value, "source": source or "default"})
        return
    shown = json.dumps(value, ensure_ascii=False)
    if source not in ("", own):
        app.say(
            Text(
                "{} = {} still: {} wins".format(key, shown, source),
                "{} 仍为 {}：{} 优先".format(key, shown, source),
            )
        )
    else:
        app.say(Text("{} = {}".format(key, shown), "{} = {}".format(key, shown)))


def _list(app: App, node: Mapping[str, Any], loaded: Any, changed: bool = False) -> None:
    rows: Dict[str, Any] = {}
    for key, item in leaves(node):
        if changed and loaded.sources.get(key, "default") == "default":
            continue
        rows[key] = {
            "value": masked(key, loaded.get(key)),
            "source": loaded.sources.get(key, "default"),
            "description": item.get(
                "x-zh" if app.lang == "zh" else "description", item.get("description", "")
            ),
        }
    if app.as_json:
        app.out(rows)
        return
    if not rows:
        app.say(Text("Every setting has its default.", "所有设置都是默认值。"))
    for key, row in rows.items():
        mark = "" if row["source"] == "default" else "   [{}]".format(row["source"])
        click.echo(
            "{} = {}{}\n    {}".format(
                key, json.dumps(row["value"], ensure_ascii=False), mark, row["description"]
            )
        )


def leaves(node: Mapping[str, Any], prefix: str = "") -> Any:
    """(dotted key, schema) of every setting that holds a value, in the order of the schema."""
    for key, item in node.get("properties", {}).items():
        if item.get("type") == "object" and item.get("properties"):
            yield from leaves(item, prefix + key + ".")
        else:
            yield prefix + key, item


@click.command("check-config")
@click.option(
    "--offline", is_flag=True, help="Ask nothing outside this machine. / 不访问外部网络。"
)
@click.option(
    "--timeout",
    type=click.FloatRange(1, 300),
    default=30.0,
    help="Seconds for OpenClaw's own validation. / 校验超时（秒）。",
)
@click.option("--json", "json_here", is_flag=True, help="JSON output. / 以 JSON 输出。")
@click.pass_obj
def check_config(app: App, offline: bool, timeout: float, json_here: bool) -> None:
    """Check openclaw.json before a start: 0 fine, 1 errors, 2 could not tell. / 启动前检查
    openclaw.json。
    """
    from .. import config_checker

    ctx = app.context()
    as_json = app.as_json or json_here
    if not as_json:
        click.echo(
            Text("Checking {} ...", "正在检查 {} ……").to(app.lang).format(ctx.home.config_path),
            err=True,
        )
    steps = config_checker.check(ctx, offline, timeout)
    code = config_checker.exit_code(steps)
    if as_json:
        findings = [f.to_json(app.lang) for step in steps for f in step.findings]
        rows = [
            {"id": step.id, "title": step.title.to(app.lang), "state": step.state} for step in steps
        ]
        report = {
            "ok": code == 0,
            "exitCode": code,
            "path": str(ctx.home.config_path),
            "steps": rows,
            "findings": findings,
        }
        click.echo(json.dumps(report, ensure_ascii=False, indent=1, default=str))
    else:
        _print_steps(app.lang, steps, code)
    raise click.exceptions.Exit(code)


def _print_steps(lang: str, steps: Any, code: int) -> None:
    for step in steps:
        click.echo("{} {}".format(MARKS[step.state], step.title.to(lang)))
        for finding in step.findings:
            click.echo(
                "    {}{}".format(
                    finding.message.to(lang), "  [{}]".format(finding.path) if finding.path else ""
                )
            )
            if finding.fix_hint:
                click.echo("    → {}".format(finding.fix_hint.to(lang)))
    click.echo(RESULT[code].to(lang))
