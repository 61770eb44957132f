"""What a bridge is: one way to ask an AI for a plan. A bridge never executes anything of ours and
never decides that we are healed.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, FrozenSet, Iterator, Mapping, Optional, Tuple

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
    edit: str = ""  # hands: the one file that may be edited
    commands: Tuple[str, ...] = ()  # hands: exact read-only commands that may be run


@dataclass(frozen=True)
class Answer:
    """What came back. `data` is checked against the schema by emergency.plan, not here. cost_usd
    None: the CLI does not say.
    """

    data: Mapping[str, Any]
    cost_usd: Optional[float] = None
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
    """

    id: str
    title: str
    find: Callable[[Any], str]
    ask: Callable[[Any, Question], Answer]
    login: Callable[[Any, str], Optional[bool]]
    env: Tuple[str, ...] = ()
    capabilities: FrozenSet[str] = frozenset({PLAN})
    note: Optional[Text] = None


def trial(ctx: Any, question: Question) -> Dict[str, str]:
    """With hands: `openclaw config validate` looks at the copy, in a state directory of its own,
    never at the live one.
    """
    if not question.hands:
        return {}
    found = {
        "OPENCLAW_CONFIG_PATH": question.edit,
        "OPENCLAW_STATE_DIR": os.path.join(question.workdir, "state"),
    }
    try:
        from ..openclaw.program import find

        program = find(ctx.host, ctx.platform)
    except Exception:  # without it the AI only cannot validate
        program = None
    if program:
        found["PATH"] = os.pathsep.join(
            [os.path.dirname(program[0]), ctx.host.env.get("PATH", os.defpath)]
        )
    return found


def find_object(text: str) -> Optional[Dict[str, Any]]:
    """The whole text, a fenced block, or the last balanced {...} that parses to an object; None
    when there is none.
    """
    for candidate in _candidates(text):
        try:
            value = json.loads(candidate)
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
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                yield value
