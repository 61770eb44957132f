"""Write docs/images/{alert,status,incident}.svg from what the program prints: the alert from its own samples,
the others from the text files given.

python docs/generate_pictures.py [status.txt incident.txt]
"""

from __future__ import annotations

import html
import sys
import unicodedata
from pathlib import Path
from typing import List

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from skill.notify import render  # noqa: E402
from skill.watchdog import samples  # noqa: E402

COLUMN, LINE, EDGE = 8.2, 19, 18
COLOURS = {"OK": "#2ecc71", "!!": "#ff6b6b", "??": "#f1c40f", "✅": "#2ecc71", "🔴": "#ff6b6b"}


def wrap(text: str, width: int = 92) -> List[str]:
    """The lines, those that are too long cut at words."""
    out: List[str] = []
    for line in text.rstrip().splitlines():
        indent = len(line) - len(line.lstrip())
        while len(line) > width:
            at = line.rfind(" ", 0, width)
            at = at if at > indent else width
            out.append(line[:at])
            line = " " * (indent + 2) + line[at:].lstrip()
        out.append(line)
    return out


def columns(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def svg(text: str) -> str:
    lines = wrap(text)
    width = int(max(map(columns, lines)) * COLUMN) + 2 * EDGE
    height = len(lines) * LINE + 2 * EDGE
    rows = []
    for number, line in enumerate(lines):
        fill = next((c for mark, c in COLOURS.items() if line.startswith(mark)), "#e6e6e6")
        bold = ' font-weight="bold"' if number == 0 or line.startswith("Next:") else ""
        rows.append(
            '<text x="{}" y="{}" fill="{}"{} xml:space="preserve">{}</text>'.format(
                EDGE, EDGE + LINE * number + 13, fill, bold, html.escape(line)
            )
        )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="{0}" height="{1}" viewBox="0 0 {0} {1}" '
        'font-family="ui-monospace, Menlo, Consolas, monospace" font-size="13.5">'
        '<rect width="{0}" height="{1}" rx="8" fill="#1e1e2e"/>{2}</svg>\n'
    ).format(width, height, "".join(rows))


def main(words: List[str]) -> None:
    alert = samples.alerts()["port-taken"]
    doc = render.single([alert], "en", lambda text: text, "you@server · gateway 18789")
    made = {"alert": render.text(doc)}
    made.update(
        {name: Path(path).read_text("utf-8") for name, path in zip(("status", "incident"), words)}
    )
    for name, text in made.items():
        (HERE / "images" / (name + ".svg")).write_text(svg(text), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
