import numpy as np
import pytest
from PIL import Image

from pipeline.release.gate.decide import decide
from pipeline.release.gate.evidence import Comparison
from pipeline.release.gate.report import headline, markdown, picture
from tests.pipeline.release.gated import NOT_ASKED, POLICY, SOUND, compare, facts, measured, quality


def noise(count=120):
    return np.random.default_rng(0).normal(0, 0.05, count)


def broken(error="no <card> | here"):
    """A candidate that does not load."""
    ours, low = measured(None, loads=False, error=error, parity=None), quality(np.zeros(120))
    comparison = Comparison("student", ours, None, low, facts())
    return comparison, decide(comparison, SOUND, POLICY, NOT_ASKED)


def test_the_page_has_the_verdict_the_checks_and_the_numbers():
    _, decision = compare(noise() + 0.1, latency_ratio=1.02)
    page = markdown(decision, "kdsharp-student 7 against 6")
    lines = page.splitlines()
    assert lines[0] == "## kdsharp-student 7 against 6"
    assert lines[2].startswith("**Passed**: better than the incumbent: +0.1")
    for check in decision.checks:
        assert f"| {check.name} | yes | {check.text} |" in lines
    assert "|  | candidate | incumbent | input |" in lines
    numbers = decision.numbers["psnr_y"]
    values = " | ".join(f"{numbers[name]:.3f}" for name in ("candidate", "incumbent", "input"))
    assert f"| Y-PSNR (dB) | {values} |" in lines
    assert "| size (bytes) | 50,000 | 50,000 |  |" in lines
    assert f"{numbers['mean']:+.3f} | {numbers['low']:+.3f} | {numbers['high']:+.3f}" in page
    assert "120 crops (photos: 20), bicubic x2, gate set `ffffffffffff`" in page
    assert headline(decision) == f"Passed: {decision.reason}"


def test_every_table_has_as_many_cells_in_each_row():
    for _, decision in (compare(noise() - 1), compare(noise(), incumbent=False), broken()):
        blocks = markdown(decision, "x").split("\n\n")
        tables = [block for block in blocks if block.startswith("|")]
        assert tables
        for block in tables:
            cells = [line.replace("\\|", "").count("|") for line in block.splitlines()]
            assert len(set(cells)) == 1


def test_what_came_from_outside_changes_no_page():
    _, decision = broken()
    page = markdown(decision, "one|two\nthree")
    assert "**Refused**: it cannot be used: no &lt;card> \\| here" in page
    assert page.splitlines()[0] == "## one\\|two\\nthree"


@pytest.mark.parametrize("photos", [1, 3, 24, 25, 120])
def test_the_picture_shows_any_number_of_photos(tmp_path, photos):
    change = noise(120 if 120 % photos == 0 else 5 * photos)
    comparison, decision = compare(change, photos)
    picture(decision, comparison, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as drawn:
        assert drawn.size == (1320, 672)
        colors = np.unique(np.asarray(drawn.convert("RGB")).reshape(-1, 3), axis=0)
    assert len(colors) > 100
    picture(decision, comparison, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("change", [np.zeros(120), np.full(120, 2.0)])
def test_the_picture_of_what_does_not_differ_or_has_no_incumbent(tmp_path, change):
    comparison, decision = compare(change, incumbent=False)
    picture(decision, comparison, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 5000


def test_names_in_any_script_are_drawn(tmp_path):
    comparison, decision = compare(noise(), photos=3)
    names = ("$x$ and \\alpha_{", "写真.png", "a" * 300)
    gate = facts(3)
    gate = type(gate)(**{**vars(gate), "names": names})
    odd = Comparison("student", comparison.candidate, comparison.incumbent, comparison.input, gate)
    picture(decision, odd, tmp_path / "a.png")
    plain = Comparison(
        "student", comparison.candidate, comparison.incumbent, comparison.input, facts(3)
    )
    picture(decision, plain, tmp_path / "plain.png")
    with Image.open(tmp_path / "a.png") as drawn, Image.open(tmp_path / "plain.png") as other:
        assert drawn.size == other.size
        changed = np.asarray(drawn.convert("L")) != np.asarray(other.convert("L"))
    # The names alone differ, and each has ink of its own.
    assert changed.sum() > 100


def test_a_candidate_without_scores_gets_its_verdict_alone(tmp_path):
    comparison, decision = broken()
    picture(decision, comparison, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as drawn:
        plain = np.asarray(drawn.convert("L"))
    assert plain[:150].min() < 150
    assert plain[200:].min() == plain[200:].max()
