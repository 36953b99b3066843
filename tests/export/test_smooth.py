"""Smoothing, splitting and rounding leave the float model as it is and lose less than without."""

import numpy as np
import pytest

from edgebert.results import Floats
from edgebert_export.calibrate import Samples
from edgebert_export.canonical import Linear
from edgebert_export.gptq import round_together
from edgebert_export.rounding import (
    grid_of,
    largest_value,
    quantize_table,
    round_inputs,
    round_weight,
    weight_scales,
)
from edgebert_export.smooth import scale_rows, search_smoothing
from edgebert_export.split import find_split, split_inputs, split_outputs, split_samples

pytestmark = pytest.mark.export

TEXTS, EACH, INPUTS, OUTPUTS = 6, 40, 96, 24
STRONG = 5
LARGEST = largest_value(8)


def normal(*shape: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def samples_of(vectors: Floats) -> Samples:
    by_text = vectors.reshape(TEXTS, EACH, -1)
    texts = np.repeat(np.arange(TEXTS), EACH)
    return Samples(vectors, texts, by_text.max(axis=1), by_text.min(axis=1))


def strong_samples(times: float = 30.0) -> Samples:
    """Make samples with one channel many times stronger than the others."""
    vectors = normal(TEXTS * EACH, INPUTS)
    vectors[:, STRONG] *= times
    return samples_of(vectors)


def output_error(samples: Samples, weight: Floats, multiplier: Floats | None) -> float:
    scaled = scale_rows(weight, multiplier)
    scales = weight_scales(scaled, LARGEST)
    inputs = round_inputs(samples, multiplier, static=False)
    product = inputs @ (round_weight(scaled, scales, LARGEST) * scales)
    return float(np.mean(np.square(product - samples.vectors @ weight)))


def search(samples: Samples, weight: Floats, *, amplify: bool = True) -> Floats | None:
    return search_smoothing(
        samples, [weight], largest=LARGEST, static=False, amplify=amplify
    ).multiplier


def test_smoothing_lowers_the_error_of_a_group_with_a_strong_channel() -> None:
    samples, weight = strong_samples(), normal(INPUTS, OUTPUTS, seed=1)
    plain = output_error(samples, weight, None)
    assert output_error(samples, weight, search(samples, weight)) < plain / 5


def test_smoothing_leaves_the_float_output_unchanged() -> None:
    samples, weight = strong_samples(), normal(INPUTS, OUTPUTS, seed=1)
    multiplier = search(samples, weight)
    assert multiplier is not None
    smoothed = (samples.vectors * multiplier) @ scale_rows(weight, multiplier)
    np.testing.assert_allclose(smoothed, samples.vectors @ weight, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("amplify", "scaled_up"), [(True, True), (False, False)])
def test_smoothing_scales_weak_channels_up_only_if_allowed(amplify: bool, scaled_up: bool) -> None:
    # strengths over three decades: the best scaling lifts the weak channels as well
    samples = samples_of(normal(TEXTS * EACH, INPUTS) * np.logspace(-2, 1, INPUTS, dtype="f4"))
    weight = normal(INPUTS, OUTPUTS, seed=1) / np.logspace(-2, 1, INPUTS, dtype="f4")[:, None]
    multiplier = search(samples, weight, amplify=amplify)
    assert multiplier is not None
    assert bool(multiplier.max() > 1) is scaled_up


def test_a_silent_group_is_left_alone() -> None:
    samples = samples_of(np.zeros((TEXTS * EACH, INPUTS), np.float32))
    assert search(samples, normal(INPUTS, OUTPUTS, seed=1)) is None


def test_a_silent_channel_gets_a_finite_scaling() -> None:
    vectors = normal(TEXTS * EACH, INPUTS)
    vectors[:, 0] = 0
    vectors[:, STRONG] *= 30
    multiplier = search(samples_of(vectors), normal(INPUTS, OUTPUTS, seed=1))
    assert multiplier is not None
    assert np.isfinite(multiplier).all()


def test_rounded_inputs_are_within_half_a_step() -> None:
    samples = strong_samples()
    steps = grid_of(samples, None, static=False).scales[samples.texts, None]
    difference = np.abs(round_inputs(samples, None, static=False) - samples.vectors)
    assert (difference <= steps * 0.5001).all()


def test_a_dynamic_grid_is_each_texts_own() -> None:
    samples = strong_samples()
    quiet = Samples(samples.vectors, samples.texts, samples.largest.copy(), samples.smallest.copy())
    quiet.largest[0] /= 2
    quiet.smallest[0] /= 2
    whole, part = (grid_of(each, None, static=False).scales for each in (samples, quiet))
    np.testing.assert_allclose(part[0], whole[0] / 2)
    np.testing.assert_array_equal(part[1:], whole[1:])


def test_a_static_grid_covers_all_calibration_data_with_room() -> None:
    samples = strong_samples()
    grid = grid_of(samples, None, static=True)
    low = -grid.zero_points[0] * grid.scales[0]
    high = (255 - grid.zero_points[0]) * grid.scales[0]
    assert low < 1.1 * samples.vectors.min()
    assert high > 1.1 * samples.vectors.max()


def test_a_grid_of_positive_values_still_has_zero() -> None:
    samples = samples_of(np.abs(normal(TEXTS * EACH, INPUTS)) + 1)
    grid = grid_of(samples, None, static=False)
    np.testing.assert_array_equal(grid.zero_points, 0)
    np.testing.assert_allclose(grid.scales * 255, samples.largest.max(axis=1), rtol=1e-6)


def test_a_grid_of_negative_values_still_has_zero() -> None:
    samples = samples_of(-np.abs(normal(TEXTS * EACH, INPUTS)) - 1)
    grid = grid_of(samples, None, static=False)
    np.testing.assert_array_equal(grid.zero_points, 255)
    np.testing.assert_allclose(grid.scales * 255, -samples.smallest.min(axis=1), rtol=1e-6)


def test_the_dynamic_grid_is_the_one_of_onnxruntime() -> None:
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper

    node = helper.make_node("DynamicQuantizeLinear", ["x"], ["y", "scale", "zero_point"])
    outputs = [
        helper.make_tensor_value_info("y", TensorProto.UINT8, None),
        helper.make_tensor_value_info("scale", TensorProto.FLOAT, []),
        helper.make_tensor_value_info("zero_point", TensorProto.UINT8, []),
    ]
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, None)
    graph = helper.make_graph([node], "grid", [value], outputs)
    model = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 20)])
    session = onnxruntime.InferenceSession(onnx.ModelProto.SerializeToString(model))
    samples = strong_samples()
    rounded = round_inputs(samples, None, static=False)
    for text in range(TEXTS):
        chosen = samples.texts == text
        values, scale, zero_point = session.run(None, {"x": samples.vectors[chosen]})
        wanted = (values.astype(np.float32) - zero_point) * scale
        np.testing.assert_allclose(rounded[chosen], wanted, rtol=1e-5, atol=1e-6)


