"""What a platform file is handed for one delivery: the way, its secrets (resolved only now), the
client, the clock.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Mapping, Optional

from ..context import Context
from ..errors import CannotTell, NotifyError
from ..model import Text
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
