"""A copy of the repository that a test may train in, at sizes that take seconds."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

REPOSITORY = Path(__file__).parents[2]

# Few steps: what makes long trainings good (SOAP, crops) would be at its beginning when they end.
_QUICK = {
    "repeats": 1,
    "crop": 0,
    "batch_size": 8,
    "optimizer": "adam",
    "loss": "mse",
    "warmup_steps": 30,
    "ema": 0.99,
    "grad_clip_norm": 0.01,
    "checkpoint_minutes": 0,
}

TINY = {
    "data.min_side": 64,
    "patches.size": 64,
    "patches.train": 64,
    "patches.val": 8,
    "teacher.depth": 1,
    "teacher.width": 8,
    "teacher.num_blocks": 1,
    **{f"teacher.loop.{key}": value for key, value in _QUICK.items()},
    "teacher.loop.epochs": 2,
    "teacher.loop.lr": 0.0015,
    "student.channels": 8,
    "student.kernels": [3, 3, 3],
    **{f"student.loop.{key}": value for key, value in _QUICK.items()},
    "student.loop.epochs": 2,
    "student.loop.lr": 0.002,
    "evaluate.panels": 1,
    "gate.crops": 30,
    "gate.size": 64,
}


@dataclass(frozen=True)
class Checkout:
    """A checkout at `root`; commands run in it with this environment's Python."""

    root: Path
    seconds: float = 0.0
    """That `dvc repro` took from nothing, where that was measured."""

    @property
    def env(self) -> dict[str, str]:
        outside = ("KDSHARP_", "MLFLOW_", "PREFECT_", "DVC_", "GIT_")
        env = {k: v for k, v in os.environ.items() if not k.startswith(outside)}
        binaries = Path(sys.executable).parent
        # Two threads on any machine: the bytes of a training depend on their number.
        return env | {
            "PATH": f"{binaries}{os.pathsep}{env['PATH']}",
            "DVC_NO_ANALYTICS": "1",
            "OMP_NUM_THREADS": "2",
        }

    def run(self, *command: str, code: int | None = 0, **env: str) -> subprocess.CompletedProcess:
        """Run to the end; `code` None accepts any exit code."""
        done = subprocess.run(
            command, cwd=self.root, env=self.env | env, capture_output=True, text=True
        )
        assert code is None or done.returncode == code, done.stdout + done.stderr
        return done

    def start(self, *command: str, **env: str) -> subprocess.Popen:
        """Start in a process group of its own."""
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=self.env | env,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def set(self, **values: object) -> None:
        """Change params.yaml; dots in names are written as double underscores."""
        set_params(self.root, {key.replace("__", "."): value for key, value in values.items()})

    def outs(self) -> dict[str, str]:
        """The hash of each output in dvc.lock."""
        lock = YAML(typ="safe").load(self.root / "dvc.lock")
        return {
            out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]
        }


def make_checkout(root: Path, git: bool = True) -> Checkout:
    """Copy what git knows or would know, set tiny sizes, and commit it unless `git` is false."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for name in filter(None, names.stdout.split("\0")):
        if (REPOSITORY / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, root / name)
    # The lock of the committed run is of other sizes.
    (root / "dvc.lock").unlink(missing_ok=True)
    set_params(root, TINY)
    checkout = Checkout(root)
    if git:
        checkout.run("git", "init", "-q")
        checkout.run("git", "add", "-A")
        author = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")
        checkout.run("git", *author, "commit", "-qm", "Start")
    else:
        checkout.run("dvc", "config", "--local", "core.no_scm", "true")
    return checkout


def make_short(folder, stage, dvc_yaml):
    """A folder with two short stages, `stage` their script, for DVC without Git."""
    folder.mkdir(exist_ok=True)
    shutil.copy(REPOSITORY / "params.yaml", folder)
    (folder / "stage.py").write_text(stage)
    (folder / "dvc.yaml").write_text(dvc_yaml)
    (folder / "mode.txt").write_text("well")
    command = [sys.executable, "-m", "dvc", "init", "--no-scm", "-q"]
    subprocess.run(command, cwd=folder, check=True)
    return folder


def set_params(root: Path, values: dict[str, object]) -> None:
    """Set dotted keys of params.yaml."""
    yaml = YAML()
    path = root / "params.yaml"
    params = yaml.load(path)
    for key, value in values.items():
        *sections, last = key.split(".")
        section = params
        for name in sections:
            section = section[name]
        assert last in section, key
        section[last] = value
    yaml.dump(params, path)
