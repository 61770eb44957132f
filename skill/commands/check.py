"""check-config: the user's config checker on the command line."""

from __future__ import annotations

import json
from typing import Any

import click

from ..model import Text

MARKS = {"ok": "✓", "warning": "!", "error": "✗", "skipped": "-"}
RESULT = {
    0: Text("The config is fine.", "配置没有问题。"),
    1: Text(
        "The config has errors: the gateway will not work like this.",
        "配置有错误：网关将无法正常工作。",
    ),
    2: Text("The config could not be checked completely.", "未能完成全部检查。"),
}


def add(main: click.Group) -> None:
    main.add_command(check_config)


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
def check_config(app: Any, offline: bool, timeout: float, json_here: bool) -> None:
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
        _print(app.lang, steps, code)
    raise click.exceptions.Exit(code)


def _print(lang: str, steps: Any, code: int) -> None:
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
