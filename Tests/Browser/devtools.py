# SPDX-License-Identifier: Apache-2.0
"""A browser without a window, spoken to over its DevTools protocol."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import time

import websocket


class Browser:
    """Starts Chromium with a profile of its own, and one page in it."""

    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="perch-browser-")
        command = [
            shutil.which("chromium") or "chromium", "--headless=new", "--remote-debugging-port=0",
            "--remote-allow-origins=*", f"--user-data-dir={self.profile}", "--no-first-run", "--disable-gpu",
            "--disable-extensions", "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
            "--disable-dev-shm-usage",
        ]
        if os.geteuid() == 0:
            command.append("--no-sandbox")
        self.process = subprocess.Popen(
            command + ["about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        address = None
        for line in self.process.stderr:
            found = re.search(r"DevTools listening on (ws://\S+)", line)
            if found:
                address = found.group(1)
                break
        if address is None:
            raise SystemExit("browser: Chromium has ended before it could be asked anything")
        self.socket = websocket.create_connection(address, max_size=None, timeout=60)
        self.number = 0
        self.events = []
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        """Has the browser do something, and gives what it answers; what it tells meanwhile is kept."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.socket.send(json.dumps(message))
        while True:
            answer = json.loads(self.socket.recv())
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            if "method" in answer:
                self.events.append(answer)

    def wait_for(self, method, seconds=20):
        """Waits for something that the browser tells."""
        end = time.monotonic() + seconds
        while not any(event["method"] == method for event in self.events):
            if time.monotonic() > end:
                raise RuntimeError(f"{method} has not come")
            message = json.loads(self.socket.recv())
            if "method" in message:
                self.events.append(message)

    def take_events(self):
        events, self.events = self.events, []
        return events

    def value(self, expression):
        """What an expression gives on the page, which may be something that is still to come."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression[:80]}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def close(self):
        self.session = None
        try:
            self.call("Browser.close")
        except Exception:  # because it closes the connection, too
            pass
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()
        shutil.rmtree(self.profile, ignore_errors=True)
