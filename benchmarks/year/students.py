"""A student: trained for a minute, exported, and judged by the gate against the one in use."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from kdsharp.degrade import degrade, known_recipe
from kdsharp.degrade.recipes import Recipe
from kdsharp.files import sha256_file
from kdsharp.imageio.decode import read_rgb
from kdsharp.observe.expect import Expects
from kdsharp.observe.statistics import measure as measure_statistics
from kdsharp.runtime.card import FORMAT, Card, Tensor, write_card
from kdsharp.sharpening.sharpener import Sharpener
from kdsharp.train.config import PatchesConfig, StudentConfig
from kdsharp.train.dataset.cut import cut_patches
from kdsharp.train.dataset.patches import load_patches
from kdsharp.train.export.fp32 import INPUT, OUTPUT, write_onnx
from kdsharp.train.loop.weights import save_weights
from kdsharp.train.student.network import Student
from kdsharp.train.student.train import train_student
from kdsharp.train.training import Lesson
from pipeline.choice.combine import combine
from pipeline.data.source import CheckedPhoto
from pipeline.monitoring.fit import fit_expects
from pipeline.monitoring.measured import FITTED, Row, gain_of, part_of
from pipeline.params import DegradationParams, GateParams, PromotionParams
from pipeline.release.gate.checks import HeldOut, Provenance
from pipeline.release.gate.crops import GateSet, cut_gate_set, load_gate_set
from pipeline.release.gate.decide import decide
from pipeline.release.gate.evidence import Decision
from pipeline.release.gate.measure import measure
from pipeline.release.promotion.production_evidence import with_production
from pipeline.release.promotion.pseudo_truth import PseudoTruth, pseudo_truth_check

__all__ = ["Made", "School"]

_PATCHES = PatchesConfig(size=96, train=800, val=32)
_SIDE = 288
_FITTED_ON, _EACH = 36, 11  # photos, and recipes of each, that the gain to expect is fitted on
_PARTS = 700  # of photos, that a set's gains are measured on
_NOT_HELD_OUT = HeldOut("nothing", asked=False)
_FILES = {"data/patches": "1" * 32, "models/student.safetensors": "2" * 32}


@dataclass(frozen=True)
class Made:
    """A student in `folder`, or a set of them; `expects` is what predicts its gain.

    `learned` is what it saw besides the usual pictures, or instead of them if it is of its `own`.
    """

    folder: Path
    learned: Mapping[str, float]
    sharpener: Sharpener
    expects: Expects
    own: bool = False


@dataclass(frozen=True)
class _Known:
    photo: str
    recipe: str
    statistics: dict[str, float]
    low: Image.Image
    truth: Image.Image


@dataclass
class School:
    """Trains on `photos`, and judges on the frozen `gate_set`, all of it below `root`.

    Gate sets are cut as `cut` says from the photos `judged`. `photos` are in the folder `learned`.
    """

    root: Path
    photos: Sequence[Path]
    val: Sequence[Path]
    judged: Sequence[CheckedPhoto]
    cut: GateParams
    usual: DegradationParams
    gate_set: GateSet
    policy: PromotionParams
    config: StudentConfig
    steps: int
    trained: int = 0
    known: list[_Known] = field(default_factory=list)

    def train(self, mixed_in: Mapping[str, float], seed: int = 1) -> Made:
        """Another student; the same photos, steps and seed, whatever is mixed in."""
        made = self.usual.model_copy(update={"mixed_in": dict(mixed_in)})
        folder, sharpener = self._student(made, seed)
        return Made(folder, dict(mixed_in), sharpener, self._expects(sharpener))

    def train_own(self, recipes: Mapping[str, float], seed: int = 1) -> Made:
        """A student for `recipes` by their shares, and for nothing else."""
        folder, sharpener = self._student(_own(recipes), seed)
        return Made(folder, dict(recipes), sharpener, self._expects(sharpener), own=True)

    def combine(self, before: Made, added: Made) -> Made:
        """The set of what is in use and one more, which each picture chooses from."""
        folder = self.root / f"set-{self.trained}"
        models = [one.parent for one in sorted(before.folder.glob("*/card.json"))]
        models = [*(models or [before.folder]), added.folder]
        combine(folder, models, self.root / "learned", _PARTS, quiet=True)
        sharpener = Sharpener(folder, engine="onnxruntime", threads=1, precision="fp32")
        return Made(folder, before.learned, sharpener, self._expects(sharpener))

    def _expects(self, sharpener: Sharpener) -> Expects:
        rows = [self._row(known, sharpener) for known in self._known()]
        return fit_expects(rows, [], sharpener, 0)

    def _student(self, made: DegradationParams, seed: int) -> tuple[Path, Sharpener]:
        self.trained += 1
        folder = self.root / f"student-{self.trained}"
        patches = folder / "patches"
        patches.mkdir(parents=True)
        recipes: Mapping[str, Recipe] = {"train": made.taught, "val": made.recipe}
        for split, files in (("train", self.photos), ("val", self.val)):
            count = getattr(_PATCHES, split)
            cut_patches(files, count, patches, split, _PATCHES, recipes[split], made.scale)
        pairs, val = load_patches(patches, "train"), load_patches(patches, "val")
        lesson = Lesson(pairs, val, folder / "last.pt", "year", steps=self.steps)
        # One thread: two of them wait for each other wherever the machine does other work.
        loop = dataclasses.replace(self.config.loop, seed=seed, threads=1)
        config = dataclasses.replace(self.config, loop=loop)
        self._export(train_student(config, lesson).network, folder, made.name)
        return folder, Sharpener(folder, engine="onnxruntime", threads=1, precision="fp32")

    def judge(self, candidate: Made, incumbent: Made, found: PseudoTruth | None) -> Decision:
        """The gate's decision, with the slice of pseudo-truth beside the frozen set.

        Both were trained on the same photos, so that `new data` is no reason for either. A model of
        its own is judged against doing nothing, on a set of what it is for.
        """
        if candidate.own:
            return self._judge_own(candidate)
        comparison = measure(
            "student", candidate.folder, incumbent.folder, self.gate_set, self.policy
        )
        made = _provenance(self.usual)
        decision = decide(comparison, made, self.policy, _NOT_HELD_OUT, made)
        if found is None:
            return decision
        folders = candidate.folder, incumbent.folder
        check = pseudo_truth_check("student", *folders, self.gate_set, found, self.policy)
        return with_production(decision, [check])

    def _judge_own(self, candidate: Made) -> Decision:
        usual = _own(candidate.learned)
        cut_gate_set(self.judged, candidate.folder / "gate", self.cut, usual)
        gate_set = load_gate_set(candidate.folder / "gate")
        comparison = measure("student", candidate.folder, None, gate_set, self.policy)
        return decide(comparison, _provenance(usual), self.policy, _NOT_HELD_OUT, None)

    def _known(self) -> Sequence[_Known]:
        """Parts of photos made low, as `measure_gains` makes them, for all students to come."""
        if not self.known:
            random, photos = np.random.default_rng(0), self.photos[:_FITTED_ON]
            each = -(-_FITTED_ON * _EACH // len(photos))  # more of them where photos are few
            for path in photos:
                truth = part_of(read_rgb(path), _SIDE, random)
                name = hashlib.sha256(np.asarray(truth).tobytes()).hexdigest()[:12]
                for recipe in random.permutation(list(FITTED))[:each]:
                    low = degrade(truth, known_recipe(str(recipe)), 2, int(random.integers(2**31)))
                    seen = measure_statistics(np.asarray(low))
                    self.known.append(_Known(name, str(recipe), seen, low, truth))
        return self.known

    def _row(self, known: _Known, sharpener: Sharpener) -> Row:
        model, gain = gain_of(sharpener, known.low, known.truth)
        return Row(known.photo, known.recipe, known.statistics, model, gain)

    def _export(self, student: Student, folder: Path, degradation: str) -> None:
        path = folder / "student.onnx"
        write_onnx(student, path)
        weights = folder / "student.safetensors"
        save_weights(weights, "student", student.config, student.state_dict())
        ends = Tensor(INPUT, student.planes), Tensor(OUTPUT, student.planes)
        card = Card(
            FORMAT, folder.name, path.name, sha256_file(path), degradation, self.usual.scale,
            student.config.color, "bt601-full", *ends, student.receptive_radius,
            student.config.unshuffle_factor, student.parameter_count, student.macs_per_pixel,
            lineage={}, metrics={},
        )  # fmt: skip
        write_card(folder, card)


def _own(recipes: Mapping[str, float]) -> DegradationParams:
    """As a proposal has it that asks for a model of its own."""
    return DegradationParams(name="drift", scale=2, recipes={"drift": dict(recipes)})


def _provenance(usual: DegradationParams) -> Provenance:
    return Provenance(
        "c" * 40, False, "d" * 32, "e" * 64, "d" * 32,
        made_for=(usual.name, usual.scale), outs=_FILES, commit_outs=_FILES,
    )  # fmt: skip
