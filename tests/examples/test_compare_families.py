"""The three families: reported figures are whole, tables say what was measured, and on what."""

from importlib import import_module
from pathlib import Path

import pytest

from bench.shapes import SHAPES
from edgebert.measure import Figures, Latency

pytestmark = pytest.mark.export
families = pytest.importorskip("examples.compare-families.__main__")
literature = import_module("examples.compare-families.literature")
PAGE = (Path(__file__).parents[2] / "docs" / "choosing.md").read_text(encoding="utf-8")


def test_every_shape_has_reported_figures_of_every_task() -> None:
    assert set(literature.REPORTED) == set(SHAPES)
    assert {len(row.glue) for row in literature.REPORTED.values()} == {len(literature.TASKS)}


def test_the_mean_without_wnli_is_the_one_reported_of_roberta() -> None:
    assert literature.REPORTED["roberta-base"].mean == pytest.approx(86.4, abs=0.051)


def test_a_row_holds_what_was_measured() -> None:
    latencies = tuple(Latency(tokens, tokens / 2, 0.0, 5) for tokens in (16, 128, 512))
    figures = Figures("edgebert", latencies, 100.4, 0.0, 0.25, 180.4)
    table = families.measured_table([("bert-base", families.Level.INT8, figures, 110.2)])
    assert "| ms, 16 tokens | ms, 128 tokens | ms, 512 tokens |" in table
    assert "| bert-base | int8 | 8.0 | 64.0 | 256.0 | 100 | 250 | 180 | 110 |" in table


def test_the_page_has_the_reported_table_as_the_script_prints_it() -> None:
    assert families.reported_table(sorted(SHAPES)).splitlines()[2] in PAGE
