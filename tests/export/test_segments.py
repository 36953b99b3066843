"""A bundle with exits: the same bits in parts as in one, over the same weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebert.bundle import Bundle
from edgebert.config import RuntimeConfig
from edgebert.engine import Engine
from edgebert.exits import differing_texts, verify_exits
from edgebert.golden import Golden
from edgebert.manifest import Level, Pooling, PoolingMode, Task, pooled_name
from edgebert.packing import pack, unpack
from edgebert.segments import Segments
from edgebert.session_onnxruntime import OnnxSession
from edgebert.word_table import open_word_table
from edgebert_export import ExportError, Recipe, export, pipeline
from edgebert_export.canonical import read_model
from edgebert_export.checkpoint import Checkpoint
from edgebert_export.heads import Outputs
from edgebert_export.plan import Plan, QuantizedTable
from edgebert_export.rounding import quantize_table
from edgebert_export.write import write_graphs
from tests import checkpoints
from tests.export.graphs import run_masked

pytestmark = pytest.mark.export

Folders = Callable[[str], Path]
ROW = [2, 40, 41, 42, 43, 3]
LEVELS = [(level, False) for level in Level] + [(Level.INT8, True), (Level.INT8_ACCURATE, True)]


def make(model: Path, output: Path, **options: Any) -> Path:
    settings = {"quantize": Level.FP32, "exits": (1,), "min_cosine": 0.5, "min_cosine_mean": 0.5}
    if "Classification" not in (model / "config.json").read_text():
        settings |= {"pooling": PoolingMode.MEAN, "normalize": True}
    export(Recipe(model=model, output=output, **{**settings, "min_agreement": 0.5, **options}))
    return output


def prove(folder: Path) -> Bundle:
    """Check a bundle's segments as `verify` does."""
    bundle = Bundle.open(folder)
    verify_exits(bundle, Golden.read(bundle))
    return bundle


def run_all(folder: Path, ids: np.ndarray[Any, Any]) -> dict[str, Any]:
    segments = Segments(folder, Bundle.open(folder).manifest)
    arrays: dict[str, Any] = {"input_ids": ids, "token_type_ids": np.zeros_like(ids)}
    for number in range(len(segments.depths)):
        arrays |= segments.run(number, arrays)
    return arrays


@pytest.mark.parametrize(
    "architecture",
    [
        f"{family}{head}"
        for family in ("Bert", "Roberta", "DistilBert")
        for head in ("Model", "ForSequenceClassification")
    ],
)
@pytest.mark.parametrize(("level", "static"), LEVELS)
def test_every_family_and_level_is_the_same_in_parts(
    architecture: str, level: Level, static: bool, tiny_checkpoint: Folders, tmp_path: Path
) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("the train to seoul\na good film and bad food\nanna lives in paris\n")
    options = {"quantize": level, "calibrate": texts if static else None}
    bundle = prove(make(tiny_checkpoint(architecture), tmp_path / "out", **options))
    assert bundle.manifest.exits == (1,)


@pytest.mark.oracle
@pytest.mark.parametrize("family", ["mpnet", "electra", "albert", "xlm-roberta", "camembert"])
def test_kin_with_biases_projections_and_shared_layers_are_too(family: str, tmp_path: Path) -> None:
    table = pytest.importorskip("tests.export.family_table")
    transformers = pytest.importorskip("transformers")
    prefix, extra = table.CLASSES[family]
    config = getattr(transformers, f"{prefix}Config")(**table.SHAPE, **extra)
    getattr(transformers, f"{prefix}Model")(config).save_pretrained(tmp_path)
    pooling = Pooling(mode=PoolingMode.MEAN, normalize=True)
    outputs = Outputs(Task.EMBED, pooling, None, layers=3, exits=(1, 3))
    written = write_graphs(tmp_path, read_model(Checkpoint.open(tmp_path)), Plan(), outputs)
    arrays: dict[str, Any] = {"input_ids": np.arange(6, 30)[np.newaxis]}
    main = OnnxSession(tmp_path, written.graphs.main).run_arrays(arrays)
    for segment in written.segments:
        feeds = {name: arrays[name] for name in segment.graph.inputs}
        found = OnnxSession(tmp_path, segment.graph).run_arrays(feeds)
        arrays |= dict(zip(segment.graph.outputs, found, strict=True))
    for name, value in zip(written.graphs.main.outputs, main, strict=True):
        assert np.array_equal(arrays[name], value), name


@pytest.mark.parametrize("mode", [PoolingMode.CLS, PoolingMode.POOLER, PoolingMode.MAX])
def test_any_pooling_is_the_same_in_parts_and_an_exit_pools_by_mean(
    mode: PoolingMode, tiny_checkpoint: Folders, tmp_path: Path
) -> None:
    folder = make(tiny_checkpoint("BertModel"), tmp_path / "out", pooling=mode)
    prove(folder)
    arrays = run_all(folder, np.array([ROW]))
    assert np.allclose(arrays[pooled_name(1)], arrays["hidden_1"].mean(axis=1), atol=1e-6)


def test_an_exit_has_the_state_that_the_whole_encoder_has_there(
    tiny_checkpoint: Folders, tmp_path: Path
) -> None:
    model = tiny_checkpoint("BertModel")
    folder = make(model, tmp_path / "out", normalize=False, layers_out=2)
    arrays = run_all(folder, np.array([ROW]))
    (whole,) = run_masked(folder, [ROW], padding=0)
    before = arrays["sentence_embedding_before_1"]
    assert np.array_equal(arrays[pooled_name(1)], before)
    assert np.allclose(before, whole["sentence_embedding_before_1"], atol=1e-5)


