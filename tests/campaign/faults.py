"""The way to a server, which can be cut off and opened again; and servers that stand still."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import psutil

from tests.integration.servers import free_port


class Way:
    """Passes TCP connections on to `target`; while it is cut, it takes none and breaks those."""

    def __init__(self, target: int) -> None:
        self.port, self.target = free_port(), target
        self._open: set[socket.socket] = set()
        self._listening = self._listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self) -> None:
        """As when a cable is pulled out, or the server is gone; the port stays taken meanwhile."""
        self._listening.shutdown(socket.SHUT_RDWR)
        for end in list(self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """The same port again."""
        self._listening.listen(64)

    def close(self) -> None:
        """Cut off, for good."""
        self.cut()
        self._listening.close()

    def _listen(self) -> socket.socket:
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", self.port))
        listening.listen(64)
        listening.settimeout(0.2)
        return listening

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                time.sleep(0.05)
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            except OSError:
                client.close()
                continue
            client.settimeout(None)
            server.settimeout(None)
            self._open |= {client, server}
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
            self._open.discard(end)


@dataclass
class Fault:
    """What may happen to a server: `begin` and `end` it."""

    name: str
    begin: Callable[[], object]
    end: Callable[[], object]


def faults_of(name: str, way: Way) -> list[Fault]:
    """Of the server that `way` leads to: cut off, and frozen."""
    return [
        Fault(f"{name} cut off", way.cut, way.mend),
        Fault(
            f"{name} frozen",
            lambda: _signal_all(way.target, signal.SIGSTOP),
            lambda: _signal_all(way.target, signal.SIGCONT),
        ),
    ]


def _signal_all(port: int, number: signal.Signals) -> None:
    """To whoever listens at `port`, and all below it: a database has a process per connection."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            listens = [
                one
                for one in process.net_connections("tcp")
                if one.status == psutil.CONN_LISTEN and one.laddr.port == port
            ]
            if listens:
                for each in (process, *process.children(recursive=True)):
                    os.kill(each.pid, number)


@contextlib.contextmanager
def at_random(
    faults: list[Fault], rng: np.random.Generator, shortest_s: float, longest_s: float
) -> Iterator[list[str]]:
    """One fault after the other with pauses in between, until the block ends; yields their names.

    All is well again at the end.
    """
    ended, happened = threading.Event(), []

    def work() -> None:
        while not ended.wait(rng.uniform(0, longest_s / 2)):
            fault = faults[rng.integers(len(faults))]
            fault.begin()
            happened.append(fault.name)
            try:
                ended.wait(rng.uniform(shortest_s, longest_s))
            finally:
                fault.end()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield happened
    finally:
        ended.set()
        thread.join()
