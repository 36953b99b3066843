"""`layers_out` pools earlier layers as outputs of their own, and leaves all else as it was."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebert.bundle import Bundle
from edgebert.engine import Engine
from edgebert.golden import verify
from edgebert.learn.learner import Learner
from edgebert.manifest import Level, PoolingMode
from edgebert.tasks.embed import Embedder
from edgebert_export import ExportError, Recipe, export
from tests.export.graphs import GraphFile, run_main, run_masked

pytestmark = pytest.mark.export

Folders = Callable[[str], Path]
NAMES = ("sentence_embedding", "sentence_embedding_before_1")
ROWS = [[2, 30, 31, 32, 3], [2, 40, 3]]


def make(model: Path, output: Path, **options: Any) -> Path:
    settings = {"pooling": PoolingMode.MEAN, "normalize": True, "quantize": Level.FP32}
    export(Recipe(model=model, output=output, **{**settings, **options}))
    return output


@pytest.fixture(scope="module")
def folders(tiny_checkpoint: Folders, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The tiny encoder of two layers with one of them out, and with both."""
    root = tmp_path_factory.mktemp("layers")
    model = tiny_checkpoint("BertModel")
    return {count: make(model, root / f"out{count}", layers_out=count) for count in (1, 2)}


def test_the_manifest_states_the_outputs(folders: dict[int, Path]) -> None:
    assert Bundle.open(folders[2]).manifest.graphs.main.outputs == NAMES
    assert Bundle.open(folders[1]).manifest.graphs.main.outputs == NAMES[:1]


def test_embeddings_are_the_same_bits(folders: dict[int, Path]) -> None:
    texts = ["the cat", "a good dog runs in paris", ""]
    one, two = (Embedder.load(folders[count]).embed(texts) for count in (1, 2))
    assert np.array_equal(one, two)


def test_the_weights_are_stored_once(folders: dict[int, Path]) -> None:
    assert (folders[1] / "model.weights").read_bytes() == (
        folders[2] / "model.weights"
    ).read_bytes()


def test_an_earlier_output_is_that_layers_mean(
    folders: dict[int, Path], tiny_checkpoint: Folders, tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    model = transformers.AutoModel.from_pretrained(tiny_checkpoint("BertModel")).eval()
    for row, outputs in zip(ROWS, run_main(folders[2], ROWS), strict=True):
        with torch.no_grad():
            states = model(torch.tensor([row]), output_hidden_states=True).hidden_states
        for name, state in zip(NAMES, (states[-1], states[-2]), strict=True):
            wanted = state[0].mean(0).numpy()
            wanted /= np.linalg.norm(wanted)
            assert np.abs(outputs[name] - wanted).max() < 1e-5


def test_the_masked_graph_gives_the_same(folders: dict[int, Path]) -> None:
    alone, padded = run_main(folders[2], ROWS), run_masked(folders[2], ROWS, padding=0)
    for one, other in zip(alone, padded, strict=True):
        for name in NAMES:
            assert np.abs(one[name] - other[name]).max() < 1e-5


def test_the_golden_texts_prove_every_output(folders: dict[int, Path]) -> None:
    bundle = Bundle.open(folders[2])
    golden, _ = verify(bundle, Engine.open(folders[2]))
    assert len(golden.rows[0].output) == 2 * 32


def test_cls_pooling_reads_the_first_row_of_each(tiny_checkpoint: Folders, tmp_path: Path) -> None:
    model = tiny_checkpoint("BertModel")
    folder = make(model, tmp_path / "cls", pooling=PoolingMode.CLS, layers_out=2)
    assert set(GraphFile(folder / "model.onnx").shapes) == set(NAMES)


def test_int8_gives_every_layer_too(tiny_checkpoint: Folders, tmp_path: Path) -> None:
    model = tiny_checkpoint("BertModel")
    folder = make(
        model,
        tmp_path / "int8",
        quantize=Level.INT8,
        layers_out=2,
        min_cosine=0.5,
        min_cosine_mean=0.5,
    )
    assert Bundle.open(folder).manifest.graphs.main.outputs == NAMES


def test_the_learner_takes_the_layers_that_there_are(folders: dict[int, Path]) -> None:
    learner = Learner.create(folders[2], tier="base")
    assert learner.state.setting.features.layers == 2
    learner.learn(["the cat", "a dog"], ["cat", "dog"], new_classes=True)
    assert [result.label for result in learner.predict(["the cat", "a dog"])] == ["cat", "dog"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"layers_out": 0}, "layers_out is 0; it must be 1 or more"),
        ({"layers_out": 3}, "layers_out is 3, the encoder has 2 layers"),
        ({"layers_out": 2, "pooling": PoolingMode.POOLER}, "belongs to the last layer"),
    ],
)
def test_layers_that_there_are_not_are_refused(
    tiny_checkpoint: Folders, tmp_path: Path, options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ExportError, match=complaint):
        make(tiny_checkpoint("BertModel"), tmp_path / "out", **options)


def test_layers_of_another_task_are_refused(tiny_checkpoint: Folders, tmp_path: Path) -> None:
    model = tiny_checkpoint("BertForSequenceClassification")
    with pytest.raises(ExportError, match="which is for embeddings"):
        make(model, tmp_path / "out", layers_out=2, pooling=None, normalize=None)
