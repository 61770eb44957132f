"""The library is data: every entry is read, is valid, and is found first by its own examples."""

import json
import re
import time
from pathlib import Path

import pytest

from skill.cases import library
from skill.cases.index import literals
from skill.cases.matcher import match
from skill.errors import SettingsError
from skill.model import Confidence
from skill.openclaw.home import Home

RAW = list(library.entries(library.SHIPPED))
LIBRARY = library.shipped()
NO_ACTION = {"tell-person"}
# Classes that only a person may touch: keys, money, QR codes, consoles, root.
PERSONS_ONLY = set(
    (
        "provider-auth-401 provider-auth-missing oauth-refresh-failed provider-rate-limit "
        "provider-quota-exhausted "
        "provider-billing provider-overloaded provider-timeout provider-blocked-403-html "
        "channel-scope-missing "
        "discord-disallowed-intents whatsapp-logged-out whatsapp-session-conflict "
        "imessage-fda-denied "
        "feishu-ws-connect-failed feishu-webhook-verify-failed dingtalk-endpoint-failed "
        "memory-embedding-failed "
        "sqlite-corrupt approval-expired host-oom-kill slow-or-false-restart-timeout "
        "startup-crash-unknown "
        "container-no-service-manager config-auto-rolled-back device-identity-required "
        "plugin-duplicate-id "
        "state-dir-permission pairing-required"
    ).split()
)


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path, tmp_path / "openclaw.json")


def own(ident="USER-001", **more):
    raw = {
        "id": ident,
        "slug": "zebra-lost",
        "title": {"en": "The zebra is lost", "zh": "斑马丢了"},
        "solution": {"en": "Look in the barn.", "zh": "去谷仓找。"},
        "error_signatures": ["zebra \\d{1,9} left the building"],
        "keywords": ["zebra & lost ^4"],
        "repair": "tell-person",
        "risk": "read",
    }
    raw.update(more)
    return raw


def test_the_library_is_large_and_valid():
    assert len(RAW) >= 90
    assert library.faults(RAW) == []


def test_it_is_read_quickly():
    began = time.process_time()
    library.shipped()
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("raw", RAW, ids=[raw["id"] for raw in RAW])
def test_an_entry_keeps_the_rules(raw):
    assert raw["examples"], "a case shows at least one example"
    assert raw["source"]
    assert re.search("[\u4e00-\u9fff]", raw["title"]["zh"]) and re.search(
        "[\u4e00-\u9fff]", raw["solution"]["zh"]
    )
    if raw["repair"] not in NO_ACTION:
        evidence = raw["evidence"]
        assert evidence.get("all") or evidence.get("any"), (
            "what acts needs something that holds on the live machine"
        )
        assert raw["slug"] not in PERSONS_ONLY
        assert raw["risk"] in ("safe", "guarded")
    else:
        assert raw["params"] == {}
    for text in raw["commands"]:
        assert "dangerously" not in text and "rm -rf" not in text and "ALLOW_OLDER" not in text


@pytest.mark.parametrize("case", LIBRARY, ids=[case.id for case in LIBRARY])
def test_an_example_is_matched_first_by_its_own_case(case):
    for example in case.raw["examples"]:
        found = match(LIBRARY, example["symptom"], example["log"])
        assert found, example
        assert case.id == found[0].case.id or case.slug == found[0].case.slug, (
            example,
            [m.case.id for m in found],
        )
    for example in case.raw["negatives"]:
        assert case.slug not in [
            m.case.slug
            for m in match(LIBRARY, example["symptom"], example["log"])
            if m.confidence is Confidence.CERTAIN
        ]
        assert (
            match(LIBRARY, example["symptom"], example["log"]) == []
            or match(LIBRARY, "", example["log"])[0].case.slug != case.slug
        )


def test_no_user_file_is_fine(home):
    assert len(library.load(home)) == len(RAW)


