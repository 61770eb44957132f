"""Single places of OpenClaw's own JSON Schema: what it says of one key, and whether it takes a
value there. No effects.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence

Node = Mapping[str, Any]
DEPTH = 12  # of alternatives inside alternatives


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

    from .schema import usable

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
