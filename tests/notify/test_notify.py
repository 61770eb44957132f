"""Level 4 without a network: outbox, folding, holding, delivery rules, and what the platforms
get.
"""

from __future__ import annotations

import json
import shutil
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from skill import settings
from skill.context import Context
from skill.errors import NotifyError
from skill.host import Host
from skill.model import Alert, Text
from skill.notify import due, enqueue, incidents, outbox, remind, render
from skill.notify.compose import compose, hold_until, quiet_end
from skill.notify.deliver import flush
from skill.notify.heartbeat import Heartbeat, mark, missed
from skill.notify.http import Answer, Unclear, proxies_for
from skill.notify.report import SENDERS
from skill.openclaw.home import locate
from skill.store.fleet import stamp
from skill.watchdog.samples import alerts

NOW = 1795230900.0


class Clock:
    def __init__(self, now=NOW):
        self.t = now

    def __call__(self):
        return self.t

    def sleep(self, seconds):
        self.t += seconds


class Platform:
    """Stands for the HTTP client: answers from a script, then as a platform that accepts
    everything.
    """

    def __init__(self, *script):
        self.script, self.calls = list(script), []

    def __call__(self, url, body, headers=None, proxy=""):
        if isinstance(body, bytes):
            body = json.loads(body)
        self.calls.append((url, dict(body) if isinstance(body, dict) else body))
        if "tenant_access_token" in url:
            return Answer(200, b'{"code": 0, "tenant_access_token": "t"}')
        if self.script:
            step = self.script.pop(0)
            if isinstance(step, BaseException):
                raise step
            return step
        return Answer(
            200,
            b'{"code": 0, "errcode": 0, "ok": true, "id": "7", "result": '
            b'{"message_id": 5}, "processQueryKey": "q"}',
        )

    def to(self, word):
        return [body for url, body in self.calls if word in url]


FEISHU = {"feishu": {"appId": "cli_a", "appSecret": "s", "allowFrom": ["ou_owner"]}}
TWO = {**FEISHU, "discord": {"token": "d", "defaultTo": "channel:9"}}


def world(tmp_path, channels=None, own=None, clock=None):
    clock = clock or Clock()
    state = tmp_path / ".openclaw"
    (state / "iflow-doctor").mkdir(parents=True, exist_ok=True)
    (state / "openclaw.json").write_text(
        json.dumps({"channels": channels if channels is not None else FEISHU})
    )
    if own:
        (state / "iflow-doctor" / "config.json").write_text(json.dumps({"notify": own}))
    host = Host(
        now=clock,
        monotonic=clock,
        sleep=clock.sleep,
        env={"HOME": str(tmp_path), "LANG": "en_US.UTF-8"},
    )
    home = locate(host)
    return Context(host, home, settings.load(host, home)), clock


def alert(
    kind="opened",
    incident="20261121T031500-3f2a",
    at=NOW,
    level="error",
    title="Gateway is down",
    **more,
):
    return Alert(
        incident, kind, level, Text(title, "网关停机"), at, Text("It died.", "它停了。"), **more
    )


def test_enqueue_takes_each_alert_once_also_after_a_restart_and_after_delivery(tmp_path):
    ctx, _ = world(tmp_path)
    assert enqueue(ctx, alert()) and not enqueue(ctx, alert())
    assert flush(ctx, 5, Platform()).delivered == 1
    assert not enqueue(replace(ctx), alert()), "delivered once is delivered"
    assert enqueue(ctx, alert("recovered")) and not enqueue(ctx, alert("recovered"))


def test_v11_a_queued_alert_is_clean_when_it_is_written(tmp_path):
    ctx, _ = world(tmp_path)
    words = "Port taken by: nc -l 18789 --password Hunter2CanaryA --user x"
    enqueue(ctx, alert(title=words))
    kept = [path.read_text() for path in tmp_path.rglob("*.json") if "outbox" in str(path)]
    assert kept and not any("Hunter2CanaryA" in text for text in kept)
    assert "--password <SECRET_1>" in kept[0]


