#!/usr/bin/env python3
"""What `diagnose` says to a person: live states of the practice gateway, each asked in forty ways.

usage: bench_diagnose.py [STATE...]      (none: all states; --verbose prints each wrong line)

Each state is made once on a practice gateway of its own and examined once; then each sentence is
concluded from that examination, as `diagnose` does. Counted: the right cause, the right next step,
and next steps that what was seen contradicts.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from skill.context import Context  # noqa: E402
from skill.doctor import examine, report  # noqa: E402
from skill.drill import bench as benches  # noqa: E402
from skill.drill import faults, sandbox  # noqa: E402
from skill.host import Host  # noqa: E402
from skill.openclaw import judge  # noqa: E402
from skill.settings import load  # noqa: E402

LOOKS = (
    r"status|list|logs|explain|probe|runs|validate|audit|nothing to repair|无需修复|doctor --lint"
)
# What a sentence is about; its next step on a gateway that is fine.
ABOUT: Dict[str, str] = {
    "any": LOOKS,
    "channel": r"channels status|" + LOOKS,
    "model": r"models status|" + LOOKS,
}
SENTENCES = (
    ("any", "it's broken"),
    ("any", "my assistant does not answer any more"),
    ("any", "gateway won't start"),
    ("any", "the gateway crashed last night"),
    ("any", "everything is very slow since this morning"),
    ("any", "the dashboard cannot connect"),
    ("any", "port 18789 is taken"),
    ("any", "after the update nothing works"),
    ("any", "the config is broken I think"),
    ("any", "cron jobs did not run"),
    ("any", "database is damaged"),
    ("any", "disk full?"),
    ("any", "it restarts again and again"),
    ("any", "gateway hangs, cpu at 100 percent"),
    ("any", "unauthorized, token mismatch"),
    ("channel", "discord bot is offline"),
    ("channel", "telegram does not reply"),
    ("channel", "whatsapp was logged out"),
    ("model", "all models failed with 429"),
    ("model", "invalid api key"),
    ("any", "坏了"),
    ("any", "机器人没反应了"),
    ("any", "网关崩溃"),
    ("any", "网关启动不了"),
    ("any", "特别慢，卡死了"),
    ("any", "控制台打不开"),
    ("any", "端口被占用"),
    ("any", "升级以后就不能用了"),
    ("any", "配置文件好像坏了"),
    ("any", "定时任务没有执行"),
    ("any", "数据库损坏"),
    ("any", "内存一直涨"),
    ("any", "一直重启"),
    ("any", "插件加载失败"),
    ("any", "提示需要配对"),
    ("channel", "飞书收不到消息"),
    ("channel", "钉钉一直断开"),
    ("channel", "电报机器人不回复"),
    ("model", "模型额度用完了"),
    ("model", "请求超时"),
)
START = r"gateway start|iflow-doctor heal|service install"
HEAL = r"iflow-doctor heal"
DAMAGE = "[ws] sessions.list failed: database disk image is malformed (state/openclaw.sqlite)"
OLD_BREAKER = "[gateway] restart-loop breaker tripped; channels stay off"


class State(NamedTuple):
    """finding: what the cause must be about, "" nothing, "*" only that it is down. cause: what it
    must say. step: the next step; "" as the sentence asks. never: what neither may speak of.
    """

    name: str
    make: Callable[[Any], None]
    state: str
    finding: str = ""
    step: str = ""
    cause: str = ""
    never: str = ""


def fault(name: str) -> Callable[[Any], None]:
    def make(bench: Any) -> None:
        bench.fault = faults.read(faults.BUILT_IN / name)
        bench.script("inject")

    return make


def alone(then: Callable[[Any], None]) -> Callable[[Any], None]:
    """Without the keeper, so that what ends stays ended."""

    def make(bench: Any) -> None:
        end_keeper(bench)
        then(bench)

    return make


def end_keeper(bench: Any) -> None:
    for row in sandbox.members(bench.run_id):
        if any("keeper" in word for word in row.argv):
            os.kill(row.pid, signal.SIGKILL)
    time.sleep(0.5)


def end(number: int) -> Callable[[Any], None]:
    return lambda bench: os.kill(bench.gateway_pid(), number)


def practice(**wish: Any) -> Callable[[Any], None]:
    def make(bench: Any) -> None:
        (bench.home.state_dir / "practice.json").write_text(json.dumps(wish))

    return make


def lines(*texts: str) -> Callable[[Any], None]:
    """Lines in the gateway's own log, as the process that runs now would write them: older ones
    are another process's and count for nothing.
    """

    def make(bench: Any) -> None:
        with open(bench.home.doctor_dir / "gateway.log", "a", encoding="utf-8") as log:
            for text in texts:
                stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000+00:00", time.gmtime())
                log.write("{} {}\n".format(stamp, text))

    return make


def before_ready(bench: Any) -> None:
    """A breaker line of an older boot, which became ready since; then a kill."""
    path = bench.home.doctor_dir / "gateway.log"
    old = "2020-01-01T00:00:00.000+00:00 " + OLD_BREAKER + "\n"
    path.write_text(old + path.read_text("utf-8"), "utf-8")
    os.kill(bench.gateway_pid(), signal.SIGKILL)


NOT_HERE = r"[Dd]iscord|[Ff]eishu|飞书|[Dd]ing[Tt]alk|钉钉|[Ww]hats[Aa]pp|launchctl|schtasks"
CONFIGS = r"config (?:set|unset|is|file|does)|gateway\.(?:bind|mode)|配置|" + NOT_HERE
MERELY = CONFIGS + "|breaker|保护|malformed|损坏"
DOWN = "down|misconfigured"
GAVE_UP = "[telegram] [default] giving up after 10 restart attempts"
STATES = (
    State("healthy", lambda bench: None, "healthy", cause="fine", never=MERELY),
    State("starting", practice(start_s=60), "starting", step=LOOKS, never=MERELY),
    State("killed", alone(end(signal.SIGKILL)), "down", "*", START, never=MERELY),
    State("terminated", alone(end(signal.SIGTERM)), "down|stopped.*", "*", START, never=MERELY),
    State("stopped", fault("operator-stop"), "stopped.*", "", "gateway start", never=MERELY),
    State("old-breaker", alone(before_ready), "down", "*", START, never=MERELY),
    State("frozen", alone(fault("frozen")), "hung", "process/stopped", HEAL, never=MERELY),
    State("busy", alone(fault("busy-loop")), "hung", "(?:process|health)/.*", HEAL, never=MERELY),
    State("syntax", alone(fault("config-syntax")), DOWN, "config/syntax", HEAL, never=NOT_HERE),
    State("truncated", alone(fault("config-truncated")), DOWN, "config/.*", HEAL, never=NOT_HERE),
    State("empty", alone(fault("config-empty")), DOWN, "config/empty", HEAL, never=NOT_HERE),
    State("deleted", alone(fault("config-deleted")), DOWN, "config/missing", HEAL, never=NOT_HERE),
    State("unknown-key", alone(fault("config-unknown-key")), DOWN, "config/unrec.*", HEAL),
    State("no-auth", alone(fault("bind-without-auth")), DOWN, "config/bind.*", "bind|" + HEAL),
    State("foreign-port", alone(fault("foreign-port")), "impostor", "port/foreign.*", "port|pid"),
    State("database", alone(fault("database-corrupt")), DOWN, "database/corrupt", HEAL),
    State("breaker", fault("breaker"), "safe_mode", "(?:health|channels)/suppressed", "."),
    State("channel", fault("channel-red"), "degraded", "channels/failing", ".", "telegram"),
    State("agent", practice(failing=["agent-database:main"]), "degraded", "health/a.*", "doctor"),
    State("reload", practice(failing=["plugin-reload"]), "degraded", "health/plugin.*", "logs"),
    State("damaged", lines(DAMAGE, DAMAGE), "healthy", "serving/database-damaged", "copy"),
    State("gave-up", lines(GAVE_UP), "healthy", "serving/channel-gave-up", "channels", "telegram"),
)


def examined(state: State) -> Any:
    """The state made and looked at: (bench, context)."""
    quiet = faults.read(faults.BUILT_IN / "killed")
    bench = benches.lay_out(quiet, False, Host())
    path = bench.home.config_path
    config = json.loads(path.read_text("utf-8"))
    config["channels"] = {"telegram": {"enabled": True, "botToken": "1:practice"}}
    path.write_text(json.dumps(config, indent=1), "utf-8")
    bench.start()
    memory = judge.Memory(ready_pid=bench.gateway_pid())  # what a watchdog would remember
    state.make(bench)
    if state.name == "starting":
        os.kill(bench.gateway_pid(), signal.SIGUSR2)
    context = Context(
        bench.host, bench.home, load(bench.host, bench.home), platform=bench.platform()
    )
    until = time.monotonic() + 60
    while True:
        time.sleep(1.0)
        seen = examine.examine(context, memory)
        if re.fullmatch(state.state, seen.verdict.state.value) or time.monotonic() > until:
            return bench, seen


def judged(state: State, about: str, found: Any) -> List[str]:
    """What is wrong with one conclusion: cause, step, contradicted."""
    end_ = found.conclusion
    finding = end_.finding.check_id if end_.finding else ""
    wrong = []
    if state.finding == "*":
        good = not re.match(r"config/|channels/|database/|plugins/", finding)
    else:
        good = bool(re.fullmatch(state.finding, finding))
    said, never = end_.cause.en + " " + end_.cause.zh, state.never or "(?!)"
    if not good or not re.search(state.cause, said) or re.search(never, said):
        wrong.append("cause")
    step = end_.step.en
    if not re.search(state.step or ABOUT[about], step + " " + HEAL * bool(end_.exit_code == 1)):
        wrong.append("step")
    if re.search(never, step):
        wrong.append("contradicted")
    return wrong


def main(argv: List[str]) -> int:
    chosen = [a for a in argv if not a.startswith("-")]
    count = {"asked": 0, "cause": 0, "step": 0, "contradicted": 0, "unsaid": 0}
    for state in STATES:
        if chosen and state.name not in chosen:
            continue
        bench: Optional[Any] = None
        try:
            bench, seen = examined(state)
            row = dict.fromkeys(count, 0)
            for about, sentence in SENTENCES:
                found = report.of(seen, sentence)
                wrong = judged(state, about, found)
                row["asked"] += 1
                row["unsaid"] += found.conclusion.said is None
                for name in wrong:
                    row[name] += 1
                if wrong and "--verbose" in argv:
                    end_ = found.conclusion
                    print(
                        "   {} {!r}: {} -> {}".format(wrong, sentence, end_.cause.en, end_.step.en)
                    )
            print(
                "{:20} {:10} {}".format(state.name, seen.verdict.state.value, json.dumps(row)),
                flush=True,
            )
            for name, value in row.items():
                count[name] += value
        finally:
            if bench is not None:
                sandbox.end_all(bench.run_id)  # the keeper may be gone: nobody is asked
                shutil.rmtree(bench.root, ignore_errors=True)
    asked = max(1, count["asked"])
    print(
        "{} states x {} sentences: right cause {:.1%}, right next step {:.1%}, contradicted {}, "
        "words not replied to {}".format(
            len(STATES) if not chosen else len(chosen),
            len(SENTENCES),
            1 - count["cause"] / asked,
            1 - count["step"] / asked,
            count["contradicted"],
            count["unsaid"],
        )
    )
    return 0 if count["contradicted"] == 0 and count["cause"] + count["step"] <= asked / 20 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
