"""The user's config checker, also the pre-flight before a start: file, syntax, required fields,
validity, models, port.

Understands the old form (models.default) and the new one (models.providers, agents.defaults.model).
Changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Iterator, List, Mapping, Optional, Tuple

from .checks import config as config_check
from .checks import models as models_check
from .checks import rivals
from .checks import validation as validation_check
from .checks.base import Look, error, info, warning
from .model import Finding, Severity, Text

if TYPE_CHECKING:
    from .context import Context
    from .host import Host

CLI_TIMEOUT_S = (
    30.0  # no 5 s budget here: a person asked, and OpenClaw's own validator is worth waiting for
)
PROBES = (("one.one.one.one", 443), ("223.5.5.5", 443), ("8.8.8.8", 443))


@dataclass(frozen=True)
class Step:
    """One line of the report. state: ok | warning | error | skipped."""

    id: str
    title: Text
    state: str
    findings: Tuple[Finding, ...] = ()


TITLES = {
    "file": Text("Config file exists and parses", "配置文件存在且语法正确"),
    "required": Text("Required fields", "必填字段"),
    "valid": Text("Valid for OpenClaw", "通过 OpenClaw 校验"),
    "models": Text("Model providers reachable", "模型服务可达"),
    "port": Text("Port free or owned by this gateway", "端口空闲或由本网关占用"),
}
_FILE = (
    "config/missing",
    "config/empty",
    "config/syntax",
    "config/unreadable",
    "config/include-missing",
    "config/encoding",
)
_FIELDS = (
    "config/mode-missing",
    "config/models-missing",
    "config/auth-missing",
    "config/model-form",
    "config/provider-incomplete",
)


def check(ctx: Context, offline: bool = False, timeout: float = CLI_TIMEOUT_S) -> List[Step]:
    """The report in the order a person reads it. offline: nothing outside this machine is asked."""
    look = Look(ctx, cli_timeout=timeout)
    found = _safely("config", lambda: config_check.run(look)) + _safely(
        "config", lambda: validation_check.run(look)
    )
    broken = any(f.check_id in _FILE and f.severity is Severity.ERROR for f in found)
    fields = [] if broken else _safely("config", lambda: fields_of(look))
    steps = [_step("file", [f for f in found if f.check_id in _FILE])]
    steps.append(
        _step("required", [f for f in found if f.check_id in _FIELDS] + fields, skipped=broken)
    )
    rest = [
        f
        for f in found
        if f.check_id not in _FILE + _FIELDS and f.check_id not in ("config/changed",)
    ]
    steps.append(_step("valid", rest, skipped=broken))
    steps.append(_models(look, offline, broken))
    steps.append(
        _step(
            "port",
            [
                f
                for f in _safely("port", lambda: rivals.run_port(look))
                if f.check_id != "port/free"
            ],
        )
    )
    return steps


def exit_code(steps: List[Step]) -> int:
    """0 fine (warnings allowed), 1 an error, 2 could not find out."""
    if any(step.state == "error" for step in steps):
        return 1
    unknown = ("config/unvalidated", "config/unknown", "port/unknown")
    return 2 if any(f.check_id in unknown for step in steps for f in step.findings) else 0


def _safely(name: str, run: Any) -> List[Finding]:
    try:
        return list(run())
    except Exception as problem:  # a checker that crashes has found nothing out
        why = "{}: {}".format(problem.__class__.__name__, problem)[:200]
        return [info(name + "/unknown", "Could not tell: " + why, "无法得出结论：" + why)]


def _step(name: str, found: List[Finding], skipped: bool = False) -> Step:
    worst = {f.severity for f in found}
    state = (
        "error"
        if Severity.ERROR in worst
        else "warning"
        if Severity.WARNING in worst
        else "skipped"
        if skipped
        else "ok"
    )
    return Step(name, TITLES[name], state, tuple(found))


def _models(look: Look, offline: bool, broken: bool) -> Step:
    if broken:
        return Step("models", TITLES["models"], "skipped")
    rows = models_check.providers(look.config.data)
    local = [url for _, url in rows if "://127.0.0.1" in url or "://localhost" in url]
    if rows and len(local) < len(rows) and (offline or not online(look.ctx.host)):
        note = info(
            "models/offline",
            "No network here: the model providers were not tried",
            "当前没有网络：未测试模型服务的可达性",
        )
        return Step("models", TITLES["models"], "skipped", (note,))
    return _step("models", _safely("models", lambda: models_check.run(look)))


def online(host: Host) -> bool:
    """Does any well-known address take a connection within 2 s?"""
    return any(
        models_check.reachable(host, "https://{}:{}".format(name, port)) == ""
        for name, port in PROBES
    )


# -- fields that both forms need -------------------------------------------------------------------
def fields_of(look: Look) -> Iterator[Finding]:
    data = look.config.data if isinstance(look.config.data, Mapping) else {}
    models = data.get("models")
    if not isinstance(models, Mapping):
        return
    if "default" in models:
        named = models.get("default")
        if not isinstance(named, str) or not named.strip():
            yield error(
                "config/model-form",
                "models.default is empty",
                "models.default 为空",
                "models.default",
            )
        else:
            fix = "openclaw config set agents.defaults.model {}".format(named)
            en = "models.default is the old form; today OpenClaw reads agents.defaults.model"
            zh = "models.default 是旧格式；新版 OpenClaw 使用 agents.defaults.model"
            yield warning("config/model-form", en, zh, "models.default", (fix, fix))
    providers = models.get("providers")
    for name, entry in providers.items() if isinstance(providers, Mapping) else ():
        lack = _lacks(str(name), entry)
        if lack:
            path = "models.providers.{}.{}".format(name, lack)
            en, zh = (
                "Provider {} has no {}".format(name, lack),
                "模型服务 {} 缺少 {}".format(name, lack),
            )
            yield warning(
                "config/provider-incomplete", en, zh, path, None, provider=str(name), field=lack
            )
    yield from _unknown_provider(data, providers)


def _lacks(name: str, entry: Any) -> Optional[str]:
    if not isinstance(entry, Mapping):
        return None  # a wrong type is the validator's finding
    if name not in models_check.KNOWN and not entry.get("baseUrl"):
        return "baseUrl"
    if not entry.get("models") and name not in models_check.KNOWN:
        return "models"
    return None


def _unknown_provider(data: Mapping[str, Any], providers: Any) -> Iterator[Finding]:
    """A default model whose provider is one of the config's own spelled otherwise."""
    import difflib

    named = models_check.default_model(data)
    if "/" not in named or not isinstance(providers, Mapping) or not providers:
        return
    provider = named.split("/")[0]
    near = difflib.get_close_matches(provider, [str(p) for p in providers], 1, 0.75)
    if provider not in providers and provider not in models_check.KNOWN and near:
        en = "The default model {} names provider {}, and the config has {}".format(
            named, provider, near[0]
        )
        zh = "默认模型 {} 的服务 {} 未配置，配置中有 {}".format(named, provider, near[0])
        yield warning("config/model-form", en, zh, "agents.defaults.model")


if __name__ == "__main__":  # python3 -m skill.config_checker, as the user's documents write it
    import sys

    from .cli import main

    main(["check-config", *sys.argv[1:]])
