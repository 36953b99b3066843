"""OpenVINO behind the seam: near onnxruntime's results, and a text's bits are its own."""

import os
import secrets
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest

import edgebert
from edgebert.config import RuntimeConfig
from edgebert.engines import open_sessions
from edgebert.errors import BundleFormatError
from edgebert.manifest import EngineName
from tests.damage import put_file
from tests.fakes import read_manifest
from tests.make_tiny import WORDS

pytestmark = [pytest.mark.export, pytest.mark.openvino]

Bundles = Callable[[str], Path]
GRAPH = "model_openvino.onnx"
TEXTS = [" ".join(WORDS[i % 7 : i % 7 + i % 19]) for i in range(60)]
LEVELS = ["fp32", "int8", "int8-accurate"]


def embed(folder: Path, texts: list[str], threads: int = 2, engine: str = "openvino") -> np.ndarray:
    config = RuntimeConfig(threads=threads, engine=EngineName(engine))
    return edgebert.Embedder.load(folder, config).embed(texts)


@pytest.mark.parametrize("level", LEVELS)
def test_it_gives_nearly_what_onnxruntime_gives(openvino_bundle: Bundles, level: str) -> None:
    folder = openvino_bundle(level)
    found, wanted = embed(folder, TEXTS), embed(folder, TEXTS, engine="onnxruntime")
    assert ((found * wanted).sum(axis=1) > 0.99).all()


def test_the_two_texts_of_a_pair_are_told_apart(openvino_bundle: Bundles) -> None:
    config = RuntimeConfig(engine=EngineName.OPENVINO)
    reranker = edgebert.Reranker.load(openvino_bundle("rerank"), config)
    first, second = (reranker.score([pair]) for pair in (("the", "cat"), ("the cat", "")))
    assert first != second


@pytest.mark.parametrize("level", LEVELS)
def test_neighbours_and_order_change_no_bit(openvino_bundle: Bundles, level: str) -> None:
    folder = openvino_bundle(level)
    whole = embed(folder, TEXTS)
    assert np.array_equal(embed(folder, TEXTS[::-1])[::-1], whole)
    assert np.array_equal(embed(folder, TEXTS[:7]), whole[:7])


@pytest.mark.parametrize("level", LEVELS)
def test_a_lone_text_has_the_bits_it_has_among_others(openvino_bundle: Bundles, level: str) -> None:
    config = RuntimeConfig(threads=2, engine=EngineName.OPENVINO)
    embedder = edgebert.Embedder.load(openvino_bundle(level), config)
    whole = embedder.embed(TEXTS)
    alone = np.concatenate([embedder.embed([text]) for text in TEXTS])
    assert np.array_equal(alone, whole)


@pytest.mark.parametrize("level", LEVELS)
def test_the_number_of_threads_changes_no_bit(openvino_bundle: Bundles, level: str) -> None:
    folder = openvino_bundle(level)
    assert np.array_equal(embed(folder, TEXTS, threads=1), embed(folder, TEXTS, threads=3))


def test_one_object_serves_many_threads(openvino_bundle: Bundles) -> None:
    config = RuntimeConfig(threads=2, engine=EngineName.OPENVINO)
    embedder = edgebert.Embedder.load(openvino_bundle("int8"), config)
    expected = embedder.embed(TEXTS)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: embedder.embed(TEXTS), range(16)))
    assert all(np.array_equal(vectors, expected) for vectors in found)


def test_a_text_as_long_as_the_model_takes_is_not_padded_over_it(openvino_bundle: Bundles) -> None:
    folder = openvino_bundle("fp32")
    limit = read_manifest(folder).max_tokens
    assert limit % 16  # so that rounding up would go over the position table
    long = "the cat " * limit
    found, wanted = embed(folder, [long]), embed(folder, [long], engine="onnxruntime")
    assert ((found * wanted).sum(axis=1) > 0.99).all()


FORK = """
import os, signal, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import edgebert
from edgebert import RuntimeConfig
embedder = edgebert.load(sys.argv[1], RuntimeConfig(threads=2, engine="openvino"))
texts = ["the cat", "a dog " * 12]
embedder.embed(texts)
child = os.fork()
if child == 0:
    signal.alarm(30)
    try:
        embedder.embed(texts)
    except edgebert.EdgebertError as error:
        print(error, flush=True)
        os._exit(7)
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_is_told_to_open_the_bundle_anew(
    python: Callable[..., "CompletedProcess[bytes]"], openvino_bundle: Bundles
) -> None:
    result = python("-c", FORK, str(openvino_bundle("fp32")))
    assert result.stdout.endswith(b"open it in the new process\n7\n"), result.stderr


TELEMETRY = """
import sys
import edgebert
from edgebert import RuntimeConfig
edgebert.load(sys.argv[1], RuntimeConfig(engine="openvino")).embed(["the cat"])
print("openvino" in sys.modules, [name for name in sys.modules if name.startswith("openvino_tele")])
"""


def test_nothing_is_sent_to_anybody(
    python: Callable[..., "CompletedProcess[bytes]"], openvino_bundle: Bundles
) -> None:
    result = python("-c", TELEMETRY, str(openvino_bundle("fp32")))
    assert result.stdout == b"True []\n", result.stderr


def open_graph(folder: Path) -> object:
    return open_sessions(folder, read_manifest(folder), EngineName.OPENVINO, 1)


@pytest.fixture
def own_copy(openvino_bundle: Bundles, tmp_path: Path) -> Path:
    """Give a copy that may be damaged."""
    return Path(shutil.copytree(openvino_bundle("fp32"), tmp_path / "bundle"))


def test_a_damaged_graph_is_an_error_that_names_it(own_copy: Path) -> None:
    put_file(own_copy, GRAPH, b"\x08\x09 no graph")
    with pytest.raises(BundleFormatError, match=rf"{GRAPH}: openvino .* refuses it"):
        open_graph(own_copy)


def point_to(folder: Path, location: bytes) -> None:
    """Let the graph read its weights elsewhere, the manifest right again afterwards."""
    data, name = (folder / GRAPH).read_bytes(), b"model.weights"
    assert len(location) == len(name)  # so that protobuf's lengths stay right
    assert name in data
    put_file(folder, GRAPH, data.replace(name, location))


# The weights stand there and fit, so that only their place can be what is refused.
@pytest.mark.parametrize("location", [b"../evil.bytes", b"a/../../evil1", b"link/evil.wts"])
def test_weights_outside_of_the_folder_are_refused(own_copy: Path, location: bytes) -> None:
    point_to(own_copy, location)
    (own_copy / "a").mkdir()
    (own_copy / "link").symlink_to(own_copy.parent)
    name = location.decode().rsplit("/")[-1]
    shutil.copy(own_copy / "model.weights", own_copy.parent / name)
    with pytest.raises(BundleFormatError, match=r"refuses it"):
        open_graph(own_copy)


def test_weights_at_an_absolute_path_are_refused(own_copy: Path) -> None:
    weights = Path("/tmp") / secrets.token_hex(4)  # as long as the name it takes the place of
    if not weights.parent.is_dir():
        pytest.skip("this system has no /tmp")
    point_to(own_copy, str(weights).encode())
    shutil.copy(own_copy / "model.weights", weights)
    try:
        with pytest.raises(BundleFormatError, match=r"refuses it"):
            open_graph(own_copy)
    finally:
        weights.unlink()
