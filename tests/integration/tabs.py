"""Chromium with several tabs, of which only one is seen.

Playwright tells every page that it is in front. Here nobody does: the browser is spoken to through
a pipe, and a tab behind another one is hidden, as it is for people.
"""

import contextlib
import json
import os
import subprocess
import tempfile

from tests.integration.players import CHROMIUM, program


class Tabs:
    """A running browser; `open` gives a tab, `evaluate` runs an expression in one."""

    def __init__(self, write, read):
        self._write, self._read, self._last, self.events = write, read, 0, []

    def ask(self, method, session=None, **params):
        """The result of a command of Chromium's DevTools protocol."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        self._write.write(json.dumps(message).encode() + b"\0")
        self._write.flush()
        while True:
            told = json.loads(self._line())
            if told.get("id") == self._last:
                assert "error" not in told, told
                return told["result"]
            self.events.append(told)

    def _line(self):
        parts = bytearray()
        while (byte := self._read.read(1)) != b"\0":
            assert byte, "the browser is gone"
            parts += byte
        return parts

    def open(self, address):
        """A new tab in front, as a session."""
        target = self.ask("Target.createTarget", url=address)["targetId"]
        self.ask("Target.activateTarget", targetId=target)
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.ask("Runtime.enable", session)
        return session

    def evaluate(self, session, expression):
        """The value of an expression, awaited if it is a promise."""
        found = self.ask(
            "Runtime.evaluate",
            session,
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")


@contextlib.contextmanager
def tabs(*flags):
    """A browser of its own, ended afterwards; skips the test where there is none."""
    to_browser, write = os.pipe()
    read, from_browser = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [
            *(program("chromium"), "--headless=new", "--remote-debugging-pipe", "--no-first-run"),
            *(f"--user-data-dir={profile}", *CHROMIUM, *flags, "about:blank"),
        ]
        # The pipe has to be at these two numbers.
        pipes = f'exec "$@" 3<&{to_browser} 4>&{from_browser}'
        with subprocess.Popen(
            ["bash", "-c", pipes, "chromium", *command],
            pass_fds=[to_browser, from_browser],
            stderr=subprocess.DEVNULL,
        ) as browser:
            os.close(to_browser)
            os.close(from_browser)
            with os.fdopen(write, "wb") as out, os.fdopen(read, "rb") as into:
                opened = Tabs(out, into)
                try:
                    yield opened
                finally:
                    with contextlib.suppress(AssertionError, OSError):
                        opened.ask("Browser.close")
                    try:
                        browser.wait(10)
                    except subprocess.TimeoutExpired:
                        browser.kill()
