"""Nothing is made worse: the real gateway under real systemd, our watchdog beside it, and the moments
in which a watchdog does harm. Each test is an invariant of docs/safety.md.

Needs root, systemd-nspawn and E2E_LAB, as test_systemd.py, whose bed this uses.
"""

from __future__ import annotations

import json
import time
from typing import Any, Dict, List

from test_systemd import OURS, UNIT, Stand, pytestmark, stand

from skill.openclaw.ledger import LIVING, STOPPED

__all__ = ["pytestmark", "stand"]  # the module's fixture is this module's, too

STALL = """
import { writeFileSync } from "node:fs";
const note = (word) => writeFileSync(process.env.HOME + "/stalled", word);
setTimeout(() => {
  note("begin");
  const until = Date.now() + 60000;
  while (Date.now() < until) Math.sqrt(until);
  note("end");
}, 45000);
export default { id: "stall", name: "stall", register() {} };
"""
MANIFEST = {
    "id": "stall",
    "name": "stall",
    "description": "drill",
    "activation": {"onStartup": True},
    "configSchema": {"type": "object", "additionalProperties": False},
}
PACKAGE = {
    "name": "stall",
    "version": "1.0.0",
    "type": "module",
    "openclaw": {"extensions": ["./index.js"]},
}


def acts(stand: Stand) -> List[Dict[str, Any]]:
    """The ledger: every signal, stop and start of ours; not what was only seen."""
    said = stand.bed.user("cat ~/.openclaw/iflow-doctor/ledger.jsonl").stdout.decode()
    rows = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    return [row for row in rows if row["act"] not in (STOPPED, LIVING)]


def decided(stand: Stand, since: float, kind: str) -> bool:
    return any(row["event"] == "decision" and row["kind"] == kind for row in stand.log(since))


def test_a5_a_gateway_that_recovers_between_decision_and_kill_is_left_alone(stand: Stand) -> None:
    stand.calm()
    pid, began, before = stand.pid(), time.time(), len(acts(stand))
    stand.do("kill -STOP {}".format(pid))
    stand.until("a decision", lambda: decided(stand, began, "restart"), 120)
    stand.do("kill -CONT {}".format(pid))
    stand.quiet(40)
    assert stand.pid() == pid and stand.ready(), stand.words()
    ends = [row for row in stand.log(began) if row["event"] == "ended"]
    assert [row["how"] for row in ends] == ["answers"] and len(acts(stand)) == before, ends
    print("recovered after the decision, before the kill: left alone, pid {}".format(pid))


def test_a7_an_owners_stop_in_the_middle_of_an_incident_is_kept(stand: Stand) -> None:
    """Frozen, judged, about to be ended; and its owner stops it. (systemd sends SIGCONT with it.)"""
    stand.calm()
    began = time.time()
    stand.do("kill -STOP {}".format(stand.pid()))
    stand.until("an incident", lambda: decided(stand, began, "opened"), 120)
    stand.do("systemctl --user stop --no-block " + UNIT)
    stand.until("the stop", lambda: stand.unit("ActiveState") == "inactive", 120)
    stand.quiet(60)
    try:
        assert stand.pid() == 0, "started against its owner's stop\n" + stand.words()
        starts = [act for act in acts(stand) if act["at"] >= began and act["act"] == "start"]
        assert starts == [], starts
        print("stopped by its owner in the middle of an incident: stays stopped")
    finally:
        stand.do("systemctl --user start " + UNIT)
        stand.until_ready()


def test_a1_a_stale_lock_whose_pid_is_somebody_elses_by_now(stand: Stand) -> None:
    """After a reboot the lock on disk names an editor: the gateway comes back, the editor lives."""
    stand.calm()
    victim = "systemd-run --user --unit=victim {} -c 'import time; time.sleep(900)' openclaw"
    stand.do(victim.format("/usr/bin/python3"))
    named = stand.unit("MainPID", "victim.service")
    lock = "ls ~/.openclaw/tmp/openclaw-*/gateway.state.lock"
    edit = "import json,sys; p=sys.argv[1]; v=json.loads(open(p).read()); v['pid']={}; open(p,'w').write(json.dumps(v))"
    path = stand.do(lock).split()[0]
    pid = stand.pid()
    stand.do("kill -9 {}".format(pid))
    stand.do('/usr/bin/python3 -c "{}" {}'.format(edit.format(named), path))
    stand.shown("stale lock, reused pid, back after", stand.until_ready(pid))
    stand.quiet(45)
    assert stand.unit("MainPID", "victim.service") == named, "the editor was ended"
    assert all(str(act["pid"]) != named for act in acts(stand))
    stand.do("systemctl --user stop victim.service")


def test_i1_a_stall_of_60_s_that_ends_by_itself_is_survived(stand: Stand) -> None:
    stand.calm()
    stand.do("mkdir -p ~/.openclaw/extensions/stall; rm -f ~/stalled")
    stand.write("extensions/stall/openclaw.plugin.json", MANIFEST)
    stand.write("extensions/stall/package.json", PACKAGE)
    stand.write("extensions/stall/index.js", STALL)
    config = json.loads(stand.do("cat ~/.openclaw/openclaw.json"))
    with_plugin = {**config, "plugins": {"entries": {"stall": {"enabled": True}}}}
    stand.write("openclaw.json", with_plugin)
    stand.boot()
    pid, began, before = stand.pid(), time.time(), len(acts(stand))
    try:
        stand.until("the stall", lambda: stand.bed.user("cat ~/stalled").stdout == b"begin", 120)
        stand.quiet(45)
        assert not stand.ready(), "it does not stall"
        stand.until("its end", lambda: stand.bed.user("cat ~/stalled").stdout == b"end", 120)
        stand.quiet(20)
        assert stand.pid() == pid and stand.ready(), stand.words()
        assert len(acts(stand)) == before and not decided(stand, began, "restart"), stand.words()
        print("deaf and busy for 60 s: left alone, pid {}".format(pid))
    finally:
        stand.write("openclaw.json", config)
        stand.do("rm -r ~/.openclaw/extensions/stall")
        stand.boot()


