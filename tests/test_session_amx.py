"""Our kernels behind the seam: near onnxruntime's results, and a text's bits are its own."""

import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest

import edgebert
from edgebert import amx
from edgebert.config import RuntimeConfig
from edgebert.device.cpu import Cpu
from edgebert.engines import is_installed, open_sessions
from edgebert.errors import BundleFormatError, InferenceError, MissingExtraError
from edgebert.manifest import EngineName
from tests.damage import put_file
from tests.fakes import read_manifest
from tests.make_tiny import WORDS

pytestmark = pytest.mark.export

FILE = "model_amx.json"
TEXTS = [" ".join(WORDS[i % 7 : i % 7 + i % 19]) for i in range(60)]


def open_embedder(folder: Path, threads: int = 2, engine: str = "amx") -> edgebert.Embedder:
    config = RuntimeConfig(threads=threads, engine=EngineName(engine))
    return edgebert.Embedder.load(folder, config)


def test_it_is_as_near_to_fp32_as_export_measured(amx_bundle: Path) -> None:
    manifest = read_manifest(amx_bundle)
    proven = manifest.alternatives[EngineName.AMX].parity
    assert proven.texts == manifest.parity.texts
    assert proven != manifest.parity  # measured, not copied
    found = open_embedder(amx_bundle).embed(TEXTS)
    wanted = open_embedder(amx_bundle, engine="onnxruntime").embed(TEXTS)
    assert ((found * wanted).sum(axis=1) > 0.97).all()


def test_neighbours_and_order_change_no_bit(amx_bundle: Path) -> None:
    embedder = open_embedder(amx_bundle)
    whole = embedder.embed(TEXTS)
    assert np.array_equal(embedder.embed(TEXTS[::-1])[::-1], whole)
    assert np.array_equal(np.concatenate([embedder.embed([text]) for text in TEXTS]), whole)


@pytest.mark.parametrize("threads", [1, 3])
def test_the_number_of_threads_changes_no_bit(amx_bundle: Path, threads: int) -> None:
    expected = open_embedder(amx_bundle, threads=2).embed(TEXTS)
    embedder = open_embedder(amx_bundle, threads=threads)
    assert np.array_equal(embedder.embed(TEXTS), expected)
    assert np.array_equal(np.concatenate([embedder.embed([text]) for text in TEXTS]), expected)


def test_the_budget_of_a_run_changes_no_bit(amx_bundle: Path) -> None:
    config = RuntimeConfig(threads=2, engine=EngineName.AMX, max_tokens_per_run=1)
    apart = edgebert.Embedder.load(amx_bundle, config).embed(TEXTS)
    assert np.array_equal(apart, open_embedder(amx_bundle).embed(TEXTS))


def test_one_object_serves_many_threads(amx_bundle: Path) -> None:
    embedder = open_embedder(amx_bundle)
    expected = embedder.embed(TEXTS)

    def one_by_one(start: int) -> bool:
        alone = [embedder.embed([text]) for text in TEXTS[start:]]
        return np.array_equal(np.concatenate(alone), expected[start:])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one_by_one, range(16)))


def test_onnxruntime_is_not_imported(
    amx_bundle: Path, python: Callable[..., "CompletedProcess[bytes]"]
) -> None:
    code = (
        "import sys, edgebert; from edgebert import RuntimeConfig\n"
        "edgebert.load(sys.argv[1], RuntimeConfig(engine='amx')).embed(['the cat'])\n"
        "print('onnxruntime' in sys.modules)"
    )
    assert python("-c", code, str(amx_bundle)).stdout == b"False\n"


FORK = """
import os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import edgebert
from edgebert import RuntimeConfig
embedder = edgebert.load(sys.argv[1], RuntimeConfig(threads=2, engine="amx"))
texts = ["the cat", "a dog " * 12]
expected = embedder.embed(texts)
child = os.fork()
if child == 0:
    os._exit(0 if (embedder.embed(texts) == expected).all() else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), (embedder.embed(texts) == expected).all())
"""


def test_a_forked_child_goes_on(
    amx_bundle: Path, python: Callable[..., "CompletedProcess[bytes]"]
) -> None:
    assert python("-c", FORK, str(amx_bundle), timeout=60).stdout == b"0 True\n"


