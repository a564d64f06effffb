"""A headless Chromium that a test drives as a person does: keys, pointer, screen size; over the DevTools pipe."""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

CHROMIUM = shutil.which("chromium")
WHY_NOT = "no chromium here: apt-get install chromium"
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-pipe"]
OPTIONS += ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"]
TIMEOUT = 120  # seconds for one answer; a busy machine is slow


class Browser:
    """One window of a browser of its own; use it in a ``with``. ``problems`` holds what its console complained of."""

    def __init__(self, profile: Path, width: int = 1280, height: int = 900):
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        # The browser reads commands from its descriptor 3 and answers on 4; no port is opened.
        start = (
            "import os, sys; [os.dup2(int(sys.argv[k]), k + 2) for k in (1, 2)]; os.execv(sys.argv[3], sys.argv[3:])"
        )
        command = [sys.executable, "-c", start, str(to_read), str(to_write), CHROMIUM, *OPTIONS]
        command += [f"--user-data-dir={profile}", "about:blank"]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, pass_fds=(to_read, to_write), **quiet)
        os.close(to_read)
        os.close(to_write)
        self._count, self._buffer, self._session = 0, b"", None
        self.problems: list[str] = []
        try:
            self._attach()
            self.resize(width, height)
        except BaseException:
            self.__exit__()
            raise

    def _attach(self) -> None:
        """Speak with the browser's one window, which may be there a moment later, from now on."""
        until, windows = time.monotonic() + TIMEOUT, []
        while not windows:
            assert time.monotonic() < until, f"no window in {TIMEOUT} s"
            windows = [one for one in self.send("Target.getTargets")["targetInfos"] if one["type"] == "page"]
        self._session = self.send("Target.attachToTarget", targetId=windows[0]["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def open(self, page: Path) -> None:
        """Go to a file and wait until it is loaded."""
        self.send("Page.navigate", url=page.resolve().as_uri())
        self.wait_for(f'document.readyState === "complete" && location.pathname.endsWith("/{page.name}")')

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._write)
        self._process.terminate()
        self._process.wait(30)
        os.close(self._read)

    def send(self, method: str, **parameters: object) -> dict:
        """Give one command and return its answer."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._count:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self._note(answer)

    def _receive(self) -> dict:
        until = time.monotonic() + TIMEOUT
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0, until - time.monotonic()))
            assert ready, f"no answer from the browser in {TIMEOUT} s"
            part = os.read(self._read, 1 << 20)
            assert part, "the browser has ended"
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def _note(self, event: dict) -> None:
        if event.get("method") == "Runtime.exceptionThrown":
            self.problems.append(str(event["params"]["exceptionDetails"]))
        elif event.get("method") == "Log.entryAdded" and event["params"]["entry"]["level"] in ("error", "warning"):
            self.problems.append(event["params"]["entry"]["text"])

    def run(self, script: str) -> object:
        """The value of a JavaScript expression, waited for where it is a promise."""
        done = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def wait_for(self, condition: str) -> None:
        """Until a JavaScript expression is true."""
        until = time.monotonic() + TIMEOUT
        while not self.run(f"Boolean({condition})"):
            assert time.monotonic() < until, f"{condition} has not come true in {TIMEOUT} s: {self.problems}"
            time.sleep(0.05)

    def press(self, key: str) -> None:
        """One key, as from the keyboard: a letter, ``Tab``, ``ArrowRight`` …"""
        codes = {"Tab": 9, "Enter": 13, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Home": 36}
        letter = {"text": "\r" if key == "Enter" else key} if len(key) == 1 or key == "Enter" else {}
        code = codes.get(key, ord(key.upper()[0]))
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **letter)
            letter = {}

    def pointer(self, kind: str, x: float, y: float) -> None:
        """``mousePressed``, ``mouseMoved`` or ``mouseReleased`` at a point of the window, with the left button."""
        self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    def resize(self, width: int, height: int, mobile: bool = False) -> None:
        """The window's size in CSS pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        self.send("Emulation.setDeviceMetricsOverride", **size)

    def screenshot(self, path: Path, whole: bool = True) -> None:
        """The page, or what the window shows of it, as a PNG."""
        picture = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(picture["data"]))
