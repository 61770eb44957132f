"""config --get and --list never print a secret that they hold."""

from __future__ import annotations

from skill.commands.config import masked


def test_secrets_are_masked_and_references_are_not():
    hook = {
        "feishu": {"url": "https://open.feishu.cn/open-apis/bot/v2/hook/canary", "secret": "canary"}
    }
    shown = masked("notify.webhooks", hook)
    assert "canary" not in str(shown) and shown["feishu"]["url"] == "https://open.feishu.cn/***"
    assert masked("ai.openai_http.key", "${MY_KEY}") == "${MY_KEY}"
    reference = {"source": "env", "provider": "default", "id": "MY_KEY"}
    assert masked("ai.openai_http.key", reference) == reference
    assert (
        masked("check_interval", 10) == 10
        and masked("gateway_url", "http://127.0.0.1:1/") == "http://127.0.0.1:1/"
    )
