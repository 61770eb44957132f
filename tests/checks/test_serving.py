"""Green but deaf: each kind is found where it is, and nothing is said of a quiet, healthy gateway."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime, timezone

import pytest
from checkhouse import GOOD, NOW, House, ids, service

from skill.checks import channels, config, health, installation, resources, serving
from skill.model import State
from skill.openclaw import plugins, processes

BOOT = ("[gateway] loading configuration…", "[gateway] ready")
WEDGED = "[diagnostic] stuck session recovery: sessionKey=agent:main:x aborted=true released={}"
MALFORMED = "[ws] sessions.list failed: database disk image is malformed /s/state/openclaw.sqlite"
DRAINS = "[ws] chat.send failed: GatewayDrainingError: Gateway is draining; new tasks are not taken"
# as 2026.9.6 writes it
REFUSED = (
    "[ws] unauthorized conn=6632a67a-5a99-4d0b-a5bb-893785ac909f peer=127.0.0.1:47458->"
    "127.0.0.1:20441 remote=127.0.0.1 client=cli cli v1.0.0 role=operator scopes=0 auth=token "
    "device=no platform=linux instance=n/a host=127.0.0.1 origin=n/a ua=n/a "
    "reason=token_mismatch guidance=unauthorized: gateway token mismatch"
)
NO_MODEL = "[agent/embedded] All models failed (2): a: 429 | b: 429"


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path)
    made.config({**GOOD, "channels": {"telegram": {}, "whatsapp": {}}})
    made.healthy(age=100000.0)
    return made


def line(ago, text):
    stamp = datetime.fromtimestamp(NOW - ago, timezone.utc).isoformat(timespec="milliseconds")
    return "{} {}".format(stamp, text)


def told(house, *rows, state=State.HEALTHY, **more):
    house.log(*[line(90000, text) for text in BOOT], *[line(ago, text) for ago, text in rows])
    return list(serving.run(house.ctx(state, **more)))


def test_a_quiet_healthy_gateway_is_served_by_saying_nothing(house):
    noise = [
        (4000, "[telegram] [default] starting provider (@b)"),
        (3500, "[ws] unauthorized conn=9 reason=token_missing"),
        (3000, "[agent/embedded] All models failed (1): a: 529"),
        (2000, "[diagnostic] stuck session recovery: sessionKey=k aborted=true released=true"),
        (1000, "[tools] output: database disk image is malformed"),
        (900, "[tools] output: database disk image is malformed"),
    ]
    assert told(house, *noise) == []


def test_a_channel_that_openclaw_gave_up_is_named_until_it_works_again(house):
    gave_up = (600, "[whatsapp] [default] giving up after 10 restart attempts")
    found = told(house, gave_up)
    assert ids(found) == ["serving/channel-gave-up"]
    assert found[0].evidence["channel"] == "whatsapp"
    assert told(house, gave_up, (300, "[whatsapp] [default] connected")) == []
    assert told(house, (600, "[slack] giving up after 10 restart attempts")) == []  # not configured


def test_a_channel_that_takes_nothing_in(house):
    row = "[health-monitor] [telegram:default] restarting (reason: ingress-unavailable)"
    assert ids(told(house, (300, row))) == ["serving/ingress-unavailable"]
    assert told(house, (3000, row)) == []  # history


def test_a_session_that_recovery_does_not_free(house):
    rows = [(ago, WEDGED.format(0)) for ago in (2000, 1200, 300)]
    assert ids(told(house, *rows)) == ["serving/session-wedged"]
    assert told(house, *rows[:2]) == []  # twice may be chance
    assert told(house, *rows, (200, WEDGED.format(1))) == []  # freed at last


def test_a_fence_that_nobody_lifts(house):
    rows = [(ago, DRAINS) for ago in (2000, 1200, 300)]
    assert ids(told(house, *rows)) == ["serving/drain-stuck"]
    assert told(house, (40, DRAINS), (30, DRAINS), (20, DRAINS)) == []  # a drain that goes on


def test_a_database_damaged_under_a_living_gateway_is_named_with_its_file(house):
    found = told(house, (60, MALFORMED), (30, MALFORMED))
    assert ids(found) == ["serving/database-damaged"]
    assert found[0].path == "/s/state/openclaw.sqlite"
    assert told(house, (60, MALFORMED)) == []  # one line may be a client's own file


def test_a_database_that_was_deleted_under_a_living_gateway(house):
    path = str(house.state / "state" / "openclaw.sqlite-wal")
    house.deleted = {path: 27, "/tmp/other.sqlite": 9}
    found = told(house)
    assert ids(found) == ["serving/database-unlinked"]
    assert "/proc/4242/fd/27 " + path in found[0].fix_hint.en
    house.deleted = {"/tmp/other.sqlite": 9}
    assert told(house) == []


def test_an_earlier_process_has_said_nothing_about_this_one(house):
    house.rows.clear()
    house.gateway(age=500.0)
    gave_up = "[whatsapp] [default] giving up after 10 restart attempts"
    assert told(house, (600, gave_up)) == []
    assert ids(told(house, (400, gave_up))) == ["serving/channel-gave-up"]


def test_a_finding_keeps_its_name_from_look_to_look(house):
    def rows(start):
        return [(start - n * 700, WEDGED.format(0)) for n in range(3)]

    first, later = told(house, *rows(1500)), told(house, *rows(1520))
    assert first[0].message != later[0].message or first[0].evidence != later[0].evidence
    assert serving.key_of(first[0]) == serving.key_of(later[0])
    two = told(
        house,
        (9, "[whatsapp] giving up after 10 restart attempts"),
        (8, "[telegram] giving up after 10 restart attempts"),
    )
    assert len({serving.key_of(one) for one in two}) == 2


def test_plugins_of_the_last_good_run_that_are_missing_now(house):
    listening = (80000, "[gateway] http server listening (2 plugins: browser, canvas; 1.2s)")
    before = {"inventory": {"loaded": ["browser", "canvas", "memory"]}}
    found = told(house, listening, last_good=before)
    assert found[0].evidence["plugins"] == ["memory"]
    house.config({**GOOD, "plugins": {"entries": {"memory": {"enabled": False}}}})
    assert told(house, listening, last_good=before) == []  # its owner switched it off
    assert told(house, last_good=before) == []  # the log does not say what was loaded


def test_another_version_may_lack_plugins_of_its_own_but_not_the_owners(house):
    """Seen on a real upgrade: 2026.9.6 has no phone-control, which 2026.7.1 had loaded."""
    listening = (80000, "[gateway] http server listening (1 plugin: browser; 1.2s)")
    house.install("2026.9.6")
    loaded = {"loaded": ["browser", "phone-control", "mine", "named"], "plugins": {"mine": 1.0}}
    ran = {**loaded, "plugin_entries": ["named"], "version": "2026.7.1"}
    found = told(house, listening, last_good={"inventory": ran})
    assert found[0].evidence["plugins"] == ["mine", "named"]
    same = {"inventory": {**ran, "version": "2026.9.6"}}
    assert told(house, listening, last_good=same)[0].evidence["plugins"][0] == "phone-control"


def test_what_a_boot_loaded_is_read_from_its_own_line():
    assert plugins.loaded("x http server listening (3 plugins: a, b-c, d; 0.9s)") == [
        "a",
        "b-c",
        "d",
    ]
    assert plugins.loaded("[gateway] ready") == []


def test_clients_that_are_all_refused(house):
    phone = REFUSED.replace("client=cli", "client=openclaw-ios")
    many = [(800 - n, (REFUSED, phone)[n % 2]) for n in range(serving.WAITING)]
    assert told(house, *[(800 - n, REFUSED) for n in range(90)]) == []  # one stale client
    assert ids(told(house, *many)) == ["serving/clients-locked-out"]
    assert told(house, *many[1:]) == []  # a stale page
    assert told(house, *many, (10, "[ws] webchat connected conn=3")) == []
    made_up = (89000, "[gateway] Generated a runtime token for this startup")
    assert ids(told(house, made_up, (60, REFUSED))) == ["serving/clients-locked-out"]


def test_models_that_refuse_for_an_hour(house):
    rows = [(4200 - 900 * n, NO_MODEL) for n in range(5)]
    assert ids(told(house, *rows)) == ["serving/models-refused"]
    assert told(house, *rows[1:]) == []
    assert told(house, *rows, (100, "feishu[default]: dispatch complete (replies=1)")) == []


def cron(house, **state):
    path = house.state / "state" / "openclaw.sqlite"
    with sqlite3.connect(str(path)) as connection:
        connection.execute("DROP TABLE IF EXISTS cron_jobs")
        connection.execute(
            "CREATE TABLE cron_jobs (job_id TEXT, name TEXT, enabled INT, state_json TEXT)"
        )
        connection.execute(
            "INSERT INTO cron_jobs VALUES ('j', 'report', 1, ?)", (json.dumps(state),)
        )
    connection.close()


def test_a_job_whose_time_passed_with_no_run(house):
    house.rows[:] = []
    house.gateway(age=90000)
    late = (NOW - 3000) * 1000
    cron(house, nextRunAtMs=late)
    assert ids(told(house)) == ["serving/cron-overdue"]
    cron(house, nextRunAtMs=late, runningAtMs=late)
    assert told(house) == []
    cron(house, nextRunAtMs=(NOW + 60) * 1000)
    assert told(house) == []
    cron(house, nextRunAtMs=late)
    house.rows[:] = []
    house.gateway(age=100)  # it spreads what it missed
    assert told(house) == []


def test_nothing_is_said_of_a_gateway_that_is_not_up(house):
    rows = ((60, MALFORMED), (30, MALFORMED))
    assert told(house, *rows, state=State.STARTING) == []
    assert told(house, *rows, state=State.DOWN) == []


# -- the names in failing[], and other late facts --------------------------------------------------
def not_ready(house, *failing):
    house.healthy()
    house.answer("/readyz", {"ready": False, "failing": list(failing)}, 503)
    house.answer("/startupz", {"status": "started"})
    ctx = house.ctx(State.DEGRADED)
    return list(health.run(ctx)) + list(channels.run(ctx))


def test_a_name_in_failing_is_a_channel_only_when_it_is_one(house):
    house.config({**GOOD, "channels": {"telegram": {}}})
    found = not_ready(house, "agent-database:main", "plugin-reload", "telegram", "state:x")
    assert {"health/agent-database", "health/plugin-reload", "channels/failing"} <= set(ids(found))
    failing = [f.evidence["channel"] for f in found if f.check_id == "channels/failing"]
    assert failing == ["telegram"]
    agents = [f for f in found if f.check_id == "health/agent-database"]
    assert agents[0].evidence["agents"] == ["main"]


def limits(house, monkeypatch, **limit):
    monkeypatch.setattr(
        processes, "usage", lambda host, pid: {k: float(v) for k, v in limit.items()}
    )
    return list(resources.run(house.ctx(State.DOWN)))


def test_the_real_limits_of_the_process_are_read(house, monkeypatch):
    house.answers.clear()
    found = limits(house, monkeypatch, fd_limit=64, as_limit=-1)
    assert [f.evidence.get("limit") for f in found if f.check_id == "resources/fd-limit"] == [64]
    found = limits(house, monkeypatch, fd_limit=65536, as_limit=2e9)
    assert [f.check_id for f in found] == ["resources/address-space"]
    assert limits(house, monkeypatch, fd_limit=65536, as_limit=-1) == []


def test_no_more_processes_is_read_from_the_newest_boot(house):
    house.log(line(50, "[gateway] ready"), line(40, "[gateway] exec: Error: spawn /bin/sh EAGAIN"))
    found = list(resources.run(house.ctx(State.HEALTHY)))
    assert ids(found) == ["resources/process-limit"]


def test_a_failed_update_gives_its_reason(house):
    house.install()
    place = house.state / "logs" / "support"
    place.mkdir(parents=True)
    saved = place / "openclaw-update-failure-1.json"
    saved.write_text(json.dumps({"run": {"reason": "readyz-unhealthy"}, "note": "two words"}))
    found = list(installation.run(house.ctx(State.HEALTHY)))
    assert [f.evidence["reason"] for f in found if f.check_id.endswith("update-failed")] == [
        "readyz-unhealthy"
    ]
    kept = {"taken": saved.stat().st_mtime + 1}  # a good run after it
    assert list(installation.run(house.ctx(State.HEALTHY, last_good=kept))) == []


def test_a_gateway_that_an_update_left_stopped(house):
    house.install()
    house.rows.clear()
    house.answers.clear()
    before = {"inventory": {"version": "2026.8.1"}}
    stopped = service(active="inactive", stopped_by_operator=False)
    found = list(installation.run(house.ctx(State.DOWN, last_good=before, platform=stopped)))
    assert "installation/update-left-stopped" in ids(found)
    mine = service(active="inactive", stopped_by_operator=True)
    found = list(installation.run(house.ctx(State.DOWN, last_good=before, platform=mine)))
    assert "installation/update-left-stopped" not in ids(found)


def test_a_config_that_is_managed_elsewhere(house):
    assert "config/immutable" not in ids(config.run(house.ctx(State.HEALTHY)))
    house.env["OPENCLAW_CONFIG_READONLY"] = "1"
    assert "config/immutable" in ids(config.run(house.ctx(State.HEALTHY)))
