"""Which road a model takes when nobody says."""

import json
from pathlib import Path

import pytest

from edgebert_export import Recipe, Road
from edgebert_export.families import FAMILIES
from edgebert_export.roads import ROADS, choose_road

pytestmark = pytest.mark.export


@pytest.mark.parametrize(
    ("model_type", "road"),
    [*((name, Road.NATIVE) for name in FAMILIES), (None, Road.NATIVE), ("esm", Road.OPTIMUM)],
)
def test_the_model_type_chooses(tmp_path: Path, model_type: str | None, road: Road) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    assert choose_road(Recipe(model=tmp_path, output=tmp_path / "out")) is road


def test_every_road_can_be_taken() -> None:
    assert set(ROADS) == set(Road)
