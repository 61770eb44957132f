"""Words: one idea in two languages, what nobody says speaks for nothing, the words that spoke are
shown.
"""

import time

import pytest

from skill.cases import library
from skill.cases.matcher import match
from skill.cases.phrases import Words, count, ideas, tokens

LIBRARY = library.shipped()
SAID = [
    ["the port is taken by another program", "端口被占用"],
    ["gateway restarts again and again", "网关反复重启"],
    ["memory keeps growing for days"],
]


TEXTS = [(number, text, 1.0) for number, texts in enumerate(SAID) for text in texts]
TELLING = 1.0


def nearest(symptom):
    found = Words(count(TEXTS)).weigh(symptom)
    best = max(found, key=lambda number: found[number].weight, default=None)
    return best if best is not None and found[best].weight > TELLING else None


@pytest.mark.parametrize(
    "symptom, number",
    [
        ("my port is occupied by some other program", 0),
        ("启动时端口已经被别的程序占用", 0),
        ("it respawns every 10 seconds in a loop", 1),
        ("一直不停地重新启动", 1),
        ("内存越来越高", 2),
    ],
)
def test_the_same_idea_is_found_in_other_words_and_in_the_other_language(symptom, number):
    assert nearest(symptom) == number


@pytest.mark.parametrize("symptom", ["", "what a nice day", "我今天心情很好", "qqq www eee"])
def test_words_of_no_case_speak_for_none(symptom):
    assert nearest(symptom) is None


def test_a_word_that_every_case_has_decides_nothing():
    both = [(0, "the port is taken", 1.0), (1, "the port is closed", 1.0)]
    found = Words(count(both)).weigh("port")
    assert abs(found[0].weight - found[1].weight) < 0.2
    assert (
        Words(count(both)).weigh("port taken")[0].weight
        > Words(count(both)).weigh("port taken")[1].weight + 0.5
    )


def test_a_text_that_counts_less_speaks_less():
    def weight(worth):
        texts = [
            (0, "zebra", worth),
            (0, "apples and pears", 1.0),
            (1, "horse", 1.0),
            (1, "zebra", 1.0),
        ]
        return Words(count(texts)).weigh("zebra")[0].weight

    assert weight(0.1) < weight(1.0)


def test_no_texts_say_nothing():
    assert Words(count([])).weigh("anything at all") == {}


def test_the_words_that_spoke_are_named_in_plain_letters():
    assert Words(count(TEXTS)).weigh("memory grows for days")[2].words.split(", ")[0].isalpha()


def test_letters_carry_a_typing_mistake():
    assert nearest("the prot is takken by another progam") == 0
    assert any(token.startswith("~") for token in tokens("restarting"))


def test_a_word_that_is_an_idea_already_is_no_second_sign():
    assert "@restart" in ideas("restart") and "restart" not in ideas("restart")


def test_the_words_are_the_reason_that_is_shown():
    found = match(LIBRARY, "update has no effect, the old version answers me", "")
    assert found and any(reason.startswith("~ ") for one in found for reason in one.because)


@pytest.mark.parametrize(
    "symptom", ["can we call it back", "the bot can search", "we scan documents"]
)
def test_a_short_word_is_not_found_inside_a_longer_one(symptom):
    assert "tls-untrusted-cert" not in [one.case.slug for one in match(LIBRARY, symptom, "")]


@pytest.mark.parametrize(
    "log",
    [
        "Error: The module '/srv/shop/node_modules/better-sqlite3/build/x.node'\nNODE_MODULE_VE"
        "RSION 93",
    ],
)
def test_what_only_other_programs_print_stays_silent(log):
    assert match(LIBRARY, "", log) == []


def test_the_same_module_error_of_openclaw_is_found():
    log = (
        "Error: The module '/home/u/.openclaw/extensions/mem/node_modules/better-sqlite3/build/"
        "x.node'\nNODE_MODULE_VERSION 93"
    )
    assert match(LIBRARY, "", log)[0].case.slug == "native-module-abi"


def test_a_held_lock_is_a_loop_only_where_something_starts_it_again():
    held = (
        "Gateway failed to start: gateway already running (pid 4); lock timeout after "
        "5000ms\nPort 18789 is already in use."
    )
    assert match(LIBRARY, "second gateway will not start", held)[0].case.slug == "port-in-use"
    assert (
        match(LIBRARY, "launchd respawns it again and again", held)[0].case.slug
        == "restart-loop-duplicate-supervisor"
    )


def test_the_agents_own_subsystem_is_no_embedding():
    line = (
        "[agent/embedded] embedded run agent end: isError=true error=HTTP 400 The requested "
        "model is not supported."
    )
    assert match(LIBRARY, "", line)[0].case.slug == "model-ref-invalid"


def test_a_hostile_symptom_costs_little():
    began = time.perf_counter()
    match(LIBRARY, "restart " * 4000 + "重启" * 4000, "")
    assert time.perf_counter() - began < 2.0
