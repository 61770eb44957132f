"""What a platform file is handed for one delivery: the way, its secrets (resolved only now), the
client, the clock.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Mapping, Optional

from ..context import Context
from ..errors import CannotTell, NotifyError
from ..files import append_line, private_dir
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
