"""From a verdict to a small file, and from the file, perhaps edited, to params and pictures."""

import dataclasses
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from kdsharp.errors import UserError
from kdsharp.observe.log import Log, day_of
from pipeline.data.source import CheckedPhoto
from pipeline.flows.proposed import apply_proposal
from pipeline.flows.respond import respond
from pipeline.monitoring.cooldown import last_claim
from pipeline.monitoring.pictures import cut_slice, find_kept, split_kept
from pipeline.monitoring.proposal import Kept, propose, read_proposal, write_proposal
from pipeline.monitoring.verdict import Evidence, Verdict
from pipeline.params import load_params
from pipeline.presets import lay_over
from pipeline.release.promotion.pseudo_truth import read_pseudo_truth
from tests.integration.checkout import set_params
from tests.pipeline.monitoring.seen import NOW, make_seen

ROOT = Path(__file__).parents[3]
LOST = {"jpeg-coarse": (0.1, 0.4), "bicubic": (0.8, 0.5)}


def verdict(word="drifted", **about):
    return Verdict(word, ["blocks have changed"], Evidence(60, 60, "x"), {"lost": LOST} | about)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    return tmp_path


@pytest.fixture(scope="module")
def observed(tmp_path_factory):
    """Twelve kept pictures of a day, soft enough to be sharp when they are halved."""
    folder = tmp_path_factory.mktemp("observed") / "seen"
    log = Log(folder, pictures=1.0)
    photos = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()]
    for number, seen in enumerate(make_seen(12)):
        photo = Image.fromarray(photos[number % 4])
        left = 12 * number
        part = photo.crop((left, 0, left + 260, 260)).resize((520, 520), Image.Resampling.BICUBIC)
        part.save(folder / "one.png")
        log.write(dataclasses.replace(seen, format="PNG"), folder / "one.png")
    (folder / "one.png").unlink()
    return folder


def test_a_proposal_comes_back_as_it_was_written(checkout):
    set_params(checkout, {"monitor.learns": "mixed_in"})
    made = propose(verdict(), load_params())
    assert made.params == {"degradation": {"mixed_in": {"jpeg-coarse": 0.6}}}
    assert made.pictures is None  # the sample takes none
    write_proposal(made, Path("p.yaml"), "start it")
    assert "# start it" in Path("p.yaml").read_text()
    assert read_proposal(Path("p.yaml")) == made


def test_what_is_new_may_get_a_model_of_its_own(checkout):
    found = verdict(lost=LOST | {"bicubic": (0.1, 0.3)})  # which there is a model for
    made = propose(found, load_params())
    (name,) = made.params["degradation"]["recipes"]
    assert name.startswith("drift-2")
    assert made.params["degradation"] == {"name": name, "recipes": {name: {"jpeg-coarse": 0.4}}}
    lay_over({"degradation": {"mixed_in": {"noisy": 0.2}}}, "a test")
    write_proposal(propose(verdict(), load_params()), Path("p.yaml"), "start it")
    apply_proposal(Path("p.yaml"), lambda line: None)
    learned = load_params().degradation
    assert (learned.name, learned.mixed_in) == (name, {})
    assert learned.taught.weights == (0.4,)
    assert propose(verdict(lost={"bicubic": (0.8, 0.5)}), load_params()) is None


def test_pictures_are_proposed_where_a_teacher_can_answer_for_them(checkout, observed):
    about = {"kept_days": ["2023-11-14"], "folder": str(observed)}
    assert propose(verdict(**about), load_params()).pictures is None
    set_params(checkout, {"data.source": "folder"})
    made = propose(verdict(**about, lost={}), load_params())
    assert made.pictures == Kept(observed, ("2023-11-14",))
    assert made.params == {"patches": {"unlabelled": 200}}


def test_where_nothing_could_be_learned_nothing_is_proposed(checkout):
    for learns in ("mixed_in", "own_model"):
        set_params(checkout, {"monitor.learns": learns})
        assert propose(verdict(lost={"bicubic": (0.8, 0.9)}), load_params()) is None
    assert "no retraining is proposed" in respond(verdict(lost={}), may_start=False)
    assert last_claim() is None


def test_a_person_is_asked_once(checkout):
    said = respond(verdict(), may_start=False)
    path = Path(last_claim().proposal)
    assert f"python -m pipeline retrain --proposal {path}" in said
    assert read_proposal(path).because == "blocks have changed"
    again = respond(verdict("falling"), may_start=True)
    assert again.startswith("a retraining was proposed on ")
    assert str(path) in again
    assert len(list(path.parent.iterdir())) == 1


def test_nobody_is_asked_without_an_alarm_or_where_it_is_not_wanted(checkout):
    assert respond(verdict("watch"), may_start=True) == ""
    set_params(checkout, {"monitor.retrain": "never"})
    assert "never" in respond(verdict(), may_start=True)
    assert last_claim() is None
    (checkout / "params.yaml").unlink()
    assert respond(verdict(), may_start=True) == ""