def test_layers_out_lie_in_the_segment_that_has_them(
    tiny_checkpoint: Folders, tmp_path: Path
) -> None:
    folder = make(tiny_checkpoint("BertModel"), tmp_path / "out", layers_out=2)
    first, last = prove(folder).manifest.segments
    assert "sentence_embedding_before_1" in first.graph.outputs
    assert last.graph.outputs == ("sentence_embedding",)
    segments = Segments(folder, Bundle.open(folder).manifest)
    arrays = segments.run(0, {"input_ids": np.array([ROW])})
    assert segments.run(1, arrays).keys() == {
        "sentence_embedding",
        "sentence_embedding_before_1",
    }


def test_text_pairs_keep_their_types(tiny_checkpoint: Folders, tmp_path: Path) -> None:
    folder = make(tiny_checkpoint("BertForSequenceClassification"), tmp_path / "out")
    first, last = prove(folder).manifest.segments
    assert first.graph.inputs == ("input_ids", "token_type_ids")
    assert last.graph.inputs == ("hidden_1",)
    ids = np.array([ROW])
    types = np.array([[0, 0, 0, 1, 1, 1]])
    segments = Segments(folder, Bundle.open(folder).manifest)
    one = segments.run(0, {"input_ids": ids, "token_type_ids": types})
    other = segments.run(0, {"input_ids": ids, "token_type_ids": types * 0})
    assert not np.allclose(one["hidden_1"], other["hidden_1"])


def test_nothing_is_stored_twice(tiny_checkpoint: Folders, tmp_path: Path) -> None:
    model = tiny_checkpoint("BertModel")
    cut, whole = make(model, tmp_path / "cut"), make(model, tmp_path / "whole", exits=())
    added = {path.name for path in cut.iterdir()} - {path.name for path in whole.iterdir()}
    assert added == {"segment_1.onnx", "segment_2.onnx"}
    for name in ("model.weights", "model.onnx", "model_masked.onnx"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()
    assert "segments" not in (whole / "edgebert.json").read_text()


def test_a_packed_bundle_keeps_its_exits(tiny_checkpoint: Folders, tmp_path: Path) -> None:
    folder = make(tiny_checkpoint("BertModel"), tmp_path / "out")
    packed = pack(folder, tmp_path / "out.edgebert")
    assert prove(unpack(packed, tmp_path / "again").path).manifest.exits == (1,)


def test_a_bundle_whose_parts_differ_is_not_written(
    tiny_checkpoint: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "differing_texts", lambda engine, segments, texts: [texts[0]])
    with pytest.raises(ExportError, match=r"cut after layers 1 the encoder gives other bits on 1 "):
        make(tiny_checkpoint("BertModel"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("architecture", "exits", "complaint"),
    [
        ("BertModel", (2,), "exits are 2, the encoder has 2 layers"),
        ("BertForTokenClassification", (1,), "which are for 'embed' and 'classify'"),
    ],
)
def test_exits_that_cannot_be_are_refused(
    architecture: str,
    exits: tuple[int, ...],
    complaint: str,
    tiny_checkpoint: Folders,
    tmp_path: Path,
) -> None:
    options = {} if architecture == "BertModel" else {"pooling": None, "normalize": None}
    with pytest.raises(ExportError, match=complaint):
        make(tiny_checkpoint(architecture), tmp_path / "out", exits=exits, **options)


@pytest.mark.parametrize("level", [Level.FP32, Level.INT8])
def test_the_word_table_is_what_the_graph_gathers(
    level: Level, tiny_checkpoint: Folders, tmp_path: Path
) -> None:
    model = tiny_checkpoint("BertModel")
    folder = make(model, tmp_path / "out", quantize=level, exits=())
    manifest = Bundle.open(folder).manifest
    word = read_model(Checkpoint.open(model)).word
    wanted = word if level is Level.FP32 else table_of(quantize_table(word))
    ones = np.ones(len(word), np.float32)
    found = open_word_table(folder, manifest).mean([[token] for token in range(len(word))], ones)
    assert np.array_equal(found, wanted)


def table_of(table: QuantizedTable) -> np.ndarray[Any, Any]:
    return table.values * table.scales


def test_other_tasks_say_nothing_of_their_words(tiny_bundle: Folders) -> None:
    assert Bundle.open(tiny_bundle("BertForTokenClassification")).manifest.word_table is None


@pytest.mark.realmodel
@pytest.mark.parametrize(("level", "static"), LEVELS)
def test_real_minilm_is_the_same_in_three_parts(
    level: Level, static: bool, english: list[str], tmp_path: Path
) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(english[:200]))
    folder = make(
        checkpoints.minilm(),
        tmp_path / "out",
        quantize=level,
        calibrate=texts if static else None,
        exits=(2, 4),
        layers_out=3,
    )
    bundle = prove(folder)
    assert (bundle.manifest.exits, bundle.manifest.encoder.layers) == ((2, 4), 6)
    engine = Engine.from_parts(folder, bundle.manifest, RuntimeConfig(threads=1))
    assert differing_texts(engine, Segments(folder, bundle.manifest), english[:300]) == []
