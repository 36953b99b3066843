"""onnxruntime behind its seam: outputs in the manifest's order, every failure an error of ours."""

import secrets
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from edgebert.batching import Batch
from edgebert.engine import Engine
from edgebert.errors import BundleFormatError, InferenceError
from edgebert.session_onnxruntime import OnnxSession
from edgebert.tokens import Text, Tokens
from tests.damage import put_file
from tests.fakes import make_tokenizer, read_manifest
from tests.make_tiny import DATA

Copied = Callable[..., Path]


def open_session(name: str = "tiny-embed", **graph: object) -> OnnxSession:
    manifest = read_manifest(DATA / name)
    return OnnxSession(DATA / name, replace(manifest.graphs.main, **graph))


def batch_of(texts: list[Text], name: str = "tiny-embed") -> Batch:
    tokens = make_tokenizer(DATA / name).encode(texts)
    return Batch(tuple(tokens))


def test_a_graph_gives_one_float32_vector_a_row() -> None:
    (output,) = open_session().run(batch_of(["the cat", "a dog"]))
    assert (output.shape, output.dtype) == ((2, 32), np.float32)


def test_outputs_come_in_the_order_asked_for() -> None:
    batch = batch_of([("the cat", "a dog")], "tiny-answer")
    start, end = open_session("tiny-answer").run(batch)
    swapped = open_session("tiny-answer", outputs=("end_logits", "start_logits")).run(batch)
    assert np.array_equal(swapped[0], end)
    assert np.array_equal(swapped[1], start)


def test_the_two_texts_of_a_pair_are_told_apart() -> None:
    session = open_session("tiny-classify")
    (pair,) = session.run(batch_of([("the", "cat")], "tiny-classify"))
    tokens = batch_of([("the", "cat")], "tiny-classify").tokens[0]
    single = Batch((_as_single(tokens),))
    assert not np.allclose(pair, session.run(single)[0])


def _as_single(tokens: Tokens) -> Tokens:
    """Give the same ids, all of the first text."""
    (other,) = make_tokenizer(DATA / "tiny-classify").encode(["the [SEP] cat"])
    assert other.ids == tokens.ids
    return other


@pytest.mark.parametrize("name", ["tiny-classify", "tiny-tag", "tiny-answer"])
def test_both_graphs_of_a_bundle_compute_the_same(name: str) -> None:
    texts: list[Text] = ["the train to seoul", "a good film and bad food"]
    if name == "tiny-answer":
        texts = [("the cat", "a dog"), ("a dog", "the cat")]
    manifest = read_manifest(DATA / name)
    batch = Batch(batch_of(texts, name).tokens[:1])
    main = OnnxSession(DATA / name, manifest.graphs.main).run(batch)
    masked = OnnxSession(DATA / name, manifest.graphs.masked).run(batch)
    for one, other in zip(main, masked, strict=True):
        assert np.allclose(one, other, atol=1e-4)


def test_a_call_takes_one_thread() -> None:
    options = open_session()._session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)


def test_the_slow_fusions_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    optimized, build = tmp_path / "optimized.onnx", onnxruntime.InferenceSession

    def record(path: Path, options: onnxruntime.SessionOptions, **others: object) -> object:
        options.optimized_model_filepath = str(optimized)
        return build(path, options, **others)

    monkeypatch.setattr(onnxruntime, "InferenceSession", record)
    open_session()
    graph = optimized.read_bytes()
    assert b"LayerNormalization" in graph
    assert b"SkipLayerNormalization" not in graph
    assert b"BiasGelu" not in graph


def test_one_session_serves_many_threads() -> None:
    session, batch = open_session(), batch_of(["the cat", "a dog"])
    (expected,) = session.run(batch)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: session.run(batch)[0], range(64)))
    assert all(np.array_equal(output, expected) for output in found)


class Ids:
    """A row of ids that no tokenizer would give."""

    def __init__(self, ids: list[int]) -> None:
        self.ids = ids


