"""The roads, and the choice of one: the only place that knows them all."""

from collections.abc import Callable, Mapping

from edgebert.manifest import EngineName
from edgebert_export.checkpoint import read_json_object
from edgebert_export.errors import UnsupportedModelError
from edgebert_export.families import FAMILIES
from edgebert_export.native_road import open_native
from edgebert_export.onnx_road import open_onnx
from edgebert_export.optimum_road import open_optimum
from edgebert_export.recipe import Recipe, Road
from edgebert_export.sentence_files import read_sentence_files
from edgebert_export.source import Source

ROADS: Mapping[Road, Callable[[Recipe], Source]] = {
    Road.NATIVE: open_native,
    Road.OPTIMUM: open_optimum,
    Road.ONNX: open_onnx,
}


def open_source(recipe: Recipe) -> Source:
    """Read a model on the road that the recipe names, or on the one that fits it.

    Raises:
        UnsupportedModelError: no road knows the model, or its road does not build for the engine.
        MissingExtraError: the road needs packages that are not installed.
        ExportError: the model cannot be read.
    """
    road = recipe.road or choose_road(recipe)
    if recipe.engine is not EngineName.ONNXRUNTIME and road is not Road.NATIVE:
        raise UnsupportedModelError(
            f"--engine {recipe.engine.value}: its graph is built on the native road only, and this "
            f"model takes the {road.value} road; leave the option out"
        )
    return ROADS[road](recipe)


def choose_road(recipe: Recipe) -> Road:
    """Choose by the model type that config.json states; where it states none, native says why."""
    config = read_json_object(read_sentence_files(recipe.model).encoder / "config.json") or {}
    stated = config.get("model_type")
    return Road.NATIVE if stated is None or stated in FAMILIES else Road.OPTIMUM
