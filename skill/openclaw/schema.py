"""Validation with OpenClaw's own JSON Schema, for the day its program is dead. The schema is kept
while the program works.

Source: `openclaw config schema` of 2026.9.6: draft-07, 2.4 MB, 1.5 to 3 s; here kept gzipped (0.1
MB), used in some 0.3 s.
"""

from __future__ import annotations

import copy
import gzip
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from ..files import private_dir, write_atomic
from . import install
from .cli import call, json_of
from .config import load, resolve, variables
from .home import Home

if TYPE_CHECKING:
    from ..context import Context


@dataclass(frozen=True)
class Validation:
    """What is known about the config's validity. known False: neither the program nor its schema
    could say.

    issues: {"path": dotted path or "<root>", "message": str, "allowedValues": list?}. source: cli |
    log | schema | parse.
    error: why the program could not say, when it could not.
    """

    known: bool
    valid: bool
    issues: Tuple[Mapping[str, Any], ...] = ()
    source: str = "cli"
    error: str = ""


Node = Mapping[str, Any]
DEPTH = 12  # of alternatives inside alternatives


def path_of(home: Home, version: str) -> Path:
    return (
        home.doctor_dir
        / "cache"
        / "schema-{}.json.gz".format(re.sub(r"[^0-9A-Za-z.-]", "_", version) or "unknown")
    )


def keep(ctx: Context, timeout: float = 60.0) -> bool:
    """Fetch and keep the schema of the installed version, once per version. False when it could not
    be had. Slow: call it when healthy.
    """
    version = install.version(install.package_dir(ctx.host, ctx.platform))
    target = path_of(ctx.home, version)
    if os.path.exists(target):
        return True
    done = call(ctx, ["config", "schema"], timeout)
    value = json_of(done.out) if done.ok else None
    if not isinstance(value, dict) or "properties" not in value:
        return False
    private_dir(target.parent)
    write_atomic(target, gzip.compress(json.dumps(value, separators=(",", ":")).encode("utf-8")))
    for old in target.parent.glob("schema-*.json.gz"):
        if old != target:
            old.unlink()
    return True


def kept(ctx: Context) -> Optional[Dict[str, Any]]:
    """The kept schema of the installed version; of any version when the package itself is gone;
    None when there is none.
    """
    version = install.version(install.package_dir(ctx.host, ctx.platform))
    target = path_of(ctx.home, version)
    if not os.path.exists(target) and not version:
        others = sorted((ctx.home.doctor_dir / "cache").glob("schema-*.json.gz"))
        target = others[-1] if others else target
    try:
        value = json.loads(gzip.decompress(target.read_bytes()).decode("utf-8"))
    except (OSError, ValueError, EOFError):
        return None
    return value if isinstance(value, dict) else None


def validate(ctx: Context, why: str = "") -> Validation:
    """What parser and kept schema say. Never raises. `why`: why OpenClaw itself could not be
    asked.
    """
    view = load(ctx.home.config_path)
    if view.error:
        place = "{}:{}".format(view.line, view.column) if view.line else ""
        return Validation(
            True,
            False,
            ({"path": "<root>", "message": "{} {}".format(view.message, place).strip()},),
            "parse",
            why,
        )
    document = kept(ctx)
    if document is None:
        return Validation(False, False, (), "parse", why or "no schema is kept")
    data = resolve(view.data, variables(view, ctx.host.env, ctx.home.env_file))
    try:
        issues = issues_of(data, document)
    # a schema of a future version may hold what this validator cannot read: then nothing is known
    except Exception as error:
        return Validation(
            False, False, (), "schema", "{}; {}".format(why, error.__class__.__name__)
        )
    return Validation(True, not issues, tuple(issues), "schema", why)


