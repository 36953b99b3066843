"""Bundles open in other tools, and give what edgebert gives: transformers, optimum, ST, ORT."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgebert
from edgebert.bundle import Bundle
from edgebert.config import Truncation
from edgebert.engine import Engine
from edgebert.manifest import Level, PoolingMode
from edgebert_export import Recipe, export
from edgebert_export.parity import collect
from tests import checkpoints
from tests.make_tiny import write_checkpoint

transformers = pytest.importorskip("transformers")
optimum = pytest.importorskip("optimum.onnxruntime")
sentence_transformers = pytest.importorskip("sentence_transformers")

pytestmark = [pytest.mark.export, pytest.mark.oracle]

Folders = Callable[[str], Path]
MASKED = "model_masked.onnx"
TEXTS = ["the cat runs", "a good film and bad food in paris", "", "anna lives in seoul " * 30]
PAIRS = [("the cat", "a dog runs in paris"), ("who runs", "anna lives in seoul " * 4)]
ORT_CLASSES = {
    "BertForSequenceClassification": ("ORTModelForSequenceClassification", ("logits",)),
    "RobertaForSequenceClassification": ("ORTModelForSequenceClassification", ("logits",)),
    "DistilBertForTokenClassification": ("ORTModelForTokenClassification", ("logits",)),
    "BertForQuestionAnswering": (
        "ORTModelForQuestionAnswering",
        ("start_logits", "end_logits"),
    ),
}


def open_sentences(folder: Path) -> Any:
    """Open a bundle as the documentation tells users of sentence-transformers to."""
    return sentence_transformers.SentenceTransformer(
        str(folder),
        backend="onnx",
        model_kwargs={"file_name": MASKED, "provider": "CPUExecutionProvider"},
        local_files_only=True,
    )


@pytest.fixture(scope="module")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Give MiniLM's bundle of a level; made once, so no test may change it."""
    made: dict[str, Path] = {}

    def make(level: str) -> Path:
        if level not in made:
            made[level] = tmp_path_factory.mktemp("minilm") / level
            export(Recipe(model=checkpoints.minilm(), output=made[level], quantize=Level(level)))
        return made[level]

    return make


@pytest.mark.parametrize("architecture", ORT_CLASSES)
def test_optimum_gives_edgeberts_outputs_from_a_padded_batch(
    tiny_bundle: Folders, architecture: str
) -> None:
    folder, (name, outputs) = tiny_bundle(architecture), ORT_CLASSES[architecture]
    texts = PAIRS if "Question" in architecture else [text for text in TEXTS if len(text) < 99]
    columns = list(zip(*texts, strict=True)) if "Question" in architecture else [texts]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = getattr(optimum, name).from_pretrained(folder, file_name=MASKED)
    feeds = tokenizer(*map(list, columns), padding=True, return_tensors="np")
    found = model(**feeds)
    for row, expected in enumerate(collect(Engine.open(folder), texts)):
        kept = feeds["attention_mask"][row].astype(bool)
        for key, wanted in zip(outputs, expected, strict=True):
            values = found[key][row]
            values = values[kept] if values.shape[0] == len(kept) else values
            assert np.allclose(values, wanted.reshape(values.shape), atol=1e-5)


def test_optimum_gives_edgeberts_scores_of_masks(tiny_bundle: Folders) -> None:
    folder = tiny_bundle("RobertaForMaskedLM")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = optimum.ORTModelForMaskedLM.from_pretrained(folder, file_name=MASKED)
    texts = ["the <mask> runs", "<mask> and the cat in a <mask>"]
    feeds = tokenizer(texts, padding=True, return_tensors="np")
    found = model(**feeds).logits[feeds["input_ids"] == tokenizer.mask_token_id]
    expected = np.concatenate([output for (output,) in collect(Engine.open(folder), texts)])
    assert np.allclose(found, expected, atol=1e-5)


def test_optimum_gives_hidden_states_whose_mean_is_edgeberts_vector(minilm: Folders) -> None:
    folder = minilm("fp32")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = optimum.ORTModelForFeatureExtraction.from_pretrained(folder, file_name=MASKED)
    feeds = tokenizer(TEXTS, padding=True, truncation=True, return_tensors="np")
    hidden, mask = model(**feeds).last_hidden_state, feeds["attention_mask"][..., None]
    pooled = (hidden * mask).sum(axis=1) / mask.sum(axis=1)
    pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
    assert np.allclose(pooled, edgebert.load(folder).embed(TEXTS), atol=1e-5)


