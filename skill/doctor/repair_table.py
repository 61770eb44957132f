"""Which finding is answered by which repair, in order. Data: a row needs no code, and the first row
that can be planned wins.

params may name values of the finding: "$path" is its path, "$evidence.x" a detail of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ..model import NOT_SERVING, Evidence, Finding, Severity, Verdict


@dataclass(frozen=True)
class Row:
    """check: finding id this row answers ("" for none: it only needs `when`). certain: a GUARDED
    repair may run unattended.
    """

    check: str
    repair: str
    params: Mapping[str, Any] = field(default_factory=dict)
    when: Evidence = Evidence()
    certain: bool = True


DOWN = "state:" + "|".join(state.value for state in NOT_SERVING)
NOT_UP = Evidence(all=(DOWN,))
PARSES = Evidence(
    all=(DOWN,), none=("config/syntax", "config/empty", "config/missing", "config/include-missing")
)

# Only a person can fix these: say so at once, no restart, no AI.
PERSON: Tuple[Row, ...] = (
    Row("port/foreign-owner", "tell-person"),
    Row("port/other-gateway", "tell-person"),
    Row("permissions/not-owner", "tell-person", when=NOT_UP),
    Row("permissions/temp-folder", "tell-person", when=NOT_UP),
    Row("config/unreadable", "tell-person"),
    Row("disk/read-only", "tell-person", when=NOT_UP),
    Row("database/newer", "tell-person", when=NOT_UP),
    Row(
        "config/version-newer",
        "tell-person",
        when=Evidence(all=(DOWN, "installation/version-changed")),
    ),
    Row("clock/implausible", "tell-person"),
)

# Certain causes, most fundamental first: a gateway that cannot read its config says nothing useful
# about anything else.
SPECIFIC: Tuple[Row, ...] = (
    # it blocks every start, and OpenClaw does not take it over by itself
    Row("lock/reclaim-guard", "clear-stale-lock", when=NOT_UP),
    Row("disk/full", "free-disk"),
    Row("disk/inodes", "free-disk"),
    # Before what its broken words may look like: a program that is gone, an OpenClaw that is not
    # installed.
    Row("service/unit-broken", "restore-service-unit", when=NOT_UP),
    Row("node/bad-options", "repair-service-env", when=NOT_UP),
    Row("node/small-heap", "repair-service-env", when=NOT_UP),
    Row("node/too-old", "repair-service-env", when=NOT_UP),
    Row("node/missing", "repair-service-env", when=NOT_UP),
    Row("service/node-missing", "repair-service-env", when=NOT_UP),
    Row("service/environment", "repair-service-env", when=NOT_UP),
    Row("service/environment", "repair-service-env", when=Evidence(all=("state:impostor",))),
    Row("resources/fd-limit", "repair-service-env", when=NOT_UP),
    Row("installation/missing-file", "reinstall-openclaw", when=NOT_UP),
    Row("installation/missing", "reinstall-openclaw", when=NOT_UP),
    Row("installation/native-module", "rebuild-native-module", when=NOT_UP),
    Row("config/missing", "restore-config"),
    Row("config/empty", "restore-config"),
    Row("config/syntax", "restore-config"),
    Row("config/include-missing", "restore-config"),
    Row("config/shrunk", "revert-config-keys", {"lost": True}, NOT_UP),
    Row("config/version-newer", "revert-config-keys", {"paths": ["$path"]}, PARSES),
    Row("config/variable-missing", "revert-config-keys", {"variables": ["$evidence.name"]}),
    Row("config/unrecognized-key", "revert-config-keys", {"paths": ["$path"]}, NOT_UP),
    Row("config/unrecognized-key", "unset-config-key", {"path": "$path"}, NOT_UP),
    Row("config/invalid-value", "revert-config-keys", {"paths": ["$path"]}, PARSES),
    Row(
        "config/bind-without-auth",
        "revert-config-keys",
        {"paths": ["gateway.bind", "gateway.auth"]},
        PARSES,
    ),
    Row(
        "config/bind-without-auth",
        "set-config-key",
        {"path": "gateway.bind", "value": "loopback"},
        PARSES,
    ),
    Row("config/auth-missing", "revert-config-keys", {"paths": ["gateway.auth"]}, PARSES),
    Row("config/mode-missing", "revert-config-keys", {"paths": ["gateway.mode"]}, PARSES),
    Row(
        "config/mode-missing", "set-config-key", {"path": "gateway.mode", "value": "local"}, PARSES
    ),
    Row("config/tls-files", "revert-config-keys", {"paths": ["gateway.tls"]}, PARSES),
    Row("config/secret-missing", "revert-config-keys", {"paths": ["$path"]}, PARSES),
    Row("config/channel-plugin-missing", "revert-config-keys", {"paths": ["$path"]}, PARSES),
    Row("config/models-missing", "revert-config-keys", {"paths": ["$path"]}, PARSES),
    Row("plugins/slot-missing", "revert-config-keys", {"paths": ["$path"]}, PARSES),
    Row("plugins/slot-missing", "unset-config-key", {"path": "$path"}, PARSES),
    Row("config/invalid-value", "openclaw-doctor-fix", when=PARSES),
    Row("config/invalid-value", "unset-config-key", {"path": "$path"}, PARSES),
    Row("config/unrecognized-key", "openclaw-doctor-fix", when=PARSES),
    Row("database/corrupt", "quarantine-database", when=NOT_UP),
    Row("database/corrupt", "quarantine-database", {"backup": False}, NOT_UP),
    Row("plugins/crash", "disable-plugin", {"plugin": "$evidence.plugin"}),
    Row("plugins/crash", "quarantine-plugin", {"plugin": "$evidence.plugin"}),
    Row("service/missing", "reinstall-service", when=NOT_UP),
    Row("service/start-limit", "reset-failed", when=NOT_UP),
    Row("service/disabled", "reload-keepalive", when=NOT_UP),
    Row("channels/suppressed", "resume-channels", when=Evidence(all=("state:safe_mode",))),
)

# After the rows above: what is left of these is for a person, whatever else could be tried.
PERSON_AFTER: Tuple[Row, ...] = (
    Row("disk/full", "tell-person"),
    Row("disk/inodes", "tell-person"),
    Row("node/too-old", "tell-person", when=NOT_UP),
    Row("node/missing", "tell-person", when=NOT_UP),
    Row("config/version-newer", "tell-person", when=NOT_UP),
    Row("service/node-missing", "tell-person", when=NOT_UP),
    Row("service/unit-broken", "tell-person", when=NOT_UP),
    Row("permissions/not-writable", "tell-person", when=NOT_UP),
    Row("permissions/dangling-link", "tell-person", when=NOT_UP),
    Row("permissions/not-a-folder", "tell-person", when=NOT_UP),
    Row("lock/live-owner", "tell-person", when=Evidence(all=("state:impostor",))),
    Row("lock/owner-lease", "tell-person", when=NOT_UP),
)

# No certain cause. First what is cheap and changes nothing.
CHEAP: Tuple[Row, ...] = (
    Row("process/busy", "disable-plugin", when=Evidence(all=(DOWN, "plugins/new-since-good"))),
    Row("process/stopped", "end-stale-process", when=NOT_UP),
    Row("process/busy", "end-stale-process", when=NOT_UP),
    Row("process/zombie-no-port", "end-stale-process", when=NOT_UP),
    Row("health/hung", "end-stale-process", when=NOT_UP),
    Row("", "end-stale-process", when=Evidence(all=("state:hung|zombie",))),
    Row("service/exit-78", "reset-failed", when=NOT_UP),
    Row("service/failed", "reset-failed", when=NOT_UP),
    Row("", "start", when=Evidence(all=("state:down|misconfigured",))),
)

# Then what changed since the last good run, each verified by the gateway and rolled back when it
# does not help.
CHANGED: Tuple[Row, ...] = (
    Row("plugins/load-failed", "disable-plugin", {"plugin": "$evidence.plugin"}, PARSES),
    Row(
        "lock/stale", "clear-stale-lock", when=NOT_UP
    ),  # after a plain start: OpenClaw reclaims most by itself
    Row("service/environment-changed", "repair-service-env", {"changed": True}, NOT_UP),
    Row("service/unit-changed", "restore-service-unit", when=NOT_UP),
    Row("config/changed", "revert-config-keys", when=PARSES),
    Row("plugins/new-since-good", "disable-plugin", when=PARSES),
    Row("plugins/new-since-good", "quarantine-plugin", when=NOT_UP),
)

# Last before an AI: OpenClaw's own doctor, for a config that validation calls wrong. Not for a
# refused migration: that is a case's (CASE-039), after a verified backup of the databases.
LAST: Tuple[Row, ...] = tuple(
    Row(check, "openclaw-doctor-fix", when=NOT_UP)
    for check in (
        "config/invalid-value",
        "config/unrecognized-key",
        "config/syntax",
        "config/channel-plugin-missing",
    )
)

# The fault is certainly gone when this finding is: such a repair is kept even while another fault
# still keeps the gateway down.
PROVABLE = ("config/", "database/", "node/", "service/", "installation/", "disk/", "lock/")
UNPROVABLE = ("config/changed", "service/unit-changed")

# Facts that are no fault by themselves and still lead to a repair, late in the ladder. Any other
# INFO finding never acts.
BY_THE_WAY = (
    "config/changed",
    "service/environment-changed",
    "service/unit-changed",
    "plugins/new-since-good",
    "lock/stale",
)


def holds(evidence: Evidence, verdict: Verdict) -> bool:
    """Does this evidence hold for what was seen?"""
    if any(term_holds(term, verdict) for term in evidence.none):
        return False
    if not all(term_holds(term, verdict) for term in evidence.all):
        return False
    return not evidence.any or any(term_holds(term, verdict) for term in evidence.any)


def term_holds(term: str, verdict: Verdict) -> bool:
    """One term: "state:a|b", "exit:78|1", or a check id whose trailing * matches any."""
    kind, _colon, rest = term.partition(":")
    if kind == "state":
        return verdict.state.value in rest.split("|")
    if kind == "exit":
        return verdict.exit_code is not None and str(verdict.exit_code) in rest.split("|")
    if term.endswith("*"):
        return any(f.check_id.startswith(term[:-1]) for f in verdict.findings)
    return verdict.has(term)


def rows_for(
    rows: Tuple[Row, ...], verdict: Verdict
) -> List[Tuple[Row, Optional[Finding], Dict[str, Any]]]:
    """Rows whose finding is there and whose evidence holds, once for every such finding, with their
    params filled in.
    """
    found: List[Tuple[Row, Optional[Finding], Dict[str, Any]]] = []
    for row in rows:
        if not holds(row.when, verdict):
            continue
        if not row.check:
            found.append((row, None, dict(row.params)))
            continue
        for finding in verdict.findings:
            if finding.check_id == row.check and (
                finding.severity is not Severity.INFO or row.check in BY_THE_WAY
            ):
                params = {key: _filled(value, finding) for key, value in row.params.items()}
                if all(value is not None and value != [None] for value in params.values()):
                    found.append((row, finding, params))
    return found


def _filled(value: Any, finding: Finding) -> Any:
    if isinstance(value, list):
        return [_filled(item, finding) for item in value]
    if value == "$path":
        return finding.path or None
    if isinstance(value, str) and value.startswith("$evidence."):
        return finding.evidence.get(value[len("$evidence.") :])
    return value
