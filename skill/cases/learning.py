"""A new case: from a person's answers, from a recorded incident, or learned from what somebody
healed. cases.add validates it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional

from ..errors import AlreadyRunning, SettingsError, UsageError
from ..model import Case, Text
from ..openclaw import known_secrets
from ..openclaw.home import Home
from ..store.records import PROVEN
from . import library, signature

if TYPE_CHECKING:
    from ..context import Context


def from_incident(home: Home, ident: str) -> Dict[str, Any]:
    """Propose a case from a record of records.json. Raise UsageError when there is no such
    incident.
    """
    from ..files import read_json

    value = read_json(home.doctor_dir / "records.json", {"records": []})
    records = value.get("records", []) if isinstance(value, dict) else []
    for record in records:
        if (
            isinstance(record, dict)
            and str(record.get("id") or record.get("incident") or "") == ident
        ):
            return _proposed(home, record) or _of_record(library.next_id(home), record)
    raise UsageError(
        Text.of(
            "no incident {} in {}", "{1} 中没有事故 {0}", ident, home.doctor_dir / "records.json"
        ),
        Text("`iflow-doctor stats` lists them", "用 `iflow-doctor stats` 查看"),
    )


def _proposed(home: Home, record: Mapping[str, Any]) -> Optional[Dict[str, Any]]:
    """The case that was learned from this incident, approved: who adds it says that it is right."""
    ident = (record.get("proposed_case") or {}).get("id")
    raw = next(
        (
            one
            for one in library.entries(home.doctor_dir / library.USER_FILE)
            if ident and one.get("id") == ident
        ),
        None,
    )
    return None if raw is None else dict(raw, status="active", approved="by a person")


def _of_record(ident: str, record: Mapping[str, Any]) -> Dict[str, Any]:
    lines = [str(line) for line in record.get("because") or record.get("lines") or []]
    cause = str(
        record.get("cause")
        or record.get("root_cause")
        or record.get("reason")
        or (lines[0] if lines else "incident " + ident)
    )
    advice = str(record.get("advice") or cause)[:400]
    answers = {
        "title": cause[:120],
        "signature": lines[0] if lines else "",
        "keywords": "",
        "solution": advice,
    }
    return library.of_answers(ident, answers)


# -- learning: what somebody healed becomes a proposed case ----------------------------------------
MAX_LEARNED = 50  # proposals kept; a person who never looks at them is not given thousands
LINES = 3  # log lines kept with an incident
_PLAIN = re.compile(r"error|fail|cannot|refus|invalid|missing|denied|not |错误|失败|无法", re.I)


def lines_of(log: str) -> List[str]:
    """The lines of the newest boot that tell of the trouble, newest first: masked, without secrets,
    without chat.
    """
    from ..redact import Redactor, drop_chat
    from .scope import telling
    from .signature import lines

    fresh = [line.text for line in lines(log) if line.fresh]
    told = [text for text in telling(fresh) if len(text) >= 12 and _PLAIN.search(text)]
    cleaner = Redactor.shapes_only()
    return [cleaner.clean(drop_chat(text))[:300] for text in told[:LINES]]


def params_of(ctx: Context, params: Mapping[str, Any]) -> Dict[str, Any]:
    """What a record may hold of a repair's parameters: as they are, or nothing and "masked" where a
    secret is among them.
    """

    try:
        plain = known_secrets.redactor(ctx).clean_data(dict(params)) == dict(params)
    except Exception:  # what cannot be judged is not written down
        plain = False
    return {"params": dict(params)} if plain else {"params": {}, "masked": True}


def learn(home: Home, record: Dict[str, Any]) -> None:
    """An incident is about to be recorded: credit the proposed cases whose repair an AI tried,
    propose one where it healed.

    `record` gets its actions' case ids and "proposed_case". A broken user file is left as it is.
    Raises nothing but OSError.
    """
    lines = [str(line) for line in record.get("lines") or []]
    acts = [
        act
        for act in record.get("actions") or []
        if act.get("by") == "ai" and not act.get("masked")
    ]
    acts = [act for act in acts if act.get("outcome") in ("healed", "failed")]
    if not acts or not lines:
        return
    try:
        known = list(library.entries(home.doctor_dir / library.USER_FILE))
        for act in acts:
            raw = next((one for one in known if _same(one, act, lines)), None)
            if raw is None and act["outcome"] == "healed":
                raw = _proposal(library.next_id(home), record, act, lines)
                if (
                    raw is None
                    or sum(one.get("status") == "proposed" for one in known) >= MAX_LEARNED
                ):
                    continue
            if raw is None:
                continue
            act["case"] = raw["id"]
            library.add(home, _with_proof(raw, record, act["outcome"]))
            record["proposed_case"] = {
                "id": raw["id"],
                "status": "proposed",
                "repair": raw["repair"],
                "why": record.get("cause", ""),
            }
    except (SettingsError, AlreadyRunning):
        return


def of_person(home: Home, record: Dict[str, Any]) -> None:
    """A person healed what the doctor could not: keep how it looked. What they did is theirs to
    say: add-case --approve asks.
    """
    lines = [str(line) for line in record.get("lines") or []]
    if not lines or record.get("case") or record.get("proposed_case"):
        return
    try:
        known = list(library.entries(home.doctor_dir / library.USER_FILE))
        act = {"repair": "tell-person", "params": {}}
        raw = next((one for one in known if _same(one, act, lines)), None)
        if raw is None:
            if sum(one.get("status") == "proposed" for one in known) >= MAX_LEARNED:
                return
            raw = _proposal(library.next_id(home), record, act, lines)
        if raw is not None:
            library.add(home, _with_proof(raw, record, "healed"))
            record["proposed_case"] = {
                "id": raw["id"],
                "status": "proposed",
                "repair": "tell-person",
                "why": record.get("cause", ""),
            }
    except (SettingsError, AlreadyRunning):
        return


def _same(raw: Mapping[str, Any], act: Mapping[str, Any], lines: List[str]) -> bool:
    """The same repair for the same words of the log, in a case that was learned."""
    if (
        not raw.get("proofs")
        or raw.get("repair") != act.get("repair")
        or dict(raw.get("params") or {}) != dict(act.get("params") or {})
    ):
        return False
    signs = [
        sign if isinstance(sign, str) else sign["re"] for sign in raw.get("error_signatures") or []
    ]
    return any(re.search(sign, line, re.I) for sign in signs for line in lines)


def _proposal(
    ident: str, record: Mapping[str, Any], act: Mapping[str, Any], lines: List[str]
) -> Optional[Dict[str, Any]]:
    """A raw case with status "proposed"; None when its log or its repair is nothing to build a case
    on.
    """
    import jsonschema

    from ..repairs import ALL

    signs = [
        pattern
        for pattern in (signature.pattern_of(line)[:300] for line in lines)
        if signature.usable(pattern)
    ]
    repair, params = str(act.get("repair") or ""), dict(act.get("params") or {})
    if repair not in ALL or list(
        jsonschema.Draft7Validator(dict(ALL[repair].params)).iter_errors(params)
    ):
        return None
    if not signs:
        return None
    cause = str(record.get("cause") or "incident")[:120]
    faults = [str(term) for term in record.get("errors") or []][:4]
    command = "iflow-doctor add-case --approve {}".format(ident)
    raw: Dict[str, Any] = {
        "id": ident,
        "slug": "learned-" + (library.slug_of(cause) or ident.lower()),
        "title": {"en": cause, "zh": str(record.get("cause_zh") or cause)[:120]},
        "solution": {
            "en": "It was healed once by: {}. If that is right, approve it: {}".format(
                _words(repair, act), command
            ),
            "zh": "曾经这样修好：{}。如果正确，请批准：{}".format(_words(repair, act), command),
        },
        "error_signatures": [{"re": pattern, "weight": 0.97} for pattern in signs],
        "evidence": {"all": faults}
        if faults
        else {"any": ["state:{}".format(record.get("state") or "down")]},
        "repair": repair,
        "params": params,
        "verify": "none" if repair == "tell-person" else "ready",
        "risk": "read" if repair == "tell-person" else "guarded",
        "examples": [{"symptom": "", "log": "\n".join(lines)}],
        "source": "incident {}".format(record.get("id")),
        "status": "proposed",
        "proofs": [],
    }
    return None if library.faults([raw]) else raw


def _words(repair: str, act: Mapping[str, Any]) -> str:
    if repair == "tell-person":
        return "a person / 由人处理"
    return (
        "{} {}".format(repair, json.dumps(dict(act.get("params") or {}), ensure_ascii=False))
        if act.get("params")
        else repair
    )


def _with_proof(raw: Mapping[str, Any], record: Mapping[str, Any], outcome: str) -> Dict[str, Any]:
    """The case with this incident's outcome noted once; active as soon as it was proved PROVEN
    times and failed less often.
    """
    ident = str(record.get("id"))
    proofs = [proof for proof in raw.get("proofs") or [] if proof["incident"] != ident]
    proofs.append({"incident": ident, "outcome": outcome})
    good = sum(proof["outcome"] == "healed" for proof in proofs)
    after = dict(raw, proofs=proofs[-20:])
    if (
        after.get("status") == "proposed"
        and after["repair"] != "tell-person"
        and good >= PROVEN
        and good > len(proofs) - good
    ):
        after.update(status="active", approved="proved {} times".format(good))
    return after


def decide(home: Home, ident: str, approve: bool) -> Case:
    """A person's word on a learned case: active, or rejected (never matched again). Raise
    UsageError, SettingsError, AlreadyRunning.
    """
    raw = next(
        (
            one
            for one in library.entries(home.doctor_dir / library.USER_FILE)
            if one.get("id") == ident
        ),
        None,
    )
    if raw is None or "status" not in raw:
        raise UsageError(
            Text.of(
                "no proposed case {} in {}",
                "{1} 中没有待定的案例 {0}",
                ident,
                home.doctor_dir / library.USER_FILE,
            ),
            Text("`iflow-doctor list-cases` shows them", "用 `iflow-doctor list-cases` 查看"),
        )
    return library.add(
        home,
        dict(
            raw,
            status="active" if approve else "rejected",
            approved="by a person" if approve else "",
        ),
    )
