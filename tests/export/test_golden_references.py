"""The exported graphs give what torch gave when tests/golden was recorded; no torch needed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.export.graphs import (
    ARCHITECTURES,
    FAMILY_NAMES,
    SPECIAL_IDS,
    family_of,
    relative,
    run_main,
    run_masked,
)
from tests.make_golden import GOLDEN, TOLERANCE

pytestmark = pytest.mark.export

Folders = Callable[[str], Path]
FILES = {
    family: json.loads((GOLDEN / f"{family.lower()}.json").read_text()) for family in FAMILY_NAMES
}
CASES = [
    pytest.param(case, id=f"{case['architecture']}-{len(case['ids'])}")
    for content in FILES.values()
    for case in content["cases"]
]
HEADED = [case for case in CASES if not case.values[0]["architecture"].endswith("Model")]
ENCODERS = [case for case in CASES if case not in HEADED]


def types_of(case: dict[str, Any]) -> list[list[int]] | None:
    return [case["types"]] if "types" in case else None


def masked_outputs(case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Run the masked graph on the case beside a longer row, so that the case is padded."""
    architecture, ids = case["architecture"], case["ids"]
    padding = SPECIAL_IDS[family_of(architecture)][3]
    types = [case["types"], [0] * (len(ids) + 3)] if "types" in case else None
    return run_masked(folder, [ids, [*ids, 20, 21, 22]], padding, types)[0]


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_the_references_say_what_made_them_and_how_near_to_come(family: str) -> None:
    assert set(FILES[family]["versions"]) == {"torch", "transformers"}
    assert FILES[family]["tolerance"] == TOLERANCE


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_the_references_are_small_enough_to_review(family: str) -> None:
    assert (GOLDEN / f"{family.lower()}.json").stat().st_size <= 30_000


def test_every_architecture_has_a_reference() -> None:
    assert {case.values[0]["architecture"] for case in CASES} == set(ARCHITECTURES)


@pytest.mark.parametrize("case", ENCODERS)
def test_hidden_states_are_those_recorded(case: dict[str, Any], tiny_bundle: Folders) -> None:
    found = masked_outputs(case, tiny_bundle(case["architecture"]))["last_hidden_state"]
    wanted = np.array(case["outputs"]["last_hidden_state"])
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= TOLERANCE["hidden_max_abs_diff"]


@pytest.mark.parametrize("case", ENCODERS)
def test_embeddings_are_the_mean_of_the_recorded_states(
    case: dict[str, Any], tiny_bundle: Folders
) -> None:
    (found,) = run_main(tiny_bundle(case["architecture"]), [case["ids"]])
    wanted = np.array(case["outputs"]["last_hidden_state"]).mean(axis=0)
    assert relative(found["sentence_embedding"], wanted) <= TOLERANCE["output_relative_error"]


@pytest.mark.parametrize("case", HEADED)
def test_the_main_graph_gives_the_recorded_outputs(
    case: dict[str, Any], tiny_bundle: Folders
) -> None:
    (found,) = run_main(tiny_bundle(case["architecture"]), [case["ids"]], types_of(case))
    assert set(found) == set(case["outputs"])
    for name, value in found.items():
        wanted = np.array(case["outputs"][name])
        assert relative(value, wanted) <= TOLERANCE["output_relative_error"]


@pytest.mark.parametrize("case", HEADED)
def test_the_masked_graph_gives_the_recorded_outputs(
    case: dict[str, Any], tiny_bundle: Folders
) -> None:
    found = masked_outputs(case, tiny_bundle(case["architecture"]))
    for name, value in found.items():
        if case["architecture"].endswith("MaskedLM"):
            mask = SPECIAL_IDS[family_of(case["architecture"])][2]
            value = value[np.array(case["ids"]) == mask]
        wanted = np.array(case["outputs"][name])
        assert relative(value, wanted) <= TOLERANCE["output_relative_error"]
