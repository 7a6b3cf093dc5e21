"""`python -m pipeline VERB` without ten seconds of imports: in forks of a process that has them.

A line of JSON in (folder, words, environment), a line of JSON out (exit code, stdout, stderr, CPU
seconds). The code is this repository's; a test that changes code in its checkout uses a real
command.
"""

import atexit
import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


class Verbs:
    """The process that forks."""

    def __init__(self) -> None:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("KDSHARP_", "MLFLOW_"))}
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__],
            cwd=REPOSITORY,
            env=env | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "2"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, folder, *words, **env) -> subprocess.CompletedProcess:
        """Run `python -m pipeline WORDS` in `folder`."""
        print(json.dumps([str(folder), words, env]), file=self._process.stdin, flush=True)
        code, out, err, cpu_s = json.loads(self._process.stdout.readline())
        done = subprocess.CompletedProcess(words, code, out, err)
        done.cpu_s = cpu_s
        return done

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


@cache
def verbs() -> Verbs:
    """The one of this test session."""
    started = Verbs()
    atexit.register(started.close)
    return started


def _serve() -> None:
    import mlflow.onnx  # noqa: F401
    import onnxruntime  # noqa: F401
    import torchvision  # noqa: F401

    from kdsharp.errors import run
    from pipeline.cli.app import main
    from pipeline.tracking.store import quiet

    quiet()
    for line in sys.stdin:
        folder, words, env = json.loads(line)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            if (pid := os.fork()) == 0:
                for stream, number in ((out, 1), (err, 2)):
                    os.dup2(stream.fileno(), number)
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.chdir(folder)
                os.environ.update(env)
                sys.argv = ["pipeline", *words]
                code = run(main, program="pipeline")
                sys.stdout.flush()
                os._exit(code)
            _, status, used = os.wait4(pid, 0)
            cpu_s = used.ru_utime + used.ru_stime
            said = []
            for stream in (out, err):
                stream.seek(0)
                said.append(stream.read().decode())
        print(json.dumps([os.waitstatus_to_exitcode(status), *said, cpu_s]), flush=True)


if __name__ == "__main__":
    _serve()