def test_outbox_files_are_private(tmp_path):
    ctx, _ = world(tmp_path)
    enqueue(ctx, alert())
    (path,) = outbox.waiting(ctx.home).values()
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "own, kinds, kept",
    [
        ({"enabled": False}, ["opened"], 0),
        ({"escalation_only": True}, ["opened", "note", "recovered"], 0),
        ({"escalation_only": True}, ["opened", "escalated", "recovered"], 2),
        ({}, ["opened", "escalated", "recovered"], 3),
    ],
)
def test_enabled_and_escalation_only(tmp_path, own, kinds, kept):
    ctx, _ = world(tmp_path, own=own)
    assert sum(enqueue(ctx, alert(kind)) for kind in kinds) == kept == len(outbox.waiting(ctx.home))


def test_delivery_goes_to_the_owner_and_leaves_nothing_behind(tmp_path):
    ctx, _ = world(tmp_path)
    enqueue(ctx, alert())
    platform = Platform()
    report = flush(ctx, 5, platform)
    (body,) = platform.to("/im/v1/messages")
    assert (
        body["receive_id"] == "ou_owner"
        and isinstance(body["content"], str)
        and "Gateway is down" in body["content"]
    )
    assert (report.sent, report.waiting) == (1, 0) and not due(ctx, NOW + 1e6)


def test_one_failed_way_lets_the_next_try_at_once(tmp_path):
    ctx, clock = world(tmp_path, TWO, {"platform": "auto"})
    enqueue(ctx, alert())
    began = clock.t
    report = flush(
        ctx, 30, Platform(Answer(200, b'{"code": 230013, "msg": "x"}'), Answer(200, b'{"id": "1"}'))
    )
    assert report.delivered == 1 and clock.t - began < 1.5


@pytest.mark.parametrize(
    "answer, permanent",
    [
        (Answer(200, b'{"code": 10014, "msg": "app secret invalid"}'), True),
        (Answer(200, b'{"code": 230002}'), True),
        (Answer(200, b'{"code": 11232}'), False),
        (Answer(200, b"not json"), False),
        (Answer(502), False),
    ],
)
def test_http_200_is_not_delivered_unless_the_body_says_so(tmp_path, answer, permanent):
    ctx, _ = world(tmp_path)
    enqueue(ctx, alert())
    report = flush(ctx, 0.1, Platform(*[answer] * 9))
    ways = json.loads((ctx.home.doctor_dir / "outbox" / "ways.json").read_text())
    assert report.waiting == 1 and ways["feishu:app:default:ou_owner"]["permanent"] is permanent


def test_retry_after_is_respected(tmp_path):
    ctx, clock = world(tmp_path)
    enqueue(ctx, alert())
    busy = Answer(429, b'{"message": "slow"}', {"Retry-After": "40"})
    platform = Platform(busy)
    flush(ctx, 39, platform)
    clock.sleep(39)
    flush(ctx, 0.5, platform)
    assert len(platform.to("/im/v1/messages")) == 1
    clock.sleep(1)
    flush(ctx, 5, platform)
    assert len(platform.to("/im/v1/messages")) == 2


def test_at_most_five_messages_a_second_to_one_feishu_person(tmp_path):
    ctx, clock = world(tmp_path)
    times = []

    class Watch(Platform):
        def __call__(self, url, body, headers=None, proxy=""):
            if "im/v1" in url:
                times.append(clock.t)
            return super().__call__(url, body, headers, proxy)

    for number in range(300):
        enqueue(ctx, alert("escalated", "20261121T031500-{:04x}".format(number)))
    flush(ctx, 600, Watch())
    assert len(times) >= 20
    assert all(later - earlier >= 1.0 for earlier, later in zip(times, times[5:]))


