"""The gateway answers, and nobody is served. And: channels that are red, which is no reason to act."""

from __future__ import annotations

import signal

from ..model import ESCALATE, HEAL, Facts
from ..place import Place
from .base import BOTH, PRACTICE, REAL, fault, pick

NAMES = ("telegram", "discord", "feishu", "slack")


def silent(p: Place) -> list:  # type: ignore[type-arg]
    from ..place import ask

    left = ask(p.port).body.get("suppressed")
    return ["suppressed: {}".format(left)] if left else []


@fault(
    "channel-suppressed",
    "channel",
    "the crash-loop breaker tripped: ready, and no channel runs",
    HEAL,
    targets=PRACTICE,
    oracle=silent,
    ill_while_ready=True,
    limit_s=500,
    source="openclaw#133820",
)
def suppressed(p: Place) -> None:
    p.control(suppressed=[pick(p, NAMES)])


@fault("channel-red-told", "channel", "one channel stays red for long: a person is told which", ESCALATE, targets=PRACTICE, limit_s=400, facts=Facts(
    cause=(r"{channel}",),
    evidence=(r"channel|readyz|failing|not (connect|work)",),
    remedy=(r"openclaw|token|channels|check|look",),
))  # fmt: skip
def red(p: Place) -> None:
    name = pick(p, NAMES)
    p.words["channel"] = name
    p.control(failing=[name])


@fault("channel-agent-database", "channel", "readyz fails for an agent's database, which is no channel", ESCALATE, targets=PRACTICE, limit_s=400, facts=Facts(
    cause=(r"database",),
    evidence=(r"{agent}|agent-database",),
    remedy=(r"openclaw|doctor|restore|backup|check|look",),
))  # fmt: skip
def agent_database(p: Place) -> None:
    name = p.name()
    p.words["agent"] = name
    p.control(failing=["agent-database:" + name])


@fault("channel-plugin-reload", "channel", "readyz fails for a plugin reload that never ends", ESCALATE, targets=PRACTICE, limit_s=400, facts=Facts(
    cause=(r"plugin",),
    evidence=(r"reload|plugin-reload",),
    remedy=(r"openclaw|restart|plugin|check|look",),
))  # fmt: skip
def plugin_reload(p: Place) -> None:
    p.control(failing=["plugin-reload"])


@fault(
    "channel-not-installed",
    "channel",
    "a channel's plugin has to be fetched and the registry cannot be reached: patience",
    HEAL,
    targets=REAL,
    limit_s=560,
)
def not_installed(p: Place) -> None:
    changes = {
        "npm_config_registry": "http://127.0.0.1:9",
        "NPM_CONFIG_REGISTRY": "http://127.0.0.1:9",
    }
    p.subject.break_environment(p, changes)
    p.edit(
        lambda data: data.update(
            channels={"feishu": {"enabled": True, "appId": "cli_x", "appSecret": "y"}}
        )
    )
    p.kill_gateway()


@fault("channel-lockout", "channel", "the token's variable vanished from .env: green, and every client is refused", ESCALATE, targets=REAL, limit_s=200, spoils=("config", "data"), setup=lambda p: _by_variable(p), facts=Facts(
    cause=(r"{var}|token|variable|\.env",),
    evidence=(r"{var}|\.env",),
    remedy=(r"\.env|set {var}|export|put|restore|define",),
))  # fmt: skip
def lockout(p: Place) -> None:
    (p.state / ".env").unlink()
    p.kill_gateway()


def _by_variable(p: Place) -> None:
    name = "HB_" + p.name().upper()
    p.words["var"] = name
    with open(p.state / ".env", "a") as out:
        out.write("{}={}\n".format(name, p.canaries["gateway token"]))
    text = p.read().replace('"' + p.canaries["gateway token"] + '"', '"${' + name + '}"')
    p.config.write_text(text)
    p.intended = p.data()


@fault(
    "channel-frozen-behind-proxy",
    "channel",
    "a caching proxy says 200 for a gateway that is frozen",
    HEAL,
    targets=BOTH,
)
def behind_proxy(p: Place) -> None:
    """The proxy listens elsewhere: only a watcher that asks the wrong port believes it."""
    from .base import squat

    squat(p, p.port + 2, 200, '{"ok":true,"status":"live"}')
    p.signal_gateway(signal.SIGSTOP)


@fault(
    "channel-stuck-drain",
    "channel",
    "a drain fence that nobody lifts: alive, and no new work is taken",
    HEAL,
    targets=PRACTICE,
    limit_s=1500,
    source="openclaw stays draining",
)
def stuck_drain(p: Place) -> None:
    from .hang import _forget_busy

    p.control(draining=True)
    p.notes["drain"] = True
    p.later(1.0, lambda: _until_gone(p))
    del _forget_busy


def _until_gone(p: Place) -> None:
    one = p.gateway()
    if one is not None and one.pid == p.notes.setdefault("drain_pid", one.pid):
        p.later(0.5, lambda: _until_gone(p))
    else:
        p.control(draining=None)