def test_a_pipeline_of_transformers_runs_on_optimums_model(tiny_bundle: Folders) -> None:
    folder = tiny_bundle("BertForSequenceClassification")
    model = optimum.ORTModelForSequenceClassification.from_pretrained(folder, file_name=MASKED)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    run = transformers.pipeline("text-classification", model=model, tokenizer=tokenizer)
    (found,) = run(["the cat runs"])
    (expected,) = edgebert.Classifier.load(folder).classify(["the cat runs"])
    assert found["label"] == expected.label
    assert found["score"] == pytest.approx(expected.score, abs=1e-5)


@pytest.mark.realmodel
def test_sentence_transformers_gives_edgeberts_vectors_from_a_padded_batch(
    minilm: Folders,
) -> None:
    folder = minilm("fp32")
    found = open_sentences(folder).encode(TEXTS, batch_size=len(TEXTS))
    assert np.allclose(found, edgebert.load(folder).embed(TEXTS), atol=1e-5)


@pytest.mark.realmodel
def test_sentence_transformers_gives_an_int8_bundles_vectors_one_text_at_a_time(
    minilm: Folders,
) -> None:
    folder = minilm("int8")
    found = open_sentences(folder).encode(TEXTS, batch_size=1)
    cosines = (found * edgebert.load(folder).embed(TEXTS)).sum(axis=1)
    assert cosines.min() > 0.9998  # another order of sums, rounded to 8 bits: found 0.99995


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("mode", [PoolingMode.CLS, PoolingMode.MAX, PoolingMode.MEAN])
def test_sentence_transformers_pools_as_the_bundle_does(
    tmp_path: Path, mode: PoolingMode, normalize: bool
) -> None:
    folder = tmp_path / "bundle"
    export(
        Recipe(
            model=write_checkpoint(tmp_path / "model", "BertModel"),
            output=folder,
            quantize=Level.FP32,
            pooling=mode,
            normalize=normalize,
        )
    )
    expected = edgebert.load(folder).embed(TEXTS)
    assert np.allclose(open_sentences(folder).encode(TEXTS), expected, atol=1e-5)


def test_a_pooling_that_sentence_transformers_lacks_is_not_stated(tmp_path: Path) -> None:
    model = write_checkpoint(tmp_path / "model", "BertModel")
    recipe = Recipe(
        model=model, output=tmp_path / "out", quantize=Level.FP32, pooling=PoolingMode.POOLER
    )
    export(recipe)
    assert not (tmp_path / "out" / "modules.json").exists()


def test_sentence_transformers_puts_a_bundles_prompts_before_texts(tmp_path: Path) -> None:
    model = write_checkpoint(tmp_path / "model", "BertModel")
    (model / "1_Pooling").mkdir()
    (model / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    kinds = {"Transformer": "", "Pooling": "1_Pooling"}
    steps = [
        {"type": f"sentence_transformers.models.{kind}", "path": path}
        for kind, path in kinds.items()
    ]
    (model / "modules.json").write_text(json.dumps(steps))
    prompts = {"prompts": {"query": "the dog ", "passage": ""}, "default_prompt_name": "query"}
    (model / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    export(Recipe(model=model, output=tmp_path / "out", quantize=Level.FP32))
    found, ours = open_sentences(tmp_path / "out"), edgebert.load(tmp_path / "out")
    for prompt in (None, "query", "passage"):
        theirs = found.encode(TEXTS, prompt_name=prompt)
        assert np.allclose(theirs, ours.embed(TEXTS, prompt=prompt), atol=1e-5)


def test_the_files_for_other_tools_are_hashed_parts_of_the_bundle(tiny_bundle: Folders) -> None:
    listed = Bundle.open(tiny_bundle("BertModel")).manifest.files
    assert {"modules.json", "1_Pooling/config.json", "tokenizer_config.json"} <= listed.keys()


@pytest.mark.parametrize("architecture", ["BertModel", "RobertaForMaskedLM", "DistilBertModel"])
def test_transformers_opens_a_bundles_tokenizer_with_its_limit(
    tiny_bundle: Folders, architecture: str
) -> None:
    folder = tiny_bundle(architecture)
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    ours = Engine.open(folder).tokenizer.encode(TEXTS, truncation=Truncation.CUT)
    assert theirs(TEXTS, truncation=True).input_ids == [row.ids for row in ours]
