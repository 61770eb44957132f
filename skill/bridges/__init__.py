"""Every way to ask an AI, by id, in the order in which they are tried when the settings name none,
and which of them the owner said yes to. Adding one: one file, one line.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from ..errors import SettingsError
from ..files import private_dir, read_json, write_json
from ..model import Text
from ..openclaw.home import Home
from . import claude, codex, command, gemini, http, iflow, opencode, qwen
from .base import Bridge, Status

if TYPE_CHECKING:
    from ..context import Context

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


def preferred(ctx: Context) -> List[Bridge]:
    """The bridges in the order of ai.prefer, then the rest; ai.only_preferred leaves the rest
    out.
    """
    wanted = [name for name in ctx.settings.get("ai.prefer") or [] if name in BRIDGES]
    if ctx.settings.get("ai.only_preferred"):
        return [BRIDGES[name] for name in wanted]
    return [BRIDGES[name] for name in dict.fromkeys(wanted + list(BRIDGES))]


def status(ctx: Context, bridge: Bridge) -> Status:
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


# -- consent: who may be sent the evidence of an outage ---------------
@dataclass(frozen=True)
class Offer:
    """One vendor that could be asked: what the owner is told before they say yes or no."""

    bridge: Bridge
    program: str
    to: str  # the host, or what stands for it; a consent holds for this one only
    whose: Text


def offers(ctx: Context) -> List[Offer]:
    """Every bridge with a program (or an endpoint) and a login of its own, in order. No model is
    called.
    """
    found: List[Offer] = []
    for bridge in preferred(ctx):
        try:
            program = bridge.find(ctx)
            if program and bridge.login(ctx, program) is not False:
                found.append(Offer(bridge, program, bridge.to(ctx), bridge.whose(ctx)))
        except Exception:  # one broken CLI must not hide the others
            continue
    return found


def _consents(home: Home) -> Dict[str, Any]:
    try:
        value = read_json(home.doctor_dir / "ai" / "consent.json", {})
    except SettingsError:  # damaged: nobody has said yes then
        return {}
    return value if isinstance(value, dict) else {}


def consent(ctx: Context, bridge: Bridge) -> Optional[bool]:
    """What the owner said of this vendor: yes, no, or nothing yet (None). Another address than the
    one that was agreed to has not been agreed to.
    """
    row = _consents(ctx.home).get(bridge.id)
    if not isinstance(row, dict) or not isinstance(row.get("yes"), bool):
        return None
    if row["yes"] and row.get("to") != bridge.to(ctx):
        return None
    return bool(row["yes"])


def remember(ctx: Context, bridge: Bridge, yes: Optional[bool], where: str) -> None:
    """Keep the owner's word. yes None: forget it, so that it is asked again. Raises OSError."""
    rows = _consents(ctx.home)
    rows.pop(bridge.id, None)
    if yes is not None:
        rows[bridge.id] = {
            "yes": yes,
            "to": bridge.to(ctx),
            "at": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(ctx.host.now())),
            "where": where,
        }
    folder = private_dir(private_dir(ctx.home.doctor_dir) / "ai")
    write_json(folder / "consent.json", rows)


def told(ctx: Context, offer: Offer) -> List[Text]:
    """What is said before the question, in plain words, one line each."""
    settings, bridge = ctx.settings, offer.bridge
    model = str((settings.get("ai.models") or {}).get(bridge.id, ""))
    named = (
        Text(model, model)
        if model
        else Text.of(
            "the default of {} (choose another: ai.models.{})",
            "{} 的默认模型（可用 ai.models.{} 另选）",
            bridge.title,
            bridge.id,
        )
    )
    usd = float(settings.get("ai.max_usd", 2))
    most = (
        Text.of("at most {:g} USD an incident", "每次事故最多 {:g} 美元", usd)
        if usd
        else Text("no cap in USD (ai.max_usd is 0)", "不设美元上限（ai.max_usd 为 0）")
    )
    return [
        Text.of(
            "{} may be asked when the gateway is down and no repair of ours helps.",
            "当网关故障且我们的修复都无效时，可以询问 {}。",
            bridge.title,
        ),
        Text.of("  program:   {}", "  程序：    {}", offer.program),
        Text.of(
            "  vendor:    {}, sent to {}", "  服务商：  {}，发送到 {}", bridge.vendor, offer.to
        ),
        Text.of("  paid by:   {}", "  费用由：  {} 支付", offer.whose),
        Text.of("  model:     {}", "  模型：    {}", named),
        Text(
            "  sent:      what is wrong, error lines, names of settings: some 5,000 tokens."
            " Secrets, chats,",
            "  发送内容：故障现象、错误行和设置项名称，约 5000 个 token。密钥、聊天、",
        ),
        Text(
            "             addresses, plugins' settings, prompts are taken out first. For example:",
            "            地址、插件设置和提示词会先被去掉。例如：",
        ),
        *(Text("             | " + line, "            | " + line) for line in EXAMPLE),
        Text(
            "             All of it: iflow-doctor ai run --show-prompt",
            "            随时查看全文：iflow-doctor ai run --show-prompt",
        ),
        Text.of(
            "  how often: at most {} calls an incident and {} a day",
            "  频率：    每次事故最多 {} 次，每天最多 {} 次",
            settings.get("ai.max_calls", 6),
            settings.get("ai.daily_budget", 20),
        ),
        Text.of("  cost:      {}, usually a few US cents", "  费用：    {}，通常几美分", most),
        Text(
            "  It can run nothing: it suggests one of our repairs, which is checked, verified and "
            "undone if it does not help.",
            "  它不能运行任何东西：只能建议我们的某个修复，经检查、验证，无效即撤销。",
        ),
    ]


EXAMPLE = (
    "state: misconfigured (OpenClaw refused to start, exit code 78)",
    '- gateway.port: Invalid input; now "21440"; takes {"type": "integer"}',
    'channels.telegram: {"enabled": true, "botToken": "<text of 46 characters>"}',
)
