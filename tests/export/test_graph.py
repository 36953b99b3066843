"""The graphs have the shape that runs fast, and padding, neighbours and order change nothing."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from edgebert.manifest import Pooling, PoolingMode, Task
from edgebert_export.canonical import Model, Norm, read_model
from edgebert_export.checkpoint import Checkpoint
from edgebert_export.heads import Outputs
from edgebert_export.plan import Plan, QuantizedInput, QuantizedLinear
from edgebert_export.write import write_graphs
from tests.export.graphs import (
    ARCHITECTURES,
    SPECIAL_IDS,
    GraphFile,
    family_of,
    pad,
    random_rows,
    run_main,
    run_masked,
)
from tests.make_tiny import HIDDEN, LAYERS, POSITIONS

pytestmark = pytest.mark.export

Folders = Callable[[str], Path]
SLOW = {"SkipLayerNormalization", "BiasGelu", "FastGelu", "EmbedLayerNormalization"}
ROUNDING = 1e-5  # between two fp32 kernels on values of about 1


def nodes(path: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(path, load_external_data=False).graph.node)


def embed_graphs(folder: Path, model: Model, mode: PoolingMode, plan: Plan | None = None) -> Path:
    outputs = Outputs(Task.EMBED, Pooling(mode=mode, normalize=False), None)
    folder.mkdir(exist_ok=True)
    write_graphs(folder, model, plan or Plan(), outputs)
    return folder


def model_of(checkpoint: Path) -> Model:
    return read_model(Checkpoint.open(checkpoint), encoder_only=True)


def inner_shape(path: Path, name: str, feeds: dict[str, Any], folder: Path) -> tuple[int, ...]:
    """Run a graph with one inner value as its output and give the value's shape."""
    model = onnx.load(path)
    model.graph.output.append(onnx.ValueInfoProto(name=name))
    onnx.save(model, folder / "opened.onnx")
    session = onnxruntime.InferenceSession(folder / "opened.onnx")
    return tuple(session.run([name], feeds)[0].shape)


