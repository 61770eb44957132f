"""What the watchdog calls as child processes: keep-good, record, before-restart."""

from __future__ import annotations

import contextlib
import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Optional

import click

from ..errors import HealerError
from ..host import ended_politely

if TYPE_CHECKING:
    from ..cli import App
    from ..context import Context


def add(main: click.Group) -> None:
    for command in (keep_good, record, before_restart):
        main.add_command(command)


@click.command("keep-good", hidden=True)
@click.option("--look", is_flag=True, help="Only look for damage that stays green; keep nothing.")
@click.option("--config-only", is_flag=True, help="The config; plugins and databases as known.")
@click.option("--served", is_flag=True, help="Only look whether anybody is served.")
@click.pass_obj
def keep_good(app: App, look: bool, config_only: bool, served: bool) -> None:
    """Keep a copy of the config of a gateway that has been ready for a while, and of how to reach
    its owner.
    """
    with ended_politely():  # past its bound, or with the watchdog: what it started ends with it
        _keep_good(app, look, config_only, served)


def _keep_good(app: App, look: bool, config_only: bool, served: bool) -> None:
    if served:  # often: without what the rest needs
        raise click.exceptions.Exit(_look_served(app.context()))
    from ..doctor import recover
    from ..files import private_dir, write_json
    from ..openclaw import gateway
    from ..store import good_copies, growth, snapshots

    ctx = app.context()
    seen = gateway.observe(ctx.host, ctx.home, 5.0, ctx.platform)
    if seen.answer not in ("ready", "live"):
        raise click.exceptions.Exit(1)
    with contextlib.suppress(HealerError, OSError):
        # A doctor that was killed after its repair: what it began is finished now, not undone in
        # some later incident.
        recover.recover(replace(ctx, last_good=good_copies.newest(ctx.home)))
    if config_only:
        raise click.exceptions.Exit(_keep(ctx, whole=False))
    damage = _quiet_damage(ctx)
    if damage:
        # Green, and yet something is lost or wrong: the owner has to know. The config that it is
        # ready with is good all the same; plugins and databases stay as they were known.
        private_dir(ctx.home.doctor_dir)
        write_json(ctx.home.doctor_dir / "quiet.json", {"at": ctx.host.now(), "findings": damage})
        if look or not _accepted(ctx, damage):
            if not look:
                _keep(ctx, whole=False)
            raise click.exceptions.Exit(3)
    if look:
        return
    refused = _keep(ctx, whole=True, started=seen.process.started if seen.process else 0.0)
    if refused:
        raise click.exceptions.Exit(refused)
    growth.prune(ctx.home, ctx.host.now())
    with contextlib.suppress(OSError):
        snapshots.keep(ctx.home)
    if seen.process:
        private_dir(ctx.home.doctor_dir)
        write_json(
            ctx.home.doctor_dir / "usual.json",
            {"rss_mb": round(seen.process.rss / 1048576), "at": ctx.host.now()},
        )
    try:
        from ..openclaw import schema

        schema.keep(ctx)
    except Exception as error:  # only a fallback for the day the CLI is dead
        print("schema not kept: {!r}".format(error), file=sys.stderr)
    try:
        from .. import notify

        notify.remember_channels(ctx)
    except Exception as error:  # an observer: the copy of the config is what matters
        print("channels not remembered: {!r}".format(error), file=sys.stderr)


def _keep(ctx: Context, whole: bool, started: float = 0.0) -> int:
    """Keep the config; 0, or what keep-good ends with where it is no good one."""
    from ..openclaw import config
    from ..store import good_copies, served

    if _edited_wrongly(ctx):
        return 4
    if served.made_by_us(ctx.home, config.load(ctx.home.config_path).data):
        return 5  # level 3 made it of what was left: no good copy before a person has seen it
    good_copies.keep(ctx, whole, started)
    return 0


def _edited_wrongly(ctx: Context) -> bool:
    """The running gateway has not read this edit, or refused it: being ready says nothing about a
    file that OpenClaw's schema rejects.
    """
    from ..openclaw import schema
    from ..store import good_copies

    try:
        good, document = good_copies.newest(ctx.home), schema.kept(ctx)
        if good is None or document is None or schema.issues_of(good["config"], document):
            return False  # nothing to protect, or a schema that rejects what is known to work
        said = schema.validate(ctx)
        return bool(said.known and not said.valid)
    except Exception as error:  # an observer: then the copy is kept as before
        print("edit not judged: {!r}".format(error), file=sys.stderr)
        return False


# Faults under which /readyz stays green (measured on 2026.9.6), by finding.
QUIET = (
    "config/variable-missing",
    "config/secret-missing",
    "config/shrunk",
    "config/auth-missing",
    "database/zero-bytes",
    "database/replaced",
    "database/corrupt",
    "clock/implausible",
    "disk/full",
    "disk/inodes",
    "service/environment",
)
ACCEPTED_AFTER_S = 86400.0  # what its owner was told of and left as it is for a day counts as meant


def _accepted(ctx: Context, damage: Any) -> bool:
    """Whether a copy is worth keeping all the same: there is none yet, or the owner was told of
    exactly this a day ago.
    """
    from ..files import read_json
    from ..store import good_copies
    from ..watchdog.alerts import key_of

    if good_copies.newest(ctx.home) is None:
        return True
    told = read_json(ctx.home.doctor_dir / "quiet.told.json", {}) or {}
    return (
        told.get("key") == key_of(damage)
        and ctx.host.now() - float(told.get("at", 0)) > ACCEPTED_AFTER_S
    )