def test_i9_a_state_directory_that_cannot_be_written_is_told_and_survived(stand: Stand) -> None:
    """Read-only as a disk with errors is. The watchdog itself is ended and comes back there, too."""
    stand.calm()
    home = "/home/oc/.openclaw"
    memory = "ls /dev/shm/iflow-doctor-*/outbox/ 2>/dev/null"
    for words in (["mount", "--bind", home, home], ["mount", "-o", "remount,ro,bind", home]):
        assert stand.bed.sh(*words).returncode == 0
    try:
        before = stand.unit("MainPID", OURS)
        stand.do("kill -9 {}".format(before))
        stand.until("the watchdog", lambda: stand.unit("MainPID", OURS) not in ("0", before), 60)
        pid = stand.pid()
        stand.do("kill -9 {}".format(pid))
        told = stand.until("an alert in memory", lambda: stand.bed.user(memory).stdout, 120)
        print("read-only: alerts in memory: {}".format(told.decode().split()))
        stand.quiet(20)
        assert stand.unit("ActiveState", OURS) == "active", stand.words()
    finally:
        stand.bed.sh("umount", home)
    stand.shown("writable again, back after", stand.until_ready())


def test_i6_five_hangs_in_a_row_are_no_third_hard_kill(stand: Stand) -> None:
    stand.calm()
    began = time.time()
    for number in range(3):
        pid = stand.pid()
        stand.do("kill -STOP {}".format(pid))
        if number < 2:
            stand.until_ready(pid)
    stand.quiet(75)
    kills = [act for act in acts(stand) if act["act"] == "kill" and act["at"] >= began]
    assert len(kills) <= 2, kills
    assert all(sum(0 <= a["at"] - b["at"] < 300 for b in kills) <= 2 for a in kills), kills
    stand.bed.user("kill -CONT {}".format(stand.pid()))
    stand.until_ready()
    print("hangs in a row: {} hard kills, by {}".format(len(kills), [k["who"] for k in kills]))


def test_i5_a_stop_is_the_owners_whatever_restart_policy_a_drop_in_sets(stand: Stand) -> None:
    stand.calm()
    stand.do(
        "mkdir -p ~/.config/systemd/user/{0}.d && printf '[Service]\\nRestart=on-failure\\n'"
        " > ~/.config/systemd/user/{0}.d/owner.conf && systemctl --user daemon-reload".format(UNIT)
    )
    try:
        pid, before = stand.pid(), len(acts(stand))
        stand.do("systemctl --user stop " + UNIT)
        stand.quiet(40)
        assert stand.pid() == 0 and acts(stand)[before:] == [], stand.words()
        stand.do("systemctl --user start " + UNIT)
        stand.until_ready(pid)
        killed = stand.pid()
        stand.do("kill -KILL {}".format(killed))  # and an outage is one all the same
        stand.until_ready(killed)
    finally:
        stand.do("rm -r ~/.config/systemd/user/{}.d && systemctl --user daemon-reload".format(UNIT))


def test_i5_a_unit_of_another_name_is_the_one_in_charge(stand: Stand) -> None:
    """The owner keeps the gateway with openclaw.service: its stop is a wish, its crash an outage,
    and no second service is installed beside it.
    """
    stand.calm()
    other, folder = "openclaw.service", "~/.config/systemd/user"
    stand.do("systemctl --user disable --now " + UNIT)
    stand.do(
        "cd {f} && mv {u} {o} && sed -i /OPENCLAW_SYSTEMD_UNIT/d {o} && systemctl --user "
        "daemon-reload && systemctl --user enable --now {o}".format(f=folder, u=UNIT, o=other)
    )
    try:
        stand.until("ready under another unit", stand.ready)
        kept = "cat ~/.openclaw/iflow-doctor/service/kept.json"
        stand.until("seen who keeps it", lambda: other in stand.bed.user(kept).stdout.decode())
        began = time.time()
        stand.do("systemctl --user stop " + other)
        stand.quiet(40)
        assert not stand.ready() and not decided(stand, began, "restart"), stand.words()
        assert UNIT not in stand.do("ls {} | cat".format(folder))
        stand.do("systemctl --user start " + other)
        stand.until("ready again", stand.ready)
        pid = int(stand.unit("MainPID", other))
        stand.do("kill -STOP {}".format(pid))
        stand.until(
            "another process",
            lambda: stand.unit("MainPID", other) not in ("0", str(pid)) and stand.ready(),
        )
        assert UNIT not in stand.do("ls {} | cat".format(folder))
    finally:
        stand.do(
            "systemctl --user disable --now {o}; cd {f} && mv {o} {u} && systemctl --user "
            "daemon-reload && systemctl --user enable --now {u}".format(f=folder, u=UNIT, o=other)
        )
        stand.until_ready()
        stand.calm()