def test_a_flood_becomes_digests_that_name_every_incident(tmp_path):
    ctx, _ = world(tmp_path)
    names = ["20261121T031500-{:04x}".format(n) for n in range(40)]
    for name in names:
        enqueue(ctx, alert("opened", name))
        enqueue(ctx, alert("recovered", name, NOW + 60))
    platform = Platform()
    report = flush(ctx, 60, platform)
    sent = platform.to("/im/v1/messages")
    assert report.delivered == 80 and len(sent) <= 5
    assert all(sum(name in body["content"] for body in sent) == 1 for name in names)


def test_what_waited_is_folded_into_one_message_with_its_history(tmp_path):
    ctx, _ = world(tmp_path)
    enqueue(ctx, alert("opened"))
    flush(ctx, 0.1, Platform(*[NotifyError("no network")] * 9))
    enqueue(ctx, alert("recovered", at=NOW + 7200, title="Gateway is back"))
    platform = Platform()
    ctx.host.sleep(100)
    flush(ctx, 30, platform)
    (body,) = platform.to("/im/v1/messages")
    assert (
        "Gateway is back" in body["content"]
        and "opened: Gateway is down" in body["content"]
        and "2 h" in body["content"]
    )


def test_killed_between_the_answer_and_the_note_repeats_with_the_same_key(tmp_path):
    ctx, _ = world(tmp_path)
    enqueue(ctx, alert())

    class Killed(BaseException):
        pass

    first = Platform(Killed())
    with pytest.raises(Killed):
        flush(ctx, 5, first)
    second = Platform()
    assert flush(ctx, 5, second).delivered == 1
    assert first.to("/im/v1/messages")[0]["uuid"] == second.to("/im/v1/messages")[0]["uuid"]


def test_killed_after_acceptance_was_noted_does_not_repeat(tmp_path):
    ctx, _ = world(tmp_path)
    enqueue(ctx, alert())
    folder = ctx.home.doctor_dir / "outbox" / "batches"
    platform = Platform()
    flush(ctx, 5, platform)
    (name,) = [path.name for path in outbox.done_dir(ctx.home).iterdir()]
    (outbox.done_dir(ctx.home) / name).rename(
        outbox.new_dir(ctx.home) / name
    )  # as if killed before the move
    way = "feishu:app:default:ou_owner"
    batch = {
        "id": "b",
        "names": [name],
        "accepted": [way],
        "sending": "",
        "unclear": 0,
        "first": NOW,
    }
    (folder / "b.json").write_text(json.dumps(batch))
    again = Platform()
    assert flush(ctx, 5, again).waiting == 0 and not again.calls


def test_no_channel_and_no_webhook_is_a_silent_skip(tmp_path):
    ctx, _ = world(tmp_path, {})
    enqueue(ctx, alert())
    report = flush(ctx, 5, Platform())
    assert (report.skipped, report.waiting, report.errors) == (1, 0, [])
    lines = (ctx.home.doctor_dir / "notify.log").read_text().splitlines()
    assert len(lines) == 1 and json.loads(lines[0])["event"] == "skipped"


def test_a_broken_config_uses_the_kept_channel_fields(tmp_path):
    from skill.notify import remember_channels

    ctx, _ = world(tmp_path)
    assert remember_channels(ctx) and not remember_channels(ctx)
    copy = ctx.home.doctor_dir / "channels.json"
    assert copy.stat().st_mode & 0o777 == 0o600
    ctx.home.config_path.write_text("{ broken")
    assert not remember_channels(ctx)
    enqueue(ctx, alert())
    assert flush(ctx, 5, Platform()).delivered == 1


def test_a_broken_config_without_a_copy_keeps_the_alert(tmp_path):
    ctx, _ = world(tmp_path)
    ctx.home.config_path.write_text("{ broken")
    enqueue(ctx, alert())
    assert flush(ctx, 1, Platform()).waiting == 1


