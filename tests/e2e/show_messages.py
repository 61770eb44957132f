"""Print the messages of the six most common incidents, in both languages, as text and as the JSON
three platforms get.

usage: python tests/e2e/show_messages.py [--json]      They are made by the same code that the
watchdog and the sender use.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from skill.model import Healed, State, Text, Tried, Verdict  # noqa: E402
from skill.notify import dingtalk, discord, feishu, render  # noqa: E402
from skill.openclaw.home import Home  # noqa: E402
from skill.store.watch_state import Incident, WatchState  # noqa: E402
from skill.watchdog import alert_texts  # noqa: E402
from skill.watchdog.policy_outage import Decision  # noqa: E402

NOW = 1795230900.0
HOME = Home(Path("/home/ana/.openclaw"), Path("/home/ana/.openclaw/openclaw.json"), "", 18789)
BASE = Incident(
    "20261121T031500-3f2a",
    NOW - 95,
    "down",
    began="process-ended",
)
SEEN = WatchState(crashes=(NOW - 95,), last_good=NOW - 100)
DOWN = Verdict(State.DOWN, Text("no gateway process, port closed", "没有网关进程，端口已关闭"))
REFUSED = Verdict(
    State.MISCONFIGURED,
    Text("the gateway refused to start (exit 78)", "网关拒绝启动（退出码 78）"),
    exit_code=78,
)
TAKEN = Verdict(
    State.IMPOSTOR, Text("another program answers on our port", "另一个程序占用了我们的端口")
)


def incident(cause: str, zh: str, **more: object) -> Incident:
    return replace(BASE, cause=Text(cause, zh), **more)


CUT = incident(
    "The config file does not parse (line 8 column 30): The file ends too early",
    "配置文件语法错误（第 8 行第 30 列）：文件不完整",
)
PORT = incident("Port 18789 is taken by nginx (pid 812)", "端口 18789 被 nginx（进程 812）占用")
DISK = incident(
    "The disk of /home is full", "/home 所在磁盘已满", tried=(Tried("free-disk", "failed"),)
)
LOOP = incident(
    "The plugin weather ends the gateway at every start",
    "插件 weather 每次启动都会终止网关",
    restarts=2,
    loop=True,
)
KEY = Verdict(State.HEALTHY, Text("ready", "就绪"), failing=("telegram", "discord"))
BY_DOCTOR = Healed(3, "doctor", (Tried("restore-config", "healed"),))
SIX = (
    ("recovered", "ready", REFUSED, replace(CUT, healed=BY_DOCTOR), None),
    ("recovered", "ready", DOWN, replace(BASE, healed=Healed(1, "service-manager")), None),
    (
        "escalate",
        "port",
        TAKEN,
        PORT,
        Text("kill 812, or give nginx another port", "kill 812，或让 nginx 改用其他端口"),
    ),
    ("escalate", "disk", DOWN, DISK, Text("df -h; free at least 200 MB", "df -h；至少腾出 200 MB")),
    ("announce", "lasting", DOWN, LOOP, None),
    ("note", "safe_mode", KEY, None, None),
)

for kind, code, verdict, one, step in SIX:
    alert = alert_texts.alert(Decision(kind, code), verdict, one, SEEN, NOW, HOME, step)
    for lang in ("en", "zh"):
        doc = render.single([alert], lang, lambda text: text, render.origin("", HOME.port))
        print("-- {} {} --\n{}\n".format(kind, lang, render.text(doc)))
        if "--json" in sys.argv:
            for platform in (feishu, dingtalk, discord):
                print(
                    platform.__name__.rsplit(".", 1)[-1],
                    json.dumps(platform.form(doc), ensure_ascii=False),
                )
