import io
import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kdsharp.imageio.decode import read_rgb
from pipeline.data.check import distances, perceptual_hash

NEAR = 4  # data.duplicate_distance


def apart(one: Image.Image, other: Image.Image) -> int:
    a, b = perceptual_hash(one), perceptual_hash(other)
    assert a is not None
    assert b is not None
    return int(distances(a, [b])[0])


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    stored = io.BytesIO()
    image.save(stored, "JPEG", quality=quality)
    return Image.open(stored).convert("RGB")


COPIES = {
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2)),
    "larger": lambda image: image.resize((image.width * 3 // 2, image.height * 3 // 2)),
    "recompressed": lambda image: jpeg(image, 30),
    "small and recompressed": lambda image: jpeg(image.resize((120, 90)), 50),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "cut to a multiple of 4": lambda image: image.crop(
        (0, 0, image.width // 4 * 4, image.height // 4 * 4)
    ),
}


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("seed", range(5))
def test_copies_are_near(make_picture, copy, seed):
    image = make_picture(seed, (321, 241))
    assert apart(image, copy(image)) <= NEAR


def test_different_pictures_are_far(make_picture):
    bits = [perceptual_hash(make_picture(seed)) for seed in range(60)]
    nearest = min(distances(bits[i], bits[i + 1 :]).min() for i in range(59))
    assert nearest > 2 * NEAR


def test_smooth_pictures_do_not_collide():
    random = np.random.default_rng(7)
    rows, columns = np.mgrid[0:120, 0:160] / 120
    bits = []
    for _ in range(40):
        angle, (first, second) = random.uniform(0, 7), random.uniform(0, 255, (2, 3))
        ramp = np.cos(angle) * columns + np.sin(angle) * rows
        ramp = (ramp - ramp.min()) / np.ptp(ramp)
        image = Image.fromarray(
            (first + (second - first) * ramp[..., None]).round().astype(np.uint8)
        )
        bits.append(perceptual_hash(image))
    known = [b for b in bits if b is not None]
    assert len(known) > 20
    assert all(distances(a, [b])[0] > NEAR for a, b in itertools.combinations(known, 2))


@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (10, 200, 30)])
def test_a_plain_picture_has_no_fingerprint(color):
    assert perceptual_hash(Image.new("RGB", (200, 150), color)) is None


def test_shared_photos_collide_only_where_they_are_the_same(shared_data: Path):
    paths = [
        *sorted((shared_data / "benchmarks" / "Set5").iterdir()),
        *sorted((shared_data / "benchmarks" / "Set14").iterdir()),
        *sorted((shared_data / "benchmarks" / "B100").iterdir()),
        *sorted((shared_data / "substitute" / "train_HR").glob("bsds_*"))[::2],
    ]
    bits = {path.stem: perceptual_hash(read_rgb(path)) for path in paths}
    assert None not in bits.values()
    near = [
        {one, other}
        for one, other in itertools.combinations(bits, 2)
        if (bits[one] ^ bits[other]).bit_count() <= NEAR
    ]
    assert near == [{"head", "face"}]


def test_copies_of_shared_photos_are_near(shared_data: Path):
    paths = sorted((shared_data / "substitute" / "train_HR").glob("bsds_*"))[::10]
    images = [read_rgb(path) for path in paths]
    for change in COPIES.values():
        found = [apart(image, change(image)) <= NEAR for image in images]
        assert np.mean(found) >= 0.95
