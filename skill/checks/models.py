"""Model providers: can their address be reached from here, and is there a credential. Nothing is
asked of the model itself.
"""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Mapping, Tuple
from urllib.parse import urlsplit

from ..model import Check, Finding, Text
from ..openclaw.config import resolve
from .base import info, looking, warning

if TYPE_CHECKING:
    from ..host import Host
    from .base import Seen

TIMEOUT_S = 2.0
# Where OpenClaw goes for providers that need no baseUrl, and the variable that holds their key.
KNOWN: Dict[str, Tuple[str, str]] = {
    "openai": ("https://api.openai.com", "OPENAI_API_KEY"),
    "anthropic": ("https://api.anthropic.com", "ANTHROPIC_API_KEY"),
    "google": ("https://generativelanguage.googleapis.com", "GEMINI_API_KEY"),
    "openrouter": ("https://openrouter.ai", "OPENROUTER_API_KEY"),
    "deepseek": ("https://api.deepseek.com", "DEEPSEEK_API_KEY"),
    "moonshot": ("https://api.moonshot.cn", "MOONSHOT_API_KEY"),
    "xai": ("https://api.x.ai", "XAI_API_KEY"),
    "mistral": ("https://api.mistral.ai", "MISTRAL_API_KEY"),
}


def run(ctx: Seen) -> Iterable[Finding]:
    look = looking(ctx)
    data = (
        resolve(look.config.data, look.variables) if isinstance(look.config.data, Mapping) else {}
    )
    rows = providers(data)
    with ThreadPoolExecutor(max(1, min(8, len(rows)))) as pool:
        answers = list(pool.map(lambda row: reachable(look.host, row[1]), rows))
    failed = [(name, url, why) for (name, url), why in zip(rows, answers) if why]
    for name, url, why in failed:
        local = urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")
        alone = len(failed) == len(rows) and len(rows) > 1
        yield (info if alone and not local else warning)(
            "models/unreachable",
            "Model provider {} cannot be reached at {}: {}".format(name, url, why),
            "模型服务 {} 无法访问（{}）：{}".format(name, url, why),
            "models.providers." + name,
            None,
            provider=name,
            url=url,
            reason=why,
        )
    for name in without_key(data, look.variables):
        yield warning(
            "models/no-credentials",
            "Model provider {} has no key".format(name),
            "模型服务 {} 没有配置密钥".format(name),
            "models.providers.{}.apiKey".format(name),
            None,
            provider=name,
        )


def providers(data: Mapping[str, Any]) -> List[Tuple[str, str]]:
    """(name, URL) of every provider that the config names: models.providers.*, and the one of the
    default model.
    """
    models = data.get("models") if isinstance(data.get("models"), Mapping) else {}
    section = models.get("providers") if isinstance(models, Mapping) else None
    section = section if isinstance(section, Mapping) else {}
    found: Dict[str, str] = {}
    for name, entry in section.items():
        url = entry.get("baseUrl") if isinstance(entry, Mapping) else None
        if isinstance(url, str) and url.startswith(("http://", "https://")):
            found[str(name)] = url.split("?")[0]
        elif name in KNOWN:
            found[str(name)] = KNOWN[name][0]
    name = str(default_model(data)).split("/")[0]
    if name in KNOWN and name not in found:
        found[name] = KNOWN[name][0]
    return sorted(found.items())


def default_model(data: Mapping[str, Any]) -> str:
    """The default model in the new form (agents.defaults.model) or the old one (models.default); ""
    when none is named.
    """
    agents, models = data.get("agents"), data.get("models")
    defaults = agents.get("defaults") if isinstance(agents, Mapping) else None
    named = defaults.get("model") if isinstance(defaults, Mapping) else None
    if isinstance(named, Mapping):
        named = named.get("primary")
    if not named and isinstance(models, Mapping):
        named = models.get("default")
    return named if isinstance(named, str) else ""


def without_key(data: Mapping[str, Any], variables: Mapping[str, str]) -> List[str]:
    """Providers named in models.providers whose key is plainly absent: no apiKey, no variable, not
    on this machine.
    """
    models = data.get("models") if isinstance(data.get("models"), Mapping) else {}
    section = models.get("providers") if isinstance(models, Mapping) else None
    found = []
    for name, entry in section.items() if isinstance(section, Mapping) else ():
        if not isinstance(entry, Mapping) or name not in KNOWN or entry.get("auth"):
            continue
        if not entry.get("apiKey") and not variables.get(KNOWN[name][1]):
            found.append(str(name))
    return found


def reachable(host: Host, url: str) -> str:
    """ "" when a TCP connection to the address of `url` opens within 2 s; else why not, in one
    word.
    """
    parts = urlsplit(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return "bad port"
    connect = getattr(host, "connect", None) or (
        lambda address, timeout: socket.create_connection(address, timeout).close()
    )
    try:
        connect((parts.hostname or "", port), TIMEOUT_S)
    except socket.gaierror:
        return "name not found"
    except socket.timeout:
        return "timeout"
    except OSError as problem:
        return problem.strerror or problem.__class__.__name__
    return ""


CHECK = Check("models", Text("Model providers", "模型服务"), run)
