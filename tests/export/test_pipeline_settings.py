"""The limit, the pooling and the task of a bundle: what is stated where, and what goes before."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import edgebert
from edgebert.bundle import Bundle
from edgebert.errors import EdgebertError
from edgebert.manifest import Level, PoolingMode, Task
from edgebert_export import ExportError, Recipe, Report, UnsupportedModelError, export
from tests.export.graphs import POSITIONS
from tests.make_tiny import write_checkpoint

pytestmark = pytest.mark.export

Folders = Callable[[str], Path]


def run(model: Path, output: Path, **options: Any) -> Report:
    """Export fp32, a bare encoder with mean pooling."""
    bare = '"BertModel"' in (model / "config.json").read_text()
    if bare and not (model / "modules.json").exists():
        options = {"pooling": PoolingMode.MEAN, **options}
    return export(Recipe(model=model, output=output, quantize=Level.FP32, **options))


def make_sentence_files(folder: Path, **limits: Any) -> Path:
    """Write a checkpoint as sentence-transformers lays it out: pooled by CLS, normalised."""
    write_checkpoint(folder)
    steps = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]
    modules = [
        {"idx": place, "path": path, "type": f"sentence_transformers.models.{kind}"}
        for place, (kind, path) in enumerate(steps)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    (folder / "sentence_bert_config.json").write_text(json.dumps(limits))
    settings = {"prompts": {"query": "query: ", "text": ""}, "default_prompt_name": "text"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(settings))
    return folder


def set_tokenizer_limit(folder: Path, limit: int) -> None:
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_max_length": limit}))


# The one limit on a row


@pytest.mark.parametrize("family", ["Bert", "Roberta", "DistilBert"])
def test_the_position_table_bounds_a_row_with_roberta_padding_taken_off(
    family: str, tiny_bundle: Folders
) -> None:
    folder = tiny_bundle(f"{family}Model")
    stated = json.loads((folder / "config.json").read_text())["max_position_embeddings"]
    assert stated == POSITIONS + (2 if family == "Roberta" else 0)
    assert Bundle.open(folder).manifest.max_tokens == POSITIONS


def test_the_tokenizers_limit_bounds_a_row(tmp_path: Path) -> None:
    model = write_checkpoint(tmp_path / "model")
    set_tokenizer_limit(model, 17)
    run(model, tmp_path / "out")
    assert Bundle.open(tmp_path / "out").manifest.max_tokens == 17


@pytest.mark.parametrize(
    ("tokenizer", "sentence", "asked", "least"),
    [
        (512, 21, None, 21),
        (18, 21, None, 18),
        (512, 21, 19, 19),
        (512, 500, 600, POSITIONS),
        (512, None, None, POSITIONS),
    ],
)
def test_the_limit_is_the_least_of_all_that_are_stated(
    tokenizer: int, sentence: int | None, asked: int | None, least: int, tmp_path: Path
) -> None:
    model = make_sentence_files(tmp_path / "model", max_seq_length=sentence)
    set_tokenizer_limit(model, tokenizer)
    run(model, tmp_path / "out", max_tokens=asked)
    assert Bundle.open(tmp_path / "out").manifest.max_tokens == least


# Pooling and task


def test_without_a_stated_pooling_the_error_names_the_option(
    tiny_checkpoint: Folders, tmp_path: Path
) -> None:
    recipe = Recipe(
        model=tiny_checkpoint("BertModel"), output=tmp_path / "out", quantize=Level.FP32
    )
    with pytest.raises(ExportError, match="Say it with --pooling cls, mean, max,"):
        export(recipe)


def test_pooling_and_prompts_are_those_of_the_sentence_files(tmp_path: Path) -> None:
    run(make_sentence_files(tmp_path / "model"), tmp_path / "out")
    manifest = Bundle.open(tmp_path / "out").manifest
    assert manifest.pooling is not None
    assert (manifest.pooling.mode, manifest.pooling.normalize) == (PoolingMode.CLS, True)
    assert manifest.prompts == {"query": "query: ", "text": ""}
    assert manifest.default_prompt == "text"


def test_what_the_recipe_says_of_pooling_goes_before_the_sentence_files(tmp_path: Path) -> None:
    model = make_sentence_files(tmp_path / "model")
    run(model, tmp_path / "out", pooling=PoolingMode.MAX, normalize=False)
    manifest = Bundle.open(tmp_path / "out").manifest
    assert manifest.pooling is not None
    assert (manifest.pooling.mode, manifest.pooling.normalize) == (PoolingMode.MAX, False)


def test_pooler_pooling_of_a_checkpoint_without_a_pooler_is_refused(
    tiny_checkpoint: Folders, tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedModelError, match="the checkpoint has no pooler"):
        run(tiny_checkpoint("DistilBertModel"), tmp_path / "out", pooling=PoolingMode.POOLER)


def test_the_encoder_below_a_head_is_exported_when_embeddings_are_asked_for(
    tiny_checkpoint: Folders, tmp_path: Path
) -> None:
    model = tiny_checkpoint("BertForMaskedLM")
    run(model, tmp_path / "out", task=Task.EMBED, pooling=PoolingMode.MEAN)
    vectors = edgebert.Embedder.load(tmp_path / "out").embed(["the cat", "a dog"])
    assert vectors.shape == (2, 32)


@pytest.mark.parametrize(
    ("architecture", "task"),
    [("BertModel", Task.CLASSIFY), ("BertForMaskedLM", Task.TAG), ("BertModel", Task.FILL)],
)
def test_a_task_that_the_checkpoint_is_not_for_is_refused(
    architecture: str, task: Task, tiny_checkpoint: Folders, tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedModelError, match=f"{architecture}, which is for"):
        run(tiny_checkpoint(architecture), tmp_path / "out", task=task)


@pytest.mark.parametrize("options", [{"pooling": PoolingMode.MEAN}, {"normalize": False}])
def test_pooling_for_a_checkpoint_that_is_not_for_embeddings_is_refused(
    options: dict[str, Any], tiny_checkpoint: Folders, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match="pooling belongs to embeddings"):
        run(tiny_checkpoint("BertForTokenClassification"), tmp_path / "out", **options)


def test_a_masked_lm_whose_tokenizer_has_no_mask_is_refused(tmp_path: Path) -> None:
    model = write_checkpoint(tmp_path / "model", "BertForMaskedLM")
    vocabulary = (model / "vocab.txt").read_text().replace("[MASK]", "[OTHER]")
    (model / "vocab.txt").write_text(vocabulary)
    with pytest.raises(ExportError, match="its tokenizer has no mask token"):
        run(model, tmp_path / "out")


@pytest.mark.parametrize("damage", ["nan", "tokenizer", "config", "weights"])
def test_a_bad_checkpoint_leaves_nothing_behind(damage: str, tmp_path: Path) -> None:
    model = write_checkpoint(tmp_path / "model")
    arrays = load_file(model / "model.safetensors")
    match damage:
        case "nan":
            arrays["encoder.layer.0.output.dense.bias"][0] = np.nan
            save_file(arrays, model / "model.safetensors")
        case "tokenizer":
            (model / "vocab.txt").unlink()
        case "config":
            (model / "config.json").write_text("{}")
        case "weights":
            (model / "model.safetensors").write_bytes(b"\0" * 64)
    (tmp_path / "beside").mkdir()
    with pytest.raises(EdgebertError):
        run(model, tmp_path / "beside" / "out", pooling=PoolingMode.MEAN)
    assert list((tmp_path / "beside").iterdir()) == []
