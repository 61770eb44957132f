"""What makes a config that OpenClaw calls valid stop the gateway all the same: mode, bind and auth,
TLS, secrets, variables, version.

Each rule was seen on the real 2026.9.6: `config validate` says valid, `gateway run` refuses.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path
from typing import Any, Iterator, Mapping, Optional, Tuple
from urllib.parse import quote

from ..files import json_bounded
from ..model import Finding
from ..openclaw import abilities
from ..openclaw.config import ConfigView, missing_variables, resolve
from ..openclaw.secrets import at_pointer
from .base import Look, error, info, warning


def check(look: Look, view: ConfigView) -> Iterator[Finding]:
    if view.error:
        return
    data = resolve(view.data, look.variables)
    gateway = _section(data, "gateway")
    yield from _mode(gateway)
    yield from _auth(look, gateway)
    yield from _tls(gateway)
    yield from _secrets(look, data)
    yield from _variables(look, view)
    yield from _version(look, data)
    yield from _models(data)


def _section(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data.get(name)
    return value if isinstance(value, Mapping) else {}


def _mode(gateway: Mapping[str, Any]) -> Iterator[Finding]:
    mode = gateway.get("mode")
    if mode is None:
        yield error(
            "config/mode-missing",
            "gateway.mode is not set: the gateway refuses to start (exit 78)",
            "未设置 gateway.mode：网关拒绝启动（退出码 78）",
            "gateway.mode",
            ("openclaw config set gateway.mode local", "openclaw config set gateway.mode local"),
        )
    elif mode == "remote":
        yield error(
            "config/invalid-value",
            "gateway.mode is remote: no gateway can start on this machine",
            "gateway.mode 为 remote：本机不会启动网关",
            "gateway.mode",
            ("openclaw config set gateway.mode local", "openclaw config set gateway.mode local"),
            value="remote",
            allowed=["local"],
        )


def _has(gateway: Mapping[str, Any], env: Mapping[str, str], name: str) -> bool:
    auth = _section(gateway, "auth")
    value = auth.get(name)
    if isinstance(value, str) and value.startswith("${"):
        value = ""
    return bool(value) or bool(env.get("OPENCLAW_GATEWAY_" + name.upper()))


def _auth(look: Look, gateway: Mapping[str, Any]) -> Iterator[Finding]:
    auth = _section(gateway, "auth")
    mode, bind, env = auth.get("mode"), gateway.get("bind"), look.variables
    lost = bool(_section(_section(look.last_config or {}, "gateway"), "auth").get("token"))
    # `auto` (the default) means loopback outside containers: only the gateway's own refusal tells
    # that it was not.
    refused = bind in (None, "auto") and not look.up and "Refusing to bind gateway to" in look.log
    wide = bind in ("lan", "tailnet", "custom") or refused
    open_door = mode == "none" or (
        mode != "password"
        and not _has(gateway, env, "token")
        and not (mode is None and _has(gateway, env, "password"))
    )
    if wide and mode != "trusted-proxy" and open_door:
        path = "gateway.bind" if mode == "none" else "gateway.auth.token"
        before = look.last_config or {}
        was = _section(before, "gateway")
        if was and was.get("bind") == bind:
            path = "gateway.auth.mode" if mode == "none" else "gateway.auth.token"
        yield error(
            "config/bind-without-auth",
            "gateway.bind={} without authentication: the gateway refuses to start (exit 78)".format(
                bind or "auto"
            ),
            "gateway.bind={} 但没有认证：网关拒绝启动（退出码 78）".format(bind or "auto"),
            path,
            (
                "Put gateway.auth back (mode token and a token), or: openclaw config set "
                "gateway.bind loopback",
                "恢复 gateway.auth（mode 为 token 并设置 token），或：openclaw config set "
                "gateway.bind loopback",
            ),
            bind=bind,
            auth=mode or "",
        )
    if mode == "password" and not _has(gateway, env, "password"):
        yield error(
            "config/auth-missing",
            "gateway.auth.mode is password and no password is set: the gateway refuses to "
            "start (exit 78)",
            "gateway.auth.mode 为 password 但未设置密码：网关拒绝启动（退出码 78）",
            "gateway.auth.password",
            (
                "Put gateway.auth.password back, or: openclaw config set gateway.auth.mode token",
                "恢复 gateway.auth.password，或：openclaw config set gateway.auth.mode token",
            ),
            name="password",
        )
    elif (
        mode in ("token", None)
        and not wide
        and not _has(gateway, env, "token")
        and (mode or lost and not _has(gateway, env, "password"))
    ):
        yield warning(
            "config/auth-missing",
            "gateway.auth.token is not set: each start makes up a new token and locks the "
            "clients out",
            "未设置 gateway.auth.token：每次启动都会生成新令牌，客户端会被拒之门外",
            "gateway.auth.token",
            ("Put gateway.auth.token back", "恢复 gateway.auth.token"),
            name="token",
            lost=lost,
        )


def _tls(gateway: Mapping[str, Any]) -> Iterator[Finding]:
    tls = gateway.get("tls")
    if not isinstance(tls, Mapping) or tls.get("enabled") is not True:
        return
    makes = tls.get("autoGenerate") is not False
    for key in ("certPath", "keyPath", "caPath"):
        value = tls.get(key)
        if not isinstance(value, str) or not value:
            continue
        path = os.path.expanduser(value)
        if os.path.isfile(path) and os.access(path, os.R_OK) and os.path.getsize(path) > 0:
            continue
        # OpenClaw makes a certificate of its own where it may write and neither file is there.
        others = [tls.get(k) for k in ("certPath", "keyPath")]
        none = not any(isinstance(o, str) and os.path.exists(os.path.expanduser(o)) for o in others)
        if makes and none and key != "caPath" and _can_make(path):
            yield warning(
                "config/tls-created",
                "The TLS file {} is missing: OpenClaw makes a self-signed one, which clients "
                "may not trust".format(path),
                "TLS 文件 {} 缺失：OpenClaw 会生成自签名证书，客户端可能不信任".format(path),
                "gateway.tls." + key,
                None,
                file=path,
            )
            continue
        yield error(
            "config/tls-files",
            "The TLS file {} (gateway.tls.{}) is missing or cannot be read".format(path, key),
            "TLS 文件 {}（gateway.tls.{}）缺失或无法读取".format(path, key),
            "gateway.tls." + key,
            (
                "Put the file back, or set the paths as they were",
                "把文件放回原处，或改回原来的路径",
            ),
            file=path,
        )


def _can_make(path: str) -> bool:
    folder = os.path.dirname(path) or "."
    while not os.path.exists(folder) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
    return os.path.isdir(folder) and os.access(folder, os.W_OK) and not os.path.exists(path)


# -- secrets ---------------------------------------------------------------------------------------
def refs(data: Any, prefix: str = "") -> Iterator[Tuple[str, Mapping[str, Any]]]:
    """(dotted path, SecretRef) for each {source, provider, id}."""
    if isinstance(data, Mapping):
        if data.get("source") in ("env", "file", "exec", "store") and isinstance(
            data.get("id"), str
        ):
            yield prefix, data
            return
        for key, item in data.items():
            yield from refs(item, "{}.{}".format(prefix, key) if prefix else str(key))
    elif isinstance(data, list):
        for index, item in enumerate(data):
            yield from refs(item, "{}.{}".format(prefix, index))


def _secrets(look: Look, data: Mapping[str, Any]) -> Iterator[Finding]:
    section = _section(data, "secrets")
    providers = _section(section, "providers")
    for path, ref in refs({k: v for k, v in data.items() if k != "secrets"}):
        why = _unresolved(look, ref, providers.get(str(ref.get("provider"))) or {})
        if why:
            say = (
                error if path.startswith("gateway.auth") else warning
            )  # a channel's or model's secret: that one stays cold
            yield say(
                "config/secret-missing",
                "{}: the secret cannot be resolved: {}".format(path, why[0]),
                "{}：密钥无法解析：{}".format(path, why[1]),
                path,
                why[2] or PUT_BACK,
                source=ref["source"],
                name=ref["id"],
                provider=str(ref.get("provider", "")),
            )


Why = Tuple[str, str, Optional[Tuple[str, str]]]  # in both languages, and what to do where known
PUT_BACK = ("Put the secret back, then start the gateway", "恢复该密钥后再启动网关")


def _unresolved(look: Look, ref: Mapping[str, Any], provider: Mapping[str, Any]) -> Optional[Why]:
    name = str(ref["id"])
    if ref["source"] == "env":
        if look.variables.get(name):
            return None
        return "variable {} is not set".format(name), "变量 {} 未设置".format(name), None
    if ref["source"] == "file":
        place = os.path.expanduser(str(provider.get("path", "")))
        if not place or not os.access(place, os.R_OK):
            return (
                "file {} is missing or unreadable".format(place or "(none)"),
                "文件 {} 缺失或不可读".format(place or "（无）"),
                None,
            )
        if not look.up:
            return _unfit(look, place, 0o077, False) or _not_in(place, provider, name)
    if ref["source"] == "exec":
        place = os.path.expanduser(str(provider.get("command", "")))
        if os.path.isabs(place) and not os.path.exists(place):
            return "program {} is missing".format(place), "程序 {} 不存在".format(place), None
        if os.path.isabs(place) and not os.access(place, os.X_OK):
            do = "chmod u+x '{}'".format(place)
            return (
                "program {} may not be executed".format(place),
                "程序 {} 没有执行权限".format(place),
                (do, do),
            )
        if os.path.isabs(place) and not look.up:
            return _unfit(look, place, 0o022, provider.get("allowSymlinkCommand") is True)
    if (
        ref["source"] == "store"
        and _stored(look.home.state_dir / "state" / "openclaw.sqlite", name) is False
    ):
        return "{} is not in the secret store".format(name), "密钥库中没有 {}".format(name), None
    return None


def _unfit(look: Look, place: str, too_open: int, may_link: bool) -> Optional[Why]:
    """What 2026.9.6 refuses in a file of secrets, or in a program that gives them out."""
    if os.name == "nt":
        return None
    try:
        found = os.lstat(place)
        owner = os.stat(str(look.home.state_dir)).st_uid
    except OSError:
        return None
    if stat.S_ISLNK(found.st_mode):
        if may_link:
            return None
        return (
            "{} is a symbolic link, which OpenClaw refuses".format(place),
            "{} 是符号链接，OpenClaw 不接受".format(place),
            ("name the real file in secrets.providers", "在 secrets.providers 中填写真实文件"),
        )
    if found.st_nlink > 1 and too_open & 0o044:
        return (
            "{} has a second name (hard link), which OpenClaw refuses".format(place),
            "{} 有第二个名称（硬链接），OpenClaw 不接受".format(place),
            ("copy it to a new file of mode 600", "将其复制为权限 600 的新文件"),
        )
    mode = stat.S_IMODE(found.st_mode)
    if mode & too_open:
        do = "chmod {} '{}'".format("go-rwx" if too_open & 0o044 else "go-w", place)
        return (
            "{} is open to others (mode {:o}), and OpenClaw refuses it".format(place, mode),
            "{} 对其他用户开放（权限 {:o}），OpenClaw 不接受".format(place, mode),
            (do, do),
        )
    if found.st_uid != owner:
        do = "sudo chown {} '{}'".format(owner, place)
        return (
            "{} belongs to uid {}, and the gateway is uid {}".format(place, found.st_uid, owner),
            "{} 属于 uid {}，而网关是 uid {}".format(place, found.st_uid, owner),
            (do, do),
        )
    return None


def _not_in(place: str, provider: Mapping[str, Any], name: str) -> Optional[Why]:
    """A JSON file of secrets that holds no value of this name (a JSON pointer)."""
    if provider.get("mode", "json") != "json":
        return None
    try:
        with open(place, encoding="utf-8-sig") as handle:
            at_pointer(json_bounded(handle.read(1 << 20)), name)
    except OSError:
        return None
    except KeyError:
        return "{} is not in {}".format(name, place), "{1} 中没有 {0}".format(name, place), None
    except (ValueError, RecursionError):
        return "{} is no valid JSON".format(place), "{} 不是有效的 JSON".format(place), None
    return None


def _stored(database: Path, name: str) -> Any:
    """True or False; None when it cannot be told."""
    try:
        connection = sqlite3.connect(
            "file:{}?mode=ro".format(quote(str(database))), uri=True, timeout=0.5
        )
        try:
            return (
                connection.execute(
                    "SELECT 1 FROM secret_store_entries WHERE name=? AND deleted_at_ms IS NULL",
                    (name,),
                ).fetchone()
                is not None
            )
        finally:
            connection.close()
    except sqlite3.Error:
        return None


# -- the rest --------------------------------------------------------------------------------------
def _variables(look: Look, view: ConfigView) -> Iterator[Finding]:
    for path, name in missing_variables(view.data, look.variables)[:20]:
        say = error if path.startswith("gateway.auth") else warning
        yield say(
            "config/variable-missing",
            "{} needs the variable {}, which nothing sets".format(path, name),
            "{} 需要变量 {}，但没有任何地方设置它".format(path, name),
            path,
            (
                "Put {}=... into {}".format(name, look.home.env_file),
                "在 {} 中写入 {}=...".format(look.home.env_file, name),
            ),
            name=name,
        )


def _version(look: Look, data: Mapping[str, Any]) -> Iterator[Finding]:
    meta = data.get("meta")
    stamp = str(meta.get("lastTouchedVersion", "")) if isinstance(meta, Mapping) else ""
    if abilities.newer(stamp, look.version):
        yield error(
            "config/version-newer",
            "The config was last written by OpenClaw {}, and {} is installed: it refuses to "
            "start".format(stamp, look.version),
            "配置由更新的 OpenClaw {} 写入，而当前安装的是 {}：网关拒绝启动".format(
                stamp, look.version
            ),
            "meta.lastTouchedVersion",
            (
                "Install OpenClaw {} again, or go back to the config of {}".format(
                    stamp, look.version
                ),
                "重新安装 OpenClaw {}，或恢复 {} 时的配置".format(stamp, look.version),
            ),
            config=stamp,
            installed=look.version,
        )


def _models(data: Mapping[str, Any]) -> Iterator[Finding]:
    models = _section(data, "models")
    agents = _section(data, "agents")
    defaults = _section(agents, "defaults")
    if not models.get("providers") and not models.get("default") and not defaults.get("model"):
        yield info(
            "config/models-missing",
            "No model is configured: OpenClaw uses its default model",
            "未配置模型：OpenClaw 将使用默认模型",
            "agents.defaults.model",
        )
