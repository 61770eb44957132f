"""What a bridge is: one way to ask an AI for a plan. A bridge never executes anything of ours and
never decides that we are healed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, FrozenSet, Iterator, Mapping, Optional, Tuple
from urllib.parse import urlsplit

from ..errors import BridgeError
from ..files import json_bounded
from ..host import Completed
from ..model import Text

PLAN = "plan"  # answers with data only
HANDS = "hands"  # may edit one file, under rules that were shown to hold


@dataclass(frozen=True)
class Question:
    """One call. deadline_s: seconds after which the call is ended with everything it started.

    prompt: redacted already. schema: JSON Schema of the answer. strict: the same for vendors that
    want every property required.
    run_id: put into the environment of every process of the run, so that all of them can be found
    and ended.
    workdir: an empty private directory; never OpenClaw's workspace.
    """

    prompt: str
    schema: Mapping[str, Any]
    strict: Mapping[str, Any]
    deadline_s: float
    run_id: str
    workdir: str
    max_usd: float = 0.0
    hands: bool = False
    edit: str = ""  # hands: the one file that may be read and edited


@dataclass(frozen=True)
class Spent:
    """What one call cost, as far as the CLI says, also when it failed. usd None: it does not say.

    tokens_in, tokens_out: of all turns and models together. turns: requests that the CLI made.
    """

    usd: Optional[float] = None
    tokens_in: int = 0
    tokens_out: int = 0
    turns: int = 0
    model: str = ""

    @property
    def cost(self) -> Optional[float]:
        """What the CLI says, else tokens times the price table; None when neither is known."""
        if self.usd is not None:
            return self.usd
        price = price_of(self.model)
        if price is None or not (self.tokens_in or self.tokens_out):
            return None
        return (self.tokens_in * price[0] + self.tokens_out * price[1]) / 1e6


# US dollars per million tokens, in and out: the catalog that comes with OpenClaw 2026.9.6. What is
# not in it costs an unknown amount, and ai.max_calls bounds it.
PRICES_OF = "2026-09"
PRICES: Tuple[Tuple[str, float, float], ...] = (
    ("claude-opus-5-5", 4, 20),
    ("claude-opus-5", 5, 25),
    ("claude-sonnet-5", 2, 10),
    ("claude-fable-5", 10, 50),
    ("claude-mythos-5", 10, 50),
    ("gpt-6-astra", 10, 50),
    ("gpt-6-sol", 2, 10),
    ("gpt-6-luna", 0.1, 0.5),
    ("gpt-5.6-sol", 5, 30),
    ("gpt-5.6-terra", 2.5, 15),
    ("gpt-5.6-luna", 1, 6),
    ("gpt-5.5-pro", 30, 180),
    ("gpt-5.5", 5, 30),
    ("gpt-5.4-pro", 30, 180),
    ("gpt-5.4-mini", 0.75, 4.5),
    ("gpt-5.4-nano", 0.2, 1.25),
    ("gpt-5.4", 2.5, 15),
)


def price_of(model: str) -> Optional[Tuple[float, float]]:
    name = model.rsplit("/", 1)[-1]
    return next(((i, o) for known, i, o in PRICES if name.startswith(known)), None)


@dataclass(frozen=True)
class Answer:
    """What came back. `data` is checked against the schema by emergency.plan, not here."""

    data: Mapping[str, Any]
    spent: Spent = Spent()
    session: str = ""
    seconds: float = 0.0
    init: Mapping[str, Any] = field(
        default_factory=dict
    )  # the CLI's own first event: tools, model, permission mode
    tool_calls: Tuple[Mapping[str, Any], ...] = ()  # {name, input, decision}
    argv: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Status:
    """For `ai status`. logged_in: None when it cannot be known without spending money."""

    id: str
    installed: bool
    program: str = ""
    version: str = ""
    logged_in: Optional[bool] = None
    note: Optional[Text] = None


@dataclass(frozen=True)
class Bridge:
    """One member of the literal registry BRIDGES.

    find(ctx) -> where it is ("" when it is not there). ask(ctx, question) -> Answer, raises
    BridgeError only. login(ctx, program) -> True, False, or None for unknown; free of charge and
    quick. env: names and prefixes (ending in *) that the child may see beside the common ones.
    vendor: who gets the evidence. to(ctx) -> the host it is sent to: a consent holds for that one.
    whose(ctx) -> the login or key that pays.
    """

    id: str
    title: str
    find: Callable[[Any], str]
    ask: Callable[[Any, Question], Answer]
    login: Callable[[Any, str], Optional[bool]]
    env: Tuple[str, ...] = ()
    capabilities: FrozenSet[str] = frozenset({PLAN})
    note: Optional[Text] = None
    vendor: str = ""
    to: Callable[[Any], str] = lambda ctx: ""
    whose: Callable[[Any], Text] = lambda ctx: Text("its own login", "它自己的登录")


def host_of(url: str) -> str:
    """host:port of an address, without what else stands in it."""
    parts = urlsplit(url)
    port = ":{}".format(parts.port) if parts.port else ""
    return (parts.hostname or "") + port


def key_in(name: str) -> Text:
    return Text.of("the key in the environment variable {}", "环境变量 {} 中的密钥", name)


def find_object(text: str) -> Optional[Dict[str, Any]]:
    """The whole text, a fenced block, or the last balanced {...} that parses to an object; None
    when there is none.
    """
    for candidate in _candidates(text):
        try:
            value = json_bounded(candidate)
        except ValueError:
            continue
        if isinstance(value, dict):
            return value
    return None


def _candidates(text: str) -> Iterator[str]:
    yield text.strip()
    for block in re.findall(r"```(?:json)?\s*(\{.*?\})\s*```", text, re.S):
        yield block
    decoder = json.JSONDecoder()
    starts = [m.start() for m in re.finditer(r"\{", text)][:200]
    whole = []
    end = -1
    for start in starts:
        if start < end:
            continue
        try:
            _, end = decoder.raw_decode(text, start)
        except ValueError:
            continue
        whole.append(text[start:end])
    yield from reversed(whole)


def lines(text: str) -> Iterator[Dict[str, Any]]:
    """Each line that is a JSON object (JSONL output of a CLI); everything else is skipped."""
    for line in text.splitlines():
        if line.lstrip().startswith("{"):
            try:
                value = json_bounded(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                yield value


# -- what a failed call means: one table of patterns, over what CLIs and vendors print -----------
# kind -> may another try a little later help?
PASSING: Dict[str, bool] = {
    "not-installed": False,
    "not-logged-in": False,
    "quota": False,
    "overloaded": True,
    "network": True,
    "timeout": False,
    "refused": False,
    "bad-output": False,
    "budget": False,
    "killed": False,
    "no-consent": False,
}

NAMES: Dict[str, Text] = {
    "not-installed": Text("not installed", "未安装"),
    "not-logged-in": Text("not logged in (or the key is wrong)", "未登录（或密钥不对）"),
    "quota": Text("quota or rate limit reached", "额度或频率已达上限"),
    "overloaded": Text("the vendor is overloaded", "服务商过载"),
    "network": Text("the network did not get there", "网络不通"),
    "timeout": Text("no answer in time", "超时未响应"),
    "refused": Text("refused by the vendor or the model", "被服务商或模型拒绝"),
    "bad-output": Text("the answer was not usable", "返回的结果不可用"),
    "budget": Text("our own budget is used up", "已达我们自己设定的预算"),
    "killed": Text("the program was ended from outside", "程序被外部结束"),
    "no-consent": Text("you have not said yes to it", "你还没有同意"),
}

# Sources: Claude Code 2.1.197 and 2.1.330, codex 0.169, gemini 0.61, qwen 0.15 and 0.24, opencode
# 1.18 against a scripted API.
_TABLE: Tuple[Tuple[str, str], ...] = (
    ("budget", r"error_max_budget|max[_ -]budget|budget (?:limit )?(?:exceeded|reached)"),
    (
        "not-logged-in",
        r"\b401\b|unauthori[sz]ed|authentication[_ ](?:error|failed)|invalid (?:x-)?api[ "
        r"_-]?key|not logged in|please run /login"
        r"|incorrect api key|invalid auth|no auth type|auth method|api key (?:is "
        r")?(?:missing|not (?:set|found|valid)|expired)"
        r"|must specify the \w*api_key|missing (?:environment variable|bearer|api "
        r"key)|apikeysource\W+none|login required",
    ),
    (
        "quota",
        r"\b429\b|rate[_ -]?limit|quota|insufficient[_ ](?:quota|balance|credit)|credit "
        r"balance|usage limit|resource[_ ]?exhausted"
        r"|too many requests|billing",
    ),
    (
        "overloaded",
        r"\b(?:529|503|502|500|504)\b|overloaded|high demand|service unavailable|internal "
        r"server error|server_error"
        r"|temporarily unavailable|stream error",
    ),
    (
        "refused",
        r"\b403\b|forbidden|permission[_ ]?(?:error|denied)|content[_ "
        r"]policy|safety|\brefus(?:al|ed to)\b|not allowed to access",
    ),
    ("timeout", r"stream idle timeout|idle timeout|timed? ?out|deadline|stalled|no data received"),
    (
        "network",
        r"econnrefused|econnreset|enotfound|eai_again|etimedout|enetunreach|connection "
        r"(?:refused|reset|error|closed|failed)"
        r"|connect(?:ion)? error|socket hang up|fetch failed|unable to connect|network "
        r"error|could not resolve|dns|stream disconnected"
        r"|error sending request|other side closed|premature "
        r"close|connectionrefused|unreachable|terminated",
    ),
)
_COMPILED = tuple((kind, re.compile(pattern, re.I)) for kind, pattern in _TABLE)
# While a child is still at work: these many signs of the same wall mean that it will not get
# through it.
_WALLS = tuple(
    (re.compile(dict(_TABLE)[kind], re.I), times)
    for kind, times in (("not-logged-in", 3), ("quota", 6))
)


def kind_of(text: str, otherwise: str = "bad-output") -> str:
    """Given what was printed, return the kind of failure; the first line of the table that is found
    decides.
    """
    for kind, pattern in _COMPILED:
        if pattern.search(text):
            return kind
    return otherwise


def kind_of_status(status: int) -> str:
    """The kind of a plain HTTP status."""
    if status == 401:
        return "not-logged-in"
    if status in (402, 429):
        return "quota"
    if status in (403, 451):
        return "refused"
    return "overloaded" if status >= 500 else "bad-output"


def hopeless(text: str) -> bool:
    """True when a CLI that retries forever has met the same wall often enough (gemini, qwen and
    opencode never give up on 429).
    """
    return any(len(pattern.findall(text)) >= times for pattern, times in _WALLS)


def failure(
    kind: str, message: str, spent: Optional[Spent] = None, calls: Tuple[Any, ...] = ()
) -> BridgeError:
    """An error of a call, with what it cost all the same and which tools it had used."""
    error = BridgeError(
        kind, " ".join(message.split())[:300], permanent=not PASSING.get(kind, False)
    )
    error.spent, error.tool_calls = spent or Spent(), calls
    return error


def of_completed(
    done: Completed, text: str = "", spent: Optional[Spent] = None, calls: Tuple[Any, ...] = ()
) -> BridgeError:
    """The error of a call that did not bring a usable answer."""
    if done.missing:
        return failure("not-installed", done.err or "the program could not be started", spent)
    said = text or (done.err[-4000:] + "\n" + done.out[-4000:])
    if done.timed_out:
        kind = kind_of(done.err[-20000:], "timeout") if hopeless(done.err) else "timeout"
        message = "ended after {:.0f} s without a usable result".format(done.seconds)
        return failure(kind, message, spent, calls)
    if done.code is not None and (done.code < 0 or done.code in (137, 143)):
        signal = -done.code if done.code < 0 else done.code - 128
        return failure("killed", "ended by signal {}".format(signal), spent, calls)
    message = "exit {}: {}".format(done.code, said.strip()[-200:] or "(no output)")
    return failure(kind_of(said), message, spent, calls)
