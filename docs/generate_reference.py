"""Write docs/configuration.md and docs/configuration.zh-CN.md from the settings schema, findings.md
and cases.md from the code; with --check only say whether the former are current.

python docs/generate_reference.py [--check]     exit 0 current or written, 1 out of date
"""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path
from typing import Any, Iterator, Mapping, Tuple

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from skill.settings import ENVIRONMENT, schema  # noqa: E402

HEAD = {
    "en": """# Configuration reference

Generated from `skill/data/settings.schema.json` by `docs/generate_reference.py`. Do not edit by hand.

Nothing needs to be configured: every setting has a default that works.

## Where a value comes from

A later source wins over an earlier one.

| # | source | for |
|---|---|---|
| 1 | default in the schema | everybody |
| 2 | `config.json` beside the skill | the distributor of the skill |
| 3 | `openclaw.json`: `skills.entries.openclaw-iflow-doctor.config.*` | `openclaw config set ...`; no restart needed |
| 4 | `<state dir>/iflow-doctor/config.json` | `iflow-doctor config --set KEY=VALUE` |
| 5 | `<state dir>/.env` | the documented environment variables |
| 6 | process environment | the same variables, for one run or one service |

`iflow-doctor config --list` shows every value and where it comes from. An unknown key, a wrong type or an impossible combination is
one error that names the file, the key and the nearest valid key; the watchdog then goes on with the last good settings and says so.

## Environment variables

| variable | setting |
|---|---|
{environment}

## Settings

| key | type | default | allowed | meaning |
|---|---|---|---|---|
{settings}
""",
    "zh": """# 配置参考

由 `docs/generate_reference.py` 根据 `skill/data/settings.schema.json` 生成，请勿手工修改。

无需任何配置即可使用：每个设置都有可用的默认值。

## 取值来源

越靠后的来源优先级越高。

| # | 来源 | 用途 |
|---|---|---|
| 1 | schema 中的默认值 | 所有人 |
| 2 | 技能目录中的 `config.json` | 分发技能的人 |
| 3 | `openclaw.json`：`skills.entries.openclaw-iflow-doctor.config.*` | `openclaw config set ...`，无需重启 |
| 4 | `<状态目录>/iflow-doctor/config.json` | `iflow-doctor config --set KEY=VALUE` |
| 5 | `<状态目录>/.env` | 文档所列环境变量 |
| 6 | 进程环境变量 | 同上，仅对一次运行或一个服务 |

`iflow-doctor config --list` 显示每个值及其来源。未知的键、错误的类型或互相矛盾的组合会合并成一条错误，指出文件、键和最接近的有效键；
守护进程随后沿用上一次正确的设置并说明这一点。

## 环境变量

| 变量 | 设置 |
|---|---|
{environment}

## 设置

| 键 | 类型 | 默认值 | 允许值 | 含义 |
|---|---|---|---|---|
{settings}
""",
}


def leaves(node: Mapping[str, Any], prefix: str = "") -> Iterator[Tuple[str, Mapping[str, Any]]]:
    """(dotted key, its schema) of every setting that holds a value."""
    for key, item in node.get("properties", {}).items():
        if item.get("type") == "object" and item.get("properties"):
            yield from leaves(item, prefix + key + ".")
        else:
            yield prefix + key, item


def allowed(item: Mapping[str, Any]) -> str:
    """The limits of a setting as a reader wants them."""
    if "enum" in item:
        return ", ".join("`{}`".format(value) for value in item["enum"])
    low, high = item.get("minimum"), item.get("maximum")
    if low is None and high is None:
        return ""
    return (
        "{} to {}".format(low, high)
        if high is not None and low is not None
        else ">= {}".format(low)
        if high is None
        else "<= {}".format(high)
    )


def render(lang: str) -> str:
    rows = []
    for key, item in leaves(schema()):
        text = item.get("x-zh", "") if lang == "zh" else item.get("description", "")
        kind = item.get("type", "string")
        kind = "/".join(kind) if isinstance(kind, list) else kind
        default = json.dumps(item.get("default", ""), ensure_ascii=False)
        cells = ["`{}`".format(key), kind, "`{}`".format(default), allowed(item), text]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    variables = ["| `{}` | `{}` |".format(name, target[0]) for name, target in ENVIRONMENT.items()]
    return (
        HEAD[lang]
        .replace("{environment}", "\n".join(variables))
        .replace("{settings}", "\n".join(rows))
    )


def main(check: bool) -> int:
    stale = []
    for lang, name in (("en", "configuration.md"), ("zh", "configuration.zh-CN.md")):
        target, text = HERE / name, render(lang)
        if not target.is_file() or target.read_text("utf-8") != text:
            stale.append(name)
            if not check:
                target.write_text(text, "utf-8")
    if not check:  # lists that follow the code; the settings are what must never be stale
        (HERE / "findings.md").write_text(findings(), "utf-8")
        (HERE / "cases.md").write_text(cases(), "utf-8")
    if check and stale:
        print("out of date: {}; run: python3 dev.py docs".format(", ".join(stale)))
        return 1
    return 0


def findings() -> str:
    """Every finding that a check can make, with its sentence."""
    rows = {}
    for path in sorted((HERE.parent / "skill" / "checks").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or len(node.args) < 3:
                continue
            name = getattr(node.args[0], "value", None)
            if isinstance(name, str) and re.match(r"^[a-z-]+/[a-z0-9-]+$", name):
                rows.setdefault(name, [_sentence(part) for part in node.args[1:3]])
    lines = ["| `{}` | {} | {} |".format(name, *said) for name, said in sorted(rows.items())]
    return FINDINGS + "\n".join(lines) + "\n"


def _sentence(node: ast.AST) -> str:
    """The words of an argument, "..." where the program puts something together."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.replace("|", "\\|")
    if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "format":
        return _sentence(node.func.value)
    if isinstance(node, ast.BinOp):
        return _sentence(node.left) + "..."
    return "..."


def cases() -> str:
    """Every case of the library, a row each."""
    raw = json.loads((HERE.parent / "cases.json").read_text("utf-8"))
    rows = [
        "| {} | `{}` | {} | {} | `{}` |".format(
            case["id"],
            case.get("slug") or case.get("class", ""),
            case["title"]["en"].replace("|", "\\|"),
            case["title"]["zh"].replace("|", "\\|"),
            case.get("repair", "tell-person"),
        )
        for case in raw["cases"]
    ]
    return CASES + "\n".join(rows) + "\n"


FINDINGS = """# Findings

What the checks can find, as `checkId` in `iflow-doctor diagnose --json`. Written by `python3 dev.py docs`.

| checkId | English | 中文 |
|---|---|---|
"""
CASES = """# Cases

The shipped library; `iflow-doctor explain CASE-001` shows one whole. Written by `python3 dev.py docs`.

| case | class | English | 中文 | repair |
|---|---|---|---|---|
"""


def texts() -> None:
    """Print every pair of sentences of the program as one sheet: place, English, Chinese."""
    root = HERE.parent
    for path in sorted((root / "skill").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or len(node.args) < 2:
                continue
            name = getattr(node.func, "id", "") or getattr(node.func, "attr", "")
            pair = [getattr(part, "value", None) for part in node.args[:2]]
            if name in ("Text", "of") and all(isinstance(part, str) for part in pair):
                place = "{}:{}".format(path.relative_to(root), node.lineno)
                print("{}\n  en  {}\n  zh  {}".format(place, *pair))


if __name__ == "__main__":
    if "--texts" in sys.argv[1:]:
        sys.exit(texts())
    sys.exit(main("--check" in sys.argv[1:]))
