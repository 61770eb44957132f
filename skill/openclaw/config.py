"""openclaw.json as OpenClaw reads it: JSON5, $include, ${VAR}; and comparison by meaning. Read
only.

Precedence of ${VAR}: process environment, then <state dir>/.env, then config env.vars (OpenClaw
docs, help/environment).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from ..files import read_file

_VAR = re.compile(r"\$\{([A-Z_][A-Z0-9_]*)\}")
_MISSING = object()


@dataclass(frozen=True)
class ConfigView:
    """What is in the file. `error` is "", "missing", "unreadable", "empty", "syntax" or "include";
    line/column from 1.

    data: includes merged in, ${VAR} NOT substituted (see resolve()). files: the config and every
    include, main first.
    """

    path: Path
    data: Any = field(default_factory=dict)
    raw: bytes = b""
    error: str = ""
    message: str = ""
    line: int = 0
    column: int = 0
    files: Tuple[Path, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.error

    def get(self, dotted: str, default: Any = None) -> Any:
        return get(self.data, dotted, default)


def parse(text: str) -> Any:
    """JSON first (fast), JSON5 where that fails. Raise ValueError with line and column in its
    text.
    """
    try:
        return json.loads(text)
    except ValueError:
        import json5

        return json5.loads(text)


READONLY = ("OPENCLAW_NIX_MODE", "OPENCLAW_CONFIG_READONLY")  # "1" in the host's environment only
_CONFIG_MAP = re.compile(r"(?:^|/)\.\.(?:data|\d{4}_)")  # how Kubernetes mounts one


def managed_by(path: Path, *environments: Mapping[str, str]) -> str:
    """Return what owns a config that is not ours to write: a variable, a Kubernetes ConfigMap, the
    Nix store, a read-only filesystem; "" where it may be written.
    """
    for name in READONLY:
        if any(env.get(name) == "1" for env in environments):
            return name + "=1"
    real = os.path.realpath(str(path))
    linked = os.path.islink(str(path)) and _CONFIG_MAP.search(os.readlink(str(path)))
    if linked or _CONFIG_MAP.search(real):
        return "a Kubernetes ConfigMap"
    if real.startswith("/nix/store/"):
        return "the Nix store"
    with contextlib.suppress(OSError, AttributeError):
        for place in (real, os.path.dirname(real)):  # a file may be mounted for itself
            if os.path.exists(place) and os.statvfs(place).f_flag & os.ST_RDONLY:
                return "a read-only filesystem"
    return ""


def load(path: Path, env: Optional[Mapping[str, str]] = None) -> ConfigView:
    """Read a config file with its includes. Never raises: what is wrong is in `error`."""
    del env
    try:
        raw = read_file(path)
    except FileNotFoundError:
        return ConfigView(path, error="missing", message="no such file")
    except OSError as error:
        return ConfigView(path, error="unreadable", message=error.strerror or str(error))
    if not raw.strip():
        return ConfigView(path, raw=raw, error="empty", message="the file is empty")
    try:
        data = parse(
            raw.decode("utf-8-sig", "replace")
        )  # as OpenClaw does: bytes that are no UTF-8 become U+FFFD
    except (ValueError, RecursionError) as error:
        line, column = _place(str(error))
        return ConfigView(
            path, raw=raw, error="syntax", message=str(error), line=line, column=column
        )
    files: List[Path] = [path]
    try:
        data = _include(data, path.parent, files, 0)
    except (OSError, ValueError, RecursionError) as error:
        return ConfigView(path, data, raw, "include", str(error), files=tuple(files))
    if not isinstance(data, dict):
        return ConfigView(
            path, {}, raw, "syntax", "the top level is not an object", 1, 1, tuple(files)
        )
    return ConfigView(path, data, raw, files=tuple(files))


def _place(message: str) -> Tuple[int, int]:
    found = re.search(r"<string>:(\d+)", message) or re.search(r"line (\d+)", message)
    column = re.search(r"col(?:umn)? (\d+)", message)
    return int(found.group(1)) if found else 0, int(column.group(1)) if column else 0


def merged(data: Any, folder: Path) -> Any:
    """Return data with its includes merged in. Raises OSError and ValueError."""
    return _include(data, folder, [], 0)


def _include(value: Any, folder: Path, files: List[Path], depth: int) -> Any:
    if depth > 10:
        raise ValueError("$include is nested more than 10 deep")
    if isinstance(value, list):
        return [_include(item, folder, files, depth) for item in value]
    if not isinstance(value, dict):
        return value
    result: Any = {}
    if "$include" in value:
        names = value["$include"]
        for name in names if isinstance(names, list) else [names]:
            target = folder / str(name)
            files.append(target)
            result = _merge(
                result,
                _include(
                    parse(read_file(target).decode("utf-8-sig")), target.parent, files, depth + 1
                ),
            )
    rest = {
        key: _include(item, folder, files, depth)
        for key, item in value.items()
        if key != "$include"
    }
    return _merge(result, rest) if rest or isinstance(result, dict) else result


def _merge(low: Any, high: Any) -> Any:
    if isinstance(low, dict) and isinstance(high, dict):
        merged = dict(low)
        for key, item in high.items():
            merged[key] = _merge(low[key], item) if key in low else item
        return merged
    if isinstance(low, list) and isinstance(high, list):
        return low + high
    return high


def get(data: Any, dotted: str, default: Any = None) -> Any:
    """Return the value at "a.b.c" (list indices as numbers), `default` where any part is
    missing.
    """
    for part in dotted.split(".") if dotted else []:
        if isinstance(data, Mapping) and part in data:
            data = data[part]
        elif isinstance(data, list) and part.isdigit() and int(part) < len(data):
            data = data[int(part)]
        else:
            return default
    return data


def read_env_file(path: Path) -> Dict[str, str]:
    """NAME=value lines of a dotenv file; quotes removed. {} where it cannot be read."""
    values: Dict[str, str] = {}
    try:
        lines = read_file(path).decode("utf-8-sig", "replace").splitlines()
    except OSError:
        return values
    for line in lines:
        found = re.match(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$", line)
        if found:
            value = found.group(2)
            if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
                value = value[1:-1]
            values[found.group(1)] = value
    return values


def variables(view: ConfigView, env: Mapping[str, str], env_file: Path) -> Dict[str, str]:
    """Every variable OpenClaw would see: process environment over .env over config env.vars."""
    values: Dict[str, str] = {}
    section = view.get("env", {}) if isinstance(view.data, Mapping) else {}
    if isinstance(section, Mapping):
        inner = section.get("vars")
        for source in (section, inner if isinstance(inner, Mapping) else {}):
            values.update({str(k): v for k, v in source.items() if isinstance(v, str)})
    values.update(read_env_file(env_file))
    values.update(env)
    return values


def resolve(value: Any, values: Mapping[str, str]) -> Any:
    """Substitute ${NAME} in every string; an unknown name stays as it is. `$${` is a literal
    `${`.
    """
    if isinstance(value, str):
        return _VAR.sub(lambda m: values.get(m.group(1)) or m.group(0), value)
    if isinstance(value, Mapping):
        return {key: resolve(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve(item, values) for item in value]
    return value


def missing_variables(
    data: Any, values: Mapping[str, str], prefix: str = ""
) -> List[Tuple[str, str]]:
    """(dotted path, NAME) for each ${NAME} that nothing defines."""
    found: List[Tuple[str, str]] = []
    for path, value in leaves(data, prefix):
        if isinstance(value, str):
            found += [(path, name) for name in _VAR.findall(value) if not values.get(name)]
    return found


def leaves(data: Any, prefix: str = "") -> Iterator[Tuple[str, Any]]:
    """Every (dotted path, value) where value is not a non-empty object or list."""
    if isinstance(data, Mapping) and data:
        for key, value in data.items():
            yield from leaves(value, "{}.{}".format(prefix, key) if prefix else str(key))
    elif isinstance(data, list) and data:
        for index, value in enumerate(data):
            yield from leaves(value, "{}.{}".format(prefix, index))
    else:
        yield prefix, data


# What OpenClaw or we write by ourselves: never somebody's edit, and no loss when it is gone.
STAMPS = (("meta",), ("wizard",), ("skills", "entries", "openclaw-iflow-doctor"))


def meant(data: Any) -> Dict[str, Any]:
    """Return what somebody wrote on purpose: dotted path -> value, without stamps and without
    empty maps and lists, which say nothing.
    """
    stamps = tuple(".".join(stamp) for stamp in STAMPS)
    return {
        path: value
        for path, value in leaves(data)
        if path
        and not (isinstance(value, (dict, list)) and not value)
        and not any(path == stamp or path.startswith(stamp + ".") for stamp in stamps)
    }


def differing(before: Any, after: Any) -> List[str]:
    """Return the dotted paths whose meaning differs, sorted. No values: they may be secrets."""
    old, new = meant(before), meant(after)
    return sorted(
        path for path in set(old) | set(new) if old.get(path, _MISSING) != new.get(path, _MISSING)
    )


def diff(before: Any, after: Any) -> List[str]:
    """Dotted paths that differ by meaning, without values (they may be secrets). [] when equal."""
    old, new = dict(leaves(before)), dict(leaves(after))
    return sorted(
        path
        for path in set(old) | set(new)
        if path and old.get(path, _MISSING) != new.get(path, _MISSING)
    )
