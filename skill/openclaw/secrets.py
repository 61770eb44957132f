"""A secret as OpenClaw writes it: plain text, `${NAME}`, `$NAME`, or a SecretRef {source, provider,
id}. Read only.

Source: OpenClaw 2026.9.6 docs, gateway/secrets/secretref-contract. Values live only in the memory
of the process that asks.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

from ..errors import CannotTell
from ..files import json_bounded
from ..host import Host
from ..model import Text
from .config import get
from .home import Home

_SHORT = re.compile(r"^\$(?:\{([A-Z][A-Z0-9_]{0,127})\}|([A-Z][A-Z0-9_]{0,127}))$")
_MAX = 1 << 20  # OpenClaw's own bound for a file or an exec provider's output


def at_pointer(value: Any, pointer: str) -> Any:
    """Return what a JSON pointer (RFC 6901) names in `value`. Raise KeyError where nothing is."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        elif isinstance(value, Mapping) and key in value:
            value = value[key]
        else:
            raise KeyError(pointer)
    return value


@dataclass(frozen=True)
class Secrets:
    """What is needed to resolve references: `data` is openclaw.json (or its kept copy), `values`
    the variables OpenClaw would see.
    """

    host: Host
    home: Home
    data: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)

    def reveal(self, raw: Any) -> str:
        """Given a secret in any form, return its text. Raise CannotTell with the reason (never with
        a value).
        """
        if isinstance(raw, Mapping):
            return self._reference(raw)
        if isinstance(raw, (int, float)) and not isinstance(raw, bool):
            return str(raw)
        if not isinstance(raw, str):
            raise CannotTell(
                Text("a secret is neither text nor a SecretRef", "密钥既不是文本也不是 SecretRef")
            )
        found = _SHORT.match(raw.strip())
        if found:
            return self._environment(found.group(1) or found.group(2))
        text = re.sub(r"\$\{([A-Z_][A-Z0-9_]*)\}", lambda m: self._environment(m.group(1)), raw)
        if not text.strip():
            raise CannotTell(Text("a secret is empty", "密钥为空"))
        return text

    def _reference(self, ref: Mapping[str, Any]) -> str:
        source, name = str(ref.get("source", "")), str(ref.get("id", ""))
        alias = str(ref.get("provider") or get(self.data, "secrets.defaults." + source, "default"))
        provider = get(self.data, "secrets.providers", {})
        provider = provider.get(alias) if isinstance(provider, Mapping) else None
        if not isinstance(provider, Mapping) or provider.get("source") != source:
            provider = None
        if source == "env":
            allowed = (provider or {}).get("allowlist")
            if isinstance(allowed, list) and name not in allowed:
                raise CannotTell(
                    Text.of(
                        "SecretRef env:{}: not in the provider's allowlist",
                        "SecretRef env:{}：不在提供方的允许列表中",
                        name,
                    )
                )
            return self._environment(name)
        if source == "store":
            return self._store(name)
        if provider is None:
            raise CannotTell(
                Text.of(
                    "SecretRef {}:{}: no provider {!r} is configured",
                    "SecretRef {}:{}：没有配置提供方 {!r}",
                    source,
                    name,
                    alias,
                )
            )
        if source == "file":
            return self._file(provider, name)
        if source == "exec":
            return self._exec(provider, alias, name)
        raise CannotTell(
            Text.of("SecretRef source {!r} is not known", "不认识的 SecretRef 来源 {!r}", source)
        )

    def _environment(self, name: str) -> str:
        value = self.values.get(name, "")
        if not value:
            raise CannotTell(Text.of("the variable {} is not set", "没有设置变量 {}", name))
        return value

    def _store(self, name: str) -> str:
        path = self.home.state_dir / "state" / "openclaw.sqlite"
        rows = query(
            path,
            "SELECT value FROM secret_store_entries WHERE scope_kind='team' AND scope_id='' "
            "AND name=? AND deleted_at_ms IS NULL",
            name,
        )
        if not rows:
            raise CannotTell(
                Text.of(
                    "SecretRef store:{}: no such entry (openclaw secrets store list)",
                    "SecretRef store:{}：没有这一项（openclaw secrets store list）",
                    name,
                )
            )
        return str(rows[0][0])

    def _file(self, provider: Mapping[str, Any], pointer: str) -> str:
        path = expand(self.host, str(provider.get("path", "")))
        text = read_private(path, int(provider.get("maxBytes") or _MAX))
        if provider.get("mode") == "singleValue":
            return text.rstrip("\r\n")
        try:
            value: Any = json_bounded(text)
        except ValueError:
            raise CannotTell(Text.of("{}: is not JSON", "{}：不是 JSON", path)) from None
        try:
            value = at_pointer(value, pointer)
        except KeyError:
            raise CannotTell(
                Text.of("{}: has nothing at {}", "{}：{} 处没有内容", path, pointer)
            ) from None
        if not isinstance(value, str) or not value:
            raise CannotTell(Text.of("{}: {} is not text", "{}：{} 不是文本", path, pointer))
        return value

    def _exec(self, provider: Mapping[str, Any], alias: str, name: str) -> str:
        """Run the configured program as OpenClaw does: absolute path, no shell, only the named
        variables.
        """
        command = str(provider.get("command") or "")
        if not os.path.isabs(command):
            raise CannotTell(
                Text.of(
                    "secrets provider {!r}: command is not an absolute path",
                    "密钥提供方 {!r}：command 不是绝对路径",
                    alias,
                )
            )
        self._trusted(command, alias)
        env: Dict[str, str] = {str(k): str(v) for k, v in (provider.get("env") or {}).items()}
        env.update(
            {k: self.host.env[k] for k in provider.get("passEnv") or [] if k in self.host.env}
        )
        ask = json.dumps({"protocolVersion": 1, "provider": alias, "ids": [name]}).encode()
        argv: List[str] = [command] + [str(a) for a in provider.get("args") or []]
        done = self.host.run(
            argv, timeout=float(provider.get("timeoutMs") or 5000) / 1000, env=env, stdin=ask
        )
        if not done.ok:
            raise CannotTell(
                Text.of(
                    "secrets provider {!r}: {}",
                    "密钥提供方 {!r}：{}",
                    alias,
                    Text("timed out", "超时")
                    if done.timed_out
                    else Text.of("ended with {}", "以 {} 结束", done.code),
                )
            )
        try:
            answer = json_bounded(done.out[:_MAX])
        except ValueError:
            if provider.get("jsonOnly") is False and done.out.strip():
                return done.out.strip()
            raise CannotTell(
                Text.of(
                    "secrets provider {!r}: answered no JSON",
                    "密钥提供方 {!r}：返回的不是 JSON",
                    alias,
                )
            ) from None
        value = answer.get("values", {}).get(name) if isinstance(answer, Mapping) else None
        if not isinstance(value, str) or not value:
            raise CannotTell(
                Text.of(
                    "secrets provider {!r}: has no value for {}",
                    "密钥提供方 {!r}：没有 {} 的值",
                    alias,
                    name,
                )
            )
        return value

    def _trusted(self, command: str, alias: str) -> None:
        """OpenClaw's own rule: no link, ours or root's, nobody else may write it."""
        if os.name == "nt":
            return
        try:
            seen = os.lstat(command)
        except OSError as error:
            raise CannotTell("secrets provider {!r}: {}".format(alias, error.strerror)) from None
        if (
            stat.S_ISLNK(seen.st_mode)
            or seen.st_mode & 0o022
            or seen.st_uid not in (0, os.geteuid())
        ):
            raise CannotTell(
                Text.of(
                    "secrets provider {!r}: the program is a link or others may write it",
                    "密钥提供方 {!r}：该程序是链接，或别人可以改写它",
                    alias,
                )
            )


