"""Every task against the transformers pipeline of its name: same weights, same texts.

Random weights make hard cases: tags change within words, spans are long, scores are close.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import transformers

from edgebert.tasks.answer import QuestionAnswerer
from edgebert.tasks.classify import Classifier
from edgebert.tasks.fill import MaskFiller
from edgebert.tasks.tag import TokenClassifier
from edgebert.tasks.zero_shot import ZeroShotClassifier
from tests.make_tiny import write_checkpoint

pytestmark = [
    pytest.mark.export,
    pytest.mark.oracle,
    # of transformers itself, not of what is compared
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Tokenizer does not support real words:UserWarning"),
]

Folders = Callable[[str], Path]
TOLERANCE = 1e-4
FAMILIES = ("Bert", "Roberta", "DistilBert")
TEXTS = (
    "Anna lives in Paris and sleeps",
    "The film was not good, awful",
    "seoul 서울 날씨",
    "runs, eats... unbelievable!",
    "Zoë's café",
    "😀 great 🎉🎉 train",
    "x",
)
LONG = " ".join(TEXTS[:4]) + " " + " ".join(TEXTS)


def make_pipeline(task: str, folder: Path, architecture: str, **options: Any) -> Any:
    model = getattr(transformers, architecture).from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, use_fast=True)
    tokenizer.model_max_length = 40
    if architecture.startswith("DistilBert"):  # the tiny tokenizer calls itself BERT's
        tokenizer.model_input_names = ["input_ids", "attention_mask"]
    return transformers.pipeline(task, model=model, tokenizer=tokenizer, device="cpu", **options)


@pytest.mark.parametrize("family", FAMILIES)
def test_classification_scores_are_those_of_the_pipeline(
    family: str, tiny_bundle: Folders, tiny_checkpoint: Folders
) -> None:
    architecture = f"{family}ForSequenceClassification"
    pipe = make_pipeline("text-classification", tiny_checkpoint(architecture), architecture)
    wanted = pipe(list(TEXTS), top_k=None)
    found = Classifier.load(tiny_bundle(architecture)).classify(TEXTS, top_k=None)
    for ours, theirs in zip(found, wanted, strict=True):
        assert [label.label for label in ours.labels] == [label["label"] for label in theirs]
        scores = [label["score"] for label in theirs]
        assert [label.score for label in ours.labels] == pytest.approx(scores, abs=TOLERANCE)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("aggregation", ["none", "simple", "first", "average", "max"])
def test_entities_are_those_of_the_pipeline(
    family: str, aggregation: str, tiny_bundle: Folders, tiny_checkpoint: Folders
) -> None:
    architecture = f"{family}ForTokenClassification"
    pipe = make_pipeline("token-classification", tiny_checkpoint(architecture), architecture)
    tagger = TokenClassifier.load(tiny_bundle(architecture))
    for text, ours in zip(TEXTS, tagger.tag(TEXTS, aggregation=aggregation), strict=True):
        theirs = pipe(text, aggregation_strategy=aggregation)
        key = "entity" if aggregation == "none" else "entity_group"
        assert [(e.entity, e.start, e.end) for e in ours.entities] == [
            (e[key], e["start"], e["end"]) for e in theirs
        ]
        assert [e.score for e in ours.entities] == pytest.approx(
            [float(e["score"]) for e in theirs], abs=TOLERANCE
        )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("top_k", [1, 4])
def test_answers_are_those_of_the_pipeline(
    family: str, top_k: int, tiny_bundle: Folders, tiny_checkpoint: Folders
) -> None:
    architecture = f"{family}ForQuestionAnswering"
    pipe = make_pipeline("question-answering", tiny_checkpoint(architecture), architecture)
    answerer = QuestionAnswerer.load(tiny_bundle(architecture))
    for context in (TEXTS[0], TEXTS[1], TEXTS[3]):
        question = "who?"
        theirs = pipe(question=question, context=context, top_k=top_k)
        theirs = theirs if isinstance(theirs, list) else [theirs]
        (ours,) = answerer.answer([(question, context)], top_k=top_k)
        assert [(a.answer, a.start, a.end) for a in ours.answers] == [
            (a["answer"], a["start"], a["end"]) for a in theirs
        ]
        assert [a.score for a in ours.answers] == pytest.approx(
            [a["score"] for a in theirs], abs=TOLERANCE
        )


def test_a_long_context_is_searched_in_the_windows_of_the_pipeline(
    tiny_bundle: Folders, tiny_checkpoint: Folders
) -> None:
    architecture = "BertForQuestionAnswering"
    pipe = make_pipeline("question-answering", tiny_checkpoint(architecture), architecture)
    answerer = QuestionAnswerer.load(tiny_bundle(architecture))
    question = "who?"
    # [CLS] w ##h ##o ? [SEP] context [SEP]: 33 of 40 tokens for the context, half may overlap
    theirs = pipe(question=question, context=LONG, max_seq_len=40, doc_stride=16)
    (ours,) = answerer.answer([(question, LONG)])
    best = ours.answers[0]
    assert (best.answer, best.start, best.end) == (
        theirs["answer"],
        theirs["start"],
        theirs["end"],
    )
    assert best.score == pytest.approx(theirs["score"], abs=TOLERANCE)


def test_no_answer_competes_as_in_the_pipeline(
    tiny_bundle: Folders, tiny_checkpoint: Folders
) -> None:
    architecture = "BertForQuestionAnswering"
    pipe = make_pipeline("question-answering", tiny_checkpoint(architecture), architecture)
    answerer = QuestionAnswerer.load(tiny_bundle(architecture))
    theirs = pipe(question="who?", context=TEXTS[0], top_k=50, handle_impossible_answer=True)
    (ours,) = answerer.answer([("who?", TEXTS[0])], top_k=50, no_answer=True)
    wanted = next(answer["score"] for answer in theirs if answer["answer"] == "")
    found = next(answer.score for answer in ours.answers if answer.answer == "")
    assert found == pytest.approx(wanted, abs=TOLERANCE)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("targets", [None, ["t", "e", "o"]])
def test_fills_are_those_of_the_pipeline(
    family: str, targets: list[str] | None, tiny_bundle: Folders, tiny_checkpoint: Folders
) -> None:
    architecture = f"{family}ForMaskedLM"
    pipe = make_pipeline("fill-mask", tiny_checkpoint(architecture), architecture)
    filler = MaskFiller.load(tiny_bundle(architecture))
    text = f"the {filler.mask_token} is good"
    theirs = pipe(text, top_k=3, targets=targets)
    (ours,) = filler.fill([text], top_k=3, targets=targets)
    assert [(fill.token, fill.token_str) for fill in ours.masks[0]] == [
        (fill["token"], fill["token_str"]) for fill in theirs
    ]
    assert [fill.score for fill in ours.masks[0]] == pytest.approx(
        [fill["score"] for fill in theirs], abs=TOLERANCE
    )


def test_several_masks_are_filled_as_in_the_pipeline(
    tiny_bundle: Folders, tiny_checkpoint: Folders
) -> None:
    architecture = "BertForMaskedLM"
    pipe = make_pipeline("fill-mask", tiny_checkpoint(architecture), architecture)
    text = "the [MASK] eats [MASK] food"
    theirs = pipe(text, top_k=2)
    (ours,) = MaskFiller.load(tiny_bundle(architecture)).fill([text], top_k=2)
    assert [[fill.token for fill in mask] for mask in ours.masks] == [
        [fill["token"] for fill in mask] for mask in theirs
    ]


@pytest.mark.parametrize("multi_label", [False, True])
def test_zero_shot_scores_are_those_of_the_pipeline(multi_label: bool, tmp_path: Path) -> None:
    from edgebert.manifest import Level
    from edgebert_export import Recipe, export

    names = {"0": "contradiction", "1": "neutral", "2": "entailment"}
    folder = write_checkpoint(
        tmp_path / "nli",
        "BertForSequenceClassification",
        id2label=names,
        label2id={name: int(key) for key, name in names.items()},
    )
    export(Recipe(model=folder, output=tmp_path / "bundle", quantize=Level.FP32))
    pipe = make_pipeline("zero-shot-classification", folder, "BertForSequenceClassification")
    labels = ["food", "bank", "city"]
    wanted = pipe(list(TEXTS), candidate_labels=labels, multi_label=multi_label)
    classifier = ZeroShotClassifier.load(tmp_path / "bundle")
    found = classifier.classify(TEXTS, labels=labels, multi_label=multi_label)
    for ours, theirs in zip(found, wanted, strict=True):
        assert [label.label for label in ours.labels] == theirs["labels"]
        assert [label.score for label in ours.labels] == pytest.approx(
            theirs["scores"], abs=TOLERANCE
        )
