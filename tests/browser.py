# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium, spoken to through a pipe in its DevTools protocol: real layout, keys, policy and network."""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_SECONDS = 120
# The browser reads its third descriptor and writes its fourth.
_CONNECT = """
import fcntl, os, sys
reading, writing = (fcntl.fcntl(int(end), fcntl.F_DUPFD, 20) for end in sys.argv[1:3])
os.dup2(reading, 3)
os.dup2(writing, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """One browser process; `page` opens tabs in it."""

    def __init__(self, profile: Path) -> None:
        ours, theirs = os.pipe(), os.pipe()

        command = [
            *(sys.executable, "-c", _CONNECT, str(ours[0]), str(theirs[1])),
            *(str(PROGRAM), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
            *("--remote-debugging-pipe", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *(f"--user-data-dir={profile}", "--force-color-profile=srgb", "about:blank"),
        ]
        nowhere = subprocess.DEVNULL
        pipes = (ours[0], theirs[1])
        self._process = subprocess.Popen(command, pass_fds=pipes, stdin=nowhere, stdout=nowhere, stderr=nowhere)
        os.close(ours[0])
        os.close(theirs[1])
        self._to, self._from = ours[1], theirs[0]
        self._buffer = b""
        self._last = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Send a command and return its result; what happens meanwhile is noted in `events`."""
        self._last += 1
        number = self._last
        message = {"id": number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        data = memoryview(json.dumps(message).encode() + b"\0")
        while data:
            data = data[os.write(self._to, data) :]
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def wait(self, session: str, method: str) -> None:
        """Wait for an event that has not come yet or has."""
        while not any(event.get("method") == method and event.get("sessionId") == session for event in self.events):
            self.events.append(self._receive())

    def _receive(self) -> dict[str, Any]:
        end = time.monotonic() + _SECONDS
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], max(0, end - time.monotonic()))
            assert ready, "the browser does not answer"
            data = os.read(self._from, 1 << 20)
            assert data, "the browser has ended"
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        received: dict[str, Any] = json.loads(message)
        return received

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._to)
        os.close(self._from)


class Page:
    """One tab that shows a file."""

    def __init__(self, browser: Browser, file: Path, *, script: bool = True, scheme: str = "light", width: int = 1200) -> None:
        self._browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self._target = target
        self._session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setScriptExecutionDisabled", value=not script)
        self.media("screen", scheme)
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        # Runs before anything of the page, and notes what its policy refuses.
        self.call(
            "Page.addScriptToEvaluateOnNewDocument",
            source="window.refused = []; document.addEventListener('securitypolicyviolation', e => refused.push(e.violatedDirective))",
        )
        browser.events.clear()
        self.call("Page.navigate", url=file.as_uri())
        browser.wait(self._session, "Page.loadEventFired")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **params)

    def media(self, medium: str, scheme: str = "light") -> None:
        self.call("Emulation.setEmulatedMedia", media=medium, features=[{"name": "prefers-color-scheme", "value": scheme}])

    def value(self, expression: str) -> Any:
        """Return what an expression is worth in the page; a promise is waited for."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def press(self, key: str, text: str = "") -> None:
        """Press and let go of one key."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, text=text if kind == "keyDown" else "")

    def write(self, text: str) -> None:
        for letter in text:
            self.press(letter, letter)
        self.settle()

    def settle(self) -> None:
        """Wait until what was typed has been acted upon."""
        self.value("new Promise(done => setTimeout(done, 400))")

    def requests(self) -> list[str]:
        """Return the addresses that were asked for, the file itself among them."""
        return self._params("Network.requestWillBeSent", "request", "url")

    def complaints(self) -> list[str]:
        """Return what the browser wrote to its console or log, and what the policy refused."""
        logged = self._params("Log.entryAdded", "entry", "text") + self._params("Runtime.exceptionThrown", "exceptionDetails", "text")
        return logged + self.value("window.refused")

    def _params(self, method: str, *keys: str) -> list[str]:
        self.value("0")
        found = []
        for event in self._browser.events:
            if event.get("method") == method and event.get("sessionId") == self._session:
                value: Any = event["params"]
                for key in keys:
                    value = value[key]
                found.append(value)
        return found

    def screenshot(self, file: Path) -> None:
        """Take a picture of the whole page, in a window as high as it is."""
        for _ in range(3):
            # What comes into sight for the first time may turn out higher than it was taken for.
            height = self.value("document.documentElement.scrollHeight")
            width = self.value("innerWidth")
            self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        data = self.call("Page.captureScreenshot", format="png")["data"]
        file.write_bytes(base64.b64decode(data))

    def pdf(self) -> bytes:
        return base64.b64decode(self.call("Page.printToPDF", printBackground=False)["data"])

    def close(self) -> None:
        self._browser.call("Target.closeTarget", targetId=self._target)