@pytest.mark.parametrize("kind", ["model.onnx", "model_masked.onnx"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_graph_is_valid_onnx(architecture: str, kind: str, tiny_bundle: Folders) -> None:
    onnx.checker.check_model(tiny_bundle(architecture) / kind)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_no_graph_holds_an_operator_that_is_slow_on_cpus(
    architecture: str, tiny_bundle: Folders
) -> None:
    found = nodes(tiny_bundle(architecture) / "model.onnx")
    assert not SLOW & set(found)
    assert found["MultiHeadAttention"] == LAYERS


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_main_graph_takes_no_mask_and_the_masked_graph_one(
    architecture: str, tiny_bundle: Folders
) -> None:
    folder = tiny_bundle(architecture)
    assert "attention_mask" not in GraphFile(folder / "model.onnx").inputs
    assert "attention_mask" in GraphFile(folder / "model_masked.onnx").inputs


@pytest.mark.parametrize(
    ("architecture", "main", "masked"),
    [
        ("BertModel", False, True),
        ("BertForSequenceClassification", True, True),
        ("BertForQuestionAnswering", True, True),
        ("BertForTokenClassification", False, True),
        ("BertForMaskedLM", False, True),
        ("RobertaForSequenceClassification", False, False),
        ("DistilBertForQuestionAnswering", False, False),
    ],
)
def test_token_types_are_an_input_where_a_pair_can_be_told_apart(
    architecture: str, main: bool, masked: bool, tiny_bundle: Folders
) -> None:
    folder = tiny_bundle(architecture)
    assert ("token_type_ids" in GraphFile(folder / "model.onnx").inputs) is main
    assert ("token_type_ids" in GraphFile(folder / "model_masked.onnx").inputs) is masked


@pytest.mark.parametrize(
    ("mode", "rows"), [(PoolingMode.CLS, 1), (PoolingMode.POOLER, 1), (PoolingMode.MEAN, 9)]
)
def test_the_last_layer_of_the_main_graph_is_computed_for_the_rows_that_are_read(
    mode: PoolingMode, rows: int, tiny_checkpoint: Folders, tmp_path: Path
) -> None:
    folder = embed_graphs(tmp_path / "out", model_of(tiny_checkpoint("BertModel")), mode)
    feeds = {"input_ids": np.full((2, 9), 7, np.int64)}
    last = f"{LAYERS - 1}.f1"
    shape = inner_shape(folder / "model.onnx", last, feeds, folder)
    assert shape == (2, rows, 64)


def test_the_masked_graph_of_an_encoder_gives_every_hidden_state_whatever_the_pooling(
    tiny_checkpoint: Folders, tmp_path: Path
) -> None:
    model = model_of(tiny_checkpoint("BertModel"))
    folder = embed_graphs(tmp_path / "out", model, PoolingMode.CLS)
    rows = random_rows("BertModel", lengths=(5, 9))
    states = run_masked(folder, rows, 0)
    assert [row["last_hidden_state"].shape for row in states] == [(5, HIDDEN), (9, HIDDEN)]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_stands_in_the_padding_changes_no_bit(architecture: str, tiny_bundle: Folders) -> None:
    rows = random_rows(architecture, lengths=(4, 12))
    folder = tiny_bundle(architecture)
    first = run_masked(folder, rows, SPECIAL_IDS[family_of(architecture)][3])
    second = run_masked(folder, rows, 50)
    for ours, theirs in zip(first, second, strict=True):
        assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_row_comes_out_alike_alone_and_among_longer_ones(
    architecture: str, tiny_bundle: Folders
) -> None:
    folder, padding = tiny_bundle(architecture), SPECIAL_IDS[family_of(architecture)][3]
    rows = random_rows(architecture, lengths=(5, POSITIONS))
    (alone,) = run_masked(folder, rows[:1], padding)
    among = run_masked(folder, rows, padding)[0]
    assert all(np.allclose(alone[name], among[name], rtol=0, atol=ROUNDING) for name in alone)


@pytest.mark.parametrize("architecture", ["BertModel", "RobertaModel", "DistilBertModel"])
def test_rows_of_one_length_come_out_alike_alone_and_together(
    architecture: str, tiny_bundle: Folders
) -> None:
    rows = random_rows(architecture, lengths=(9, 9, 9))
    graph = GraphFile(tiny_bundle(architecture) / "model.onnx")
    together = graph.run({"input_ids": pad(rows, 0)[0]})["sentence_embedding"]
    alone = [row["sentence_embedding"] for row in run_main(tiny_bundle(architecture), rows)]
    assert np.allclose(together, np.stack(alone), rtol=0, atol=ROUNDING)


def test_a_vector_far_shorter_than_one_is_normalised_too(
    tiny_checkpoint: Folders, tmp_path: Path
) -> None:
    model = model_of(tiny_checkpoint("BertModel"))
    last = f"{LAYERS - 1}.ffn_norm"
    small = Norm(model.norms[last].weight * 1e-5, model.norms[last].bias * 1e-5)
    model = replace(model, norms={**model.norms, last: small})
    folder = tmp_path / "out"
    folder.mkdir()
    outputs = Outputs(Task.EMBED, Pooling(mode=PoolingMode.MEAN, normalize=True), None)
    write_graphs(folder, model, Plan(), outputs)
    (found,) = run_main(folder, random_rows("BertModel", lengths=(9,)))
    assert np.linalg.norm(found["sentence_embedding"]) == pytest.approx(1, abs=ROUNDING)


def test_the_order_of_tokens_counts(tiny_bundle: Folders) -> None:
    row = random_rows("BertModel", lengths=(9,))[0]
    swapped = [row[0], row[2], row[1], *row[3:]]
    first, second = run_main(tiny_bundle("BertModel"), [row, swapped])
    difference = np.abs(first["sentence_embedding"] - second["sentence_embedding"])
    assert difference.max() > 100 * ROUNDING


def test_a_masked_lm_scores_its_masks_in_reading_order(tiny_bundle: Folders) -> None:
    row = random_rows("RobertaForMaskedLM", lengths=(12,))[0]
    masks = [place for place, token in enumerate(row) if token == 4]
    (main,) = run_main(tiny_bundle("RobertaForMaskedLM"), [row])
    (masked,) = run_masked(tiny_bundle("RobertaForMaskedLM"), [row], 1)
    assert len(masks) == 2
    assert np.allclose(main["logits"], masked["logits"][masks], rtol=0, atol=10 * ROUNDING)


def test_a_row_over_the_position_table_is_an_error_and_not_a_wrong_answer(
    tiny_bundle: Folders,
) -> None:
    graph = GraphFile(tiny_bundle("BertModel") / "model.onnx")
    with pytest.raises(Exception, match=r"broadcast|BroadcastIterator|Add"):
        graph.run({"input_ids": np.full((1, POSITIONS + 1), 7, np.int64)})


QUANTIZED = QuantizedLinear(
    np.zeros((HIDDEN, 64), np.int8), np.ones(64, np.float32), np.zeros(64, np.float32)
)


@pytest.mark.parametrize(
    "plan",
    [
        Plan(linears={"0.f1": QUANTIZED}),
        Plan(inputs={"0.f1": QuantizedInput(multiplier=None, static=None)}),
    ],
)
def test_a_plan_that_quantizes_half_of_a_product_is_refused(
    plan: Plan, tiny_checkpoint: Folders, tmp_path: Path
) -> None:
    model = model_of(tiny_checkpoint("BertModel"))
    with pytest.raises(TypeError, match=r"one of the weight and the input of '0.f1'"):
        embed_graphs(tmp_path / "out", model, PoolingMode.MEAN, plan)