def test_platform_both_reaches_both_and_a_list_narrows(tmp_path):
    ding = {"dingtalk": {"clientId": "c", "clientSecret": "s", "allowFrom": ["staff1"]}}
    ctx, _ = world(tmp_path, {**TWO, **ding}, {"platform": "both"})
    enqueue(ctx, alert())
    platform = Platform(Answer(200, b'{"code": 0}'), Answer(200, b'{"accessToken": "t"}'))
    flush(ctx, 5, platform)
    assert (
        platform.to("/im/v1/messages") and platform.to("batchSend") and not platform.to("discord")
    )
    ctx, _ = world(tmp_path / "b", {**TWO, **ding}, {"platform": "discord"})
    enqueue(ctx, alert())
    platform = Platform()
    flush(ctx, 5, platform)
    assert [body for url, body in platform.calls if "discord" in url] and len(platform.calls) == 1


def test_own_webhook_is_reached_and_the_channel_stands_in_when_it_fails(tmp_path):
    ctx, _ = world(tmp_path, own={"webhooks": {"wecom": {"url": "http://127.0.0.1:9/x?key=k"}}})
    enqueue(ctx, alert())
    platform = Platform()
    flush(ctx, 5, platform)
    assert [url for url, _ in platform.calls] == ["http://127.0.0.1:9/x?key=k"]
    enqueue(ctx, alert("recovered"))
    platform = Platform(Answer(200, b'{"errcode": 93000}'))
    assert flush(ctx, 5, platform).delivered == 1 and platform.to("/im/v1/messages")


def test_endpoint_override_moves_official_webhooks_only(tmp_path):
    own = {
        "webhooks": {
            "discord": "https://discord.com/api/webhooks/1/t",
            "feishu": "http://127.0.0.1:9/hook/x",
        },
        "endpoints": {"discord": "http://127.0.0.1:8", "feishu": "http://127.0.0.1:8"},
    }
    ctx, _ = world(tmp_path, {}, own)
    enqueue(ctx, alert())
    platform = Platform()
    flush(ctx, 5, platform)
    assert sorted(url for url, _ in platform.calls) == [
        "http://127.0.0.1:8/api/webhooks/1/t?wait=true",
        "http://127.0.0.1:9/hook/x",
    ]


# -- when ------------------------------------------------------------------------------------------
def test_alert_window_folds_the_same_title_and_never_an_escalation():
    again = alert("opened", "20261121T031600-aaaa", NOW + 10)
    last = {"Gateway is down": NOW}
    assert hold_until([again], NOW + 10, last, 60, {}) == NOW + 60
    assert hold_until([again], NOW + 61, last, 60, {}) <= NOW + 61
    assert hold_until([again, alert("escalated", again.incident)], NOW + 10, last, 60, {}) == 0
    assert hold_until([again], NOW + 10, last, 0, {}) == 0


def test_alert_window_of_the_settings_has_effect(tmp_path):
    for own, sent in (({"alert_window": 0}, 2), ({"alert_window": 600}, 1)):
        ctx, _ = world(tmp_path / str(sent), own=own)
        platform = Platform()
        enqueue(ctx, alert())
        flush(ctx, 2, platform)
        enqueue(ctx, alert("opened", "20261121T031600-aaaa", NOW + 1))
        flush(ctx, 2, platform)
        assert len(platform.to("/im/v1/messages")) == sent


def test_quiet_hours_hold_what_is_less_than_critical():
    night = time.mktime((2026, 11, 21, 23, 30, 0, 0, 0, -1))
    quiet = {"start": "23:00", "end": "07:00"}
    assert quiet_end(night, "23:00", "07:00") == night + 7.5 * 3600
    assert quiet_end(night + 8 * 3600, "23:00", "07:00") == 0
    assert hold_until([alert(at=night)], night, {}, 0, quiet) == night + 7.5 * 3600
    assert hold_until([alert(level="critical")], night, {}, 0, quiet) == 0
    assert hold_until([alert()], night, {}, 0, {**quiet, "let_through": "error"}) == 0