def test_an_id_out_of_range_is_an_error(amx_bundle: Path) -> None:
    session = open_sessions(amx_bundle, read_manifest(amx_bundle), EngineName.AMX, 1).shared
    with pytest.raises(InferenceError, match="out of range"):
        session._encoder.run([[2, 10**6, 3]], 1)


@pytest.fixture
def own_copy(amx_bundle: Path, tmp_path: Path) -> Path:
    """Give a copy that may be damaged."""
    return Path(shutil.copytree(amx_bundle, tmp_path / "bundle"))


def open_copy(folder: Path) -> object:
    return open_sessions(folder, read_manifest(folder), EngineName.AMX, 1)


def edit(folder: Path, **values: Any) -> None:
    described = json.loads((folder / FILE).read_bytes()) | values
    put_file(folder, FILE, json.dumps(described).encode())


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"more": 1}, "unknown key 'more'"),
        ({"hidden": 0}, "hidden"),
        ({"hidden": 64}, "ends after the end of model.weights|offsets"),
        ({"hidden": 48}, "hidden is 48 with 1 heads, expected a multiple of 32"),
        ({"heads": 2}, "hidden is 32 with 2 heads"),
        ({"vocabulary": 10**9}, "sizes are"),
        ({"vocabulary": 10**6}, "'word_s8' ends after the end of model.weights"),
        ({"positions": 10**6}, "'position' ends after the end"),
        ({"wide": []}, "sizes are"),
        ({"wide": [64.5, 64]}, "wide names 64.5"),
        ({"wide": [-1, 64]}, "wide names -1"),
        ({"wide": [10**6, 64]}, "ends after the end"),
        ({"epsilon": 0}, "epsilon is 0"),
        ({"pooling": "max"}, "pooling is max, expected one of: mean, cls"),
        ({"weights": "../model.weights"}, "expected a file of the bundle"),
        ({"weights": "absent"}, "No such file"),
        ({"offsets": {}}, "offsets has no"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(
    own_copy: Path, values: dict[str, Any], words: str
) -> None:
    edit(own_copy, **values)
    with pytest.raises(BundleFormatError, match=rf"{FILE}: .*({words})"):
        open_copy(own_copy)


def test_what_is_no_json_is_refused(own_copy: Path) -> None:
    put_file(own_copy, FILE, b"{")
    with pytest.raises(BundleFormatError, match=FILE):
        open_copy(own_copy)


def test_empty_weights_are_refused(own_copy: Path) -> None:
    (own_copy / "model.weights").write_bytes(b"")
    with pytest.raises(BundleFormatError, match=f"{FILE}: cannot be used"):
        open_copy(own_copy)


@pytest.mark.parametrize("lacking", sorted(amx.NEEDED))
def test_a_cpu_that_lacks_anything_is_named(lacking: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amx, "LIBRARY", Path(__file__))  # one that is there
    monkeypatch.setattr(amx, "read_cpu", lambda: Cpu("x86_64", "old", amx.NEEDED - {lacking}))
    assert amx.why_not() == f"this CPU has no {lacking}"
    assert not is_installed(EngineName.AMX)


def test_an_installation_without_kernels_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(amx, "LIBRARY", tmp_path / "encoder.so")
    amx._library.cache_clear()
    with pytest.raises(MissingExtraError, match=r"engine amx .*without its kernels"):
        amx._library()
    assert not is_installed(EngineName.AMX)


def test_a_library_that_cannot_be_loaded_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "encoder.so").write_bytes(b"no library")
    monkeypatch.setattr(amx, "LIBRARY", tmp_path / "encoder.so")
    monkeypatch.setattr(amx, "read_cpu", lambda: Cpu("x86_64", "new", amx.NEEDED))
    amx._library.cache_clear()
    with pytest.raises(MissingExtraError, match=r"encoder\.so: cannot be loaded .*make kernels"):
        amx._library()


def test_a_library_of_another_edgebert_is_refused(
    amx_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amx, "Layer", amx.Configuration)
    amx._library.cache_clear()
    with pytest.raises(MissingExtraError, match="is of another edgebert; install edgebert again"):
        open_embedder(amx_bundle)


def test_ci_has_the_kernels_where_the_cpu_has_amx() -> None:
    if not os.environ.get("CI"):
        pytest.skip("a laptop may have no C compiler")
    if not amx.NEEDED <= amx.read_cpu().flags:
        pytest.skip("this CPU has no AMX")
    assert amx.LIBRARY.is_file()
