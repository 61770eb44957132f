"""Every way to ask an AI, by id, in the order in which they are tried when the settings name none.
Adding one: one file, one line.
"""

from __future__ import annotations

from typing import Any, Dict, List

from . import claude, codex, command, gemini, http, iflow, opencode, qwen
from .base import Bridge, Status

BRIDGES: Dict[str, Bridge] = {
    "claude": claude.BRIDGE,
    "iflow": iflow.BRIDGE,
    "codex": codex.BRIDGE,
    "gemini": gemini.BRIDGE,
    "qwen": qwen.BRIDGE,
    "opencode": opencode.BRIDGE,
    "anthropic_http": http.ANTHROPIC,
    "openai_http": http.OPENAI,
    "command": command.BRIDGE,
}


def preferred(ctx: Any) -> List[Bridge]:
    """The bridges in the order of ai.prefer, then the rest; ai.only_preferred leaves the rest
    out.
    """
    wanted = [name for name in ctx.settings.get("ai.prefer") or [] if name in BRIDGES]
    if ctx.settings.get("ai.only_preferred"):
        return [BRIDGES[name] for name in wanted]
    return [BRIDGES[name] for name in dict.fromkeys(wanted + list(BRIDGES))]


def status(ctx: Any, bridge: Bridge) -> Status:
    """Installed, version, logged in or not: without a model call, within seconds."""
    from .child import version_of

    program = bridge.find(ctx)
    if not program:
        return Status(bridge.id, False, note=bridge.note)
    is_program = not program.startswith(("http://", "https://"))
    version = (
        ".".join(str(part) for part in version_of(ctx, program))
        if is_program and bridge.id != "command"
        else ""
    )
    return Status(bridge.id, True, program, version, bridge.login(ctx, program), bridge.note)
