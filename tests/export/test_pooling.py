"""Poolings of both graphs, against the masked graph's own hidden states pooled by hand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgebert.manifest import Pooling, PoolingMode, Task
from edgebert_export.canonical import Linear, read_model
from edgebert_export.checkpoint import Checkpoint
from edgebert_export.heads import Outputs
from edgebert_export.plan import Plan
from edgebert_export.sentence_steps import DenseStep, Step, UnitStep
from edgebert_export.write import write_graphs
from tests.export.graphs import Array, random_rows, run_main, run_masked

pytestmark = pytest.mark.export

Folders = Callable[[str], Path]
ROWS = random_rows("BertModel")
CLOSE = 1e-5
BY_HAND: dict[PoolingMode, Callable[[Array], Array]] = {
    PoolingMode.CLS: lambda hidden: hidden[0],
    PoolingMode.MEAN: lambda hidden: hidden.mean(axis=0),
    PoolingMode.MAX: lambda hidden: hidden.max(axis=0),
    PoolingMode.MEAN_SQRT_LEN: lambda hidden: hidden.sum(axis=0) / np.sqrt(len(hidden)),
    PoolingMode.WEIGHTED_MEAN: lambda hidden: np.average(
        hidden, axis=0, weights=np.arange(1, len(hidden) + 1)
    ),
    PoolingMode.LAST_TOKEN: lambda hidden: hidden[-1],
}


def build(
    folder: Path, checkpoint: Path, *modes: PoolingMode, steps: tuple[Step, ...] = ()
) -> Path:
    pooling = Pooling(mode=modes[0], normalize=False, more_modes=modes[1:])
    outputs = Outputs(Task.EMBED, pooling, None, steps)
    folder.mkdir()
    write_graphs(folder, read_model(Checkpoint.open(checkpoint)), Plan(), outputs)
    return folder


@pytest.mark.parametrize("mode", BY_HAND)
def test_each_pooling_is_what_it_says_in_both_graphs(
    mode: PoolingMode, tiny_checkpoint: Folders, tmp_path: Path
) -> None:
    folder = build(tmp_path / "out", tiny_checkpoint("BertModel"), mode)
    masked = run_masked(folder, ROWS, 0)
    for main, padded in zip(run_main(folder, ROWS), masked, strict=True):
        wanted = BY_HAND[mode](padded["last_hidden_state"])
        assert np.abs(padded["sentence_embedding"] - wanted).max() <= CLOSE
        assert np.abs(main["sentence_embedding"] - wanted).max() <= CLOSE


def test_several_poolings_stand_end_to_end_in_the_order_given(
    tiny_checkpoint: Folders, tmp_path: Path
) -> None:
    folder = build(tmp_path / "out", tiny_checkpoint("BertModel"), *BY_HAND)
    for main, padded in zip(run_main(folder, ROWS), run_masked(folder, ROWS, 0), strict=True):
        hidden = padded["last_hidden_state"]
        wanted = np.concatenate([by_hand(hidden) for by_hand in BY_HAND.values()])
        assert np.abs(padded["sentence_embedding"] - wanted).max() <= CLOSE
        assert np.abs(main["sentence_embedding"] - wanted).max() <= CLOSE


def test_the_last_layer_is_trimmed_for_the_first_token_alone(
    tiny_checkpoint: Folders, tmp_path: Path
) -> None:
    checkpoint, cls = tiny_checkpoint("BertModel"), PoolingMode.CLS
    trimmed = build(tmp_path / "trimmed", checkpoint, cls) / "model.onnx"
    whole = build(tmp_path / "whole", checkpoint, cls, PoolingMode.MEAN) / "model.onnx"
    assert b"q.first_row" in trimmed.read_bytes()
    assert b"q.first_row" not in whole.read_bytes()


def test_layers_are_run_after_the_pooling_in_their_order(
    tiny_checkpoint: Folders, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    linear = Linear(rng.normal(size=(32, 5)).astype(np.float32), np.ones(5, np.float32))
    steps = (UnitStep(), DenseStep(linear, "relu"))
    folder = build(tmp_path / "out", tiny_checkpoint("BertModel"), PoolingMode.MAX, steps=steps)
    for main, padded in zip(run_main(folder, ROWS), run_masked(folder, ROWS, 0), strict=True):
        pooled = padded["last_hidden_state"].max(axis=0)
        wanted = np.maximum(pooled / np.linalg.norm(pooled) @ linear.weight + linear.bias, 0)
        assert np.abs(padded["sentence_embedding"] - wanted).max() <= CLOSE
        assert np.abs(main["sentence_embedding"] - wanted).max() <= CLOSE
