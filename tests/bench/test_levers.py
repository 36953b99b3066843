"""Each lever runs, gives vectors, and leaves what is computed alone unless it says otherwise."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.levers import DYNAMIC, LEVERS, OFF, SHIPPED, measure
from bench.peers.edgebert_bundle import load as load_shipped
from bench.peers.edgebert_levers import load
from bench.rows import on_cores

TEXTS = ["the train to seoul", "a good film", "the good film", "paris"]
SAME_GRAPH = [name for name, (files, _) in LEVERS.items() if files == DYNAMIC]


@pytest.mark.parametrize("name", SAME_GRAPH)
def test_a_lever_changes_speed_and_not_meaning(tiny: Path, name: str) -> None:
    folder = tiny / "tiny-embed-int8"
    settings: dict[str, Any] = on_cores(LEVERS[name][1], 2)
    found = load(folder, settings)(TEXTS, 2)
    reference = load_shipped(folder, {})(TEXTS, 2)
    assert (found * reference).sum(axis=1).min() > 0.99


def test_as_shipped_is_what_a_user_gets_to_the_bit(tiny: Path) -> None:
    folder = tiny / "tiny-embed-int8"
    np.testing.assert_array_equal(
        load(folder, LEVERS[SHIPPED][1])(TEXTS, 1), load_shipped(folder, {})(TEXTS, 1)
    )


def test_all_levers_are_measured(tiny_model: str) -> None:
    found = measure(tiny_model, list(LEVERS), 1, True)
    assert set(found["rows"]) == set(LEVERS)
    assert not [row for row in found["rows"].values() if "failed" in row]


def test_what_a_lever_is_set_against_is_another_lever_on_the_same_bundle() -> None:
    for lever, off in OFF.items():
        assert lever != off
        assert LEVERS[lever][0] == LEVERS[off][0]