def _look_served(ctx: Context) -> int:
    """Whether anybody is served, by the check that `status` and `diagnose` run; noted in
    serving.json with since when it is seen. 0 nothing, 1 could not be told, 3 something.
    """
    from ..checks import run, serving
    from ..files import private_dir, read_json, write_json
    from ..model import State, Text, Verdict
    from ..openclaw import gateway
    from ..store import good_copies

    # The watchdog has just judged it to be up and ours: one question is enough, and cheap.
    said = gateway.ask(ctx.host, ctx.home, 5.0)
    up = {"ready": State.HEALTHY, "live": State.HEALTHY, "not-ready": State.DEGRADED}
    state = up.get(str(said["answer"]))
    if state is None or said.get("startup") in ("starting", "draining"):
        return 1
    verdict = Verdict(state, Text("", ""))
    ctx = replace(ctx, verdict=verdict, last_good=good_copies.newest(ctx.home))
    found = run.examine(ctx, only=("serving",)).findings
    if any(one.check_id == "serving/unknown" for one in found):
        return 1
    place, now = ctx.home.doctor_dir / "serving.json", ctx.host.now()
    try:
        before = {row["key"]: float(row["first"]) for row in (read_json(place) or {})["findings"]}
    except (KeyError, TypeError, ValueError, HealerError):  # none yet, or damaged
        before = {}
    rows = [
        {
            "key": serving.key_of(one),
            "id": one.check_id,
            "severity": one.severity.value,
            "message": list(one.message),
            "hint": list(one.fix_hint) if one.fix_hint else ["", ""],
            "first": min(now, before.get(serving.key_of(one), now)),
        }
        for one in serving.worth_telling(found)
    ]
    private_dir(ctx.home.doctor_dir)
    write_json(place, {"at": now, "findings": rows})
    return 3 if rows else 0


def _quiet_damage(ctx: Context) -> Any:
    """What is wrong with a gateway that says it is ready: [[check id, message en, zh, hint en, zh],
    ...].
    """
    from ..checks import run
    from ..model import Severity, State, Text, Verdict
    from ..repairs.free_disk import make_room
    from ..store import good_copies

    try:
        good = good_copies.newest(ctx.home)
        ctx = replace(ctx, last_good=good, verdict=Verdict(State.HEALTHY, Text("ready", "就绪")))
        only = ("config", "database", "clock", "disk", "service")
        found = run.examine(ctx, only=only).findings
        if (
            any(f.check_id in ("disk/full", "disk/inodes") for f in found)
            and ctx.settings.get("auto_heal", True)
            and make_room(ctx)
        ):
            found = run.examine(ctx, only=only).findings
    except Exception as error:
        print("not examined: {!r}".format(error), file=sys.stderr)
        return []
    return [
        [
            f.check_id,
            f.message.en,
            f.message.zh,
            f.fix_hint.en if f.fix_hint else "",
            f.fix_hint.zh if f.fix_hint else "",
        ]
        for f in found
        if f.check_id in QUIET
        and f.severity != Severity.INFO
        and f.evidence.get("lost") is not False
    ]


@click.command(hidden=True)
@click.option("--incident", required=True)
@click.option("--level", type=int, required=True)
@click.option("--how", required=True)
@click.option("--opened", type=float, required=True)
@click.option("--closed", type=float, required=True)
@click.option("--state", default="")
@click.option("--restarts", type=int, default=0)
@click.option("--detected", type=float)
@click.pass_obj
def record(
    app: App,
    incident: str,
    level: int,
    how: str,
    opened: float,
    closed: float,
    state: str,
    restarts: int,
    detected: Optional[float],
) -> None:
    """Write a closed incident into records.json."""
    from ..cases import learning
    from ..model import Healed
    from ..store.records import Store

    ctx = app.context()
    Store(ctx.home).close_incident(
        incident,
        Healed(level, how),
        opened=opened,
        closed=closed,
        state=state,
        restarts=restarts,
        detected=detected,
        learn=learning.of_person,
    )
    with contextlib.suppress(Exception):  # the record is what matters; the next flush tries again
        from ..notify import issues

        issues.sync(ctx)


@click.command("before-restart", hidden=True)
@click.option("--evidence", metavar="INCIDENT", help="Keep what is there before it is ended.")
@click.pass_obj
def before_restart(app: App, evidence: Optional[str]) -> None:
    """Print another watchdog of this gateway as JSON (name, pid); where there is none, keep what a
    hung gateway looks like before it is ended.
    """
    from ..checks import run

    ctx = app.context()
    for found in run.examine(ctx, only=("duplicates",)).findings:
        if found.check_id == "duplicates/watchdog":
            app.say(json.dumps({key: found.evidence.get(key) for key in ("name", "pid")}))
            return
    if evidence:
        _keep_evidence(ctx, evidence)


def _keep_evidence(ctx: Context, incident: str) -> None:
    """Log tail, /readyz body, process row."""
    from ..files import private_dir, write_atomic
    from ..openclaw import gateway
    from ..openclaw.logs import newest_boot
    from ..redact import Redactor

    reply = ctx.host.get(ctx.home.url("/readyz"), 2.0)
    process = gateway.lock_holder(ctx.host, ctx.home)
    value = {
        "at": gateway.clock_stamp(ctx.host.now()),
        "readyz": {
            "status": reply.status,
            "error": reply.error,
            "body": reply.body.decode("utf-8", "replace")[:2000],
        },
        "process": process.__dict__ if process else None,
        "log_tail": newest_boot(ctx.host, ctx.home)[-16000:],
    }
    folder = private_dir(private_dir(ctx.home.doctor_dir) / "incidents")
    text = Redactor.shapes_only().clean(json.dumps(value, ensure_ascii=False, indent=1))
    write_atomic(folder / (incident + ".evidence.json"), text)
