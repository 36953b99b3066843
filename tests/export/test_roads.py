"""Which road a model takes when nobody says."""

import json
from pathlib import Path

import pytest

from edgebert.manifest import EngineName, Level
from edgebert_export import Recipe, Road, UnsupportedModelError
from edgebert_export.families import FAMILIES
from edgebert_export.roads import ROADS, choose_road, open_source

pytestmark = pytest.mark.export


@pytest.mark.parametrize(
    ("model_type", "road"),
    [*((name, Road.NATIVE) for name in FAMILIES), (None, Road.NATIVE), ("esm", Road.OPTIMUM)],
)
def test_the_model_type_chooses(tmp_path: Path, model_type: str | None, road: Road) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    assert choose_road(Recipe(model=tmp_path, output=tmp_path / "out")) is road


@pytest.mark.parametrize("road", [Road.OPTIMUM, Road.ONNX])
def test_a_second_engine_is_refused_on_roads_that_do_not_build_for_it(
    tmp_path: Path, road: Road
) -> None:
    asked = {"quantize": Level.FP32, "engine": EngineName.OPENVINO, "road": road}
    recipe = Recipe(model=tmp_path, output=tmp_path / "out", **asked)
    with pytest.raises(UnsupportedModelError, match=f"openvino: .* takes the {road} road"):
        open_source(recipe)


def test_every_road_can_be_taken() -> None:
    assert set(ROADS) == set(Road)