def test_unsolved_escalations_are_not_hidden_in_a_digest():
    named = [("n{}".format(n), alert("opened", "i-{}".format(n))) for n in range(9)] + [
        ("e", alert("escalated", "i-e"))
    ]
    batches, _ = compose(named, NOW, {}, 0, {})
    assert batches[0].names == ["e"] and len(batches) == 2


def test_reminders_come_at_30_min_2_h_8_h_until_acknowledged(tmp_path):
    ctx, _ = world(tmp_path)
    enqueue(ctx, alert())
    assert [remind(ctx, NOW + t) for t in (60, 1799, 1800, 1801, 7200, 7201)] == [0, 0, 1, 0, 1, 0]
    assert incidents.ack(ctx.home, "3F2A", NOW) == [alert().incident]
    assert remind(ctx, NOW + 28800) == 0
    enqueue(ctx, alert("recovered"))
    assert incidents.open_incidents(ctx.home) == [] and incidents.ack(ctx.home, "3f2a", NOW) == []


def test_a_warning_is_told_once(tmp_path):
    ctx, _ = world(tmp_path)
    enqueue(ctx, replace(alert("escalated"), level="warning"))
    assert [remind(ctx, NOW + t) for t in (1800, 7200, 28800)] == [0, 0, 0]
    assert len(incidents.open_incidents(ctx.home)) == 1


def test_a_long_absence_sends_only_the_newest_reminder(tmp_path):
    ctx, _ = world(tmp_path, own={"reminders": [60, 120]})
    enqueue(ctx, alert())
    assert remind(ctx, NOW + 500) == 1 and remind(ctx, NOW + 600) == 0


def test_i_was_not_watching(tmp_path):
    ctx, _ = world(tmp_path, own={"watch_gap": 300})
    assert missed(ctx, NOW) is None
    mark(ctx, NOW)
    assert missed(ctx, NOW + 299) is None
    notice = missed(ctx, NOW + 4.5 * 3600)
    assert notice is not None and "4 h 30 min" in notice.what.en and "killed" in notice.what.en
    mark(ctx, NOW, stopping=True)
    assert "on purpose (" in missed(ctx, NOW + 3600).what.en


# -- what ------------------------------------------------------------------------------------------
HOSTILE = (
    '@everyone <at user_id="all">x</at> <!channel> <b>hi</b> [click](https://evil.example/x) '
    "```` \x1b[31m\u202e *_~ https://evil.example"
)


def doc(lang="zh", **more):
    return render.single(
        [replace(alerts()["crash-loop"], **more)], lang, lambda text: text, "host · gateway 18789"
    )


@pytest.mark.parametrize("platform", [name for name in SENDERS])
def test_hostile_text_loses_its_teeth(platform):
    made = doc(
        title=Text(HOSTILE, HOSTILE),
        what=Text(HOSTILE, HOSTILE),
        log_tail=HOSTILE,
        details=((Text("x", "x"), HOSTILE),),
    )
    form = json.dumps(SENDERS[platform].form(made), ensure_ascii=False)
    assert (
        "@everyone" not in form
        and "https://evil" not in form
        and "\\u001b" not in form
        and "\u202e" not in form
    )
    if platform in ("dingtalk", "wecom"):
        assert "](http" not in form and "<at" not in form and "<!" not in form
    if platform == "telegram":
        assert "<at" not in form and "<!" not in form and form.count("<b>") == form.count("</b>")
    if platform == "discord":
        assert SENDERS[platform].form(made)["allowed_mentions"] == {"parse": []}
    if platform == "feishu":
        marked = [
            e["text"]["content"]
            for e in SENDERS[platform].form(made)["elements"]
            if e.get("text", {}).get("tag") == "lark_md"
        ]
        assert not any("evil" in text for text in marked)


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("platform", [name for name in SENDERS])
def test_a_huge_message_fits_and_keeps_verdict_and_next_step(platform, lang):
    rows = tuple((Text("k%d" % n, "键%d" % n), "v" * 500) for n in range(30))
    made = doc(
        lang,
        log_tail="\n".join("日志 line {}".format(n) * 9 for n in range(5000)),
        details=rows,
        done=(Text("d" * 900, "做" * 900),) * 30,
    )
    form = SENDERS[platform].form(made)
    text = json.dumps(form, ensure_ascii=False)
    assert "Your bot answers nobody" in text or "谁都不回复" in text
    assert "iflow-doctor diagnose" in text
    limit = {"telegram": 5200, "wecom": 4400, "dingtalk": 15000, "feishu": 18000}.get(platform)
    size = len(text.encode()) if platform != "telegram" else len(form["text"])
    assert limit is None or size <= limit


