"""What a failed call means: one table of patterns, tried in order, over what CLIs and vendors
print. Kinds as in errors.BridgeError.
"""

from __future__ import annotations

import re
from typing import Dict, Tuple

from ..errors import BridgeError
from ..host import Completed
from ..model import Text

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


def failure(kind: str, message: str) -> BridgeError:
    return BridgeError(
        kind, " ".join(message.split())[:300], permanent=not PASSING.get(kind, False)
    )


def of_completed(done: Completed, text: str = "") -> BridgeError:
    """The error of a call that did not bring a usable answer."""
    if done.missing:
        return failure("not-installed", done.err or "the program could not be started")
    said = text or (done.err[-4000:] + "\n" + done.out[-4000:])
    if done.timed_out:
        kind = (
            kind_of(done.err[-20000:] + done.out[-20000:], "timeout")
            if hopeless(done.err + done.out)
            else "timeout"
        )
        return failure(kind, "ended after {:.0f} s without an answer".format(done.seconds))
    return failure(
        kind_of(said), "exit {}: {}".format(done.code, said.strip()[-200:] or "(no output)")
    )
