"""The main graph in parts: nothing but an error of ours whatever stands in the files."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebert.bundle import Bundle
from edgebert.engine import Engine
from edgebert.errors import BundleError, BundleFormatError, InferenceError
from edgebert.exits import differing_texts, verify_exits
from edgebert.golden import Golden
from edgebert.manifest import pooled_name
from edgebert.results import Floats
from edgebert.segments import Segments
from tests.damage import put_file
from tests.make_tiny import DATA

Copied = Callable[..., Path]
NAME = "tiny-exits"  # three layers, exits after the first and the second, all three pooled
OUTPUTS = ("sentence_embedding", "sentence_embedding_before_1", "sentence_embedding_before_2")
TEXTS = ["the cat", "a good dog runs in paris", "", "anna lives in berlin and peter in seoul"]


def open_segments(folder: Path = DATA / NAME) -> Segments:
    return Segments(folder, Bundle.open(folder).manifest)


def ids_of(rows: int, tokens: int = 7, seed: int = 0) -> dict[str, Any]:
    return {"input_ids": np.random.default_rng(seed).integers(5, 90, (rows, tokens))}


def run_all(segments: Segments, arrays: dict[str, Any]) -> dict[str, Any]:
    for number in range(len(segments.depths)):
        arrays = arrays | segments.run(number, arrays)
    return arrays


def test_the_parts_give_the_bits_of_the_main_graph() -> None:
    engine = Engine.open(DATA / NAME)
    assert differing_texts(engine, open_segments(), TEXTS) == []


def test_a_difference_is_seen() -> None:
    other = open_segments()
    last = other.run

    def wrong(number: int, arrays: dict[str, Any]) -> dict[str, Floats]:
        found = last(number, arrays)
        return {name: np.nextafter(value, np.float32(9)) for name, value in found.items()}

    other.run = wrong  # type: ignore[method-assign]
    assert differing_texts(Engine.open(DATA / NAME), other, TEXTS) == TEXTS


def test_depths_are_the_layers_passed() -> None:
    assert open_segments().depths == (1, 2, 3)


def test_an_exit_gives_the_mean_of_the_tokens() -> None:
    found = open_segments().run(0, ids_of(2))
    pooled, hidden = found[pooled_name(1)], found["hidden_1"]
    assert (pooled.shape, pooled.dtype) == ((2, 32), np.float32)
    assert np.allclose(pooled, hidden.mean(axis=1), atol=1e-6)


def test_the_last_gives_all_outputs_of_the_main_graph() -> None:
    segments, arrays = open_segments(), ids_of(2)
    for number in range(2):
        arrays |= segments.run(number, arrays)
    assert segments.run(2, arrays).keys() == set(OUTPUTS)


@given(st.integers(2, 6), st.integers(1, 30), st.data())
def test_rows_that_stay_behind_leave_the_others_as_they_were(
    rows: int, tokens: int, data: st.DataObject
) -> None:
    # static scales: integer products, and float steps of one row each
    segments, arrays = open_segments(), ids_of(rows, tokens)
    whole = run_all(segments, arrays)
    stay = np.array(data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows)))
    arrays |= segments.run(0, arrays)
    fewer = {name: array[stay] for name, array in arrays.items()}
    if not stay.any():
        return
    for number in (1, 2):
        fewer |= segments.run(number, fewer)
    for name in OUTPUTS:
        assert np.allclose(fewer[name], whole[name][stay], atol=1e-5), name


def test_a_row_has_one_result_in_a_run_of_its_own() -> None:
    segments, arrays = open_segments(), ids_of(1)
    one, other = run_all(segments, arrays), run_all(open_segments(), arrays)
    assert all(np.array_equal(one[name], other[name]) for name in OUTPUTS)


def test_threads_may_share_them() -> None:
    segments, arrays = open_segments(), ids_of(3)
    wanted = run_all(open_segments(), arrays)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: run_all(segments, arrays), range(32)))
    assert all(np.array_equal(each[name], wanted[name]) for each in found for name in OUTPUTS)


def test_a_bundle_without_exits_is_refused_with_what_to_do() -> None:
    with pytest.raises(BundleError, match="has no exits; export it again with --exits"):
        open_segments(DATA / "tiny-embed")


def test_an_array_that_is_not_given_is_named() -> None:
    with pytest.raises(InferenceError, match=r"segment 2 needs the array 'hidden_1'"):
        open_segments().run(1, ids_of(1))


def test_the_last_wants_the_outputs_of_earlier_ones() -> None:
    hidden: dict[str, Floats] = {"hidden_2": np.zeros((1, 4, 32), np.float32)}
    with pytest.raises(InferenceError, match=r"segment 3 needs the array '.*_before_1'"):
        open_segments().run(2, hidden)


def test_a_value_that_is_not_finite_is_an_error() -> None:
    hidden: dict[str, Floats] = {"hidden_1": np.full((1, 4, 32), np.nan, np.float32)}
    with pytest.raises(InferenceError, match="gave NaN or infinity"):
        open_segments().run(1, hidden)


def test_a_state_of_another_width_is_an_inference_error() -> None:
    hidden: dict[str, Floats] = {"hidden_1": np.zeros((1, 4, 31), np.float32)}
    with pytest.raises(InferenceError, match=r"failed on a batch of \(1, 4, 31\)"):
        open_segments().run(1, hidden)


def test_a_segment_that_is_missing_is_noticed_on_opening(copied: Copied) -> None:
    folder = copied(NAME)
    (folder / "segment_2.onnx").unlink()
    with pytest.raises(BundleFormatError, match=r"segment_2\.onnx: is missing"):
        Bundle.open(folder)


@pytest.mark.parametrize("other", ["segment_1.onnx", "model.onnx"])
def test_a_segment_with_another_signature_is_refused(copied: Copied, other: str) -> None:
    folder = copied(NAME)
    put_file(folder, "segment_2.onnx", (folder / other).read_bytes())
    segments = open_segments(folder)
    arrays = segments.run(0, ids_of(1))
    with pytest.raises(BundleFormatError, match=r"segment_2\.onnx: has inputs \['input_ids'\]"):
        segments.run(1, arrays)


@given(st.binary(max_size=400) | st.integers(0, 10**6))
def test_any_bytes_for_a_segment_raise_a_bundle_error_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, damage: bytes | int
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    for path in (DATA / NAME).iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    good = (folder / "segment_2.onnx").read_bytes()
    data = damage if isinstance(damage, bytes) else good[: damage % len(good)]
    (folder / "segment_2.onnx").write_bytes(data)
    segments = Segments(folder, Bundle.open(DATA / NAME).manifest)
    arrays = segments.run(0, ids_of(1))
    with pytest.raises(BundleError):
        segments.run(1, arrays)


def test_the_golden_texts_prove_the_exits() -> None:
    bundle = Bundle.open(DATA / NAME)
    verify_exits(bundle, Golden.read(bundle))
