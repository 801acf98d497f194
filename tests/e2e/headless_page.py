#!/usr/bin/env python3
"""A page in headless Chromium, driven through its debugging pipe: no other package is needed.

As a program it takes a picture: headless_page.py PAGE.html OUT.png [WIDTH [light|dark [HEIGHT]]]
"""
import base64
import json
import os
import pathlib
import select
import shutil
import subprocess
import sys
import tempfile
import time

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe"]


def find_browser():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if shutil.which(name):
            return shutil.which(name)
    return None


class Page:
    """One tab. Problems (exceptions, console errors, dialogs, requests that leave the page) collect in self.problems."""

    def __init__(self, browser, width=1280, height=900, scheme="light", scale=1):
        self.profile = tempfile.TemporaryDirectory(prefix="edgewise-browser-")
        self.problems, self.answers, self.number, self.buffer, self.opened = [], {}, 0, b"", False
        read_theirs, self.out = os.pipe()
        self.inn, write_theirs = os.pipe()

        def connect():  # the browser reads from 3 and writes to 4
            first, second = os.dup(read_theirs), os.dup(write_theirs)
            os.dup2(first, 3)
            os.dup2(second, 4)

        self.process = subprocess.Popen([browser, *FLAGS, f"--user-data-dir={self.profile.name}", "about:blank"],
                                        preexec_fn=connect, pass_fds=(3, 4, read_theirs, write_theirs),
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(read_theirs)
        os.close(write_theirs)
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.resize(width, height, scale)
        self.scheme(scheme)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for end in (self.out, self.inn):
            os.close(end)
        for _ in range(20):  # the browser's last writes
            try:
                self.profile.cleanup()
                return
            except OSError:
                time.sleep(0.1)

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + 120
        while self.number not in self.answers:
            self.receive(end)
        answer = self.answers.pop(self.number)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def receive(self, end):
        if not select.select([self.inn], [], [], max(0, end - time.monotonic()))[0]:
            raise TimeoutError("the browser does not answer")
        data = os.read(self.inn, 1 << 20)
        if not data:
            raise RuntimeError("the browser ended")
        self.buffer += data
        while b"\0" in self.buffer:
            line, self.buffer = self.buffer.split(b"\0", 1)
            message = json.loads(line)
            if "id" in message:
                self.answers[message["id"]] = message
            else:
                self.note(message["method"], message.get("params", {}))

    def note(self, method, params):
        if method == "Runtime.exceptionThrown":
            self.problems.append(f"exception: {params['exceptionDetails'].get('exception', {}).get('description', params)}")
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.problems.append(f"console: {[a.get('value', a.get('description')) for a in params['args']]}")
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.problems.append(f"log: {params['entry']['text']}")
        elif method == "Page.javascriptDialogOpening":
            self.problems.append(f"dialog: {params['message']}")
        elif method == "Network.requestWillBeSent":
            url = params["request"]["url"]
            first = url == getattr(self, "url", None) and not self.opened
            self.opened |= first
            if not first and not url.startswith(("data:", "blob:")):
                self.problems.append(f"request: {url[:200]}")

    def open(self, path, query=""):
        self.url, self.opened = pathlib.Path(path).resolve().as_uri() + query, False
        self.call("Page.navigate", url=self.url)
        self.wait("document.readyState === 'complete'")
        self.settle()

    def resize(self, width, height, scale=1):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False)

    def scheme(self, value):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": value}])

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait(self, condition, seconds=60):
        end = time.monotonic() + seconds
        while not self.evaluate(condition):
            if time.monotonic() > end:
                raise TimeoutError(condition)
            time.sleep(0.05)

    def settle(self):
        """Until two frames have passed and no plot has changed for a while."""
        before = None
        for _ in range(100):
            now = self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => "
                                "done(document.querySelectorAll('.plot svg *').length + document.body.scrollHeight))))")
            if now == before:
                return
            before = now
            time.sleep(0.3)

    def press(self, key, code, text=""):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code,
                      **({"text": text} if text and kind == "keyDown" else {}))

    def picture(self, path, height=None):
        whole = height or self.evaluate("document.documentElement.scrollHeight")
        width = self.evaluate("innerWidth")
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True,
                         clip={"x": 0, "y": 0, "width": width, "height": whole, "scale": 1})
        pathlib.Path(path).write_bytes(base64.b64decode(shot["data"]))


def main():
    page, out, *rest = sys.argv[1:]
    width = int(rest[0]) if rest else 1280
    with Page(find_browser(), width=width, scheme=rest[1] if len(rest) > 1 else "light") as tab:
        tab.open(page)
        tab.picture(out, int(rest[2]) if len(rest) > 2 else None)
        print("\n".join(tab.problems))


if __name__ == "__main__":
    main()
