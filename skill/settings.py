"""Settings: one schema, six sources, one error that names everything that is wrong.

Precedence, low to high: schema default, config.json beside the skill, openclaw.json
(skills.entries.openclaw-iflow-doctor.config), <state dir>/iflow-doctor/config.json, <state
dir>/.env, process environment.
"""

from __future__ import annotations

import copy
import difflib
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple
from urllib.parse import urlsplit

from . import files
from .errors import Said, SettingsError
from .files import private_dir, read_json, write_json
from .host import Host
from .model import Text
from .openclaw import config as openclaw_config
from .openclaw.home import Home

SKILL = "openclaw-iflow-doctor"
SHIPPED = files.shipped_path("config.json")
SCHEMA = Path(__file__).resolve().parent / "data" / "settings.schema.json"

SENSITIVE = re.compile(
    r"key|secret|token|password|webhook|recipient|apprise|heartbeat_url|base_url", re.I
)
LOOPBACK = ("127.0.0.1", "localhost", "::1", "0.0.0.0")
# The user's documented environment variables -> (setting, type). EMERGENCY_* are added with the
# rooms that use them.
ENVIRONMENT: Mapping[str, Tuple[str, type]] = {
    "OPENCLAW_GATEWAY_URL": ("gateway_url", str),
    "HEALTH_CHECK_INTERVAL": ("check_interval", float),
    "HEALTH_CHECK_MAX_RETRIES": ("failures_before_action", int),
    "HEALTH_CHECK_RETRY_DELAY": ("retry_delay", float),
    "HEALTH_CHECK_ESCALATION_WAIT": ("escalation_time", float),
    "EMERGENCY_RECOVERY_TIMEOUT": ("ai.timeout", float),
    "EMERGENCY_ALERT_WINDOW": ("notify.alert_window", float),
}


@dataclass(frozen=True)
class Settings:
    """Every setting with its effective value; `sources` says where each one that is not a default
    came from.
    """

    values: Mapping[str, Any]
    sources: Mapping[str, str]

    def __getitem__(self, dotted: str) -> Any:
        found = openclaw_config.get(self.values, dotted, self)
        if found is self:
            raise KeyError(dotted)
        return found

    def get(self, dotted: str, default: Any = None) -> Any:
        return openclaw_config.get(self.values, dotted, default)


def schema() -> Dict[str, Any]:
    return json.loads(SCHEMA.read_text("utf-8"))  # type: ignore[no-any-return]


def defaults(node: Mapping[str, Any]) -> Dict[str, Any]:
    """The default of every key of a schema object."""
    result: Dict[str, Any] = {}
    for key, item in node.get("properties", {}).items():
        if item.get("type") == "object" and "properties" in item:
            result[key] = defaults(item)
        elif "default" in item:
            result[key] = copy.deepcopy(item["default"])
    return result


def known_keys(node: Mapping[str, Any], prefix: str = "") -> List[str]:
    """Every dotted key of the schema."""
    keys: List[str] = []
    for key, item in node.get("properties", {}).items():
        keys.append(prefix + key)
        keys += known_keys(item, prefix + key + ".")
    return keys


RULES_ZH = {
    "type": "应为{}",
    "enum": "只能是 {} 之一",
    "minimum": "不能小于 {}",
    "maximum": "不能大于 {}",
    "exclusiveMinimum": "必须大于 {}",
    "minLength": "至少 {} 个字符",
    "pattern": "须符合 {}",
    "minItems": "至少 {} 项",
    "required": "缺少 {}",
    "const": "必须是 {}",
}


KINDS = {
    "string": Text("a text", "文字"),
    "number": Text("a number", "数字"),
    "integer": Text("a whole number", "整数"),
    "boolean": Text("true or false", "true 或 false"),
    "array": Text("a list", "列表"),
    "object": Text("an object", "对象"),
    "null": Text("nothing", "空值"),
}
RULES_EN = {
    "enum": "must be one of {}",
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be more than {}",
    "minLength": "needs at least {} characters",
    "minItems": "needs at least {} entries",
}


def _rule(error: Any) -> Text:
    """What a value should have been, in words."""
    name, wanted = str(error.validator), error.validator_value
    if name == "type":
        kinds = [
            KINDS.get(k, Text(k, k)) for k in ([wanted] if isinstance(wanted, str) else wanted)
        ]
        return Text(
            "must be " + " or ".join(k.en for k in kinds), "应为" + "或".join(k.zh for k in kinds)
        )
    shown = ", ".join(map(str, wanted)) if isinstance(wanted, list) else json.dumps(wanted)[:80]
    zh = RULES_ZH.get(name, "不符合 {} " + name).format(shown)
    en = RULES_EN[name].format(shown) if name in RULES_EN else error.message[:160]
    if name == "enum" and isinstance(error.instance, str):
        near = difflib.get_close_matches(error.instance, [str(w) for w in wanted], 1, 0.5)
        if near:
            en, zh = (
                "{}; did you mean {}?".format(en, near[0]),
                "{}，是不是 {}？".format(zh, near[0]),
            )
    return Text(en, zh)


