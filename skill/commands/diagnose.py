"""diagnose: what is wrong now, and what to type next."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Optional, Sequence

import click

from ..errors import UsageError
from ..files import json_bounded
from ..model import STATE_NAMES, Confidence, Match, Severity, Text
from . import mark
from .cases import library_of

if TYPE_CHECKING:
    from ..cli import App
    from ..doctor.report import Report

LOG_BYTES = 262_144  # the end of a log file; the rest is older than the newest boot
SURE = {
    Confidence.CERTAIN: Text("certain", "确定"),
    Confidence.PROBABLE: Text("probable", "很可能"),
    Confidence.POSSIBLE: Text("possible", "可能"),
}


def add(main: click.Group) -> None:
    main.add_command(diagnose)


@click.command()
@click.argument("text", required=False, default="")
@click.option(
    "--log",
    "log_file",
    metavar="FILE|-",
    help="A log to read (its end); - is standard input. / 日志文件，- 为标准输入。",
)
@click.option(
    "--offline",
    is_flag=True,
    help="Only the words and the log; look at nothing on this machine. / "
    "只看文字与日志，不检查本机。",
)
@click.option(
    "--batch", metavar="FILE.jsonl", help="A line each: id, symptom, log. / 批量：每行一个 JSON。"
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable. / 机器可读。")
@click.pass_obj
def diagnose(
    app: App, text: str, log_file: Optional[str], offline: bool, batch: Optional[str], as_json: bool
) -> None:
    """Say what is wrong and what to type next. / 诊断：哪里坏了，下一步输入什么。"""
    if batch:
        raise click.exceptions.Exit(_batch(app, batch))
    log = _read_log(log_file) if log_file else ""
    if not offline:
        from ..doctor import report

        found = report.report(app.context(), text, log)
        if as_json or app.as_json:
            app.out(found.to_json(app.lang))
        else:
            _show_diagnosis(app, found)
        raise click.exceptions.Exit(found.conclusion.exit_code)
    if not text.strip() and not log.strip():
        raise UsageError(
            Text(
                "nothing to diagnose: give a TEXT or --log FILE",
                "没有可诊断的内容：请给出一段描述，或 --log 文件",
            ),
            Text(
                'e.g. iflow-doctor diagnose "gateway will not start"',
                '例如 iflow-doctor diagnose "网关起不来"',
            ),
        )
    from ..cases.matcher import match

    matches = match(library_of(app), text, log)
    if as_json or app.as_json:
        rows = [as_dict(one, app.lang) for one in matches]
        click.echo(json.dumps({"matches": rows}, ensure_ascii=False))
    else:
        click.echo(render(matches, app.lang))
    raise click.exceptions.Exit(1 if matches else 0)


def _read_log(name: str) -> str:
    from ..files import tail_bytes

    if name == "-":
        raw = sys.stdin.buffer.read()[-LOG_BYTES:]
    else:
        if not os.path.isfile(Path(name)):
            raise UsageError(
                Text.of("no such log file: {}", "没有这个日志文件：{}", name),
                Text(
                    "openclaw logs --limit 200 shows the gateway's own",
                    "网关自己的日志：openclaw logs --limit 200",
                ),
            )
        raw = tail_bytes(name, LOG_BYTES)
    return raw.decode("utf-8", "replace")


def _batch(app: App, name: str) -> int:
    """A line of JSON in, a line of JSON out, in order; a broken line stops with its number."""
    from ..cases.matcher import match

    library = library_of(app)
    if name != "-" and not os.path.isfile(Path(name)):
        raise UsageError(
            Text.of("no such file: {}", "没有这个文件：{}", name),
            Text('a line each: {"id", "symptom", "log"}', '每行一个：{"id", "symptom", "log"}'),
        )
    source = sys.stdin if name == "-" else open(name, encoding="utf-8", errors="replace")
    with source:
        for number, line in enumerate(source, 1):
            if not line.strip():
                continue
            try:
                entry = json_bounded(line)
                ident, symptom, log = (
                    entry["id"],
                    str(entry.get("symptom") or ""),
                    str(entry.get("log") or ""),
                )
            except (ValueError, KeyError, TypeError) as error:
                raise UsageError(
                    Text.of("{} line {}: {!r}", "{} 第 {} 行：{!r}", name, number, error),
                    Text('each line: {"id", "symptom", "log"}', '每行：{"id", "symptom", "log"}'),
                ) from error
            found = match(library, symptom, log)
            click.echo(
                json.dumps(
                    {"id": ident, "matches": [as_dict(one) for one in found]}, ensure_ascii=False
                )
            )
    return 0


def as_dict(one: Match, lang: str = "") -> Dict[str, Any]:
    value: Dict[str, Any] = {
        "slug": one.case.slug,
        "case": one.case.id,
        "confidence": one.confidence.value,
        "score": one.score,
        "because": list(one.because),
    }
    if lang:
        value.update(
            title=one.case.title.to(lang),
            solution=one.case.solution.to(lang),
            repair=one.case.repair,
        )
    return value


def render(found: Sequence[Match], lang: str) -> str:
    """What a tired person reads: the first case with its next step, the others by name."""
    zh = lang == "zh"
    if not found:
        return (
            "没有已知案例符合。下一步：`openclaw gateway status "
            "--deep`，或带上日志再试：`iflow-doctor diagnose --log FILE`。"
            if zh
            else "No known case fits. Next: `openclaw gateway status --deep`, or try again with a "
            "log: `iflow-doctor diagnose --log FILE`."
        )
    first = found[0]
    sure = SURE[first.confidence].to(lang)
    out = [
        "{} [{}] {}".format(first.case.id, sure, first.case.title.to(lang)),
        "  " + first.case.solution.to(lang),
    ]
    deciding = list(dict.fromkeys(line[:160] for line in first.because))[
        :3
    ]  # the same line may have decided several times
    out += ["  {} {}".format("依据：" if zh else "because:", line) for line in deciding]
    rest = [one for one in found[1:] if one.case.slug != first.case.slug][:3]
    if rest:
        out.append("也可能是：" if zh else "It could also be:")
        out += [
            "  {} {} (iflow-doctor explain {})".format(
                one.case.id, one.case.title.to(lang), one.case.id
            )
            for one in rest
        ]
    return "\n".join(out)


def _show_diagnosis(app: App, found: Report) -> None:
    """Few lines, the command to type last."""
    lang, conclusion, verdict = app.lang, found.conclusion, found.ctx.verdict
    if found.broken:
        app.say(Text.of("   {}", "   {}", found.broken.text))
    app.say(
        "{} {}{}".format(
            mark(conclusion.exit_code),
            Text("Gateway: ", "网关：").to(lang),
            STATE_NAMES[verdict.state].to(lang),
        )
    )
    head = Text("Cause: {}", "原因：{}") if conclusion.exit_code else Text("Result: {}", "结论：{}")
    app.say(Text.of(*head, conclusion.cause))
    others = [
        f for f in verdict.findings if f.severity != Severity.INFO and f.message != conclusion.cause
    ]
    for finding in others[:4]:
        said = finding.message.to(lang)
        named = not finding.path or finding.path in said
        where = "" if named else Text(" ({})", "（{}）").to(lang).format(finding.path)
        app.say("   - " + said + where)
    if found.matches and not found.words:
        best = found.matches[0]
        line = ("Case: {} {} [{}]", "案例：{} {} [{}]")
        app.say(Text.of(*line, best.case.id, best.case.title, SURE[best.confidence]))
    if conclusion.said is not None:
        app.say(conclusion.said)
    app.say(Text.of("Next: {}", "下一步：{}", conclusion.step))
    if conclusion.exit_code == 1 and "iflow-doctor heal" not in conclusion.step.en:
        app.say(
            Text(
                "   iflow-doctor heal   # repair it (shows the plan first)",
                "   iflow-doctor heal   # 自动修复（先给你看计划）",
            )
        )
    if os.path.exists(found.log):
        app.say(Text.of("Log: {}", "日志：{}", found.log))
