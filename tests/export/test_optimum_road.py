"""Encoders that edgebert does not build, through optimum, against transformers, on the runtime."""

import logging
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("optimum.exporters.onnx")

import edgebert
from edgebert.bundle import Bundle
from edgebert.engine import Engine
from edgebert.errors import MissingExtraError
from edgebert.golden import raw_outputs, verify
from edgebert.manifest import Level, PoolingMode, Scales
from edgebert_export import (
    ExportError,
    ParityError,
    Recipe,
    Road,
    UnsupportedModelError,
    export,
    optimum_road,
)
from tests.export.given_models import run_masked, torch_outputs, write_model
from tests.make_tiny import write_checkpoint

pytestmark = [
    pytest.mark.export,
    pytest.mark.oracle,
    pytest.mark.filterwarnings("ignore:.torch.jit.script"),  # transformers, DeBERTa
]

FP32_BAR = 1e-4  # max abs diff of raw outputs
TEXTS = ["the cat runs", "good", "anna lives in berlin and peter eats bad food by the river"]
PAIRS = [("who runs", "the dog runs"), ("where", "anna lives in berlin not in paris")]
MASKED = {"roberta": "<mask>", "bert": "[MASK]"}
HEADS = ("Model", "ForSequenceClassification", "ForTokenClassification", "ForMaskedLM")
CASES = [
    (family, head)
    for family in ("deberta-v2", "modernbert", "roformer", "squeezebert")
    for head in (*HEADS, "ForQuestionAnswering")
    if (family, head) != ("modernbert", "ForQuestionAnswering")  # which optimum does not export
]
FIELDS = {"Model": ("last_hidden_state",), "ForQuestionAnswering": ("start_logits", "end_logits")}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Give a checkpoint and its bundle; made once, so no test may change them."""

    @cache
    def make(family: str, head: str, level: Level) -> tuple[Path, Path]:
        folder = tmp_path_factory.mktemp("road")
        model = write_model(folder / "model", family, head)
        pooling = PoolingMode.MEAN if head == "Model" else None
        floors = {} if level is Level.FP32 else {"min_cosine_mean": 0.9, "min_cosine": 0.8}
        export(
            Recipe(
                model=model,
                output=folder / "out",
                quantize=level,
                pooling=pooling,
                normalize=True if pooling else None,
                min_agreement=0.5 if level is Level.INT8 else None,
                **floors,
            )
        )
        return model, folder / "out"

    return make


def texts_for(head: str, engine: Engine) -> list[Any]:
    if head == "ForQuestionAnswering":
        return list(PAIRS)
    if head == "ForMaskedLM":
        return [f"the {engine.manifest.mask_token} runs", f"{engine.manifest.mask_token} good"]
    return list(TEXTS)


def wanted(model: Path, bundle: Path, head: str, engine: Engine, text: Any) -> Any:
    found = torch_outputs(model, bundle, text)
    if head == "Model":
        vector = found["last_hidden_state"].mean(axis=0)
        return vector / np.linalg.norm(vector)
    if head == "ForMaskedLM":
        mask = engine.tokenizer.token_id(str(engine.manifest.mask_token))
        return found["logits"][found["ids"] == mask].ravel()
    return np.concatenate([found[name].ravel() for name in FIELDS.get(head, ("logits",))])


@pytest.mark.parametrize(("family", "head"), CASES)
def test_fp32_outputs_are_those_of_transformers(made: Any, family: str, head: str) -> None:
    model, bundle = made(family, head, Level.FP32)
    engine = Engine.open(bundle)
    texts = texts_for(head, engine)
    for text, found in zip(texts, raw_outputs(engine, texts), strict=True):
        assert np.abs(found - wanted(model, bundle, head, engine, text)).max() <= FP32_BAR


@pytest.mark.parametrize(("family", "head"), [(f, "Model") for f in ("deberta-v2", "modernbert")])
def test_int8_vectors_are_near_those_of_transformers(made: Any, family: str, head: str) -> None:
    model, bundle = made(family, head, Level.INT8)
    engine = Engine.open(bundle)
    for text, found in zip(TEXTS, raw_outputs(engine, TEXTS), strict=True):
        assert found @ wanted(model, bundle, head, engine, text) >= 0.99


def test_int8_has_no_float_linear_but_what_the_manifest_names(made: Any) -> None:
    onnx = pytest.importorskip("onnx")
    _, bundle = made("modernbert", "Model", Level.INT8)
    graph = onnx.load(bundle / "model.onnx", load_external_data=False).graph
    constants = {tensor.name for tensor in graph.initializer}
    floats = {
        n.name.removeprefix("given.")
        for n in graph.node
        if n.op_type == "MatMul" and n.input[1] in constants
    }
    assert floats == set(Bundle.open(bundle).manifest.quantization.kept_fp32)
    assert sum(n.op_type == "MatMulIntegerToFloat" for n in graph.node) >= 4


def test_int8_answers_do_not_depend_on_neighbours(made: Any) -> None:
    _, bundle = made("deberta-v2", "Model", Level.INT8)
    embedder = edgebert.load(bundle)
    assert embedder.manifest.quantization.scales is Scales.DYNAMIC
    texts = ["the cat runs", "the dog runs", "good food is bad"]
    alone = np.concatenate([embedder.embed([text]) for text in texts])
    assert np.array_equal(embedder.embed(texts), alone)


@pytest.mark.parametrize("family", ["deberta-v2", "modernbert", "roformer", "squeezebert"])
def test_the_masked_graph_does_not_read_padding(made: Any, family: str) -> None:
    _, bundle = made(family, "Model", Level.FP32)
    rows = [[5, 6, 7, 8, 9, 10, 11], [5, 9, 6]]
    together = run_masked(bundle, rows, padding=0)
    for row, found in zip(rows, together, strict=True):
        assert np.abs(found - run_masked(bundle, [row], padding=0)[0]).max() <= FP32_BAR


def test_the_main_graph_takes_no_mask(made: Any) -> None:
    _, bundle = made("roformer", "Model", Level.FP32)
    graphs = Bundle.open(bundle).manifest.graphs
    assert graphs.main.inputs == ("input_ids",)
    assert graphs.masked.inputs == ("input_ids", "attention_mask", "token_type_ids")


def test_a_pair_keeps_its_token_types(made: Any) -> None:
    _, bundle = made("roformer", "ForQuestionAnswering", Level.FP32)
    assert Bundle.open(bundle).manifest.graphs.main.inputs == ("input_ids", "token_type_ids")


@pytest.mark.parametrize("level", [Level.FP32, Level.INT8])
def test_the_bundle_verifies(made: Any, level: Level) -> None:
    _, bundle = made("deberta-v2", "Model", level)
    golden, error = verify(Bundle.open(bundle), Engine.open(bundle))
    assert error <= golden.tolerance


def test_the_manifest_says_what_made_the_graph(made: Any) -> None:
    _, bundle = made("deberta-v2", "ForTokenClassification", Level.FP32)
    manifest = Bundle.open(bundle).manifest
    assert (manifest.family, manifest.architecture) == (
        "deberta-v2",
        "DebertaV2ForTokenClassification",
    )
    assert manifest.tools["optimum"].startswith("2.")


def test_the_same_checkpoint_gives_the_same_bytes(made: Any, tmp_path: Path) -> None:
    model, bundle = made("roformer", "ForSequenceClassification", Level.FP32)
    export(Recipe(model=model, output=tmp_path / "out", quantize=Level.FP32))
    for name in ("model.onnx", "model.weights", "golden.json"):
        assert (tmp_path / "out" / name).read_bytes() == (bundle / name).read_bytes()


def test_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = write_model(tmp_path / "model", "convbert", "Model")  # which traces with warnings
    capfd.readouterr()
    before = logging.getLogger("transformers").level
    recipe = Recipe(model=model, output=tmp_path / "out", pooling=PoolingMode.CLS)
    export(Recipe(model=model, output=tmp_path / "out", pooling=PoolingMode.CLS, quantize="fp32"))
    assert recipe.quantize is Level.INT8
    assert tuple(capfd.readouterr()) == ("", "")
    assert logging.getLogger("transformers").level == before


def test_a_native_family_may_take_this_road(tmp_path: Path) -> None:
    model = write_checkpoint(tmp_path / "model", "BertForTokenClassification")
    export(Recipe(model=model, output=tmp_path / "far", quantize=Level.FP32, road=Road.OPTIMUM))
    export(Recipe(model=model, output=tmp_path / "near", quantize=Level.FP32))
    near, far = (Engine.open(tmp_path / name) for name in ("near", "far"))
    for a, b in zip(raw_outputs(near, TEXTS), raw_outputs(far, TEXTS), strict=True):
        assert np.abs(a - b).max() <= FP32_BAR


def test_a_head_may_be_left_aside(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", "deberta-v2", "ForMaskedLM")
    recipe = Recipe(
        model=model,
        output=tmp_path / "out",
        quantize=Level.FP32,
        task=edgebert.manifest.Task.EMBED,
        pooling=PoolingMode.CLS,
    )
    export(recipe)
    assert edgebert.load(tmp_path / "out").embed(["good"]).shape == (1, 32)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"calibrate": Path("texts.txt")}, "--calibrate"),
        ({"quantize": Level.INT8_ACCURATE}, "int8-accurate"),
        ({"pooling": PoolingMode.POOLER}, "pooler_output"),
    ],
)
def test_an_option_of_the_native_road_is_refused(
    tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    model = write_model(tmp_path / "model", "roformer", "Model")
    recipe = Recipe(**{"pooling": PoolingMode.CLS, **options}, model=model, output=tmp_path / "o")
    with pytest.raises(ExportError, match=said):
        export(recipe)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_model_that_no_road_knows_is_refused_by_both_names(tmp_path: Path) -> None:
    model = write_checkpoint(tmp_path / "model", "BertModel", model_type="wonder")
    with pytest.raises(UnsupportedModelError, match=r"native.*roberta.*optimum.*deberta-v2"):
        export(Recipe(model=model, output=tmp_path / "out", pooling=PoolingMode.CLS))


def test_without_optimum_the_pip_line_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_model(tmp_path / "model", "roformer", "Model")
    monkeypatch.setitem(__import__("sys").modules, "optimum.utils", None)
    with pytest.raises(MissingExtraError, match=r'pip install "edgebert\[optimum\]"'):
        export(Recipe(model=model, output=tmp_path / "out", pooling=PoolingMode.CLS))


def test_code_of_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    model = write_checkpoint(
        tmp_path / "model",
        "BertModel",
        model_type="roformer",
        architectures=["EvilModel"],
        auto_map={"AutoModel": "evil.EvilModel"},
    )
    (model / "evil.py").write_text("raise SystemExit('the code was run')")
    with pytest.raises(UnsupportedModelError, match="EvilModel"):
        export(Recipe(model=model, output=tmp_path / "out", pooling=PoolingMode.CLS))


def test_weights_without_the_head_are_refused(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", "roformer", "Model")
    config = (model / "config.json").read_text()
    (model / "config.json").write_text(
        config.replace('"RoFormerModel"', '"RoFormerForTokenClassification"')
    )
    with pytest.raises(ExportError, match=r"weights lack .*would be random"):
        export(Recipe(model=model, output=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_fault_of_the_exporter_is_not_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_model(tmp_path / "model", "roformer", "ForTokenClassification")
    exported = optimum_road._export

    def wrongly(model: Any, *rest: Any) -> None:
        exported(model, *rest)
        model.classifier.weight.data.neg_()  # now the graph is not the model's

    monkeypatch.setattr(optimum_road, "_export", wrongly)
    with pytest.raises(ParityError):
        export(Recipe(model=model, output=tmp_path / "out", quantize=Level.FP32))
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
