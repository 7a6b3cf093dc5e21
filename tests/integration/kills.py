"""Promote and roll back in children that are killed between any two of their steps.

Run in a checkout with two versions, the first in production: `python kills.py ROUNDS`. A step is
whatever changes something outside the process: each call of MLflow's client that is no question,
and each renaming of a file or folder. The process has imported everything and works in forks of
itself, so that a kill costs a second and not ten. What the gate measures is measured once, for
real, and reused: it changes nothing outside.
"""

import contextlib
import importlib
import json
import os
import pickle
import shutil
import signal
import sys
import tempfile
import traceback
from pathlib import Path

from kdsharp import files
from kdsharp.runtime.card import read_card
from pipeline.release.promotion import judge as judging
from pipeline.release.promotion import promote as promoting
from pipeline.release.promotion.rollback import rollback
from pipeline.release.promotion.status import read_status
from pipeline.release.registry import versions as connect
from pipeline.tracking.store import quiet

quiet()
import mlflow  # noqa: E402, F401 - before the forks, as all that is slow
import torch  # noqa: E402, F401

FOLDER = "models/production-c8-x2"
STATE = ("mlruns", FOLDER)


class Steps:
    """Counts steps, and kills the process before number `fatal`."""

    def __init__(self, fatal):
        self.done, self.fatal = 0, fatal

    def __call__(self, function):
        def step(*arguments, **named):
            self.done += 1
            if self.done == self.fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **named)

        return step


class Client:
    """MLflow's client, each of whose changes is a step."""

    def __init__(self, client, steps):
        self._client, self._steps = client, steps

    def __getattr__(self, name):
        attribute = getattr(self._client, name)
        if not callable(attribute) or name.startswith(("get_", "search_")):
            return attribute
        return self._steps(attribute)


def watched(steps):
    """Put `steps` around everything that promote and rollback change."""
    open_store = connect.open_store

    def opened():
        client, experiment = open_store()
        return Client(client, steps), experiment

    connect.open_store = opened
    os.replace, files._exchange = steps(os.replace), steps(files._exchange)
    shutil.rmtree = steps(shutil.rmtree)


def in_child(work):
    """What `work()` returns in a fork, or None if it was killed; its errors are ours."""
    with tempfile.NamedTemporaryFile() as note:
        pid = os.fork()
        if pid == 0:
            try:
                Path(note.name).write_bytes(pickle.dumps(work()))
            except BaseException:  # noqa: BLE001 - a fork must not run on as the parent
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        _, code = os.waitpid(pid, 0)
        code = os.waitstatus_to_exitcode(code)
        if code == -signal.SIGKILL:
            return None
        assert code == 0, f"a child ended with {code}"
        return pickle.loads(Path(note.name).read_bytes())


def act(action, fatal):
    steps = Steps(fatal)
    watched(steps)
    if action == "promote":
        done = promoting.promote(log=lambda _: None)
        assert done.outcome in ("promoted", "unchanged"), done
    else:
        rollback(why="test", log=lambda _: None)
    return steps.done


def look():
    status = read_status()
    served = read_card(Path(FOLDER)).sha256
    versions = {v.number: v.files["student.onnx"] for v in status.versions}
    (number,) = [n for n, sha256 in versions.items() if sha256 == served]
    assert status.here == number, (status.here, number)
    in_place = status.in_place and status.here == status.production
    return status.production, status.previous, in_place, number


def look_and_heal():
    found = look()
    act("promote", None)
    return found, look()


def round_of_kills(action, before, after):
    """Kill at every step in turn, from the same start; returns how many there were."""
    with tempfile.TemporaryDirectory() as kept:
        save(Path(kept))
        steps = in_child(lambda: act(action, None))
        assert in_child(look) == (*after, True, after[0])
        for fatal in range(1, steps + 1):
            restore(Path(kept))
            assert in_child(lambda fatal=fatal: act(action, fatal)) is None
            found, healed = in_child(look_and_heal)
            production, previous, in_place, served = found
            assert (production, previous) in (before, after), (fatal, production, previous)
            assert served in (before[0], after[0])
            assert not in_place or served == production
            # Whatever comes next heals it: a promotion ends with the new version, always.
            assert healed == (2, 1, True, 2), (action, fatal, healed)
            left = [path.name for path in Path("models").glob(".part-*")]
            assert not left, (fatal, left)
        restore(Path(kept))
    return steps


def save(folder):
    for name in STATE:
        shutil.copytree(name, folder / name)


def restore(folder):
    for name in STATE:
        shutil.rmtree(name, ignore_errors=True)
        shutil.copytree(folder / name, name)


def measured_once():
    """Measure candidate and incumbent for real, in a fork, and let all promotions reuse it."""
    measure = judging.measure

    def first():
        kept = []

        def keep(*arguments):
            kept.append(measure(*arguments))
            raise KeyboardInterrupt

        judging.measure = keep
        try:
            promoting.promote(log=lambda _: None)
        except KeyboardInterrupt:
            return kept[0]

    comparison = in_child(first)
    judging.measure = lambda *_: comparison


def import_what_is_used():
    """Import here what a promotion imports, so that the children have it already."""

    def used():
        act("promote", None)
        return list(sys.modules)

    with tempfile.TemporaryDirectory() as kept:
        save(Path(kept))
        names = in_child(used)
        restore(Path(kept))
    for name in names:
        if name not in sys.modules:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)


def main(rounds):
    """Print how many steps each command has."""
    measured_once()
    import_what_is_used()
    counted = {}
    for _ in range(rounds):
        counted["promote"] = round_of_kills("promote", (1, None), (2, 1))
    in_child(lambda: act("promote", None))
    for _ in range(rounds):
        counted["rollback"] = round_of_kills("rollback", (2, 1), (1, None))
    print(json.dumps(counted))


if __name__ == "__main__":
    main(int(sys.argv[1]))
