"""The frozen set under real DVC: what leaves it as it is, what makes a new one."""

import shutil

import numpy as np
import pytest
from PIL import Image

from tests.integration.checkout import Checkout, make_checkout

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

OUT = "data/gate"


def photo(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    Image.fromarray(cells).resize((150, 140), Image.Resampling.BICUBIC).save(path)


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    """With six photos of its own, two in each split."""
    made = make_checkout(tmp_path / "checkout")
    for seed, split in enumerate(["train", "val", "test"] * 2):
        photo(made.root / "photos" / split / f"{seed}.png", seed)
    made.set(data__source="folder", data__folder__path="photos", data__folder__at_least=3)
    made.set(gate__size=64, gate__crops=8)
    return made


def repro(checkout, code=0):
    """What `dvc repro gate` said, and the hash of the set."""
    done = checkout.run("dvc", "repro", "gate", code=code)
    return done.stdout + done.stderr, checkout.outs()[OUT]


def test_the_set_outlives_new_photos_and_a_missing_folder(checkout, tmp_path):
    said, first = repro(checkout)
    assert "8 crops (photos: 2) from the test photos of the folder photos, cut anew" in said
    assert "Running stage" in said
    assert "weak evidence" in said
    said, same = repro(checkout)
    assert same == first
    assert "Running stage" not in said

    photo(checkout.root / "photos" / "test" / "more.png", 100)
    said, same = repro(checkout)
    assert same == first
    assert "8 crops (photos: 2) from the test photos of the folder photos, kept as it is" in said

    # DVC keeps no run of a stage whose output persists: the stage itself asks the cache.
    shutil.rmtree(checkout.root / OUT)
    said, same = repro(checkout)
    assert same == first
    shutil.rmtree(checkout.root / OUT)
    checkout.run("dvc", "checkout", OUT)
    assert "Running stage" not in repro(checkout)[0]

    index = checkout.root / OUT / "index.json"
    written = index.read_text()
    index.unlink()  # not through the link, which would damage DVC's cache as well
    index.write_text(written.replace("2.png", "9.png"))
    said, same = repro(checkout)
    assert "is damaged" in said
    assert same == first

    checkout.set(gate__version=2)
    said, second = repro(checkout)
    assert second != first
    assert "9 crops (photos: 3) from the test photos of the folder photos, cut anew" in said
    assert "Running stage" not in repro(checkout)[0]

    # A clone whose cache is empty can only cut it, here from the same photos.
    clone = Checkout(tmp_path / "clone")
    shutil.copytree(checkout.root, clone.root)
    for name in (".dvc/cache", ".dvc/tmp", OUT):
        shutil.rmtree(clone.root / name)
    said, again = repro(clone)
    assert "is not available here" in said
    assert again == second


def test_a_gate_photo_among_the_training_photos_stops_it(checkout):
    _, first = repro(checkout)
    (checkout.root / "photos" / "test" / "2.png").rename(checkout.root / "photos/train/2.png")
    said, same = repro(checkout, code=255)
    assert "the gate's photo 2.png is also train/2.png (the same file)" in said
    assert same == first
    checkout.set(gate__version=2)
    said, second = repro(checkout)
    assert second != first
    assert "8 crops (photos: 1)" in said
