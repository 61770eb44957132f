"""What a platform file is handed for one delivery: the way, its secrets (resolved only now), the
client, the clock.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from ..context import Context
from ..errors import CannotTell, NotifyError
from ..files import append_line, json_bounded, private_dir, write_atomic
from ..model import Text
from ..openclaw import known_secrets
from ..openclaw.channels import Way
from ..openclaw.secrets import Secrets
from . import routes
from .http import Answer, Post


@dataclass
class Call:
    ctx: Context
    way: Way
    secrets: Secrets
    client: Post
    batch: str = ""  # names the message, the same on every attempt
    reply_to: str = ""  # the platform's id of the incident's first message on this way
    tokens: Dict[str, str] = field(default_factory=dict)  # shared by the deliveries of one flush

    @property
    def key(self) -> str:
        """Idempotency key: same message and same way, same key. 25 characters, Discord's bound."""
        return hashlib.sha256(
            "{}|{}".format(self.batch, self.way.id).encode("utf-8", "replace")
        ).hexdigest()[:25]

    def now(self) -> float:
        return self.ctx.host.now()

    def secret(self, name: str) -> str:
        """Resolve one credential. A missing one is permanent for this way, and says which reference
        could not be read.
        """
        try:
            return self.secrets.reveal(self.way.secrets.get(name))
        except CannotTell as error:
            raise NotifyError(
                Text.of("{}.{}: {}", "{}.{}:{}", self.way.where, name, error.text), permanent=True
            ) from None

    def has(self, name: str) -> bool:
        return bool(self.way.secrets.get(name))

    def base(self, official: str) -> str:
        return routes.base(self.ctx, self.way, official)

    def url(self) -> str:
        return routes.redirected(self.ctx, self.way, self.secret("url"))

    def post(self, url: str, body: Any, headers: Optional[Mapping[str, str]] = None) -> Answer:
        return self.client(url, body, headers or {}, self.way.proxy)

    def token(self, get: Callable[[], str], name: str = "") -> str:
        """The account's access token (or the `name`d thing), asked for once per flush."""
        name = name or self.account
        if name not in self.tokens:
            self.tokens[name] = get()
        return self.tokens[name]

    @property
    def account(self) -> str:
        return "{}:{}".format(self.way.platform, self.way.account)

    def forget_token(self) -> None:
        self.tokens.pop(self.account, None)


CHINESE = (
    "feishu",
    "dingtalk",
    "wecom",
)  # whose readers get Chinese where neither the setting nor the locale says anything


def redactor(ctx: Context) -> Callable[[str], str]:
    """What every text passes before it leaves. When the redactor itself fails, long tokens are
    blanked rather than sent.
    """
    try:
        clean: Callable[[str], str] = known_secrets.redactor(ctx).clean
        clean("probe")
        return clean
    except Exception:
        import re

        return lambda text: re.sub(r"[A-Za-z0-9_\-+/=]{24,}", "***", text)


def log(ctx: Context, event: str, **facts: Any) -> None:
    """One JSON line in <doctor_dir>/notify.log. Never raises."""
    with contextlib.suppress(OSError):
        private_dir(ctx.home.doctor_dir)
        row = {"at": round(ctx.host.now(), 3), "event": event, **facts}
        append_line(
            ctx.home.doctor_dir / "notify.log", json.dumps(row, ensure_ascii=False), 1_000_000, 3
        )


def language(ctx: Context, platform: str) -> str:
    """The setting, else the locale, else what the platform's readers speak."""
    wanted = str(ctx.settings.get("lang", "auto"))
    if wanted in ("zh", "en"):
        return wanted
    locale = next(
        (
            ctx.host.env[name]
            for name in ("LC_ALL", "LC_MESSAGES", "LANG")
            if ctx.host.env.get(name)
        ),
        "",
    )
    if locale.lower().startswith("zh"):
        return "zh"
    if locale and locale.split(".")[0] not in ("C", "POSIX"):
        return "en"
    return "zh" if platform in CHINESE else "en"


# (platform, kind) -> [(messages, seconds)]. Sources: the vendors' public documents, kept one below
# their limit where it is a block.
LIMITS: Dict[Tuple[str, str], List[Tuple[int, float]]] = {
    ("feishu", "app"): [(5, 1)],
    ("feishu", "hook"): [(5, 1), (99, 60)],
    ("dingtalk", "app"): [(5, 1)],
    ("dingtalk", "robot"): [(19, 60)],  # over 20 in a minute blocks the robot for ten
    ("discord", "bot"): [(5, 5)],
    ("discord", "hook"): [(5, 2), (30, 60)],
    ("telegram", "bot"): [(1, 1), (20, 60)],
    ("slack", "bot"): [(1, 1)],
    ("slack", "hook"): [(1, 1)],
    ("wecom", "hook"): [(19, 60)],
}
OTHER = [(5, 1.0)]
BACKOFF = (
    0.5,
    1.0,
    2.0,
    4.0,
    8.0,
    15.0,
    30.0,
    30.0,
    60.0,
)  # seconds after the 1st, 2nd, ... failure in a row
# a refusal that trying cannot help is tried again this rarely: somebody may have added the bot to
# the group
PERMANENT_S = 600.0


@dataclass
class Pace:
    path: Path
    ways: Dict[str, Dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> "Pace":
        try:
            value = json_bounded(path.read_text("utf-8"))
        except (OSError, ValueError):
            value = {}
        return cls(
            path,
            {k: v for k, v in value.items() if isinstance(v, dict)}
            if isinstance(value, dict)
            else {},
        )

    def save(self) -> None:
        try:
            private_dir(self.path.parent)
            write_atomic(self.path, json.dumps(self.ways) + "\n")
        except OSError:  # a full disk must not stop the alert about it
            pass

    def ready_at(self, way: Way, now: float) -> float:
        """Epoch seconds from which the way may be used; <= now: at once."""
        entry = self.ways.get(way.id, {})
        start = float(entry.get("not_before", 0))
        start = 0.0 if start > now + 4 * 3600 else start  # the clock was set back
        recent = [t for t in entry.get("recent", []) if now - 3600 < t <= now + 1]
        for count, period in LIMITS.get((way.platform, way.kind), OTHER):
            if len(recent) >= count and recent[-count] + period > now:
                start = max(start, recent[-count] + period)
        return start

    def resting(self, way: Way, now: float) -> bool:
        """True while a failure of this way is not over (a mere rate limit is not a failure)."""
        entry = self.ways.get(way.id, {})
        return (
            bool(entry.get("fails")) and now < float(entry.get("not_before", 0)) <= now + 4 * 3600
        )

    def using(self, way: Way, now: float) -> None:
        """Reserve a slot before sending: a send that is killed counts too."""
        entry = self.ways.setdefault(way.id, {})
        entry["recent"] = [t for t in entry.get("recent", []) if now - 61 < t <= now + 1][-99:] + [
            now
        ]
        self.save()

    def accepted(self, way: Way) -> None:
        entry = self.ways.setdefault(way.id, {})
        for key in ("fails", "not_before", "permanent", "error"):
            entry.pop(key, None)

    def failed(self, way: Way, error: NotifyError, now: float) -> None:
        entry = self.ways.setdefault(way.id, {})
        entry["fails"] = int(entry.get("fails", 0)) + 1
        rest = PERMANENT_S if error.permanent else BACKOFF[min(entry["fails"], len(BACKOFF)) - 1]
        if error.retry_after is not None and not error.permanent:
            rest = max(error.retry_after, min(rest, 10.0))  # the platform knows best
        entry.update(not_before=now + rest, permanent=error.permanent, error=error.message[:200])
        self.save()
