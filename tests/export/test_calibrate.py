"""What calibration records is what the fp32 graph computes, and it is bounded and repeatable."""

from dataclasses import replace

import numpy as np
import pytest

from edgebert.manifest import Task
from edgebert_export.calibrate import Calibration, calibrate, random_rows
from edgebert_export.canonical import Model
from edgebert_export.errors import ExportError
from edgebert_export.heads import Outputs
from edgebert_export.plan import DECODER, GROUPS
from tests.export.random_model import (
    EMBED,
    FILL,
    HIDDEN,
    LAYERS,
    MASK_ID,
    POSITIONS,
    WIDE,
    random_model,
    token_rows,
)

pytestmark = pytest.mark.export

EVERY_VECTOR = 10_000  # more than the rows have


def record(model: Model, outputs: Outputs = EMBED, most: int = EVERY_VECTOR) -> Calibration:
    return calibrate(model, outputs, token_rows(), threads=1, max_vectors=most)


def embedded(model: Model, row: list[int]) -> np.ndarray:
    """Compute the input of the first layer in numpy."""
    assert model.types is not None
    total = model.word[row] + model.position[: len(row)] + model.types[0]
    centred = total - total.mean(axis=1, keepdims=True)
    unit = centred / np.sqrt(np.square(centred).mean(axis=1, keepdims=True) + model.epsilon)
    return unit * model.embedding_norm.weight + model.embedding_norm.bias


def test_every_group_of_every_layer_is_recorded() -> None:
    wanted = {f"{number}.{name}" for number in range(LAYERS) for name in GROUPS}
    assert set(record(random_model())) == wanted


def test_a_masked_lm_has_its_decoder_as_well() -> None:
    assert DECODER in record(random_model(), FILL)


def test_the_first_group_sees_the_normalised_embeddings() -> None:
    model = random_model()
    wanted = np.concatenate([embedded(model, row) for row in token_rows()])
    np.testing.assert_allclose(record(model)["0.qkv"].vectors, wanted, atol=1e-4)


def test_the_decoder_sees_masked_tokens_alone() -> None:
    rows = [[2, 7, 3]] * 5
    samples = calibrate(random_model(), FILL, rows, threads=1)[DECODER]
    assert len(samples.vectors) == 5


def test_a_row_of_one_token_still_has_a_mask() -> None:
    assert len(calibrate(random_model(), FILL, [[7]], threads=1)[DECODER].vectors) == 1


def test_rows_for_embeddings_are_not_masked() -> None:
    model = random_model()
    row = [2, *[MASK_ID + 1] * 20, 3]
    samples = calibrate(model, EMBED, [row], threads=1, max_vectors=EVERY_VECTOR)["0.qkv"]
    np.testing.assert_allclose(samples.vectors, embedded(model, row), atol=1e-4)


def test_each_vector_lies_in_the_range_of_its_text() -> None:
    for samples in record(random_model(), most=40).values():
        assert (samples.vectors <= samples.largest[samples.texts]).all()
        assert (samples.vectors >= samples.smallest[samples.texts]).all()


def test_ranges_cover_vectors_that_are_not_kept() -> None:
    few, all_of_them = record(random_model(), most=12)["1.f2"], record(random_model())["1.f2"]
    np.testing.assert_array_equal(few.largest, all_of_them.largest)


def test_no_more_vectors_are_kept_than_asked() -> None:
    assert len(record(random_model(), most=36)["0.f2"].vectors) <= 36


def test_widths_are_those_of_the_linears_inputs() -> None:
    found = record(random_model())
    assert [found[f"0.{name}"].vectors.shape[1] for name in GROUPS] == [HIDDEN] * 3 + [WIDE]


def test_layers_that_share_weights_share_a_group_of_both_their_inputs() -> None:
    shared = record(replace(random_model(), stores=(0, 0)))
    assert set(shared) == {f"0.{name}" for name in GROUPS}
    assert len(shared["0.qkv"].largest) == 2 * len(token_rows())


def test_layers_that_share_weights_share_the_room_for_vectors() -> None:
    shared = record(replace(random_model(), stores=(0, 0)), most=48)
    assert len(shared["0.qkv"].vectors) <= 48


def test_a_graph_with_token_types_is_calibrated_too() -> None:
    model = random_model()
    assert model.head is not None
    head = replace(model.head, dense=None, norm=None)
    pairs = replace(model, head=head, architecture="BertForQuestionAnswering")
    assert "1.f2" in record(pairs, Outputs(Task.ANSWER, None, None))


def test_the_same_rows_give_the_same_bits() -> None:
    first, second = record(random_model(), most=40), record(random_model(), most=40)
    assert all((first[name].vectors == second[name].vectors).all() for name in first)


def test_no_rows_are_refused() -> None:
    with pytest.raises(ExportError, match="at least one row"):
        calibrate(random_model(), EMBED, [], threads=1)


@pytest.mark.parametrize("length", [0, POSITIONS + 1])
def test_a_row_that_the_model_cannot_take_is_refused_by_number(length: int) -> None:
    with pytest.raises(ExportError, match=f"row 1 has {length} tokens"):
        calibrate(random_model(), EMBED, [[2, 3], [5] * length], threads=1)


def test_progress_ends_at_one() -> None:
    told: list[float] = []
    rows = token_rows(3)
    calibrate(random_model(), EMBED, rows, threads=1, progress=lambda _, share: told.append(share))
    assert told == [1 / 3, 2 / 3, 1.0]


def test_random_rows_have_their_ends_and_plain_tokens_between() -> None:
    for row in random_rows([7, 8, 9], ([2], [3]), most_tokens=100):
        assert row[0] == 2 and row[-1] == 3 and set(row[1:-1]) <= {7, 8, 9}


def test_random_rows_fit_the_model() -> None:
    assert max(map(len, random_rows([7], ([2], [3, 3]), most_tokens=6))) == 6
