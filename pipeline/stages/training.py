"""What the stages `teacher` and `student` have in common around the loop."""

import hashlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import torch
from ruamel.yaml import YAML

from kdsharp.errors import INTERRUPTED, KdsharpError, UserError
from kdsharp.files import atomic_file, sha256_file
from kdsharp.train.config import LoopConfig, StudentConfig, TeacherConfig
from kdsharp.train.dataset.patches import load_patches
from kdsharp.train.loop.checkpoint import load_checkpoint
from kdsharp.train.loop.distributed import DistributedContext, pick_precision
from kdsharp.train.loop.fit import Epoch, TrainResult
from kdsharp.train.loop.weights import save_weights
from kdsharp.train.training import Lesson, Trained
from pipeline.data.patches import find_patches, identity
from pipeline.environment import Environment, this_machine, write_environment
from pipeline.params import Params
from pipeline.paths import CHECKPOINTS, CURVES, ERROR_FILE
from pipeline.stages.environment import require_current
from pipeline.tracking.lineage import read_lineage
from pipeline.tracking.metrics import of_epoch
from pipeline.tracking.runs import TrackedRun, start

if TYPE_CHECKING:
    from kdsharp.train.student.network import Student
    from kdsharp.train.teacher.network import Teacher

__all__ = ["CURVE", "Training", "code_of", "fingerprint", "on_several_processes"]

_log = logging.getLogger(__name__)

_DELIVERED = "delivered.md5"
_ROOT = Path(__file__).parents[2]  # of the code that runs

CURVE = ("epoch", "loss", "lr", "val_psnr_y")
"""The columns of a learning curve."""


@dataclass
class Training:
    """One network to train: where its files go, and what is recorded of it."""

    stage: str
    params: Params
    config: TeacherConfig | StudentConfig
    target: Path
    also: tuple[Path, ...] = ()
    """Files beside the patches that the training depends on, such as the teacher."""
    tags: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.loop = self.config.loop
        patches = find_patches()
        self.train, self.val = load_patches(patches, "train"), load_patches(patches, "val")
        self.key = fingerprint(self.stage, self.config, (*identity(patches), *self.also))
        self.folder = CHECKPOINTS / f"{self.stage}-{self.key[:12]}"

    def run(
        self,
        train: "Callable[[Lesson], Trained[Teacher] | Trained[Student]]",
        notes: dict[str, object],
    ) -> None:
        """Write the weights and the learning curve, and record all of it in MLflow.

        `train` is one of `kdsharp.train.training`, with the network's config. Of several processes
        the first one alone clears, records and writes.
        """
        require_current(self.params)
        lesson = Lesson(self.train, self.val, self.folder / "last.pt", self.key)
        with DistributedContext(self.loop) as workers:
            if not workers.first:
                train(lesson)
                return
            self._forget_delivered()
            environment = _environment(self.loop, workers)
            with self._tracked(lesson.checkpoint) as tracked:
                tracked.tags(environment.tags())
                tracked.params({self.stage: asdict(self.config), "patches": self._patches()})
                telling = replace(lesson, on_epoch=lambda epoch: self._tell(epoch, tracked))
                done = train(telling)
                self._deliver(done.network, done.fit, notes, tracked)
                write_environment(self.stage, environment)
                self._mark_delivered()

    def _tracked(self, checkpoint: Path) -> TrackedRun:
        """Open the run in MLflow: the interrupted one if there is one, with all epochs so far."""
        note = self.folder / "run.json"
        known = json.loads(note.read_text())["run_id"] if note.exists() else None
        tracked = start(
            self.stage,
            read_lineage(self.params),
            resume=known,
            tags=self.tags,
            params=self.params,
        )
        before = load_checkpoint(checkpoint, self.key)
        if before and tracked.run_id != known:
            for row in before.history:
                tracked.metrics(_curve(row), step=int(row["epoch"]))
        if tracked.run_id:
            with atomic_file(note) as temporary:
                temporary.write_text(json.dumps({"run_id": tracked.run_id}))
        return tracked

    def _tell(self, epoch: Epoch, tracked: TrackedRun) -> None:
        _log.info(
            "%s epoch %2d/%d  loss %.6f  val Y-PSNR %.3f dB  %.0f patches/s",
            self.stage,
            epoch.number,
            self.loop.epochs,
            epoch.loss,
            epoch.val_psnr_y,
            epoch.patches_per_second,
        )
        values = {**_curve(asdict(epoch)), of_epoch("patches_per_second"): epoch.patches_per_second}
        tracked.metrics(values, step=epoch.number)

    def _deliver(
        self,
        network: "Teacher | Student",
        done: TrainResult,
        notes: dict[str, object],
        tracked: TrackedRun,
    ) -> None:
        best = done.history[done.best_epoch - 1]
        notes = {
            **notes,
            "best_epoch": done.best_epoch,
            "precision": done.precision,
            "val_psnr_y": best["val_psnr_y"],
        }
        save_weights(self.target, self.stage, self.config, network.state_dict(), notes)
        CURVES.mkdir(parents=True, exist_ok=True)
        curve = CURVES / f"{self.stage}.csv"
        with atomic_file(curve) as temporary:
            pd.DataFrame(done.history, columns=CURVE).to_csv(
                temporary, index=False, lineterminator="\n"
            )
        tracked.metrics({"best_val_psnr_y": best["val_psnr_y"], "train_s": done.seconds})
        tracked.file(curve)
        tracked.tags({"kdsharp.sha256": sha256_file(self.target)})
        tracked.model_weights(self.target, self.stage)
        _log.info("%s: best epoch %d -> %s", self.stage, done.best_epoch, self.target)

    def _forget_delivered(self) -> None:
        """Train again when asked to: a finished checkpoint is only for a run that was cut off.

        Between the last step and DVC's note of the result lies a moment in which a kill would
        lose hours. So the checkpoint stays when a training ends, and goes when the training is
        asked for again although dvc.lock already has its result.
        """
        note, lock = self.folder / _DELIVERED, Path("dvc.lock")
        if note.exists() and lock.exists() and note.read_text() in lock.read_text("utf-8"):
            shutil.rmtree(self.folder)

    def _mark_delivered(self) -> None:
        """Note what was delivered, and drop earlier checkpoints that have done their duty."""
        digest = hashlib.md5(self.target.read_bytes(), usedforsecurity=False).hexdigest()
        (self.folder / _DELIVERED).write_text(digest)
        for note in CHECKPOINTS.glob(f"{self.stage}-*/{_DELIVERED}"):
            if note.parent != self.folder:
                shutil.rmtree(note.parent)

    def _patches(self) -> dict[str, object]:
        return {"train": len(self.train), "val": len(self.val), "scale": self.train.scale}