def issues_of(value: Any, node: Optional[Mapping[str, Any]] = None) -> List[Text]:
    """One line per fault of a settings object: key, value, nearest valid key or what is allowed."""
    import jsonschema

    node = node or schema()
    keys = known_keys(node)
    lines: List[Text] = []
    for error in sorted(
        jsonschema.Draft7Validator(node).iter_errors(value),
        key=lambda e: [str(p) for p in e.absolute_path],
    ):
        place = ".".join(str(p) for p in error.absolute_path)
        if error.validator == "additionalProperties" and isinstance(error.instance, Mapping):
            for key in sorted(set(error.instance) - set(error.schema.get("properties", {}))):
                full = (place + "." if place else "") + str(key)
                near = difflib.get_close_matches(full, keys, 1, 0.5) or difflib.get_close_matches(
                    str(key), keys, 1, 0.5
                )
                guess = Text.of(", did you mean {}?", "，是不是 {}？", near[0]) if near else ""
                lines.append(Text.of("unknown key {}{}", "没有设置项 {}{}", full, guess))
        else:
            shown: Said = json.dumps(error.instance, ensure_ascii=False)[:80]
            rule = json.dumps(error.validator_value, ensure_ascii=False)[:80]
            said = _rule(error)
            if SENSITIVE.search(place):  # the message repeats the value
                shown, said = (
                    Text("(not shown)", "（不显示）"),
                    Text("{} {}".format(error.validator, rule), said.zh),
                )
            lines.append(
                Text.of(
                    "{} = {}: {}",
                    "{} = {}：{}",
                    place or Text("(file)", "（整个文件）"),
                    shown,
                    said,
                )
            )
    return lines + _impossible(value)


def _impossible(value: Any) -> List[Text]:
    """Combinations that each key alone allows."""
    if not isinstance(value, Mapping):
        return []
    url = value.get("gateway_url")
    if isinstance(url, str) and url and (urlsplit(url).hostname or "") not in LOOPBACK:
        en = (
            "gateway_url = {}: only a gateway of this machine can be watched "
            "(http://127.0.0.1:PORT)"
        )
        return [
            Text.of(en, "gateway_url = {}：只能看守本机的网关（http://127.0.0.1:PORT）", url[:80])
        ]
    interval, timeout = value.get("check_interval"), value.get("probe_timeout")
    budget = value.get("start_budget")
    lines = _platforms(value)
    if (
        isinstance(timeout, (int, float))
        and isinstance(budget, (int, float))
        and timeout * 3 > budget
    ):
        en, zh = (
            "probe_timeout = {}: three probes must fit into start_budget ({})",
            "probe_timeout = {}：start_budget（{}）须容得下三次探测",
        )
        lines.append(Text.of(en, zh, timeout, budget))
    if (
        isinstance(value.get("crash_window"), (int, float))
        and isinstance(interval, (int, float))
        and interval * 3 > value["crash_window"]
    ):
        en, zh = (
            "crash_window = {}: must be at least three times check_interval ({})",
            "crash_window = {}：至少为 check_interval（{}）的三倍",
        )
        lines.append(Text.of(en, zh, value["crash_window"], interval))
    return lines


PLATFORMS = ("feishu", "dingtalk", "discord", "telegram", "slack", "wecom", "webhook", "apprise")


def _platforms(value: Mapping[str, Any]) -> List[Text]:
    """notify.platform names platforms that exist; the nearest one is offered."""
    notify = value.get("notify")
    wanted = str(notify.get("platform") or "") if isinstance(notify, Mapping) else ""
    if wanted in ("", "auto", "all", "both"):
        return []
    lines = []
    for name in (word.strip().lower() for word in wanted.split(",")):
        if name and name not in PLATFORMS:
            near = difflib.get_close_matches(name, PLATFORMS, 1, 0.3)
            near = ["wecom"] if name in ("wechat", "weixin", "wxwork", "qywx") else near
            guess = (
                Text.of("; did you mean {}?", "，是不是 {}？", near[0]) if near else Text("", "")
            )
            lines.append(
                Text.of(
                    "notify.platform = {}: must be auto, all, both or one of {}{}",
                    "notify.platform = {}：只能是 auto、all、both 或 {} 之一{}",
                    name[:40],
                    ", ".join(PLATFORMS),
                    guess,
                )
            )
    return lines


