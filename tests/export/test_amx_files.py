"""What the kernels for AMX do not compute is refused before any work is done."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebert.bundle import Bundle
from edgebert.config import RuntimeConfig
from edgebert.engine import Engine
from edgebert.errors import MissingExtraError
from edgebert.golden import verify
from edgebert.manifest import EngineName, Level, Pooling, PoolingMode, Task
from edgebert_export import ExportError, Recipe, UnsupportedModelError, engine_proof
from edgebert_export.amx_files import check_amx
from edgebert_export.canonical import Linear, Model, read_model
from edgebert_export.checkpoint import Checkpoint
from edgebert_export.engine_proof import check_engine
from edgebert_export.heads import Outputs
from tests.make_tiny import write_checkpoint

pytestmark = pytest.mark.export

MEAN = Pooling(mode=PoolingMode.MEAN, normalize=True)
EMBED = Outputs(Task.EMBED, MEAN, None)


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Model]:
    def make(architecture: str = "BertModel", **settings: Any) -> Model:
        folder = tmp_path_factory.mktemp("model")
        settings = {"num_attention_heads": 1} | settings
        return read_model(Checkpoint.open(write_checkpoint(folder, architecture, **settings)))

    return make


@pytest.mark.parametrize("architecture", ["BertModel", "RobertaModel"])
def test_an_encoder_with_wide_heads_is_taken(read: Callable[..., Model], architecture: str) -> None:
    check_amx(read(architecture), EMBED)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"num_attention_heads": 4}, "heads of 8"),
        ({"hidden_act": "relu"}, "activation relu"),
        ({"hidden_act": "gelu_new"}, "activation gelu_tanh"),
    ],
)
def test_another_encoder_is_refused(
    read: Callable[..., Model], settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(UnsupportedModelError, match=f"has no kernels for {words}; leave"):
        check_amx(read(**settings), EMBED)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"distances": np.zeros((32, 1), np.float32)}, "positions relative to each other"),
        ({"stores": (0, 0)}, "layers that share weights"),
        (
            {"projection": Linear(np.zeros((32, 32), np.float32), np.zeros(32, np.float32))},
            "embeddings of another width",
        ),
    ],
)
def test_what_other_families_have_is_refused(
    read: Callable[..., Model], values: dict[str, Any], words: str
) -> None:
    with pytest.raises(UnsupportedModelError, match=f"has no kernels for {words}; leave"):
        check_amx(replace(read(), **values), EMBED)


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        (replace(EMBED, pooling=replace(MEAN, mode=PoolingMode.MAX)), "pooling max"),
        (
            replace(EMBED, pooling=replace(MEAN, more_modes=(PoolingMode.CLS,))),
            "pooling mean and cls",
        ),
        (replace(EMBED, pooling=replace(MEAN, dimensions=8)), "layers after the pooling"),
        (replace(EMBED, layers=2), "several layers' vectors"),
    ],
)
def test_other_poolings_are_refused(
    read: Callable[..., Model], outputs: Outputs, words: str
) -> None:
    with pytest.raises(UnsupportedModelError, match=f"has no kernels for {words}; leave"):
        check_amx(read(), outputs)


@pytest.mark.parametrize("level", [Level.FP32, Level.INT8_ACCURATE])
def test_a_recipe_that_keeps_floats_is_refused(level: Level) -> None:
    with pytest.raises(ExportError, match=f"take --quantize int8 instead of {level}"):
        Recipe(model=Path("m"), output=Path("o"), quantize=level, engine=EngineName.AMX)


@pytest.mark.parametrize("task", [Task.CLASSIFY, Task.TAG])
def test_another_task_is_refused(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_proof, "is_installed", lambda engine: True)
    with pytest.raises(UnsupportedModelError, match=f"is built for embed, .*'{task}'"):
        check_engine(EngineName.AMX, task)


def test_a_machine_without_it_is_told_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_proof, "is_installed", lambda engine: False)
    monkeypatch.setattr(engine_proof, "why_not", lambda: "this CPU has no amx_int8")
    with pytest.raises(MissingExtraError, match="cannot be used here: this CPU has no amx_int8"):
        check_engine(EngineName.AMX, Task.EMBED)


def test_the_golden_texts_come_out(amx_bundle: Path) -> None:
    bundle = Bundle.open(amx_bundle)
    allowed = bundle.manifest.alternatives[EngineName.AMX].golden_tolerance
    engine = Engine.open(bundle.path, RuntimeConfig(engine=EngineName.AMX))
    golden, error = verify(bundle, engine, allowed)
    assert 0 < error <= golden.tolerance == allowed


@pytest.mark.parametrize("architecture", ["DistilBertModel", "RobertaModel"])
@pytest.mark.parametrize("pooling", [PoolingMode.MEAN, PoolingMode.CLS])
def test_other_families_are_proven_too(
    architecture: str, pooling: PoolingMode, amx_bundle: Path, tmp_path: Path
) -> None:
    from edgebert_export import export

    heads = "n_heads" if architecture.startswith("Distil") else "num_attention_heads"
    recipe = Recipe(
        model=write_checkpoint(tmp_path / "checkpoint", architecture, **{heads: 1}),
        output=tmp_path / "bundle",
        pooling=pooling,
        min_cosine_mean=0.9,  # random weights of width 32 leave int8 little to average over
        min_cosine=0.8,
        engine=EngineName.AMX,
    )
    assert export(recipe).alternatives["amx"].cosine_mean > 0.9