def test_a_users_case_is_added_overrides_and_matches(home):
    library.add(home, own())
    loaded = library.load(home)
    assert len(loaded) == len(RAW) + 1
    assert match(loaded, "", "[gateway] zebra 42 left the building")[0].case.id == "USER-001"
    library.add(home, own(title={"en": "The zebra is gone", "zh": "斑马跑了"}))
    assert [c.title.en for c in library.load(home) if c.id == "USER-001"] == ["The zebra is gone"]
    library.add(home, own(ident="CASE-001"))
    assert [c.slug for c in library.load(home) if c.id == "CASE-001"] == ["zebra-lost"], (
        "a user's case replaces a shipped one"
    )
    assert (home.doctor_dir / "cases.json").stat().st_mode & 0o777 == 0o600
    assert library.next_id(home) == "USER-002"


@pytest.mark.parametrize(
    "broken, place",
    [
        ({"title": {"en": "Only English"}}, "cases[0].title"),
        ({"repair": "format-disk"}, "cases[0].repair"),
        ({"colour": "red"}, "colour"),
        ({"error_signatures": ["([unclosed"]}, "cases[0].error_signatures[0].re"),
        ({"error_signatures": ["(a+)+b and more text"]}, "nested repetition"),
        ({"error_signatures": ["\\d+"]}, "fixed text"),
        ({"evidence": {"all": ["no such thing"]}}, "cases[0].evidence"),
    ],
)
def test_a_broken_case_is_not_written(home, broken, place):
    with pytest.raises(SettingsError) as caught:
        library.add(home, own(**broken))
    assert any(place in issue for issue in caught.value.issues), caught.value.issues
    assert not (home.doctor_dir / "cases.json").exists()


def test_a_broken_user_file_is_one_error_and_the_shipped_cases_still_work(home):
    home.doctor_dir.mkdir()
    bad = own()
    del bad["solution"]
    (home.doctor_dir / "cases.json").write_text(
        json.dumps({"version": 1, "cases": [own(ident="USER-002"), bad]}), "utf-8"
    )
    with pytest.raises(SettingsError) as caught:
        library.load(home)
    assert str(home.doctor_dir / "cases.json") in str(caught.value)
    assert "cases[1]" in caught.value.issues[0] and "solution" in caught.value.issues[0]
    assert caught.value.hint
    found, error = library.load_or_shipped(home)
    assert len(found) == len(RAW) and error is not None
    (home.doctor_dir / "cases.json").write_text("{not json", "utf-8")
    assert len(library.load_or_shipped(home)[0]) == len(RAW)


@pytest.mark.parametrize(
    "pattern, expected",
    [
        ("Unrecognized key", ("unrecognized key",)),
        ("port \\d+ is (?:already )?in use", None),
        ("(?:start|stop) me", None),
        ("429", ("429",)),
        ("overloaded_error|is overloaded", ("overloaded_error", "is overloaded")),
        ("限流", ("限流",)),
        ("\\d+", ()),
        ("a?b*", ()),
        ("(?:hello there|good bye)\\d", ("hello there", "good bye")),
    ],
)
def test_fixed_texts_of_a_pattern(pattern, expected):
    found = literals(pattern)
    if expected is not None:
        assert found == expected
    assert all(len(text) >= 2 for text in found)


def test_every_failure_class_is_named_once_in_the_evidence_vocabulary():
    ids = {
        term for raw in RAW for group in raw["evidence"].values() for term in group if "/" in term
    }
    rooms = {term.split("/")[0] for term in ids}
    known = (
        "config process health port lock service node installation disk permissions resources "
        "database plugins channels models"
    ).split()
    known += "clock duplicates log serving".split()
    assert rooms <= set(known)


def test_design_document_knows_every_check_id():
    text = (Path(library.SHIPPED).parent / "docs" / "design.md").read_text("utf-8")
    ids = {
        term
        for raw in RAW
        for group in raw["evidence"].values()
        for term in group
        if "/" in term and "*" not in term
    }
    assert [term for term in sorted(ids) if term not in text] == []


@pytest.mark.parametrize(
    "case", [c for c in LIBRARY if c.repair != "tell-person"], ids=lambda case: case.id
)
def test_params_fit_the_repair_and_the_risk_is_not_talked_down(case):
    from jsonschema import validate

    from skill.repairs import ALL

    order = ["read", "safe", "guarded", "never-unattended"]
    validate(dict(case.params), dict(ALL[case.repair].params))
    assert order.index(case.risk.value) >= order.index(ALL[case.repair].risk.value)