def fingerprint(stage: str, config: object, files: tuple[Path | str, ...]) -> str:
    """A hash of everything that decides a training: its config, its files, and its code.

    A file that lies elsewhere is a text that says what it holds.
    """
    whole = hashlib.sha256(repr((config, torch.__version__)).encode())
    for file in (*code_of(stage), *files):
        known = file if isinstance(file, str) else f"{file.name} {sha256_file(file)}"
        whole.update(f"{known}\n".encode())
    return whole.hexdigest()


def code_of(stage: str) -> list[Path]:
    """The modules of the library that dvc.yaml names, by their folders, as what `stage` runs."""
    stages = YAML(typ="safe").load(_ROOT / "dvc.yaml")["stages"]
    named = [_ROOT / dep for dep in stages[stage]["deps"] if dep.startswith("kdsharp/")]
    return sorted(path for dep in named for path in ([dep] if dep.is_file() else dep.rglob("*.py")))


def on_several_processes(stage: str, loop: LoopConfig) -> bool:
    """Start the stage again under torchrun if `loop.processes` says so; True when that was done.

    Raises the error of the process that failed.
    """
    if loop.processes == 1 or "RANK" in os.environ:
        return False
    if loop.batch_size % loop.processes:
        raise UserError(
            f"{stage}.loop.batch_size {loop.batch_size} is not a multiple of "
            f"{stage}.loop.processes {loop.processes}"
        )
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
        threads = max(1, (os.cpu_count() or 1) // loop.processes)
        code = _run_until_saved(
            [sys.executable, *command, str(loop.processes), "-m", f"pipeline.stages.{stage}"],
            {"OMP_NUM_THREADS": str(threads), **os.environ, ERROR_FILE: report.name},
        )
        if code:
            said = report.read().decode()
            record = json.loads(said) if said else {}
            if record.get("exit_code") == INTERRUPTED:
                raise KeyboardInterrupt
            message = record.get("message", f"a process of {stage} ended with {code}")
            raise (UserError if record.get("exit_code") == 2 else KdsharpError)(message)
    return True


def _run_until_saved(command: list[str], env: dict[str, str]) -> int:
    """Run torchrun; returns its exit code. What would end us is left to it, which waits a while.

    A terminal sends Ctrl-C to it as well; `kill` sends SIGTERM to us alone.
    """
    with subprocess.Popen(command, env=env) as agent:
        before = {
            signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: None),
            signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: agent.terminate()),
        }
        try:
            return agent.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _environment(loop: LoopConfig, workers: DistributedContext) -> Environment:
    on_gpu = workers.device.type == "cuda"
    return this_machine(
        device=torch.cuda.get_device_name(workers.device) if on_gpu else "cpu",
        precision=pick_precision(loop.precision, workers.device),
        threads=torch.get_num_threads(),
        processes=workers.world,
    )


def _curve(row: dict[str, float]) -> dict[str, float]:
    return {of_epoch(name): row[name] for name in CURVE[1:]}