def test_the_middle_of_the_log_is_cut_by_whole_lines():
    cut = render.tail("\n".join("line {}".format(n) for n in range(1000)), 400, "en")
    assert (
        cut.startswith("line 0\n")
        and cut.endswith("line 999")
        and "lines left out" in cut
        and len(cut) <= 400
    )


def test_telegram_falls_back_to_plain_text(tmp_path):
    ctx, _ = world(tmp_path, {"telegram": {"botToken": "1:t", "allowFrom": ["77"]}})
    enqueue(ctx, alert())
    platform = Platform(
        Answer(
            400,
            b'{"ok": false, "error_code": 400, "description": "Bad Request: can\'t parse '
            b'entities"}',
        )
    )
    assert flush(ctx, 5, platform).delivered == 1
    assert "parse_mode" in platform.calls[0][1] and "parse_mode" not in platform.calls[1][1]


def test_recovered_answers_the_first_message_of_its_incident(tmp_path):
    ctx, _ = world(tmp_path, {"telegram": {"botToken": "1:t", "allowFrom": ["77"]}})
    platform = Platform()
    enqueue(ctx, alert())
    flush(ctx, 5, platform)
    enqueue(ctx, alert("recovered"))
    flush(ctx, 5, platform)
    assert platform.calls[1][1]["reply_parameters"]["message_id"] == 5


def test_an_unclear_end_is_counted_and_a_refusal_is_not(tmp_path):
    ctx, _ = world(tmp_path)
    enqueue(ctx, alert())
    flush(ctx, 0.1, Platform(Unclear("no answer")))
    (path,) = (ctx.home.doctor_dir / "outbox" / "batches").iterdir()
    assert json.loads(path.read_text())["unclear"] == 1
    assert flush(ctx, 60, Platform()).delivered == 1


def test_secrets_never_leave(tmp_path):
    ctx, _ = world(tmp_path, {"feishu": {**FEISHU["feishu"], "appSecret": "Zq8kPm2xVr5tLw9n"}})
    enqueue(ctx, alert(log_tail="login failed with Zq8kPm2xVr5tLw9n"))
    platform = Platform()
    flush(ctx, 5, platform)
    assert "Zq8kPm2xVr5tLw9n" not in json.dumps(platform.to("/im/v1/messages"))


def test_proxies_domestic_and_no_proxy():
    env = {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "corp.example,.lan"}
    assert proxies_for("https://discord.com/x", env) == ["http://p:1"]
    assert proxies_for("https://open.feishu.cn/x", env) == ["", "http://p:1"]
    assert proxies_for("https://chat.corp.example/x", env) == [""]
    assert proxies_for("https://127.0.0.1:9/x", env) == [""]