def test_splitting_leaves_the_float_output_unchanged() -> None:
    samples, weight = strong_samples(), normal(INPUTS, OUTPUTS, seed=1)
    split = find_split(samples)
    assert split is not None
    output = split_samples(samples, split).vectors @ split_inputs(weight, split)
    np.testing.assert_allclose(output, samples.vectors @ weight, rtol=1e-4, atol=1e-3)


def test_splitting_copies_the_strongest_neuron() -> None:
    split = find_split(strong_samples())
    assert split is not None
    np.testing.assert_array_equal(split.places[INPUTS:], STRONG)


def test_copies_keep_the_value_of_their_neuron() -> None:
    split = find_split(strong_samples())
    assert split is not None
    layer = Linear(normal(8, INPUTS, seed=2), normal(INPUTS, seed=3))
    wider = split_outputs(layer, split)
    np.testing.assert_array_equal(wider.weight[:, INPUTS:], layer.weight[:, split.places[INPUTS:]])
    np.testing.assert_array_equal(wider.bias[INPUTS:], layer.bias[split.places[INPUTS:]])


def test_splitting_lowers_the_error_beyond_smoothing() -> None:
    samples, weight = strong_samples(), normal(INPUTS, OUTPUTS, seed=1)
    split = find_split(samples)
    assert split is not None
    smoothed = output_error(samples, weight, search(samples, weight, amplify=False))
    both, wider = split_samples(samples, split), split_inputs(weight, split)
    assert output_error(both, wider, search(both, wider, amplify=False)) < smoothed


def test_equally_strong_neurons_are_not_split() -> None:
    vectors = np.where(normal(TEXTS * EACH, INPUTS) > 0, 1, -1).astype(np.float32)
    assert find_split(samples_of(vectors)) is None


def test_a_layer_without_signal_is_not_split() -> None:
    assert find_split(samples_of(np.zeros((TEXTS * EACH, INPUTS), np.float32))) is None