def expand(host: Host, path: str) -> Path:
    return Path(str(host.home) + path[1:]) if path == "~" or path.startswith("~/") else Path(path)


def read_private(path: Path, limit: int = _MAX) -> str:
    """A small regular file that is not a link. Raise CannotTell."""
    try:
        seen = os.lstat(path)
        if not stat.S_ISREG(seen.st_mode):
            raise CannotTell(Text.of("{}: is not a regular file", "{}：不是普通文件", path))
        if seen.st_size > limit:
            raise CannotTell(
                Text.of("{}: is larger than {} bytes", "{}：大于 {} 字节", path, limit)
            )
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CannotTell(
            Text.of(
                "{}: cannot be read: {}",
                "{}：无法读取：{}",
                path,
                getattr(error, "strerror", "") or Text("not UTF-8", "不是 UTF-8"),
            )
        ) from None


def query(path: Path, sql: str, *arguments: Any) -> List[Any]:
    """Rows of a read-only query; the gateway may be writing meanwhile. Raise CannotTell where the
    database cannot be read.

    mode=ro keeps the write-ahead log usable; a damaged or too new file is an answer ("cannot
    tell"), never a crash.
    """
    if not os.path.isfile(path):
        return []
    connection: Optional[sqlite3.Connection] = None
    try:
        connection = sqlite3.connect(
            "{}?mode=ro".format(path.resolve().as_uri()), uri=True, timeout=2
        )
        return connection.execute(sql, arguments).fetchall()
    except sqlite3.Error as error:
        raise CannotTell("{}: {}".format(path, error)) from None
    finally:
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()
