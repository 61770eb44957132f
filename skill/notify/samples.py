"""The six most common incidents as they are told, for `notify preview` and the tests. Invented
data, real shapes.
"""

from __future__ import annotations

from typing import Dict

from ..model import Alert, Text

AT = 1795230900.0
SINCE, LASTED, CRASHES, GOOD = (
    Text("Since", "开始于"),
    Text("Lasted", "持续时间"),
    Text("Crashes in 6 h", "6 小时内崩溃次数"),
    Text("Last good check", "上次正常"),
)
LOGS = ("~/.openclaw/logs/watchdog.log", "/tmp/openclaw/openclaw-2026-11-21.log")

SAMPLES: Dict[str, Alert] = {
    "down-healed": Alert(
        "20261121T031500-3f2a",
        "recovered",
        "error",
        Text("Gateway was down, restarted", "网关曾停机，已自动重启"),
        AT,
        Text(
            "The gateway process was killed. It was restarted and answers again: /readyz three "
            "times in a row.",
            "网关进程被杀掉。已自动重启并恢复响应：/readyz 连续三次正常。",
        ),
        ((SINCE, "03:14:39"), (LASTED, Text("21 s", "21 秒")), (CRASHES, "1"), (GOOD, "03:14:31")),
        (Text("restarted through systemd (1 try)", "通过 systemd 重启（1 次）"),),
    ),
    "config-broken": Alert(
        "20261121T031500-81c0",
        "escalated",
        "critical",
        Text(
            "Gateway refuses to start: openclaw.json is broken",
            "网关拒绝启动：openclaw.json 已损坏",
        ),
        AT,
        Text(
            "Line 14, column 3 of ~/.openclaw/openclaw.json is not valid JSON5 (a comma is "
            "missing). "
            "No good copy passes validation, so nothing was changed.",
            "~/.openclaw/openclaw.json 第 14 行第 3 列不是合法的 "
            "JSON5（缺少逗号）。没有能通过校验的备份，因此未做任何改动。",
        ),
        (
            (SINCE, "03:09:12"),
            (LASTED, Text("5 min 48 s", "5 分 48 秒")),
            (CRASHES, "2"),
            (GOOD, "03:09:02"),
        ),
        (
            Text(
                "checked 3 older copies of the config: none is valid for this version",
                "检查了 3 份旧配置：均不适用于当前版本",
            ),
        ),
        Text(
            "nano +14 ~/.openclaw/openclaw.json\nopenclaw config validate\nopenclaw gateway start",
            "nano +14 ~/.openclaw/openclaw.json\nopenclaw config validate\nopenclaw gateway start",
        ),
        "03:09:12 error gateway/config: failed to parse openclaw.json: invalid character at "
        "14:3\n03:09:12 info exiting with code 78",
        LOGS,
    ),
    "port-taken": Alert(
        "20261121T031500-5a17",
        "escalated",
        "error",
        Text("Port 18789 is held by another program", "端口 18789 被其他程序占用"),
        AT,
        Text(
            "The gateway cannot listen: python3 -m http.server 18789 (pid 4711, user deploy) "
            "holds its port. "
            "It is not a gateway, so it was not touched.",
            "网关无法监听：python3 -m http.server 18789（进程 4711，用户 "
            "deploy）占用了端口。它不是网关，因此没有动它。",
        ),
        (
            (SINCE, "03:12:00"),
            (LASTED, Text("3 min", "3 分钟")),
            (CRASHES, "4"),
            (GOOD, "03:11:52"),
        ),
        (),
        Text(
            "kill 4711            # or move the gateway:\nopenclaw config set gateway.port "
            "18790 && openclaw gateway start",
            "kill 4711            # 或者给网关换端口：\nopenclaw config set gateway.port 18790 "
            "&& openclaw gateway start",
        ),
        "",
        LOGS,
    ),
    "disk-full": Alert(
        "20261121T031500-d15c",
        "escalated",
        "critical",
        Text("The disk is full", "磁盘已满"),
        AT,
        Text(
            "0 bytes are free on / (100 % of 40 GB used). The gateway cannot write its "
            "database and stopped.",
            "/ 分区可用空间为 0（40 GB 已用 100%）。网关无法写入数据库，已停止。",
        ),
        ((SINCE, "03:10:20"), (LASTED, Text("4 min 40 s", "4 分 40 秒")), (GOOD, "03:10:11")),
        (
            Text(
                "deleted 3 rotated logs of our own (18 MB): used up again at once",
                "删除了我们自己的 3 个旧日志（18 MB）：随即又被占满",
            ),
        ),
        Text(
            "sudo du -xh / --max-depth=3 | sort -h | tail -20\n# free some space, "
            "then:\nopenclaw gateway start",
            "sudo du -xh / --max-depth=3 | sort -h | tail -20\n# 腾出空间后：\nopenclaw gateway "
            "start",
        ),
        "03:10:20 error state: SQLITE_FULL: database or disk is full",
        LOGS,
    ),
    "crash-loop": Alert(
        "20261121T031500-c4a5",
        "escalated",
        "critical",
        Text("Gateway keeps crashing", "网关反复崩溃"),
        AT,
        Text(
            "It dies about 20 s after each start. The last lines before each crash come from "
            "the plugin weather-pro, installed yesterday.",
            "每次启动约 20 秒后崩溃。每次崩溃前的最后日志都来自昨天安装的插件 weather-pro。",
        ),
        (
            (SINCE, "02:58:10"),
            (LASTED, Text("17 min", "17 分钟")),
            (CRASHES, "5"),
            (GOOD, "02:57:59"),
        ),
        (
            Text("restarted 3 times, with growing pauses", "重启 3 次，间隔逐渐加长"),
            Text(
                "disabled the plugin weather-pro: the gateway stayed up 20 s, rolled back",
                "停用插件 weather-pro：仍在 20 秒后崩溃，已回滚",
            ),
        ),
        Text(
            "iflow-doctor diagnose\nopenclaw plugins uninstall weather-pro && openclaw gateway "
            "start",
            "iflow-doctor diagnose\nopenclaw plugins uninstall weather-pro && openclaw gateway "
            "start",
        ),
        "TypeError: Cannot read properties of undefined (reading 'forecast')\n"
        "    at poll (weather-pro/index.js:88:21)\ngateway exited with code 1",
        LOGS,
    ),
    "hung": Alert(
        "20261121T031500-4e6b",
        "opened",
        "error",
        Text("Gateway hangs", "网关卡死"),
        AT,
        Text(
            "The process (pid 2207) accepts connections but has not answered for 31 s. It is "
            "being ended and started again.",
            "进程（2207）能接受连接，但已 31 秒没有响应。正在结束并重新启动它。",
        ),
        ((SINCE, "03:14:29"), (LASTED, Text("31 s", "31 秒")), (GOOD, "03:14:19")),
        (Text("kept log tail and /readyz answer for later", "已保留日志与 /readyz 的响应备查"),),
        None,
        "03:14:27 warn eventLoop: blocked for 8400 ms",
        LOGS,
    ),
}
