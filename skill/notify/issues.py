"""One issue on GitHub (or Gitea) for each problem that is left to the owner, opt-in.

One per fingerprint, a comment when it comes again, closed when it is over. Nothing is sent twice
although we may be killed between a request and its note: before each write the repository itself
is asked whether what we are about to write is there already, by a mark in its text.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import time
from functools import partial
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple
from urllib.parse import quote

from ..context import Context
from ..errors import AlreadyRunning, NotifyError, SettingsError
from ..files import private_dir, read_json, write_json
from ..locks import owned_lock
from ..model import STATE_NAMES, State, Text
from ..openclaw import channels, known_secrets
from ..redact import drop_chat, visible
from ..store import fleet, watch_state
from ..store.records import Store
from .incidents import span

LABEL = "iflow-doctor"
PAGES = 20  # of 100 issues each that are looked through for ours
BODY = 60_000  # characters; GitHub takes 65,536
LOOK_BACK_S = 30 * 86400.0  # an incident that is older is not reported any more
CONNECT_S, READ_S = 5.0, 15.0
ANSWER_BYTES = 8_000_000


# -- what is reported -----------------------------------------------------------------------------
def left_to_owner(ctx: Context) -> List[Dict[str, Any]]:
    """Return the incidents of level 4, oldest first; "over": whether it has recovered since."""
    now = ctx.host.now()
    rows = {
        str(row["id"]): {**row, "over": bool(row.get("verified") or row.get("closed"))}
        for row in Store(ctx.home).all()
        if row.get("level") == 4
        and isinstance(row.get("opened"), (int, float))
        and now - float(row["opened"]) < LOOK_BACK_S
    }
    state, _damaged = watch_state.peek(ctx.home)
    open_now = state.incident if state else None
    if open_now and (open_now.escalated or open_now.id in rows):
        known = rows.get(open_now.id, {})
        rows[open_now.id] = {
            "opened": open_now.since,
            "state": open_now.state,
            "cause": open_now.cause.en,
            **known,
            "id": open_now.id,
            "over": False,
        }
    return sorted(rows.values(), key=lambda row: float(row["opened"]))


def chosen(ctx: Context, code: str) -> Optional[Mapping[str, Any]]:
    """Return the incident with this code, or the newest; None where there is none."""
    rows = [row for row in left_to_owner(ctx) if code.lower() in str(row["id"]).lower()]
    return rows[-1] if rows else None


def place_of(ctx: Context) -> str:
    """Return what this gateway is called: several may report to one repository."""
    return fleet.labels_of(ctx.host, ctx.home, ctx.settings)["gateway"]


def fingerprint(ctx: Context, row: Mapping[str, Any]) -> str:
    """Return a name of the problem itself: the same problem of the same gateway has the same, on
    every day.
    """
    told = row.get("case") or sorted(str(one) for one in row.get("errors") or ())
    # what it said last may hold numbers that are others each time
    cause = re.sub(
        r'"[^"]*"', lambda m: re.sub(r"\d+", "0", m.group(0)), str(row.get("cause") or "")
    )
    said = [told or cause, row.get("state"), place_of(ctx)]
    whole = json.dumps(said, ensure_ascii=False)
    return hashlib.sha256(whole.encode("utf-8", "replace")).hexdigest()[:12]


def text_of(ctx: Context, row: Mapping[str, Any]) -> Tuple[str, str]:
    """Return title and body, without a secret."""
    redactor = known_secrets.redactor(ctx)

    def clean(text: str) -> str:
        return redactor.clean(drop_chat(visible(text)))

    state = str(row.get("state") or "")
    name = STATE_NAMES[State(state)].en if state in State._value2member_map_ else state or "?"
    said = _flat(clean(str(row.get("cause") or name)))
    cause = _inert(said)
    lines = [
        "OpenClaw's gateway needs its owner: the doctor did not bring it back by itself.",
        "",
        "- **Gateway**: {}".format(_inert(clean(place_of(ctx)))),
        "- **State**: {}".format(_inert(name)),
        "- **Since**: {}".format(_stamp(row.get("opened"))),
        "- **Cause**: {}".format(cause),
    ]
    found = ", ".join("`{}`".format(_name(one)) for one in (row.get("errors") or ())[:20])
    if found:
        lines.append("- **Evidence**: {}".format(found))
    acts = [act for act in row.get("actions") or () if isinstance(act, Mapping)]
    if acts:
        lines += ["", "Tried:"]
        lines += [
            "- `{}`: {}".format(_name(act.get("repair")), _name(act.get("outcome")))
            for act in acts[:20]
        ]
    logged = [clean(str(line)) for line in row.get("lines") or ()][:20]
    if logged:
        # a mark of ours in somebody's log line must not be taken for ours
        shown = (_flat(line).replace("<!--", "<! --")[:400] for line in logged)
        lines += ["", "Log:", "", *("    " + line for line in shown)]
    lines += ["", "On the machine: `iflow-doctor incident {}`".format(_name(row.get("id")))]
    lines += ["", mark("fingerprint", fingerprint(ctx, row)), mark("incident", str(row.get("id")))]
    return "OpenClaw: " + said[:120], "\n".join(lines)[:BODY]


def _stamp(value: Any) -> str:
    at = float(value) if isinstance(value, (int, float)) else 0.0
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _inert(text: str) -> str:
    """Nothing of it mentions somebody, links to another issue, or is markup."""
    return re.sub(r"([\\`*_{}\[\]<>#@|!])", r"\\\1", _flat(text)).replace("\\@", "@\u200b")


def _name(value: Any) -> str:
    return re.sub(r"[^A-Za-z0-9_./:-]", "-", str(value or "-"))[:80]


def mark(kind: str, value: str) -> str:
    """Return what we find our own texts by; a reader does not see it."""
    return "<!-- {}-{}:{} -->".format(LABEL, kind, _name(value))


# -- the API --------------------------------------------------------------------------------------
class Api:
    """What is used of a repository's REST API; GitHub's and Gitea's are the same here. Raise
    NotifyError.
    """

    def __init__(self, base: str, repository: str, token: str, env: Mapping[str, str]) -> None:
        import requests

        self.root = base.rstrip("/") + "/repos/" + quote(repository)
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = env.get("REQUESTS_CA_BUNDLE") or env.get("SSL_CERT_FILE") or True
        self.session.headers.update(
            {
                "Authorization": "Bearer " + token,
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": "2022-11-28",
                "User-Agent": "openclaw-iflow-doctor",
            }
        )

    def ask(self, method: str, path: str, body: Optional[Mapping[str, Any]] = None) -> Any:
        """Return (value, headers) of one request."""
        import requests

        try:
            with self.session.request(
                method,
                self.root + path,
                json=body,
                timeout=(CONNECT_S, READ_S),
                allow_redirects=False,
                stream=True,
            ) as reply:
                raw = reply.raw.read(ANSWER_BYTES, decode_content=True)
                status, headers = (
                    reply.status_code,
                    {k.lower(): v for k, v in reply.headers.items()},
                )
        except requests.exceptions.RequestException as error:
            name = type(error).__name__
            raise NotifyError(Text.of("no answer: {}", "没有响应：{}", name)) from None
        try:
            value = json.loads(raw.decode("utf-8")) if raw else {}
        except ValueError:
            value = {}
        self._check(status, headers, value)
        return value, headers

    def _check(self, status: int, headers: Mapping[str, str], value: Any) -> None:
        """429 and a 403 with an empty budget pass, 5xx passes, other refusals stay."""
        if status < 300:
            return
        said = str(value.get("message") or "")[:160] if isinstance(value, dict) else ""
        error = Text.of("HTTP {} {}", "HTTP {} {}", status, said)
        wait = headers.get("retry-after")
        if wait is None and headers.get("x-ratelimit-remaining") == "0":
            with contextlib.suppress(ValueError):
                wait = str(max(1.0, float(headers.get("x-ratelimit-reset", "")) - time.time()))
        if status == 429 or status == 403 and (wait is not None or "rate limit" in said.lower()):
            with contextlib.suppress(ValueError):
                raise NotifyError(error, retry_after=min(3600.0, float(wait or 60.0)))
            raise NotifyError(error, retry_after=60.0)
        raise NotifyError(error, permanent=status < 500)

    def pages(self, path: str) -> Iterator[Any]:
        """Yield every row of a listing, page by page as its Link header says."""
        glue = "&" if "?" in path else "?"
        for number in range(1, PAGES + 1):
            rows, headers = self.ask("GET", "{}{}per_page=100&page={}".format(path, glue, number))
            yield from rows if isinstance(rows, list) else ()
            if 'rel="next"' not in headers.get("link", ""):
                return

    def private(self) -> bool:
        value, _headers = self.ask("GET", "")
        return bool(isinstance(value, dict) and value.get("private"))


# -- bringing the repository up to date -----------------------------------------------------------
class Ours(NamedTuple):
    """An issue of ours in the repository."""

    number: int
    body: str
    open: bool


def sync(ctx: Context, api: Optional[Api] = None) -> List[str]:
    """Open, comment and close what is due; return what was done, one line each. Raise NotifyError,
    CannotTell. Without a repository, or while another one does it, nothing is done.
    """
    repository = str(ctx.settings.get("issues.repository", "") or "")
    rows = left_to_owner(ctx)
    if not repository or not rows:
        return []
    with contextlib.suppress(AlreadyRunning):
        private_dir(ctx.home.doctor_dir)
        with owned_lock(ctx.home.doctor_dir / "issues.lock", "the issues"):
            return _sync(ctx, repository, rows, api)
    return []


def _sync(
    ctx: Context, repository: str, rows: List[Dict[str, Any]], api: Optional[Api]
) -> List[str]:
    path = ctx.home.doctor_dir / "issues.json"
    try:
        noted = read_json(path, {})
    except SettingsError:
        noted = {}
    noted = noted if isinstance(noted, dict) and noted.get("repository") == repository else {}
    noted = {"repository": repository, "done": [], "not_before": 0.0, **noted}
    due = [
        row
        for row in rows
        if not {"opened", *(["closed"] if row["over"] else [])} <= _done(noted, row)
    ]
    if not due or ctx.host.now() < float(noted["not_before"]):
        return []
    if api is None:
        raw = ctx.settings.get("issues.token", "")
        token = channels.read(ctx.host, ctx.home).secrets.reveal(raw)
        api = Api(str(ctx.settings["issues.api"]), repository, token, ctx.host.env)
    try:
        if not ctx.settings.get("issues.public", False) and not api.private():
            raise NotifyError(
                Text.of(
                    "{} is public: nothing was sent (issues.public=true allows it)",
                    "{} 是公开仓库，未发送（issues.public=true 可允许）",
                    repository,
                ),
                permanent=True,
            )
        known = _ours(api)
        done: List[str] = []
        for row in due:
            done += _one(ctx, api, row, known, partial(_note, path, noted, row))
        return done
    except NotifyError as error:
        noted["not_before"] = ctx.host.now() + (
            error.retry_after or (3600.0 if error.permanent else 60.0)
        )
        write_json(path, noted)
        raise


def _done(noted: Mapping[str, Any], row: Mapping[str, Any]) -> "set[str]":
    begin = str(row["id"]) + " "
    return {str(one)[len(begin) :] for one in noted["done"] if str(one).startswith(begin)}


def _note(path: Any, noted: Dict[str, Any], row: Mapping[str, Any], word: str) -> None:
    entry = "{} {}".format(row["id"], word)
    if entry not in noted["done"]:
        noted["done"] = [*noted["done"], entry][-1000:]
        write_json(path, noted)


def _ours(api: Api) -> Dict[str, Ours]:
    """Return our issues by fingerprint, the newest where there are several."""
    found: Dict[str, Ours] = {}
    sign = re.compile(re.escape("<!-- {}-fingerprint:".format(LABEL)) + r"([0-9a-f]{12}) -->")
    for row in api.pages("/issues?state=all&labels={}".format(LABEL)):
        body = str(row.get("body") or "") if isinstance(row, dict) else ""
        mine = sign.search(body)
        if mine and "pull_request" not in row and isinstance(row.get("number"), int):
            one = Ours(row["number"], body, row.get("state") == "open")
            if mine.group(1) not in found or found[mine.group(1)].number < one.number:
                found[mine.group(1)] = one
    return found


def _one(
    ctx: Context,
    api: Api,
    row: Mapping[str, Any],
    known: Dict[str, Ours],
    note: Callable[[str], None],
) -> List[str]:
    """Bring one incident's issue up to date."""
    done: List[str] = []
    title, body = text_of(ctx, row)
    name, sign = fingerprint(ctx, row), mark("incident", str(row["id"]))
    issue = known.get(name)
    if issue is None:
        whole = {"title": title, "body": body, "labels": [LABEL]}
        value, _headers = api.ask("POST", "/issues", whole)
        number = value.get("number") if isinstance(value, dict) else None
        if not isinstance(number, int):
            raise NotifyError(Text("no number came back", "没有返回编号"))
        issue = known[name] = Ours(number, body, True)
        done.append("#{} opened".format(number))
    elif sign not in issue.body and not _said(api, issue.number, sign):
        said = "It came again.\n\n" + body
        api.ask("POST", "/issues/{}/comments".format(issue.number), {"body": said[:BODY]})
        done.append("#{} commented".format(issue.number))
        if not issue.open and not row["over"]:
            api.ask("PATCH", "/issues/{}".format(issue.number), {"state": "open"})
            issue = known[name] = issue._replace(open=True)
            done.append("#{} reopened".format(issue.number))
    note("opened")
    if row["over"]:
        over = mark("over", str(row["id"]))
        if not _said(api, issue.number, over):
            took = row.get("healed_s")
            after = span(float(took)).en if isinstance(took, (int, float)) else "some time"
            said = "Recovered after {}; the gateway is ready.\n\n{}".format(after, over)
            api.ask("POST", "/issues/{}/comments".format(issue.number), {"body": said})
        if issue.open:
            closed = {"state": "closed", "state_reason": "completed"}
            api.ask("PATCH", "/issues/{}".format(issue.number), closed)
            known[name] = issue._replace(open=False)
            done.append("#{} closed".format(issue.number))
        note("closed")
    return done


def _said(api: Api, number: int, sign: str) -> bool:
    """Whether a comment of this issue bears the mark."""
    rows = api.pages("/issues/{}/comments".format(number))
    return any(sign in str(row.get("body") or "") for row in rows if isinstance(row, dict))
