"""Made-up measurements, a decision on them and small gate sets, for several tests."""

from pathlib import Path

import numpy as np
from PIL import Image

from kdsharp.files import sha256_file
from pipeline.gate.decide import Provenance, decide
from pipeline.gate.evidence import Comparison, GateFacts, Measured, Quality, Serving
from pipeline.gate.unseen import Unseen
from pipeline.params import DegradationParams, GateParams, load_params
from pipeline.sources.fingerprint import fingerprint
from pipeline.sources.source import Photo

POLICY = load_params(Path(__file__).parents[2] / "params.yaml").promotion
SOUND = Provenance("c" * 40, False, "d" * 32, "e" * 64, "d" * 32)
NOT_ASKED = Unseen("data/unseen", asked=False)
BICUBIC = DegradationParams(name="bicubic", scale=2)


def gate_params(**changes):
    values = {"folder": None, "crops": 8, "size": 48, "edition": 1, "seed": 1}
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
    change, photos=20, incumbent=True, gain=1.0, provenance=SOUND, policy=POLICY, unseen=NOT_ASKED,
    **serving,
):  # fmt: skip
    """A candidate that differs by `change` (N,) in dB from the incumbent, or from the input."""
    base = np.full(len(change), 30.0)
    candidate = measured(base + change, photos, **serving)
    other = measured(base, photos) if incumbent else None
    low = quality(base - 1 if incumbent else base, photos)
    gate = facts(photos, len(change))
    decision = decide(candidate, other, low, provenance, policy, gate, unseen)
    return Comparison("student", candidate, other, low, gate), decision


def photo(path, seed, size=(150, 140)):
    """A picture with structure of its own for every seed, as `pipeline.sources` describes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    image = Image.fromarray(cells).resize(size, Image.Resampling.BICUBIC)
    image.save(path)
    return Photo(path.name, path, "test", "", sha256_file(path), *size, fingerprint(image))
