"""What every delivery needs around it: the redactor, the language, and the log of what went
where.
"""

from __future__ import annotations

import contextlib
import json
from typing import Any, Callable

from ..context import Context
from ..files import append_line, private_dir

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
        from ..redact import Redactor

        clean: Callable[[str], str] = Redactor.for_gateway(ctx).clean
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
