"""A recipe that cannot be meant is refused before any work is done."""

from pathlib import Path
from typing import Any

import pytest

from edgebert.manifest import EngineName, Level
from edgebert_export import ExportError, Recipe, Target

pytestmark = pytest.mark.export

HERE: dict[str, Any] = {"model": Path("model"), "output": Path("out")}


def test_the_default_is_int8_for_any_cpu() -> None:
    recipe = Recipe(**HERE)
    assert (recipe.quantize, recipe.target, recipe.overwrite) == (Level.INT8, Target.ANY, False)


@pytest.mark.parametrize("key", ["min_cosine_mean", "min_cosine", "min_agreement"])
@pytest.mark.parametrize("value", [1.01, -1.01, float("nan"), float("inf")])
def test_a_floor_that_nothing_reaches_or_misses_is_refused(key: str, value: float) -> None:
    with pytest.raises(ExportError, match=f"{key} is .*; it must lie between -1 and 1"):
        Recipe(**HERE, **{key: value})


@pytest.mark.parametrize("value", [-1.0, 0.0, 0.99, 1.0])
def test_a_floor_between_the_ends_is_taken(value: float) -> None:
    assert Recipe(**HERE, min_cosine=value).min_cosine == value


@pytest.mark.parametrize("value", [2, 0, -5])
def test_a_limit_without_room_for_a_token_is_refused(value: int) -> None:
    with pytest.raises(ExportError, match=f"max_tokens is {value}; it must be 3 or more"):
        Recipe(**HERE, max_tokens=value)


def test_calibration_texts_for_fp32_are_refused() -> None:
    with pytest.raises(ExportError, match="fp32 has none, leave it out"):
        Recipe(**HERE, quantize=Level.FP32, calibrate=Path("texts.txt"))


@pytest.mark.parametrize("level", [Level.INT8, Level.INT8_ACCURATE])
def test_int8_for_openvino_needs_calibration_texts(level: Level) -> None:
    with pytest.raises(ExportError, match=r"fixed scales only; give texts .* --calibrate FILE"):
        Recipe(**HERE, quantize=level, engine=EngineName.OPENVINO)


def test_fp32_for_openvino_needs_none() -> None:
    recipe = Recipe(**HERE, quantize=Level.FP32, engine=EngineName.OPENVINO)
    assert recipe.calibrate is None


@pytest.mark.parametrize(("target", "bits"), [(Target.ANY, 8), (Target.AVX2, 7)])
def test_weights_have_the_bits_that_the_target_multiplies_without_saturating(
    target: Target, bits: int
) -> None:
    assert target.weight_bits == bits


@pytest.mark.parametrize("exits", [(0,), (-1, 2), (2, 1), (1, 1)])
def test_exits_that_are_no_rising_layers_are_refused(exits: tuple[int, ...]) -> None:
    with pytest.raises(ExportError, match="the least first and each once"):
        Recipe(**HERE, exits=exits)
