"""A real browser for the tests: Chromium without a window, told what to do through two pipes (DevTools protocol)."""

import base64
import functools
import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

CHROMIUM = next(filter(shutil.which, ("chromium", "chromium-browser", "google-chrome")), None)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-quic", "--remote-debugging-pipe", "--mute-audio"),
)


def is_closed(page):
    """Whether a page allows nothing but its own script and style, by their hashes, and asks for nothing."""
    allowed = {"default-src": "'none'", "base-uri": "'none'", "form-action": "'none'"}
    body = page
    for tag in ("style", "script"):
        inline = page.split(f"<{tag}>")[1].split(f"</{tag}>")[0]
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        allowed[f"{tag}-src"] = f"'sha256-{digest}'"
        body = body.replace(inline, "")
    policy = re.search('http-equiv="Content-Security-Policy" content="([^"]*)"', page)[1]
    handlers = re.search(r"<[^>]* (src|href|style|on\w+)=", body)
    return dict(part.split(" ", 1) for part in policy.split("; ")) == allowed and not handlers and "url(" not in page


def parts_of(page):
    """A page without its data, and the data. The page is to be below 3 MB, and closed."""
    assert len(page.encode()) < 3e6 and is_closed(page)
    data = re.search('id="data">(.*?)</script>', page, re.DOTALL)[1]
    return page.replace(data, ""), json.loads(data)


@functools.cache
def axe_script():
    """The script of axe-core, which finds what keeps people from using a page; skips where npm cannot install it."""
    with tempfile.TemporaryDirectory() as folder:
        install = ["npm", "install", "--prefix", folder, "--no-audit", "--no-fund", "axe-core@4.14.1"]
        try:
            subprocess.run(install, capture_output=True, timeout=300, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"npm cannot install axe-core: {error}")
        return Path(folder, "node_modules/axe-core/axe.min.js").read_text()


class Browser:
    """Chromium with one page, in a profile of its own; `close` ends it.

    Attributes: `requests` (URLs that the page asked for, its own file not among them), `complaints` (errors that it
    threw, console messages of level error or warning, and what its Content-Security-Policy refused).
    """

    def __init__(self, profile):
        read, self._write = os.pipe()
        self._read, write = os.pipe()

        def pipes():  # the browser reads from 3 and writes to 4
            os.dup2(os.dup2(read, 103), 3)
            os.dup2(os.dup2(write, 104), 4)

        command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, close_fds=False, preexec_fn=pipes, **quiet)
        os.close(read), os.close(write)
        self._numbers, self._buffer, self._session = itertools.count(1), b"", None
        self.url = ""
        self.requests, self.complaints = [], []
        while not (pages := [one for one in self.send("Target.getTargets")["targetInfos"] if one["type"] == "page"]):
            time.sleep(0.02)
        self._session = self.send("Target.attachToTarget", targetId=pages[0]["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method, **params):
        """Send a command and wait for its result; what happens meanwhile is noted."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != number:
            self._note(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def _next(self):
        while b"\0" not in self._buffer:
            more = os.read(self._read, 2**20)
            if not more:
                raise RuntimeError("the browser has gone")
            self._buffer += more
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def _note(self, event):
        method, params = event.get("method"), event.get("params", {})
        if method == "Network.requestWillBeSent" and params["request"]["url"] != self.url:
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.complaints.append(json.dumps(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(params["entry"]["text"])

    def open(self, path, width=1280, height=900, dark=False, reduced=False):
        """Open a file in a window of so many pixels."""
        features = {"prefers-color-scheme": "dark" if dark else "light"}
        features |= {"prefers-reduced-motion": "reduce" if reduced else "no-preference"}
        features = [{"name": name, "value": value} for name, value in features.items()]
        self.send("Emulation.setEmulatedMedia", features=features)
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        self.url, self.requests, self.complaints = path.absolute().as_uri(), [], []
        if error := self.send("Page.navigate", url=self.url).get("errorText"):
            raise RuntimeError(f"{self.url}: {error}")
        while self.run("[location.href, document.readyState]") != [self.url, "complete"]:
            time.sleep(0.02)

    def is_quiet(self):
        """Whether the page has asked for nothing and complained of nothing."""
        return self.requests == [] and self.complaints == []

    def run(self, script):
        """The value of a JavaScript expression in the page, waited for where it is a promise."""
        how = {"awaitPromise": True, "returnByValue": True, "userGesture": True}
        result = self.send("Runtime.evaluate", expression=script, **how)
        if "exceptionDetails" in result:
            raise RuntimeError(json.dumps(result["exceptionDetails"]))
        return result["result"].get("value")

    def until(self, condition):
        """Wait until a JavaScript expression is true; RuntimeError after 3,000 looks."""
        look = f"({condition}) ? done() : --left ? setTimeout(look, 20) : refuse(new Error('never came'))"
        self.run(f"new Promise((done, refuse) => {{ let left = 3000; const look = () => {look}; look(); }})")

    def move(self, selector):
        """Move the mouse to the middle of the first element that a CSS selector finds; returns where that is."""
        place = f"document.querySelector({json.dumps(selector)})"
        self.run(f"{place}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
        x, y = self.run(
            f"(box => [box.left + box.width / 2, box.top + box.height / 2])({place}.getBoundingClientRect())"
        )
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        return {"x": x, "y": y}

    def click(self, selector):
        """Click that element, as a mouse does."""
        place = self.move(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, **place, button="left", clickCount=1)

    def press(self, key, **more):
        """Press a key by its name, ArrowLeft or Tab."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
        code = codes.get(key, 0)
        for kind in ("rawKeyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **more)

    def type(self, text):
        """Type a text where the focus is."""
        self.send("Input.insertText", text=text)

    def screenshot(self, path, whole=True):
        """Write a picture of the whole page, or of the window, a PNG."""
        shot = self.send("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self):
        self.send("Browser.close")
        self.process.wait()
        os.close(self._read), os.close(self._write)
