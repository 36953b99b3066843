"""Every family and head comes out as transformers computes it, on tiny checkpoints."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgebert import Classifier, Embedder
from edgebert.manifest import Level, Pooling, PoolingMode, Task
from edgebert_export import Recipe, export
from edgebert_export.canonical import read_model
from edgebert_export.checkpoint import Checkpoint
from edgebert_export.heads import Outputs
from edgebert_export.plan import Plan
from edgebert_export.write import write_graphs
from tests.export.graphs import (
    ARCHITECTURES,
    FAMILY_NAMES,
    SPECIAL_IDS,
    family_of,
    pair_types,
    random_rows,
    relative,
    run_main,
    run_masked,
)
from tests.make_tiny import write_checkpoint

pytest.importorskip("torch")
oracle = pytest.importorskip("tests.export.oracle")

pytestmark = [pytest.mark.export, pytest.mark.oracle]

HIDDEN_DIFFERENCE = 2e-5  # what issue 2 demands of hidden states
OUTPUT_ERROR = 1e-4  # relative; as the golden texts of a bundle allow
HEADED = [name for name in ARCHITECTURES if not name.endswith("Model")]
PAIRED = [f"Bert{head}" for head in ("ForSequenceClassification", "ForQuestionAnswering")]
TEXTS = ["the cat sleeps", "anna lives in paris and peter in seoul", "", "안녕 서울", "good food!"]
Folders = Callable[[str], Path]


def padding_of(architecture: str) -> int:
    return SPECIAL_IDS[family_of(architecture)][3]


def make_graphs(folder: Path, model: Path, mode: PoolingMode, *, normalize: bool) -> Path:
    outputs = Outputs(Task.EMBED, Pooling(mode=mode, normalize=normalize), None)
    folder.mkdir()
    write_graphs(folder, read_model(Checkpoint.open(model), encoder_only=True), Plan(), outputs)
    return folder


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_hidden_states_of_a_padded_batch_are_those_of_transformers(
    family: str, tiny_checkpoint: Folders, tiny_bundle: Folders
) -> None:
    name = f"{family}Model"
    rows = random_rows(name)
    wanted = oracle.run(oracle.load(tiny_checkpoint(name), name), rows, padding_of(name))
    found = run_masked(tiny_bundle(name), rows, padding_of(name))
    for ours, theirs in zip(found, wanted, strict=True):
        difference = np.abs(ours["last_hidden_state"] - theirs["last_hidden_state"])
        assert difference.max() <= HIDDEN_DIFFERENCE


@pytest.mark.parametrize("architecture", HEADED)
def test_the_hidden_states_below_a_head_are_those_of_transformers(
    architecture: str, tiny_checkpoint: Folders, tmp_path: Path
) -> None:
    checkpoint = tiny_checkpoint(architecture)
    bundle = make_graphs(tmp_path / "out", checkpoint, PoolingMode.MEAN, normalize=False)
    rows = random_rows(architecture)
    body = oracle.load(checkpoint, architecture).base_model
    wanted = oracle.run(body, rows, padding_of(architecture))
    found = run_masked(bundle, rows, padding_of(architecture))
    for ours, theirs in zip(found, wanted, strict=True):
        difference = np.abs(ours["last_hidden_state"] - theirs["last_hidden_state"])
        assert difference.max() <= HIDDEN_DIFFERENCE


@pytest.mark.parametrize("architecture", HEADED)
def test_the_head_of_the_masked_graph_is_that_of_transformers(
    architecture: str, tiny_checkpoint: Folders, tiny_bundle: Folders
) -> None:
    rows, padding = random_rows(architecture), padding_of(architecture)
    wanted = oracle.run(oracle.load(tiny_checkpoint(architecture), architecture), rows, padding)
    found = run_masked(tiny_bundle(architecture), rows, padding)
    for ours, theirs in zip(found, wanted, strict=True):
        assert set(ours) == set(theirs)
        for name, value in ours.items():
            assert relative(value, theirs[name]) <= OUTPUT_ERROR


@pytest.mark.parametrize("architecture", HEADED)
def test_the_head_of_the_main_graph_is_that_of_transformers(
    architecture: str, tiny_checkpoint: Folders, tiny_bundle: Folders
) -> None:
    rows, padding = random_rows(architecture), padding_of(architecture)
    mask = SPECIAL_IDS[family_of(architecture)][2]
    model = oracle.load(tiny_checkpoint(architecture), architecture)
    wanted = oracle.run_each(model, rows, padding)
    for row, ours, theirs in zip(
        rows, run_main(tiny_bundle(architecture), rows), wanted, strict=True
    ):
        for name, value in ours.items():
            reference = theirs[name]
            if architecture.endswith("MaskedLM"):
                reference = reference[np.array(row) == mask]  # (K, V)
            assert relative(value, reference) <= OUTPUT_ERROR


@pytest.mark.parametrize("architecture", PAIRED)
def test_pairs_are_told_apart_by_their_token_types(
    architecture: str, tiny_checkpoint: Folders, tiny_bundle: Folders
) -> None:
    rows, padding = random_rows(architecture), padding_of(architecture)
    types = pair_types(rows)
    model = oracle.load(tiny_checkpoint(architecture), architecture)
    wanted = oracle.run(model, rows, padding, types)
    masked = run_masked(tiny_bundle(architecture), rows, padding, types)
    main = run_main(tiny_bundle(architecture), rows, types)
    plain = run_main(tiny_bundle(architecture), rows)
    for place, theirs in enumerate(wanted):
        for name, reference in theirs.items():
            assert relative(masked[place][name], reference) <= OUTPUT_ERROR
            assert relative(main[place][name], reference) <= OUTPUT_ERROR
            assert relative(plain[place][name], reference) > OUTPUT_ERROR  # so the types count


def test_the_masked_graph_of_an_encoder_takes_token_types(
    tiny_checkpoint: Folders, tiny_bundle: Folders
) -> None:
    rows = random_rows("BertModel")
    types = pair_types(rows)
    wanted = oracle.run(oracle.load(tiny_checkpoint("BertModel"), "BertModel"), rows, 0, types)
    found = run_masked(tiny_bundle("BertModel"), rows, 0, types)
    for ours, theirs in zip(found, wanted, strict=True):
        difference = np.abs(ours["last_hidden_state"] - theirs["last_hidden_state"])
        assert difference.max() <= HIDDEN_DIFFERENCE


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("mode", ["mean", "cls", "max"])
@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_embeddings_are_the_hidden_states_of_transformers_pooled_by_hand(
    family: str, mode: str, normalize: bool, tiny_checkpoint: Folders, tmp_path: Path
) -> None:
    name = f"{family}Model"
    checkpoint, padding, rows = tiny_checkpoint(name), padding_of(name), random_rows(name)
    bundle = make_graphs(tmp_path / "out", checkpoint, PoolingMode(mode), normalize=normalize)
    states = oracle.run_each(oracle.load(checkpoint, name), rows, padding)
    wanted = [oracle.pool(row["last_hidden_state"], mode, normalize=normalize) for row in states]
    main, masked = run_main(bundle, rows), run_masked(bundle, rows, padding)
    for place, vector in enumerate(wanted):
        assert relative(main[place]["sentence_embedding"], vector) <= OUTPUT_ERROR
        assert relative(masked[place]["sentence_embedding"], vector) <= OUTPUT_ERROR


@pytest.mark.parametrize("normalize", [False, True])
def test_pooler_embeddings_are_the_pooler_output_of_transformers(
    normalize: bool, tiny_checkpoint: Folders, tmp_path: Path
) -> None:
    checkpoint, rows = tiny_checkpoint("BertModel"), random_rows("BertModel")
    bundle = make_graphs(tmp_path / "out", checkpoint, PoolingMode.POOLER, normalize=normalize)
    wanted = oracle.run_each(oracle.load(checkpoint, "BertModel"), rows, 0)
    main, masked = run_main(bundle, rows), run_masked(bundle, rows, 0)
    for place, theirs in enumerate(wanted):
        vector = theirs["pooler_output"]
        vector = vector / np.linalg.norm(vector) if normalize else vector
        assert relative(main[place]["sentence_embedding"], vector) <= OUTPUT_ERROR
        assert relative(masked[place]["sentence_embedding"], vector) <= OUTPUT_ERROR


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_an_embedder_gives_what_transformers_gives_for_the_same_texts(
    family: str, tiny_checkpoint: Folders, tiny_bundle: Folders
) -> None:
    name = f"{family}Model"
    ids = oracle.load_tokenizer(tiny_checkpoint(name))(TEXTS).input_ids
    states = oracle.run_each(oracle.load(tiny_checkpoint(name), name), ids, padding_of(name))
    wanted = [oracle.pool(row["last_hidden_state"], "mean", normalize=False) for row in states]
    found = Embedder.load(tiny_bundle(name)).embed(TEXTS)
    assert relative(found, np.stack(wanted)) <= OUTPUT_ERROR


@pytest.mark.parametrize(
    ("problem", "labels", "scores"),
    [
        ("single_label_classification", 3, "softmax"),
        ("multi_label_classification", 3, "sigmoid"),
        ("regression", 1, None),
        (None, 1, "sigmoid"),  # as the pipeline of transformers scores one label
        (None, 3, "softmax"),
    ],
)
@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_a_classifier_scores_as_the_problem_type_says(
    family: str, problem: str | None, labels: int, scores: str | None, tmp_path: Path
) -> None:
    name = f"{family}ForSequenceClassification"
    settings = {"problem_type": problem} if problem else {}
    checkpoint = write_checkpoint(tmp_path / "model", name, labels=labels, **settings)
    export(Recipe(model=checkpoint, output=tmp_path / "out", quantize=Level.FP32))
    ids = oracle.load_tokenizer(checkpoint)(TEXTS).input_ids
    model = oracle.load(checkpoint, name)
    logits = np.stack([row["logits"] for row in oracle.run_each(model, ids, padding_of(name))])
    wanted = getattr(oracle, scores)(logits) if scores else logits
    results = Classifier.load(tmp_path / "out").classify(TEXTS, top_k=None)
    for result, row in zip(results, wanted, strict=True):
        found = {label.label: label.score for label in result.labels}
        ordered = np.array([found[f"label-{place}"] for place in range(labels)])
        assert relative(ordered, row) <= OUTPUT_ERROR
