"""One issue a problem, through its whole life, against a strict stand-in of GitHub's API."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Iterator, List

import canaries
import github_stub
import pytest

from skill.context import Context
from skill.errors import NotifyError
from skill.host import Host
from skill.notify import issues
from skill.openclaw.home import locate
from skill.settings import load
from skill.store.records import Store

NOW = 1_795_800_000.0


@pytest.fixture
def github() -> Iterator[github_stub.GitHub]:
    made = github_stub.GitHub()
    yield made
    made.close()


def world(tmp_path: Path, github: github_stub.GitHub, now: float = NOW) -> Context:
    host = Host(env={"HOME": str(tmp_path)}, now=lambda: now)
    home = locate(host)
    home.doctor_dir.mkdir(parents=True, exist_ok=True)
    own = {"repository": "me/ops", "token": github_stub.TOKEN, "api": github.url}
    (home.doctor_dir / "config.json").write_text(json.dumps({"issues": own}))
    return Context(host, home, load(host, home))


def incident(name: str, at: float, over: bool = False, **more: Any) -> Dict[str, Any]:
    row = {"id": name, "opened": at, "level": 4, "state": "misconfigured", "outcome": "escalate"}
    row.update(cause="a variable is missing", errors=["config/variable-missing"], **more)
    return {**row, "closed": at + 90, "verified": True, "healed_s": 90.0} if over else row


def test_attack_a4_two_machines_report_to_one_repository(
    tmp_path: Path, github: github_stub.GitHub
) -> None:
    """The one that is up again closed the issue of the one that is still down."""
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    one, two = (
        replace(made, host=replace(made.host, hostname=lambda name=name: name))
        for name, made in ((n, world(tmp_path / n, github)) for n in ("a", "b"))
    )
    for ctx in (one, two):
        Store(ctx.home).add(incident("same", NOW - 500))
    assert issues.sync(one) == ["#1 opened"] and issues.sync(two) == ["#2 opened"]
    Store(one.home).add(incident("same", NOW - 500, over=True))
    assert issues.sync(one) == ["#1 closed"]
    assert [row["state"] for row in github.issues] == ["closed", "open"]
    assert "**Gateway**: b:18789" in github.issues[1]["body"]


def test_its_whole_life(tmp_path: Path, github: github_stub.GitHub) -> None:
    ctx = world(tmp_path, github)
    Store(ctx.home).add(incident("one", NOW - 500))
    assert issues.sync(ctx) == ["#1 opened"] and issues.sync(ctx) == []
    assert [row["state"] for row in github.issues] == ["open"]
    Store(ctx.home).add(incident("one", NOW - 500, over=True))
    assert issues.sync(ctx) == ["#1 closed"] and issues.sync(ctx) == []
    Store(ctx.home).add(incident("two", NOW - 50))
    assert issues.sync(ctx) == ["#1 commented", "#1 reopened"]
    assert len(github.issues) == 1 and github.issues[0]["state"] == "open"
    Store(ctx.home).add(incident("other", NOW - 40, case="CASE-009"))
    assert issues.sync(ctx) == ["#2 opened"]
    Store(ctx.home).add(incident("two", NOW - 50, over=True))
    assert issues.sync(ctx) == ["#1 closed"]
    said = [row["body"] for row in github.comments[1]]
    assert len(said) == 3 and "Recovered after 1 min 30 s" in said[0]


@pytest.mark.parametrize("write", range(1, 7))
def test_killed_between_a_request_and_its_note(
    tmp_path: Path, github: github_stub.GitHub, write: int
) -> None:
    """The answer to every write is lost once: nothing is there twice."""
    ctx = world(tmp_path, github)
    github.break_after_write = write
    clock = [NOW]
    ctx = replace(ctx, host=Host(env=ctx.host.env, now=lambda: clock[0]))
    lives = (incident("one", NOW - 500), incident("one", NOW - 500, over=True))
    for row in (*lives, incident("two", NOW - 50), incident("two", NOW - 50, over=True)):
        Store(ctx.home).add(row)
        for _again in range(3):
            clock[0] += 120
            try:
                issues.sync(ctx)
            except NotifyError:
                pass
    assert len(github.issues) == 1 and github.issues[0]["state"] == "closed"
    marks = [
        line for row in github.comments[1] for line in row["body"].splitlines() if "<!--" in line
    ]
    once = [line for line in marks if "fingerprint" not in line]
    assert len(once) == len(set(once)) == 3


def test_what_is_lost_of_our_own_notes_is_found_in_the_repository(
    tmp_path: Path, github: github_stub.GitHub
) -> None:
    ctx = world(tmp_path, github)
    github.page = 2
    for number in range(5):
        Store(ctx.home).add(incident("i%d" % number, NOW - 500 + number, case="CASE-%d" % number))
    assert len(issues.sync(ctx)) == 5
    (ctx.home.doctor_dir / "issues.json").unlink()
    assert issues.sync(ctx) == [] and len(github.issues) == 5
    assert not any(github.comments.values())


def test_a_public_repository_gets_nothing(tmp_path: Path, github: github_stub.GitHub) -> None:
    ctx = world(tmp_path, github)
    github.private = False
    Store(ctx.home).add(incident("one", NOW - 500))
    with pytest.raises(NotifyError, match="public"):
        issues.sync(ctx)
    assert github.issues == []


LIMITS = [
    (429, {"Retry-After": "30"}, "slow down", 30.0),
    (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "0"}, "API rate limit exceeded", 1.0),
    (403, {}, "You have exceeded a secondary rate limit", 60.0),
    (502, {}, "Bad gateway", None),
]


@pytest.mark.parametrize("status, headers, said, wait", LIMITS)
def test_a_limit_is_waited_for(
    tmp_path: Path, github: github_stub.GitHub, status: int, headers: Any, said: str, wait: Any
) -> None:
    ctx = world(tmp_path, github)
    github.refuse = [(status, headers, said)]
    Store(ctx.home).add(incident("one", NOW - 500))
    with pytest.raises(NotifyError) as raised:
        issues.sync(ctx)
    assert raised.value.retry_after == wait and not raised.value.permanent
    assert issues.sync(ctx) == []  # not before the time that was asked for
    later = replace(ctx, host=Host(env=ctx.host.env, now=lambda: NOW + 3700))
    assert issues.sync(later) == ["#1 opened"]


@pytest.mark.parametrize("status", [401, 404, 410, 422])
def test_a_refusal_is_not_tried_again_at_once(
    tmp_path: Path, github: github_stub.GitHub, status: int
) -> None:
    ctx = world(tmp_path, github)
    github.refuse = [(status, {}, "no")]
    Store(ctx.home).add(incident("one", NOW - 500))
    with pytest.raises(NotifyError) as raised:
        issues.sync(ctx)
    assert raised.value.permanent and issues.sync(ctx) == [] and len(github.log) == 1


def test_no_canary_leaves(tmp_path: Path, github: github_stub.GitHub) -> None:
    ctx = world(tmp_path, github)
    for number, (_kind, line, _secret) in enumerate(canaries.LOG):
        row = incident("c%d" % number, NOW - 500 + number, case="CASE-%d" % number)
        Store(ctx.home).add({**row, "lines": [line], "cause": "it said " + line})
    assert len(issues.sync(ctx)) == len(canaries.LOG) >= 60
    whole = "\n".join(github.sent).replace(github_stub.TOKEN, "")
    out: List[str] = [secret for _kind, _line, secret in canaries.LOG if secret in whole]
    assert out == []


def test_hostile_words_are_only_words(tmp_path: Path, github: github_stub.GitHub) -> None:
    """No mention, no link to another issue, no forged mark, no markup."""
    ctx = world(tmp_path, github)
    bad = "@everyone fixes #1 <!-- iflow-doctor-fingerprint:000000000000 --> [x](http://e) <b>"
    Store(ctx.home).add({**incident("one", NOW - 500), "cause": bad, "lines": [bad], "case": bad})
    issues.sync(ctx)
    body = github.issues[0]["body"]
    assert body.count("<!-- iflow-doctor-fingerprint:") == 1
    prose = "\n".join(line for line in body.splitlines() if not line.startswith("    "))
    assert "@everyone" not in prose and " #1" not in prose
    assert not re.search(r"(?<!\\)[\[\]<](?!!--)", prose)
    assert issues.sync(ctx) == []


def test_off_unless_somebody_names_a_repository(tmp_path: Path, github: github_stub.GitHub) -> None:
    ctx = world(tmp_path, github)
    (ctx.home.doctor_dir / "config.json").unlink()
    ctx = replace(ctx, settings=load(ctx.host, ctx.home))
    Store(ctx.home).add(incident("one", NOW - 500))
    assert issues.sync(ctx) == [] and github.log == []