def _overlay(
    low: Dict[str, Any],
    high: Mapping[str, Any],
    source: str,
    sources: Dict[str, str],
    prefix: str = "",
) -> None:
    for key, item in high.items():
        if isinstance(item, Mapping) and isinstance(low.get(key), dict):
            _overlay(low[key], item, source, sources, prefix + key + ".")
        else:
            low[key] = copy.deepcopy(item)
            sources[prefix + key] = source


def _from_environment(
    values: Mapping[str, str], node: Mapping[str, Any]
) -> Tuple[Dict[str, Any], List[Text]]:
    found: Dict[str, Any] = {}
    issues: List[Text] = []
    keys = set(known_keys(node))
    for name, (dotted, kind) in ENVIRONMENT.items():
        raw = str(values.get(name, "")).strip()
        if not raw or dotted not in keys:
            continue
        try:
            number = kind(raw)
            if dotted == "gateway_url" and raw.startswith("ws"):
                number = (
                    "http" + raw[2:]
                )  # OpenClaw's own clients write the address of the same port so
        except ValueError:
            issues.append(
                Text.of("{} = {!r}: must be a number", "{} = {!r}：必须是数字", name, raw[:40])
            )
            continue
        target = found
        *parents, last = dotted.split(".")
        for part in parents:
            target = target.setdefault(part, {})
        target[last] = number
    return found, issues


def load(host: Host, home: Home) -> Settings:
    """Read all sources. Raise SettingsError with every issue of the first source that is wrong."""
    node = schema()
    values = defaults(node)
    sources: Dict[str, str] = {}
    view = openclaw_config.load(home.config_path)
    entry = (
        view.get("skills.entries.{}.config".format(SKILL), {})
        if isinstance(view.data, Mapping)
        else {}
    )
    own = home.doctor_dir / "config.json"
    layers = [
        (str(SHIPPED), read_json(SHIPPED, {})),
        (str(home.config_path), entry or {}),
        (str(own), read_json(own, {})),
    ]
    for name, read in (
        (str(home.env_file), openclaw_config.read_env_file(home.env_file)),
        ("environment", dict(host.env)),
    ):
        found, issues = _from_environment(read, node)
        if issues:
            raise SettingsError(
                name, issues, Text("correct or remove these variables", "请改正或删除这些变量")
            )
        layers.append((name, found))
    for name, layer in layers:
        if layer:
            issues = issues_of(layer, node)
            if issues:
                raise SettingsError(
                    name,
                    issues,
                    Text(
                        "correct the file, or: iflow-doctor config --list",
                        "请改正该文件，或：iflow-doctor config --list",
                    ),
                )
            _overlay(values, layer, name, sources)
    issues = _impossible(values)
    if issues:
        raise SettingsError(
            str(own),
            issues,
            Text(
                "iflow-doctor config --list shows every value and where it comes from",
                "iflow-doctor config --list 显示每个值及其来源",
            ),
        )
    return Settings(values, sources)


def load_or_last_good(host: Host, home: Home) -> Tuple[Settings, Optional[SettingsError]]:
    """As load(); when something is wrong, the last settings that were right (else the defaults) and
    the error.
    """
    kept = home.doctor_dir / "settings.last-good.json"
    try:
        settings = load(host, home)
    except SettingsError as error:
        values = defaults(schema())
        try:
            _overlay(values, read_json(kept, {}), str(kept), {})
        except SettingsError:
            pass
        return Settings(values, {}), error
    try:
        if read_json(kept) != settings.values:
            private_dir(home.doctor_dir)
            write_json(kept, settings.values)
    except (OSError, SettingsError):
        pass
    return settings, None


def place(home: Home, settings: Settings) -> Home:
    """The Home with port and scheme of the setting gateway_url, where it is set."""
    parts = urlsplit(str(settings["gateway_url"]))
    if not parts.hostname:
        return home
    return replace(
        home, port=parts.port or (443 if parts.scheme == "https" else 80), scheme=parts.scheme
    )


def save(home: Home, dotted: str, value: Any) -> None:
    """Set one key in our own config.json. Raise SettingsError and write nothing when the result
    would be wrong.
    """
    own = home.doctor_dir / "config.json"
    current = read_json(own, {}) or {}
    target = current
    *parents, last = dotted.split(".")
    for part in parents:
        target = target.setdefault(part, {})
    if value is None:
        target.pop(last, None)
    else:
        target[last] = value
    issues = issues_of(current)
    if issues:
        raise SettingsError(str(own), issues, Text("nothing was written", "没有写入任何内容"))
    private_dir(home.doctor_dir)
    write_json(own, current)
