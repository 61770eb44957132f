"""Print the messages of the commonest incidents, in both languages, as text and as the JSON that
five platforms get.

usage: python tests/e2e/show_messages.py [--json]      They are made by the same code that the
watchdog and the sender use.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from skill.notify import dingtalk, discord, feishu, render, slack, telegram  # noqa: E402
from skill.watchdog import samples  # noqa: E402

for kind, alert in samples.alerts().items():
    for lang in ("en", "zh"):
        doc = render.single([alert], lang, lambda text: text, render.origin("", 18789))
        print("-- {} {} --\n{}\n".format(kind, lang, render.text(doc)))
        if "--json" in sys.argv:
            for platform in (feishu, dingtalk, discord, slack, telegram):
                name = platform.__name__.rsplit(".", 1)[-1]
                print(name, json.dumps(platform.form(doc), ensure_ascii=False))
