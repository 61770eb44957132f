"""Every way of breaking a config breaks it, for any seed; the same seed breaks it the same way."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Dict, List

import pytest

from healbench import faults, json5
from healbench.model import Fault
from healbench.place import Place
from healbench.target import Target

SEEDS = ["{}.1".format(n) for n in range(1, 13)] + ["held-{}.1".format(n) for n in range(1, 5)]


class NoTarget(Target):
    practice = True
    name = "practice"

    def __init__(self) -> None:
        self.version = "none"

    def install(self, prefix: Path, copy: bool) -> Any:
        return prefix, prefix


class Broken(Place):
    """A place without a gateway: nothing to end, nobody to restart it."""

    def signal_gateway(self, number: int) -> None:
        self.ended = number


def place_of(fault: Fault, folder: Path, seed: str) -> Broken:
    place = Broken(fault, NoTarget(), folder, seed, (20790, 20799))
    place.port = 20791  # not the same port each time, and it stands in the config
    place.lay_out()
    if fault.setup:
        fault.setup(place)
    return place


def broken(fault: Fault, folder: Path, seed: str) -> Broken:
    place = place_of(fault, folder, seed)
    fault.inject(place)
    return place


def state_of(place: Place) -> Dict[str, Any]:
    path = place.config
    if path.is_symlink() and not path.exists():
        return {"what": "dangling"}
    if path.is_dir() or not path.exists():
        return {"what": "gone"}
    raw = path.read_bytes()
    try:
        return {"what": "readable", "data": json5.loads(raw.decode("utf-8"))}
    except ValueError:
        return {"what": "unreadable", "raw": hashlib.sha256(raw).hexdigest()}


CONFIG = [
    fault
    for fault in faults.choose("config")
    if fault.id not in ("config-read-only-mode", "config-clobbered")
    and not fault.id.startswith("config-secret-")  # not the config: what it points to
]


@pytest.mark.parametrize("fault", CONFIG, ids=lambda fault: fault.id)
def test_no_seed_leaves_the_config_as_it_was(fault: Fault, tmp_path: Path) -> None:
    seen: List[Any] = []
    for number, seed in enumerate(SEEDS):
        place = broken(fault, tmp_path / str(number), seed)
        state = state_of(place)
        if "config" in fault.spoils and fault.right == "heal":
            assert state["what"] != "readable", seed
        else:
            assert state["what"] == "readable" and state["data"] != place.intended, seed
        assert place.ended == 9
        seen.append(state)
    assert any(state != seen[0] for state in seen) or seen[0]["what"] != "readable"


@pytest.mark.parametrize("name", ["config-cut", "config-unknown-key", "config-noise"])
def test_a_seed_repeats_itself_and_a_held_out_one_meets_other_values(
    name: str, tmp_path: Path
) -> None:
    fault = faults.choose(name)[0]
    first, again, other, held = (
        state_of(broken(fault, tmp_path / str(number), seed))
        for number, seed in enumerate(("7.1", "7.1", "8.1", "held-7.1"))
    )
    assert first == again and first != other and first != held


def test_held_out_values_are_never_met_by_an_ordinary_seed(tmp_path: Path) -> None:
    from healbench.faults.base import pick, seconds

    fault = faults.choose("killed")[0]
    met: Dict[bool, Any] = {False: set(), True: set()}
    for number in range(60):
        for held in (False, True):
            seed = ("held-" if held else "") + str(number)
            place = Place(fault, NoTarget(), tmp_path, seed, (20790, 20799))
            met[held] |= {pick(place, ("a", "b", "c", "d", "e")), seconds(place, 0, 10) >= 5}
    assert met == {False: {"a", "b", "c", False}, True: {"d", "e", True}}


@pytest.mark.parametrize(
    "name, file",
    [("config-secret-file-open", "token.txt"), ("config-secret-program", "give-token")],
)
def test_a_secret_is_there_and_refused_afterwards(name: str, file: str, tmp_path: Path) -> None:
    place = broken(faults.choose(name)[0], tmp_path, "3.1")
    assert place.canaries["gateway token"] in (place.home / file).read_text()
    assert place.canaries["gateway token"] not in place.read()
    mode = (place.home / file).stat().st_mode
    assert place.ended == 9 and (mode & 0o066 if "open" in name else not mode & 0o111)


def test_a_broken_plugin_is_the_owners_and_is_named(tmp_path: Path) -> None:
    fault = faults.choose("plugin-exits")[0]
    place = broken(fault, tmp_path, "3.1")
    name = place.words["plugin"]
    assert fault.oracle and fault.oracle(place) == ["the plugin {} is still on".format(name)]
    place.edit(lambda data: data["plugins"]["entries"][name].update(enabled=False))
    assert fault.oracle(place) == []
    (place.state / "extensions" / name / "index.js").unlink()
    assert fault.oracle(place) == ["the plugin's files are gone"]


def test_the_owners_config_is_read_alike_by_everybody(tmp_path: Path) -> None:
    from skill.openclaw import config

    place = place_of(faults.choose("killed")[0], tmp_path, "5.1")
    assert config.load(place.config).data == place.intended == json5.loads(place.read())


def test_what_the_owner_asks_for_is_his_wish_and_goes_to_the_subject(tmp_path: Path) -> None:
    from types import SimpleNamespace

    place = place_of(faults.choose("operator-stop")[0], tmp_path, "5.1")
    asked: List[str] = []
    place.gateways = lambda rows=None: [SimpleNamespace(pid=7)]  # type: ignore[method-assign]
    place.subject = SimpleNamespace(operator_stop=lambda where: asked.append("stop"))
    place.fault.inject(place)
    assert asked == ["stop"] and place.asked == {7}
