"""Zero-shot classification: any labels, from an NLI classifier's logits."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from edgebert.batching import Batch
from edgebert.config import RuntimeConfig
from edgebert.errors import InputError, TaskError
from edgebert.results import Classification
from edgebert.tasks.zero_shot import ZeroShotClassifier, inference_labels
from tests.damage import edit_manifest
from tests.fakes import FakeSession, Outputs, make_engine, make_tokenizer, read_manifest
from tests.make_tiny import DATA

CLASSIFY = DATA / "tiny-classify"
NLI = ("contradiction", "neutral", "entailment")
# contradiction, neutral, entailment of each label's hypothesis
LOGITS = {"food": [0, 0, np.log(6)], "bank": [np.log(3), 9, np.log(3)], "city": [9, 0, 0]}
TOKENIZER = make_tokenizer(CLASSIFY)
WORDS = {TOKENIZER.token_id(label): logits for label, logits in LOGITS.items()}


def by_hypothesis(batch: Batch) -> Outputs:
    """Give the logits of the label that the second text names."""
    rows = []
    for row in batch.tokens:
        second = [token for token, kind in zip(row.ids, row.type_ids, strict=True) if kind == 1]
        rows.append(next(WORDS[token] for token in second if token in WORDS))
    return (np.float32(rows),)


def make(
    labels: tuple[str, ...] = NLI,
    compute: Callable[[Batch], Outputs] = by_hypothesis,
    **config: object,
) -> tuple[ZeroShotClassifier, FakeSession]:
    session, manifest = FakeSession(compute), replace(read_manifest(CLASSIFY), labels=labels)
    settings = RuntimeConfig(threads=1, **config)
    engine = make_engine(CLASSIFY, session, manifest=manifest, config=settings)
    return ZeroShotClassifier(engine), session


def classify(**options: object) -> Classification:
    (result,) = make()[0].classify(["the cat eats"], **{"labels": list(LOGITS), **options})
    return result


def scores(result: Classification) -> dict[str, float]:
    return {label.label: label.score for label in result.labels}


def test_labels_share_one_by_how_strongly_each_follows() -> None:
    found = classify()
    assert [label.label for label in found.labels] == ["food", "bank", "city"]
    assert [label.score for label in found.labels] == pytest.approx([6 / 10, 3 / 10, 1 / 10])


def test_several_labels_are_judged_each_by_itself() -> None:
    found = scores(classify(multi_label=True))
    assert found["food"] == pytest.approx(6 / 7)
    assert found["bank"] == pytest.approx(1 / 2)
    assert found["city"] == pytest.approx(1 / (1 + np.exp(9)))


def test_a_single_label_is_judged_by_itself() -> None:
    assert scores(classify(labels=["food"])) == {"food": pytest.approx(6 / 7)}


def test_labels_of_one_score_keep_the_order_given() -> None:
    def equal(batch: Batch) -> Outputs:
        return (np.zeros((len(batch.tokens), 3), np.float32),)

    (found,) = make(compute=equal)[0].classify(["the"], labels=["z", "a", "m"])
    assert [label.label for label in found.labels] == ["z", "a", "m"]


def test_each_text_is_asked_about_each_label_in_the_template() -> None:
    classifier, session = make()
    classifier.classify(["the cat", "anna"], labels=["food", "bank"], template="it is {}, not {}!")
    asked = sorted((row.row, row.text) for batch in session.batches for row in batch.tokens)
    assert [text for _, text in asked] == [
        ("the cat", "it is food, not food!"),
        ("the cat", "it is bank, not bank!"),
        ("anna", "it is food, not food!"),
        ("anna", "it is bank, not bank!"),
    ]


def test_the_template_unasked_is_that_of_transformers() -> None:
    classifier, session = make()
    classifier.classify(["the cat"], labels=["food"])
    assert session.batches[0].tokens[0].text == ("the cat", "This example is food.")


def test_braces_in_a_label_are_text() -> None:
    classifier, session = make(compute=lambda batch: (np.zeros((1, 3), np.float32),))
    classifier.classify(["the cat"], labels=["{0} {x}"])
    assert session.batches[0].tokens[0].text == ("the cat", "This example is {0} {x}.")


def test_texts_have_their_results_in_the_order_given() -> None:
    texts = ["the cat", "", "anna lives in paris", "the " * 60]
    found = make()[0].classify(texts, labels=["food", "bank"])
    # This example is food. = 14 tokens and 3 special ones
    (alone,) = TOKENIZER.encode(["This example is food."])
    base = alone.n_tokens + 1
    assert [result.n_tokens for result in found] == [base + 2, base, base + 4, base + 60]
    assert [result.truncated for result in found] == [False, False, False, True]


def test_a_long_text_is_cut_and_the_hypothesis_is_whole() -> None:
    classifier, session = make()
    classifier.classify(["the " * 60], labels=["food"])
    (row,) = session.batches[0].tokens
    (alone,) = TOKENIZER.encode(["This example is food."])
    assert [t for t, s in zip(row.ids, row.sequence_ids, strict=True) if s] == alone.ids[1:-1]


def test_the_configurations_policy_is_taken() -> None:
    with pytest.raises(InputError, match="tokens, the model takes 40"):
        make(truncation="error")[0].classify(["the " * 60], labels=["food"])


@pytest.mark.parametrize(
    ("labels", "places"),
    [
        (NLI, (2, 0)),
        (("ENTAILMENT", "NEUTRAL", "CONTRADICTION"), (0, 2)),
        (("entail", "contradict"), (0, 1)),
        (("not_entailment", "contradiction", "entailment"), (2, 1)),
    ],
)
def test_entailment_and_contradiction_are_found_by_their_names(
    labels: tuple[str, ...], places: tuple[int, int]
) -> None:
    assert inference_labels(labels) == places


def test_the_outputs_are_read_by_their_names() -> None:
    def swapped(batch: Batch) -> Outputs:
        return (by_hypothesis(batch)[0][:, ::-1],)

    turned, _ = make(labels=NLI[::-1], compute=swapped)
    found = turned.classify(["the cat eats"], labels=list(LOGITS), multi_label=True)
    assert found == [classify(multi_label=True)]


@pytest.mark.parametrize(
    "labels", [("good", "bad"), ("LABEL_0", "LABEL_1", "LABEL_2"), ("entailment", "neutral")]
)
def test_a_classifier_of_something_else_is_refused(labels: tuple[str, ...]) -> None:
    with pytest.raises(TaskError, match="natural language inference") as caught:
        make(labels=labels)
    assert str(list(labels)) in str(caught.value)


def test_a_bundle_for_another_task_is_refused() -> None:
    with pytest.raises(TaskError, match="is for 'embed', not for 'classify'"):
        ZeroShotClassifier.load(DATA / "tiny-embed")


def test_a_bundle_of_an_nli_classifier_is_opened_and_runs(copied: Callable[..., Path]) -> None:
    folder = edit_manifest(copied("tiny-classify"), lambda values: values.update(labels=list(NLI)))
    (found,) = ZeroShotClassifier.load(folder).classify(["the cat"], labels=["food", "bank"])
    assert set(scores(found)) == {"food", "bank"}
    assert sum(scores(found).values()) == pytest.approx(1)


WRONG = [
    ({"labels": []}, "give one or more, none twice"),
    ({"labels": ["food", "food"]}, "give one or more, none twice"),
    ({"labels": "food"}, "a single string; give a sequence"),
    ({"labels": ["food"], "template": "this is it"}, "has no {} where the label goes"),
]


@pytest.mark.parametrize(("options", "complaint"), WRONG)
def test_a_wrong_argument_is_refused_before_the_first_text(
    options: dict[str, object], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        make()[0].stream(["the cat"], **options)


def test_a_single_string_is_refused() -> None:
    with pytest.raises(InputError, match="a single string; give a sequence"):
        make()[0].stream("the cat", labels=["food"])


@pytest.mark.parametrize("text", [None, 3, ("a", "b"), "\ud800"])
def test_what_is_not_a_text_is_named_by_its_row_and_not_its_pairs(text: object) -> None:
    with pytest.raises(InputError, match=r"^row 2: "):
        make()[0].classify(["the", "cat", text], labels=["food", "bank"])


def test_no_texts_give_no_results() -> None:
    assert make()[0].classify([], labels=["food"]) == []


def test_texts_may_come_without_end() -> None:
    def texts() -> Iterator[str]:
        while True:
            yield "the cat"

    stream = make()[0].stream(texts(), labels=["food", "bank"])
    assert [scores(result).keys() for result in islice(stream, 3)] == [{"food", "bank"}] * 3


def test_options_are_given_by_name() -> None:
    with pytest.raises(TypeError, match="positional"):
        make()[0].classify(["the cat"], ["food"])
