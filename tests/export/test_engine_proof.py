"""OpenVINO's graph is proven on OpenVINO, or no bundle is written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgebert.bundle import Bundle
from edgebert.config import RuntimeConfig
from edgebert.engine import Engine
from edgebert.errors import MissingExtraError, VerifyError
from edgebert.golden import verify
from edgebert.manifest import EngineName, Level, PoolingMode, Task
from edgebert_export import ParityError, Recipe, UnsupportedModelError, export
from edgebert_export import engine_proof as module
from edgebert_export.engine_proof import check_engine
from edgebert_export.parity import Floor
from tests.cli.conftest import Called

pytestmark = [pytest.mark.export, pytest.mark.openvino]

Bundles = Callable[[str], Path]
Folders = Callable[[str], Path]
OPENVINO = EngineName.OPENVINO


@pytest.mark.parametrize("kind", ["fp32", "int8", "int8-accurate", "rerank"])
def test_a_bundle_carries_the_proof_of_both_engines(openvino_bundle: Bundles, kind: str) -> None:
    manifest = Bundle.open(openvino_bundle(kind)).manifest
    other = manifest.alternatives[OPENVINO]
    assert other.parity.texts == manifest.parity.texts
    assert other.parity != manifest.parity  # measured, not copied
    assert other.golden_tolerance > 0


@pytest.mark.parametrize("kind", ["fp32", "int8"])
def test_the_golden_texts_come_out_on_openvino(openvino_bundle: Bundles, kind: str) -> None:
    bundle = Bundle.open(openvino_bundle(kind))
    engine = Engine.open(bundle.path, RuntimeConfig(engine=OPENVINO))
    allowed = bundle.manifest.alternatives[OPENVINO].golden_tolerance
    golden, error = verify(bundle, engine, allowed)
    assert 0 < error <= golden.tolerance == allowed


def test_an_error_over_its_own_tolerance_is_refused(openvino_bundle: Bundles) -> None:
    bundle = Bundle.open(openvino_bundle("int8"))
    engine = Engine.open(bundle.path, RuntimeConfig(engine=OPENVINO))
    with pytest.raises(VerifyError, match="allowed is 1e-09"):
        verify(bundle, engine, 1e-9)


def test_a_floor_missed_on_openvino_alone_writes_no_bundle(
    tiny_checkpoint: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino")
    monkeypatch.setattr(module, "BF16", Floor(1.1, None, None))
    recipe = Recipe(
        model=tiny_checkpoint("BertModel"),
        output=tmp_path / "out",
        quantize=Level.FP32,
        pooling=PoolingMode.MEAN,
        engine=OPENVINO,
    )
    with pytest.raises(ParityError, match=r"too far from the fp32 model on openvino on \d+ texts"):
        export(recipe)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("task", [Task.TAG, Task.ANSWER, Task.FILL])
def test_a_task_with_results_by_token_is_refused(task: Task) -> None:
    pytest.importorskip("openvino")
    with pytest.raises(UnsupportedModelError, match=f"is built for embed, classify.*'{task}'"):
        check_engine(OPENVINO, task)


def test_an_engine_that_is_not_there_is_refused_before_any_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "is_installed", lambda engine: False)
    with pytest.raises(MissingExtraError, match=r'`pip install "edgebert\[openvino\]"`'):
        check_engine(OPENVINO, Task.EMBED)


def test_onnxruntime_needs_no_check() -> None:
    check_engine(EngineName.ONNXRUNTIME, Task.FILL)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., Called]:
    """Call a command."""
    from edgebert.cli import main

    def run(*arguments: Any) -> Called:
        return Called(main([str(argument) for argument in arguments]), *capsys.readouterr())

    return run


def test_verify_proves_each_engine(call: Callable[..., Called], openvino_bundle: Bundles) -> None:
    result = call("verify", openvino_bundle("int8"))
    *_, onnxruntime, openvino = result.out.splitlines()
    assert (result.code, result.err) == (0, "")
    assert onnxruntime.startswith("golden  ok  ")
    assert openvino.startswith("openvino  ok  8 texts, worst relative error ")


def test_verify_says_where_an_engine_is_not_installed(
    call: Callable[..., Called], openvino_bundle: Bundles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgebert.cli.verify.is_installed", lambda engine: False)
    result = call("verify", openvino_bundle("int8"))
    assert result.code == 0
    assert result.out.endswith("openvino: not installed, not proven here\n")


def test_inspect_shows_the_figures_of_each_engine(
    call: Callable[..., Called], openvino_bundle: Bundles
) -> None:
    parity = Bundle.open(openvino_bundle("int8")).manifest.alternatives[OPENVINO].parity
    lines = call("inspect", openvino_bundle("int8")).out.splitlines()
    (line,) = [line for line in lines if line.startswith("on openvino ")]
    assert f"{parity.cosine_mean:.5f} mean, {parity.cosine_min:.5f} least" in line


def test_the_command_exports_and_runs_on_openvino(
    call: Callable[..., Called], tiny_checkpoint: Folders, tmp_path: Path
) -> None:
    pytest.importorskip("openvino")
    model, output = tiny_checkpoint("BertModel"), tmp_path / "out"
    options = ("--quantize", "fp32", "--pooling", "mean", "--engine", "openvino")
    exported = call("export", model, output, *options)
    assert exported.out.splitlines()[-1].startswith("on openvino ")
    (tmp_path / "texts.txt").write_text("the cat\na dog\n")
    ran = call("run", output, tmp_path / "texts.txt", "--engine", "openvino")
    assert (ran.code, len(ran.out.splitlines())) == (0, 2)
