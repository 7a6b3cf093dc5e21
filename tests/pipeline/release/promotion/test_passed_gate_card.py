"""What a model's card and page say of the gate, and that all that ships says it."""

from pathlib import Path

import numpy as np
import pytest

from kdsharp.errors import UserError
from kdsharp.runtime.card import read_card
from pipeline.release.promotion.decision_record import DecisionRecord, decision_id, gate_verdict
from pipeline.release.promotion.passed import NOT_JUDGED, card_gate, gate_section, with_gate_section
from tests.pipeline.release.gated import compare

WEIGHTS = Path(__file__).parents[4] / "kdsharp" / "weights"
PAGE = "# tiny\n\nWhat it is.\n\n## Measured\n\nNothing.\n\n## Limits\n\n- Many.\n"


def record(change=0.2, **more):
    _, decision = compare(np.full(120, change), **more)
    when = "2026-11-26T19:00:00Z"
    return DecisionRecord("kdsharp-student", 3, "0" * 64, "version 2", when, decision)


def test_a_record_survives_json_and_its_id_is_that_of_its_bytes():
    text = record().to_json()
    assert DecisionRecord.from_json(text) == record()
    assert DecisionRecord.from_json(text).to_json() == text
    assert decision_id(text) == decision_id(record().to_json())
    assert decision_id(text) != decision_id(record(0.21).to_json())
    for text in ("", "{}", "[]", '{"decision": {"checks": [1]}}'):
        with pytest.raises(UserError, match="not a record of a decision"):
            DecisionRecord.from_json(text)


def test_the_section_tells_the_decision_and_its_evidence():
    gate = card_gate(record(), None, "c" * 40)
    section = gate_section(gate)
    for words in (
        f"Decision `{gate['decision']}` of 2026-11-26 19:00:00 UTC on version 3 of",
        "against version 2: **passed**: better than the incumbent: +0.200 dB",
        "Means over 20 photos (120 crops, bicubic x2)",
        "| PSNR Y (dB) | 30.200 | 30.000 | 29.000 | +0.200 | +0.200 to +0.200 |",
    ):
        assert words in section.replace("\n", " ")
    assert "forced" not in section
    prose = [line for line in section.splitlines() if not line.startswith("|")]
    assert max(map(len, prose)) <= 100


def test_without_an_incumbent_there_is_no_column_for_it():
    section = gate_section(card_gate(record(incumbent=False), None, ""))
    assert "|  | this model | doing nothing | difference | its interval |" in section


def test_a_candidate_that_could_not_be_scored_has_no_numbers():
    _, decision = compare(np.full(120, np.nan))
    gate = card_gate(DecisionRecord("m", 1, "", "version 1", "", decision), "a\nwhy", "")
    assert "**forced** into production nevertheless: a why." in gate_section(gate)
    assert "PSNR Y" not in gate_section(gate)


def test_the_section_stands_before_the_limits_once():
    page = with_gate_section(PAGE, NOT_JUDGED)
    section = gate_section(NOT_JUDGED)
    assert page == PAGE.replace("## Limits", f"{section}\n\n## Limits")
    assert with_gate_section(page, NOT_JUDGED) == page
    assert with_gate_section("# tiny\n", NOT_JUDGED) == f"# tiny\n\n{section}\n"
    other = gate_section(card_gate(record(), None, ""))
    replaced = with_gate_section(page, card_gate(record(), None, ""))
    assert replaced == PAGE.replace("## Limits", f"{other}\n\n## Limits")


def test_a_verdict_in_a_table():
    assert gate_verdict({}) == "not judged"
    assert gate_verdict({"kdsharp.gate": "passed"}) == "passed"
    assert gate_verdict({"kdsharp.gate": "refused", "kdsharp.decision": "a1"}) == "refused a1"


@pytest.mark.parametrize("folder", sorted(path.parent for path in WEIGHTS.glob("*/card.json")))
def test_what_ships_names_its_decision_or_says_that_there_was_none(folder):
    gate = read_card(folder).gate
    assert gate is not None, f"{folder.name}: its card says nothing of the gate"
    if gate["judged"]:
        assert gate["verdict"] == "passed" or gate["forced"]
    assert gate_section(gate) in (folder / "README.md").read_text(encoding="utf-8")


def test_every_model_file_belongs_to_such_a_card():
    """But the one that chooses among the models: docs/release.md tells that nothing judges it."""
    described = set()
    for card_file in WEIGHTS.glob("*/card.json"):
        card = read_card(card_file.parent)
        parts = (card, card.int8, card.upscaler, card.upscaler_int8)
        described |= {card_file.parent / part.file for part in parts if part}
    assert set(WEIGHTS.rglob("*.onnx")) - described == {WEIGHTS / "degradation_classifier.onnx"}
    said = (WEIGHTS.parents[1] / "docs/release.md").read_text(encoding="utf-8")
    assert "`kdsharp/weights/degradation_classifier.onnx` was not judged by the gate" in " ".join(
        said.split()
    )
