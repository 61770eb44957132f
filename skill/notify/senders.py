"""The platforms: a literal registry. A member has form(doc) -> what the platform gets, and
send(call, doc) -> message id.
"""

from __future__ import annotations

from typing import Any, Dict

from . import apprise, dingtalk, discord, feishu, slack, telegram, webhook, wecom

SENDERS: Dict[str, Any] = {
    "feishu": feishu,
    "dingtalk": dingtalk,
    "discord": discord,
    "telegram": telegram,
    "slack": slack,
    "wecom": wecom,
    "webhook": webhook,
    "apprise": apprise,
}
THREADS = ("discord", "telegram", "slack")  # whose messages can answer the incident's first one