@pytest.mark.parametrize("bits", [8, 7])
def test_rounded_weights_are_within_half_a_step(bits: int) -> None:
    weight = normal(INPUTS, OUTPUTS)
    scales = weight_scales(weight, largest_value(bits))
    values = round_weight(weight, scales, largest_value(bits))
    assert (np.abs(values * scales - weight) <= scales * 0.5001).all()


@pytest.mark.parametrize(("bits", "largest"), [(8, 127), (7, 63)])
def test_rounded_weights_use_their_whole_range(bits: int, largest: int) -> None:
    weight = normal(INPUTS, OUTPUTS)
    values = round_weight(weight, weight_scales(weight, largest), largest_value(bits))
    assert np.abs(values).max() == largest


def test_an_output_channel_of_zeros_stays_zeros() -> None:
    weight = normal(INPUTS, OUTPUTS)
    weight[:, 0] = 0
    scales = weight_scales(weight, LARGEST)
    assert scales[0] > 0
    assert not round_weight(weight, scales, LARGEST)[:, 0].any()


def test_rounding_together_loses_less_than_rounding_to_nearest() -> None:
    weight = normal(INPUTS, OUTPUTS)
    vectors = normal(400, 12, seed=1) @ normal(12, INPUTS, seed=2)  # inputs that go together
    scales = weight_scales(weight, 7)
    together = vectors @ (round_together(weight, scales, vectors, 7) * scales - weight)
    nearest = vectors @ (round_weight(weight, scales, 7) * scales - weight)
    assert np.square(together).sum() < np.square(nearest).sum() / 2


@pytest.mark.parametrize("seed", range(5))
def test_rounding_together_never_loses_more_in_any_output_channel(seed: int) -> None:
    weight, vectors = normal(20, OUTPUTS, seed=seed), normal(30, 20, seed=seed + 9)
    scales = weight_scales(weight, LARGEST)
    together = vectors @ (round_together(weight, scales, vectors, LARGEST) * scales - weight)
    nearest = vectors @ (round_weight(weight, scales, LARGEST) * scales - weight)
    lost = [np.square(difference).sum(axis=0) for difference in (together, nearest)]
    assert (lost[0] <= lost[1] * 1.0001).all()


def test_rounding_together_equals_the_textbook_algorithm() -> None:
    inputs = 90  # more than one block
    weight = normal(inputs, OUTPUTS)
    vectors = normal(200, 8, seed=1) @ normal(8, inputs, seed=2)
    scales = weight_scales(weight, 7)
    order = np.argsort(-np.square(vectors).sum(axis=0), kind="stable")
    moments = (vectors.T @ vectors)[order][:, order].astype(np.float64)
    moments += 0.5 * np.trace(moments) / len(moments) * np.eye(len(moments))
    upper = np.linalg.cholesky(np.linalg.inv(moments)).T
    rest, wanted = weight[order].astype(np.float64), np.empty((inputs, OUTPUTS))
    for row in range(inputs):  # Frantar et al. 2022, algorithm 1
        wanted[order[row]] = np.clip(np.rint(rest[row] / scales), -7, 7)
        lost = (rest[row] - wanted[order[row]] * scales) / upper[row, row]
        rest[row + 1 :] -= np.outer(upper[row, row + 1 :], lost)
    found = round_together(weight, scales, vectors, 7)
    nearest = round_weight(weight, scales, 7)
    fallen_back = (found == nearest).all(axis=0)
    assert not fallen_back.all()
    np.testing.assert_array_equal(found[:, ~fallen_back], wanted[:, ~fallen_back])


def test_rounding_together_takes_inputs_that_are_never_used() -> None:
    weight, vectors = normal(20, OUTPUTS), normal(30, 20, seed=1)
    vectors[:, 4] = 0
    values = round_together(weight, weight_scales(weight, LARGEST), vectors, LARGEST)
    assert np.isfinite(values).all()


def test_an_embedding_row_of_zeros_stays_zeros() -> None:
    table = normal(9, 16)
    table[4] = 0
    found = quantize_table(table)
    row = found.values[4] * found.scales[4]
    assert found.scales[4] > 0
    assert not row.any()


def test_embedding_rows_are_within_half_a_step() -> None:
    table = normal(9, 16)
    found = quantize_table(table)
    assert (np.abs(found.values * found.scales - table) <= found.scales * 0.5001).all()
