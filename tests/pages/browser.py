#!/usr/bin/env python3
"""Opens pages in a headless Chromium and does to them what stdin says, a command a line:

    open FILE WIDTH HEIGHT [dark]   loads the file, in a window of that size
    key NAME                        presses a key: Tab, Enter, ArrowRight, a, ...
    eval EXPRESSION                 prints its value as JSON, promises awaited
    shot FILE                       writes what is in the window as a PNG

Talks to Chromium by its DevTools protocol over pipes, so there is no port. Ends with status 1, and says why, when a page wrote an
error to the console, threw, broke its security policy or asked for anything but itself; and when an expression threw.
"""
import base64
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}


class Browser:
    def __init__(self, folder):
        self.to_read, to_write = os.pipe()  # commands: ours is the writing end
        from_read, self.from_write = os.pipe()
        program = shutil.which("chromium") or shutil.which("chromium-browser") or sys.exit("browser.py: no chromium")
        command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars", "--disable-dev-shm-usage",
                   "--disable-background-networking", "--remote-debugging-pipe", f"--user-data-dir={folder}", "about:blank"]
        # Chromium reads descriptor 3 and writes descriptor 4; the shell puts ours there.
        shell = ["bash", "-c", f'exec "$@" 3<&{self.to_read} 4>&{self.from_write}', "bash", *command]
        self.process = subprocess.Popen(shell, pass_fds=(self.to_read, self.from_write), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(self.to_read)
        os.close(self.from_write)
        self.commands, self.answers = os.fdopen(to_write, "wb"), os.fdopen(from_read, "rb")
        self.numbers, self.buffer, self.events, self.faults, self.session = itertools.count(1), b"", [], [], None

    def message(self):
        while b"\0" not in self.buffer:
            more = os.read(self.answers.fileno(), 1 << 20)
            if not more:
                sys.exit("browser.py: chromium ended")
            self.buffer += more
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def note(self, message):
        method, given = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.faults.append("threw: " + given["exceptionDetails"].get("exception", {}).get("description", given["exceptionDetails"]["text"]))
        elif method == "Runtime.consoleAPICalled" and given["type"] in ("error", "assert"):
            self.faults.append("console: " + json.dumps(given["args"]))
        elif method == "Log.entryAdded" and given["entry"]["level"] == "error":
            self.faults.append("log: " + given["entry"]["text"])
        elif method == "Network.requestWillBeSent" and not given["request"]["url"].startswith(("file:", "data:", "blob:", "about:")):
            self.faults.append("asked for " + given["request"]["url"])
        self.events.append(method)

    def call(self, method, **given):
        number = next(self.numbers)
        request = {"id": number, "method": method, "params": given}
        if self.session:
            request["sessionId"] = self.session
        self.commands.write(json.dumps(request).encode() + b"\0")
        self.commands.flush()
        while True:
            message = self.message()
            if message.get("id") == number:
                if "error" in message:
                    sys.exit(f"browser.py: {method}: {message['error']['message']}")
                return message["result"]
            self.note(message)

    def wait(self, event):
        while event not in self.events:
            self.note(self.message())

    def attach(self):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def open(self, file, width, height, theme="light"):
        self.call("Emulation.setDeviceMetricsOverride", width=int(width), height=int(height), deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
        self.events.clear()
        self.call("Page.navigate", url=pathlib.Path(file).resolve().as_uri())
        self.wait("Page.loadEventFired")

    def evaluate(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, userGesture=True)
        if "exceptionDetails" in answer:
            sys.exit(f"browser.py: {expression}: {answer['exceptionDetails'].get('exception', {}).get('description')}")
        print(json.dumps(answer["result"].get("value"), ensure_ascii=False), flush=True)

    def key(self, name):
        text = {"Enter": "\r"}.get(name, name if len(name) == 1 else "")
        code = KEYS.get(name, ord(name[0].upper()))
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code, **({"text": text} if text and kind == "keyDown" else {}))
        # What follows from it (a dialog's "close") comes as a task of its own.
        self.call("Runtime.evaluate", expression="new Promise(done => requestAnimationFrame(() => setTimeout(done)))", awaitPromise=True)

    def shot(self, file):
        pathlib.Path(file).write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def close(self):
        self.session = None
        self.call("Browser.close")
        self.process.wait()


def main():
    with tempfile.TemporaryDirectory(prefix="vlrm-browser-", ignore_cleanup_errors=True) as folder:
        browser = Browser(folder)
        try:
            browser.attach()
            for line in sys.stdin:
                command, _, rest = line.rstrip("\n").partition(" ")
                if command == "open":
                    browser.open(*rest.split())
                elif command == "eval":
                    browser.evaluate(rest)
                elif command == "key":
                    browser.key(rest or " ")
                elif command == "shot":
                    browser.shot(rest)
                elif command and command != "#":
                    sys.exit(f"browser.py: no command {command}")
            browser.close()
        finally:
            browser.process.kill()
    for fault in browser.faults:
        print("browser.py: " + fault, file=sys.stderr)
    sys.exit(1 if browser.faults else 0)


main()