def issues_of(data: Any, document: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """Issues in the words of `openclaw config validate`: path, message, allowedValues."""
    import jsonschema

    document = usable(copy.copy(document))
    validator = jsonschema.Draft7Validator(document)
    found: List[Dict[str, Any]] = []
    for error in validator.iter_errors(data):
        found += _issues(error)
    unique: Dict[Tuple[str, str], Dict[str, Any]] = {}
    for issue in found:
        unique.setdefault((issue["path"], issue["message"]), issue)
    return list(unique.values())


def _issues(error: Any) -> Iterable[Dict[str, Any]]:
    path = ".".join(str(p) for p in error.absolute_path) or "<root>"
    if error.validator in ("anyOf", "oneOf") and error.context:
        constants = [
            s.get("const")
            for s in error.schema[error.validator]
            if isinstance(s, dict) and "const" in s
        ]
        if len(constants) == len(error.schema[error.validator]):
            yield {"path": path, "message": "Invalid input", "allowedValues": constants}
            return
        deepest = max(
            error.context,
            key=lambda e: (len(e.absolute_path), e.validator == "additionalProperties"),
        )
        if len(deepest.absolute_path) > len(error.absolute_path):
            for issue in _issues(deepest):
                yield issue
            return
        yield {"path": path, "message": "Invalid input"}
    elif error.validator == "additionalProperties" and isinstance(error.instance, Mapping):
        known = set(error.schema.get("properties", {}))
        patterns = list(error.schema.get("patternProperties", {}))
        extra = [
            str(k)
            for k in error.instance
            if k not in known and not any(re.search(p, k) for p in patterns)
        ]
        yield {
            "path": path,
            "message": "Unrecognized key{}: {}".format(
                "s" if len(extra) > 1 else "", ", ".join('"{}"'.format(k) for k in extra)
            ),
        }
    elif error.validator == "type":
        yield {
            "path": path,
            "message": "Invalid input: expected {}, received {}".format(
                error.validator_value, _kind(error.instance)
            ),
        }
    else:
        yield {
            "path": path,
            "message": "Invalid input: {} {}".format(
                error.validator, str(error.validator_value)[:60]
            ),
        }


def _kind(value: Any) -> str:
    kinds = (
        (bool, "boolean"),
        (str, "string"),
        ((int, float), "number"),
        (list, "array"),
        (dict, "object"),
    )
    return next((word for kind, word in kinds if isinstance(value, kind)), "null")


def usable(node: Any) -> Any:
    """Python's validator has no \\p{..} in patterns, and OpenClaw fills defaults before it demands
    a property.
    """
    if isinstance(node, list):
        return [usable(item) for item in node]
    if not isinstance(node, dict):
        return node
    result = {}
    for key, item in node.items():
        if key == "pattern" and isinstance(item, str) and "\\p{" in item:
            continue
        if key == "$ref":
            continue
        result[key] = usable(item)
    required, properties = result.get("required"), result.get("properties")
    if isinstance(required, list) and isinstance(properties, dict):
        result["required"] = [
            n
            for n in required
            if not (isinstance(properties.get(n), dict) and "default" in properties[n])
        ]
    return result


# -- single places of the schema ---------------
def alternatives(node: Any, depth: int = 0) -> List[Node]:
    """A node and everything it may be instead (anyOf, oneOf, allOf), flat."""
    if not isinstance(node, Mapping) or depth > DEPTH:
        return []
    found = [node]
    for name in ("anyOf", "oneOf", "allOf"):
        for item in node.get(name) or ():
            found += alternatives(item, depth + 1)
    return found


def at(document: Any, path: Sequence[str]) -> List[Node]:
    """What the schema says of this key. [] when it does not know it."""
    nodes = alternatives(document)
    for part in path:
        nodes = [found for node in nodes for found in _child(node, part)]
    return nodes


def _child(node: Node, part: str) -> List[Node]:
    properties = node.get("properties")
    if isinstance(properties, Mapping) and part in properties:
        return alternatives(properties[part])
    found: List[Node] = []
    if part.isdigit() and "items" in node:
        items = node["items"]
        for item in items if isinstance(items, list) else [items]:
            found += alternatives(item)
    if isinstance(node.get("additionalProperties"), Mapping):
        found += alternatives(node["additionalProperties"])
    return found


def named(document: Any, path: Sequence[str]) -> bool:
    """Is the last part one of the schema's own names (not one that the owner chose)?"""
    return any(
        path and path[-1] in (node.get("properties") or {}) for node in at(document, path[:-1])
    )


def constants(nodes: Sequence[Node]) -> List[Any]:
    """The values a key may have, where they are listed; [] for any other."""
    found: List[Any] = []
    for node in nodes:
        found += [node["const"]] if "const" in node else []
        found += list(node.get("enum") or ())
    return [value for n, value in enumerate(found) if value not in found[:n]]


def types(nodes: Sequence[Node]) -> List[str]:
    found: List[str] = []
    for node in nodes:
        kind = node.get("type")
        found += kind if isinstance(kind, list) else [kind] if isinstance(kind, str) else []
    return list(dict.fromkeys(found))


def takes(nodes: Sequence[Node], value: Any) -> Optional[bool]:
    """Does the schema take this value for the key? None: it does not know the key."""
    import jsonschema

    if not nodes:
        return None
    tops = [node for node in nodes if not _inner(node, nodes)]
    for node in tops:
        try:
            if jsonschema.Draft7Validator(usable(node)).is_valid(value):
                return True
        except Exception:  # a keyword that this validator cannot read says nothing
            return None
    return False


def _inner(node: Node, nodes: Sequence[Node]) -> bool:
    """One of the alternatives of another node of the same list."""
    return any(
        node is item
        for other in nodes
        for name in ("anyOf", "oneOf", "allOf")
        for item in other.get(name) or ()
    )


def describe(nodes: Sequence[Node]) -> Dict[str, Any]:
    """Type, listed values and bounds of a key, as short as a prompt needs them."""
    told: Dict[str, Any] = {}
    listed = constants(nodes)
    if listed:
        told["one_of"] = listed[:20]
    kinds = [kind for kind in types(nodes) if not (kind == "string" and listed)]
    if kinds:
        told["type"] = kinds[0] if len(kinds) == 1 else kinds
    for node in nodes:
        for name in ("minimum", "maximum", "exclusiveMinimum", "minLength", "maxLength", "pattern"):
            if name in node and len(str(node[name])) < 80:
                told.setdefault(name, node[name])
        if node.get("additionalProperties") is False and isinstance(
            node.get("properties"), Mapping
        ):
            told.setdefault("keys", sorted(node["properties"])[:40])
    return told
