"""drill: break a gateway that nobody needs and watch it heal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

import click

from ..errors import UsageError
from ..model import Text

if TYPE_CHECKING:
    from ..cli import App


def add(main: click.Group) -> None:
    main.add_command(drill)


@click.command()
@click.option(
    "--real",
    is_flag=True,
    help="On the installed openclaw, in an isolated state directory and port. / "
    "使用真实 openclaw。",
)
@click.option(
    "--faults",
    "folder",
    type=click.Path(),
    default=None,
    help="A fault directory, or a directory of them. / 故障目录。",
)
@click.option(
    "--only",
    multiple=True,
    help="Only the fault with this id (may be repeated). / 只运行指定故障。",
)
@click.option("--list", "only_list", is_flag=True, help="List the faults and run none. / 只列出。")
@click.option("--keep", is_flag=True, help="Keep each fault's files for a look. / 保留现场文件。")
@click.pass_obj
def drill(
    app: App, real: bool, folder: Optional[str], only: Tuple[str, ...], only_list: bool, keep: bool
) -> None:
    """Break a practice gateway and watch it heal. Your own gateway is never touched. /
    演练：绝不触碰你自己的网关。
    """
    try:
        from ..drill import faults, report, runner
    except ImportError as error:
        raise UsageError(
            Text(
                "this copy was published without the practice gateway",
                "此发布包不含演练网关",
            ),
            Text(
                "clone the repository: python3 dev.py demo", "请克隆仓库后执行：python3 dev.py demo"
            ),
        ) from error

    chosen, skipped = _choose(faults, real, folder, only)
    if only_list:
        return _list(app, chosen, skipped)
    _end_on_signals()

    def say(second: float, text: Text) -> None:
        said = text.to(app.lang)
        click.echo("\n" + said if second < 0 else "  {:6.1f} s  {}".format(second, said), err=True)

    for item in skipped:
        say(0.0, Text.of("skipped {}: {}", "跳过 {}：{}", item["id"], item["reason"]))
    results = runner.run_all(chosen, real, app.host, say, keep)
    if app.as_json:
        app.out(report.to_json(results, skipped))
    else:
        click.echo("\n" + report.table(results, app.lang))
        click.echo(report.summary(results, app.lang))
    if all(result.boot_s is None for result in results):
        raise click.exceptions.Exit(2)
    raise click.exceptions.Exit(0 if all(result.as_expected for result in results) else 1)


def _choose(
    faults: Any, real: bool, folder: Optional[str], only: Tuple[str, ...]
) -> Tuple[List[Any], List[Dict[str, str]]]:
    """The faults to run, and those that this machine cannot: [{id, reason}]. Raise UsageError for
    an unknown id.
    """
    from pathlib import Path

    found = faults.find(Path(folder) if folder else faults.BUILT_IN)
    unknown = sorted(set(only) - {fault.id for fault in found})
    if unknown:
        raise UsageError(
            Text.of("no fault {}", "没有故障 {}", ", ".join(unknown)),
            Text.of("known: {}", "已有：{}", ", ".join(fault.id for fault in found)),
        )
    target = "real" if real else "practice"
    wanted = [
        fault for fault in found if (not only or fault.id in only) and target in fault.targets
    ]
    reasons = [(fault, faults.missing(fault)) for fault in wanted]
    runnable = [fault for fault, reason in reasons if not reason]
    if not runnable:
        raise UsageError(
            Text.of(
                "none of these faults can be run on the {} gateway here",
                "这些故障都不能在此处的 {} 网关上演练",
                target,
            ),
            "; ".join(f.id + ": " + r for f, r in reasons if r),
        )
    return runnable, [{"id": fault.id, "reason": reason} for fault, reason in reasons if reason]


def _list(app: App, chosen: List[Any], skipped: List[Dict[str, str]]) -> None:
    if app.as_json:
        rows = [
            {
                "id": f.id,
                "title": f.title.to(app.lang),
                "family": f.family,
                "expect": f.expect,
                "timeout_s": f.timeout_s,
            }
            for f in chosen
        ]
        return app.out({"faults": rows, "skipped": skipped})
    for fault in chosen:
        app.say("{:32} {:9} {}".format(fault.id, fault.expect, fault.title.to(app.lang)))
    for item in skipped:
        app.say(
            Text(
                "{}: skipped, {}".format(item["id"], item["reason"]),
                "{}：跳过，{}".format(item["id"], item["reason"]),
            )
        )


def _end_on_signals() -> None:
    """SIGTERM and a closed terminal end a drill as Ctrl-C does: with everything it started."""
    import signal

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), stop)
