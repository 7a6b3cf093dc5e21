"""Made-up measurements, a decision on them and small gate sets, for several tests."""

import dataclasses
from pathlib import Path

import numpy as np
from PIL import Image

from kdsharp.files import sha256_file
from pipeline.data.check import perceptual_hash
from pipeline.data.source import CheckedPhoto
from pipeline.params import DegradationParams, GateParams, load_params
from pipeline.release.gate.checks import HeldOut, Provenance
from pipeline.release.gate.decide import decide
from pipeline.release.gate.evidence import Comparison, GateFacts, Measured, Quality, Serving

POLICY = load_params(Path(__file__).parents[3] / "params.yaml").promotion
OUTS = {"data/patches": "1" * 32 + ".dir", "models/student.safetensors": "2" * 32}
SOUND = Provenance("c" * 40, False, "d" * 32, "e" * 64, "d" * 32, outs=OUTS, commit_outs=OUTS)
BEFORE = Provenance("b" * 40, False, "a" * 32, "e" * 64, "a" * 32)
NOT_ASKED = HeldOut("data/held_out", asked=False)
BICUBIC = DegradationParams(name="bicubic", scale=2)


def gate_params(**changes):
    values = {"folder": None, "crops": 8, "size": 48, "version": 1, "seed": 1}
    return GateParams(**values | changes)


def quality(psnr, photos=20):
    """Scores of crops of `photos` photos, as many of each; SSIM follows PSNR."""
    psnr = np.asarray(psnr, float)
    return Quality(psnr, 0.9 + psnr / 1000, np.repeat(np.arange(photos), len(psnr) // photos))


def measured(psnr, photos=20, **serving):
    usual = {"loads": True, "parity": 1e-6, "latency_ms": 10.0, "size_bytes": 50_000}
    scores = None if psnr is None else quality(psnr, photos)
    return Measured(scores, Serving(**usual | {"engine": "openvino"} | serving), 1000, 300.0)


def facts(photos=20, crops=120):
    names = tuple(f"{number}.png" for number in range(photos))
    return GateFacts("f" * 64, photos, crops, "bicubic", 2, names)


def compare(
    change, photos=20, incumbent=True, gain=1.0, provenance=SOUND, policy=POLICY,
    held_out=NOT_ASKED, latency_ratio=None, int8=None, their_int8=None, before=BEFORE, anchors=(),
    **serving,
):  # fmt: skip
    """A candidate that differs by `change` (N,) in dB from the incumbent, or from the input.

    It was trained on new data, unless `before` says otherwise of the incumbent.

    `latency_ratio` is its time by the incumbent's. `int8` (N,) is what its int8 file differs by
    from that, `their_int8` the same for the incumbent; None: it has none.
    """
    base = np.full(len(change), 30.0)

    def file(difference, **values):
        return measured(base + difference, photos, **{"precision": "int8"} | values)

    candidate = measured(base + change, photos, **serving)
    if int8 is not None:
        candidate = dataclasses.replace(candidate, int8=file(int8))
    other = measured(base, photos, latency_ratio=latency_ratio) if incumbent else None
    if other and their_int8 is not None:
        other = dataclasses.replace(other, int8=file(their_int8))
    elif other and int8 is not None:
        other = dataclasses.replace(other, int8=other)
    low = quality(base - 1 if incumbent else base, photos)
    gate = facts(photos, len(change))
    comparison = Comparison("student", candidate, other, low, gate, tuple(anchors))
    return comparison, decide(comparison, provenance, policy, held_out, before)


def photo(path, seed, size=(150, 140)):
    """A picture with structure of its own for every seed, as `pipeline.sources` describes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    image = Image.fromarray(cells).resize(size, Image.Resampling.BICUBIC)
    image.save(path)
    return CheckedPhoto(
        path.name, path, "test", "", sha256_file(path), *size, perceptual_hash(image)
    )
