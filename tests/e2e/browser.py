"""A real Chromium without a window, driven over its debugging pipe: open, run script, click, look."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, Optional

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


def program() -> Optional[str]:
    """Return the Chromium of this machine; None where there is none."""
    return next((found for found in map(shutil.which, PROGRAMS) if found), None)


class Browser:
    """One page. Use as a context manager: no process and no profile stays behind."""

    def __init__(self, width: int = 820, height: int = 1000, dark: bool = False) -> None:
        path = program()
        assert path, "no chromium"
        self.folder = tempfile.mkdtemp(prefix="chromium-")
        ours_read, theirs_write = os.pipe()
        theirs_read, ours_write = os.pipe()
        words = 'exec "$0" "$@" 3<&{} 4>&{}'.format(theirs_read, theirs_write)
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        options += ["--remote-debugging-pipe", "--user-data-dir=" + self.folder, "about:blank"]
        self.process = subprocess.Popen(
            ["sh", "-c", words, path, *options],
            pass_fds=(theirs_read, theirs_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_read)
        os.close(theirs_write)
        self.reader, self.writer = os.fdopen(ours_read, "rb"), os.fdopen(ours_write, "wb", 0)
        self.number, self.rest = 0, b""
        self.session = ""
        targets = self.call("Target.getTargets")["targetInfos"]
        target = next(one["targetId"] for one in targets if one["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        self.call("Page.enable")
        self.size(width, height)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_why: Any) -> None:
        self.process.kill()
        self.process.wait(20)
        self.reader.close()
        self.writer.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, method: str, **params: Any) -> Dict[str, Any]:
        """Return the result of one command of the DevTools protocol."""
        self.number += 1
        said: Dict[str, Any] = {"id": self.number, "method": method, "params": params}
        if self.session:
            said["sessionId"] = self.session
        self.writer.write(json.dumps(said).encode() + b"\0")
        while True:
            frame = self._frame()
            if frame.get("id") == self.number:
                assert "error" not in frame, frame
                return dict(frame["result"])

    def _frame(self) -> Dict[str, Any]:
        while b"\0" not in self.rest:
            got = os.read(self.reader.fileno(), 1 << 16)
            assert got, "chromium has ended"
            self.rest += got
        raw, _, self.rest = self.rest.partition(b"\0")
        return dict(json.loads(raw))

    def size(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """Return the value of an expression in the page; a promise is waited for."""
        done = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def until(self, script: str, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not self.run(script):
            assert time.monotonic() < end, script + "\n" + str(self.run("document.body.innerText"))
            time.sleep(0.2)

    def picture(self, path: Path, most: int = 4000) -> None:
        """Write the whole page as PNG, at most `most` pixels high."""
        width = self.run("innerWidth")
        high = min(most, int(self.run("document.documentElement.scrollHeight")))
        clip = {"x": 0, "y": 0, "width": width, "height": high, "scale": 1}
        got = self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(got["data"]))