def test_it_is_laid_over_params_and_can_be_edited(checkout):
    set_params(checkout, {"monitor.learns": "mixed_in"})
    write_proposal(propose(verdict(), load_params()), Path("p.yaml"), "start it")
    edited = Path("p.yaml").read_text().replace("0.6", "0.3")
    Path("p.yaml").write_text(edited + "\n")
    before, lines = load_params(), []
    apply_proposal(Path("p.yaml"), lines.append)
    after = load_params()
    assert after.degradation.mixed_in == {"jpeg-coarse": 0.3}
    assert after.degradation.recipe == before.degradation.recipe
    assert (after.degradation.taught.name, after.degradation.taught.weights) == (
        "bicubic",
        (0.7, 0.3),
    )
    assert any("degradation.mixed_in" in line for line in lines)
    assert "# recipes of your own" in Path("params.yaml").read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("params: 3", "params is 3"),
        ("paramz: {}", "paramz is not a known key"),
        ("pictures: {folder: x}", "pictures needs folder and days"),
        ("pictures: {folder: x, days: [../..]}", "write days as 2026-01-31"),
        ("params: {degradation: {mixed_in: {sepia: 0.2}}}", "recipe 'sepia' is unknown"),
        ("params: {degradation: {mixed_in: {web: 0.7}}}", "at most 0.6"),
        ("params: {degradation: {mixed_in: {web: .nan}}}", "degradation.mixed_in.web is nan"),
        ("params: {degradation: {mixt: {web: 0.1}}}", "mixt is not a known key"),
    ],
)
def test_a_wrong_one_changes_nothing(checkout, text, said):
    Path("p.yaml").write_text(text)
    before = Path("params.yaml").read_bytes()
    with pytest.raises(UserError, match=said):
        apply_proposal(Path("p.yaml"), print)
    assert Path("params.yaml").read_bytes() == before


def test_kept_pictures_go_to_the_teacher_or_to_the_slice_and_never_to_both(checkout, observed):
    day = day_of(NOW)
    # What lies elsewhere is not believed to be a kept picture.
    link = observed / "pictures" / day / "link.png"
    link.symlink_to(__file__)
    try:
        found = find_kept(Kept(observed, (day, "2020-01-01")), load_params())
    finally:
        link.unlink()
    assert len(found) == 12
    learn, judged = split_kept(found, 4)
    assert {p.sha256 for p in learn} | {p.sha256 for p in judged} == {p.sha256 for p in found}
    assert not {p.perceptual_hash for p in learn} & {p.perceptual_hash for p in judged}
    again = split_kept(found[::-1], 4)
    assert {p.sha256 for p in again[1]} == {p.sha256 for p in judged}


def test_pictures_that_are_gone_change_nothing_but_what_is_mixed_in(checkout, observed):
    set_params(checkout, {"data.source": "folder", "monitor.learns": "mixed_in"})
    kept = Kept(observed, ("2020-01-01",))
    made = dataclasses.replace(propose(verdict(), load_params()), pictures=kept)
    values = {**made.params, "patches": {"unlabelled": 200, "train": 900}}
    write_proposal(dataclasses.replace(made, params=values), Path("p.yaml"), "start it")
    lines = []
    apply_proposal(Path("p.yaml"), lines.append)
    after = load_params()
    assert (after.patches.unlabelled, after.patches.train) == (0, 900)
    assert after.degradation.mixed_in == {"jpeg-coarse": 0.6}
    assert read_pseudo_truth() is None
    assert any("none of production's pictures can be used" in line for line in lines)


def test_near_duplicates_stay_together():
    def made(number, bits):
        sha = f"{number * 7 % 16:x}" + "0" * 63
        return CheckedPhoto(f"{number}.png", Path("x"), None, "", sha, 300, 300, bits)

    photos = [made(number, 0b1011 << 20 | number % 2) for number in range(8)]
    others = np.random.default_rng(0).integers(2**62, size=24)
    photos += [made(8 + number, int(bits)) for number, bits in enumerate(others)]
    learn, judged = split_kept(photos, 4)
    burst = {f"{number}.png" for number in range(8)}
    assert burst <= {p.name for p in learn} or burst <= {p.name for p in judged}
    assert learn and judged


def test_the_slice_holds_pairs_of_what_was_kept(checkout, observed):
    paths = sorted((observed / "pictures" / day_of(NOW)).iterdir())[:4]
    (checkout / "broken.png").write_text("no")
    found = cut_slice([*paths, checkout / "broken.png"], ["2023-11-14"])
    assert found.low_NHWC.shape == found.high_NHWC.shape == (4 * found.pictures, 96, 96, 3)
    assert 1 <= found.pictures <= 4
    assert (found.low_NHWC != found.high_NHWC).any()
    assert cut_slice([checkout / "broken.png"], []) is None


def test_pictures_come_into_the_folder_and_the_slice_beside_production(checkout, observed):
    set_params(checkout, {"data.source": "folder", "data.min_side": 64})
    subprocess.run(["git", "init", "-q"], check=True)
    kept = Kept(observed, (day_of(NOW),))
    made = dataclasses.replace(propose(verdict(), load_params()), pictures=kept)
    write_proposal(made, Path("p.yaml"), "start it")
    lines = []
    apply_proposal(Path("p.yaml"), lines.append)
    placed = list((checkout / "data/photos/unlabelled/production").iterdir())
    learn, judged = split_kept(find_kept(kept, load_params()), 4)
    assert {p.stem for p in placed} == {p.sha256[:24] for p in learn}
    assert {oct(p.stat().st_mode & 0o777) for p in placed} == {"0o600"}
    found = read_pseudo_truth()
    assert (found is None) == (not judged)
    assert any("photos for the teacher" in line for line in lines)