def test_a_failure_of_onnxruntime_is_an_inference_error_with_its_cause() -> None:
    with pytest.raises(InferenceError, match=r"failed on a batch of \(1, 2\)") as caught:
        open_session().run(Batch((Ids([1, 10**6]),)))
    assert caught.value.__cause__ is not None


def test_a_row_over_the_position_table_is_an_inference_error() -> None:
    with pytest.raises(InferenceError):
        open_session().run(Batch((Ids([1] * 41),)))


def test_an_input_that_nobody_knows_is_an_inference_error() -> None:
    with pytest.raises(InferenceError, match="wants an input 'colour'"):
        open_session(inputs=("input_ids", "colour")).run(batch_of(["the"]))


def test_an_output_that_is_not_there_is_an_inference_error() -> None:
    with pytest.raises(InferenceError, match="colour"):
        open_session(outputs=("colour",)).run(batch_of(["the"]))


def test_a_failure_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InferenceError):
        open_session().run(Batch((Ids([10**6]),)))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("data", [b"", b"\0", b"not a graph", b"\x08\x07" * 40])
def test_what_is_no_graph_is_refused_by_its_file(copied: Copied, data: bytes) -> None:
    folder = put_file(copied(), "model.onnx", data)
    with pytest.raises(
        BundleFormatError, match=r"model\.onnx: onnxruntime .* refuses it"
    ) as caught:
        Engine.open(folder)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("cut", [1, 2, 10, 100])
def test_a_graph_that_is_cut_short_is_refused(copied: Copied, cut: int) -> None:
    data = (DATA / "tiny-embed" / "model.onnx").read_bytes()
    folder = put_file(copied(), "model.onnx", data[: len(data) // 2 - cut])
    with pytest.raises(BundleFormatError):
        Engine.open(folder)


def test_weights_that_are_too_short_are_refused(copied: Copied) -> None:
    data = (DATA / "tiny-embed" / "model.weights").read_bytes()
    with pytest.raises(BundleFormatError):
        Engine.open(put_file(copied(), "model.weights", data[: len(data) // 2]))


def point_to(folder: Path, location: bytes) -> Path:
    """Let the graph take its weights from elsewhere; the hashes are right again afterwards."""
    data = (DATA / "tiny-embed" / "model.onnx").read_bytes()
    name = b"model.weights"
    assert len(location) == len(name)  # so that protobuf's lengths stay right
    assert name in data
    return put_file(folder, "model.onnx", data.replace(name, location))


@pytest.mark.parametrize("location", [b"model.weights", b"model.weighty"])
def test_weights_may_have_any_name_in_the_folder(copied: Copied, location: bytes) -> None:
    data = (DATA / "tiny-embed" / "model.weights").read_bytes()
    folder = put_file(point_to(copied(), location), location.decode(), data)
    assert Engine.open(folder)


# The weights stand there and fit, so that only their place can be what is refused.
@pytest.mark.parametrize("location", [b"../evil.bytes", b"a/../../evil1", b"link/evil.wts"])
def test_weights_outside_of_the_folder_are_refused(copied: Copied, location: bytes) -> None:
    folder = point_to(copied(), location)
    outside = folder.parent
    (folder / "a").mkdir()
    (folder / "link").symlink_to(outside)
    name = location.decode().rsplit("/")[-1]
    shutil.copy(DATA / "tiny-embed" / "model.weights", outside / name)
    with pytest.raises(BundleFormatError, match=r"model\.onnx: onnxruntime .* refuses it"):
        Engine.open(folder)


def test_weights_at_an_absolute_path_are_refused(copied: Copied) -> None:
    weights = Path("/tmp") / secrets.token_hex(4)  # as long as the name it takes the place of
    if not weights.parent.is_dir():
        pytest.skip("this system has no /tmp")
    folder = point_to(copied(), str(weights).encode())
    shutil.copy(DATA / "tiny-embed" / "model.weights", weights)
    try:
        with pytest.raises(BundleFormatError, match=r"model\.onnx: onnxruntime .* refuses it"):
            Engine.open(folder)
    finally:
        weights.unlink()
