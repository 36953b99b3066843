"""Every family x task against transformers, and docs/families.md against what is built."""

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from edgebert_export.families import FAMILIES
from tests.export.family_table import BAR, CLASSES, DOCUMENT, GIVEN_BAR, HEADS, measure
from tests.export.given_models import FAMILIES as GIVEN_FAMILIES

pytestmark = [pytest.mark.export, pytest.mark.oracle]


@pytest.mark.parametrize("family", CLASSES)
@pytest.mark.parametrize("head", HEADS)
def test_graphs_are_those_of_transformers(family: str, head: str) -> None:
    assert measure(family, head) <= BAR


def test_every_family_is_measured() -> None:
    assert set(CLASSES) == set(FAMILIES)


@pytest.mark.parametrize(
    ("family", "bar"),
    [*((family, BAR) for family in FAMILIES), *((family, GIVEN_BAR) for family in GIVEN_FAMILIES)],
)
def test_the_document_has_every_family_within_the_bar(family: str, bar: float) -> None:
    (row,) = [
        line
        for line in DOCUMENT.read_text(encoding="utf-8").splitlines()
        if line.startswith(f"| {family} |")
    ]
    cells = row.strip("| ").split("|")[1:]
    assert len(cells) == len(HEADS)
    assert max(float(cell) for cell in cells if cell.strip() != "-") <= bar