def test_a_full_disk_still_gets_the_alert_into_memory_and_out(tmp_path):
    ctx, _ = world(tmp_path)
    blocked = ctx.home.doctor_dir / "outbox"
    blocked.write_text("a file where the directory should be: every write fails")
    try:
        assert enqueue(ctx, alert()) and len(outbox.waiting(ctx.home)) == 1
        platform = Platform()
        flush(ctx, 5, platform)
        assert len(platform.to("/im/v1/messages")) == 1
    finally:
        shutil.rmtree(str(outbox.memory_dir(ctx.home)), ignore_errors=True)


def test_the_heartbeat_tells_start_success_and_fail_and_keeps_its_pace(tmp_path):
    seen = []

    class Receiver(BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = "http://127.0.0.1:{}/uuid".format(server.server_address[1])
    ctx, clock = world(tmp_path, own={"heartbeat_url": url, "heartbeat_interval": 60})
    heart = Heartbeat(ctx)
    for kind, later, pinged in (
        ("start", 0, True),
        ("success", 1, True),
        ("success", 30, False),
        ("fail", 1, True),
        ("fail", 61, True),
    ):
        clock.sleep(later)
        assert heart.beat(kind) is pinged
        heart.thread.join(10)
    server.shutdown()
    server.server_close()
    assert seen == ["/uuid/start", "/uuid", "/uuid/fail", "/uuid/fail"] and heart.failures == 0


def test_a_dead_heartbeat_receiver_disturbs_nobody(tmp_path):
    ctx, _ = world(tmp_path, own={"heartbeat_url": "http://127.0.0.1:9/x"})
    heart = Heartbeat(ctx)
    assert heart.beat("success")
    heart.thread.join(15)
    assert heart.failures == 1
    assert not Heartbeat(world(tmp_path / "off")[0]).beat("success")


def test_the_channels_proxy_is_used_and_a_bad_one_is_a_failure_of_that_way(tmp_path):
    from skill.notify.http import client

    ctx, _ = world(
        tmp_path,
        {"discord": {"token": "d", "defaultTo": "channel:9", "proxy": "http://127.0.0.1:9"}},
        {"endpoints": {"discord": "http://127.0.0.1:1"}},
    )
    enqueue(ctx, alert())
    seen = []

    def post(url, body, headers=None, proxy=""):
        seen.append(proxy)
        return client({})(url, body, headers, proxy)

    report = flush(ctx, 0.1, post)
    assert (
        seen == ["http://127.0.0.1:9"]
        and report.waiting == 1
        and "cannot connect" in report.errors[0][1]
    )


def test_an_alertmanager_gets_one_alert_an_incident_with_the_same_labels_until_it_is_resolved(
    tmp_path,
):
    url = "http://127.0.0.1:9093/api/v2/alerts"
    ctx, clock = world(tmp_path, channels={}, own={"webhooks": {"webhook": url}})
    platform = Platform()
    enqueue(ctx, alert())
    flush(ctx, 5, platform)
    clock.t += 90
    enqueue(ctx, alert("recovered", at=NOW + 90, level="info"))
    flush(ctx, 5, platform)
    opened, over = (
        json.loads(body) if isinstance(body, bytes) else body for _u, body in platform.calls
    )
    assert [len(opened), len(over)] == [1, 1] and opened[0]["labels"] == over[0]["labels"]
    assert opened[0]["labels"]["alertname"] == "OpenClawIncident"
    assert opened[0]["labels"]["gateway"].endswith(":18789")
    assert opened[0]["startsAt"] < opened[0]["endsAt"] > over[0]["endsAt"] == stamp(NOW + 90)


def test_a_length_and_a_time_read_as_a_person_writes_them(monkeypatch):
    from skill.notify.incidents import span
    from skill.watchdog.alert_texts import moment

    assert span(180) == Text("3 min", "3 分钟") and span(65) == Text("1 min 5 s", "1 分 5 秒")
    for zone, shown in (("UTC0", "UTC"), ("CST-8", "UTC+08:00"), ("EST5", "UTC-05:00")):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        assert moment(1790000000, 1790000000).split(" ")[1] == shown
    monkeypatch.undo()
    time.tzset()
