"""Reranking: documents ordered by a cross-encoder's one output."""

from dataclasses import replace

import numpy as np
import pytest

from edgebert.batching import Batch
from edgebert.config import RuntimeConfig
from edgebert.errors import InputError, TaskError
from edgebert.manifest import Activation
from edgebert.results import Ranked
from edgebert.tasks.rerank import Reranker
from tests.fakes import FakeSession, Outputs, make_engine, make_tokenizer, read_manifest
from tests.make_tiny import DATA

CLASSIFY = DATA / "tiny-classify"
TOKENIZER = make_tokenizer(CLASSIFY)
WEIGHTS = {TOKENIZER.token_id("good"): 1, TOKENIZER.token_id("bad"): -1}
DOCUMENTS = ["the cat", "good food", "bad food", "good good film"]


def by_words(batch: Batch) -> Outputs:
    """Give one logit: how often the document says good, less how often it says bad."""
    rows = [
        sum(WEIGHTS.get(t, 0) for t, s in zip(row.ids, row.type_ids, strict=True) if s == 1)
        for row in batch.tokens
    ]
    return (np.float32(rows)[:, None],)


def make(
    activation: Activation = Activation.SIGMOID, **config: object
) -> tuple[Reranker, FakeSession]:
    session = FakeSession(by_words)
    manifest = replace(read_manifest(CLASSIFY), labels=("LABEL_0",), activation=activation)
    settings = RuntimeConfig(threads=1, **config)
    return Reranker(make_engine(CLASSIFY, session, manifest=manifest, config=settings)), session


def sigmoid(value: float) -> float:
    return float(1 / (1 + np.exp(-value)))


def test_the_best_document_comes_first() -> None:
    found = make()[0].rank("what film", DOCUMENTS)
    assert [(ranked.index, ranked.text) for ranked in found] == [
        (3, "good good film"),
        (1, "good food"),
        (0, "the cat"),
        (2, "bad food"),
    ]


def test_scores_are_what_the_bundles_activation_makes_of_the_logits() -> None:
    found = [ranked.score for ranked in make()[0].rank("what film", DOCUMENTS)]
    assert found == pytest.approx([sigmoid(value) for value in (2, 1, 0, -1)])


def test_scores_may_be_raw() -> None:
    found = [ranked.score for ranked in make()[0].rank("what film", DOCUMENTS, raw=True)]
    assert found == [2, 1, 0, -1]


def test_a_bundle_without_activation_gives_its_numbers() -> None:
    reranker, _ = make(Activation.NONE)
    assert [ranked.score for ranked in reranker.rank("film", DOCUMENTS)] == [2, 1, 0, -1]


def test_equal_scores_keep_the_order_given() -> None:
    found = make()[0].rank("film", ["a cat", "the cat", "no cat"])
    assert [ranked.index for ranked in found] == [0, 1, 2]


def test_a_document_given_twice_is_ranked_twice() -> None:
    found = make()[0].rank("film", ["good", "good"])
    assert found == [Ranked(0, found[0].score, "good"), Ranked(1, found[0].score, "good")]


@pytest.mark.parametrize(("top_k", "count"), [(1, 1), (3, 3), (99, 4), (None, 4)])
def test_as_many_documents_are_returned_as_asked_for(top_k: int | None, count: int) -> None:
    every = make()[0].rank("film", DOCUMENTS)
    assert make()[0].rank("film", DOCUMENTS, top_k=top_k) == every[:count]


@pytest.mark.parametrize("top_k", [0, -1])
def test_fewer_than_one_document_is_refused(top_k: int) -> None:
    with pytest.raises(InputError, match=f"top_k is {top_k}; it must be 1 or more"):
        make()[0].rank("film", DOCUMENTS, top_k=top_k)


def test_the_query_is_the_first_text_and_the_document_the_second() -> None:
    reranker, session = make()
    reranker.rank("what film", ["the cat"])
    assert session.batches[0].tokens[0].text == ("what film", "the cat")


def test_pairs_are_scored_in_the_order_given() -> None:
    found = make()[0].score([("a", "bad"), ("b", "good"), ("a", "cat")], raw=True)
    assert (found.tolist(), found.dtype) == ([-1, 1, 0], np.float32)


def test_pairs_may_come_from_a_generator() -> None:
    found = make()[0].score((("a", document) for document in DOCUMENTS), raw=True)
    assert found.tolist() == [0, 1, -1, 2]


def test_no_pairs_give_no_scores() -> None:
    found = make()[0].score([])
    assert (found.shape, found.dtype) == ((0,), np.float32)


def test_no_documents_give_no_ranking() -> None:
    assert make()[0].rank("film", []) == []


def test_documents_are_a_sequence() -> None:
    with pytest.raises(InputError, match="documents is a single string; give a sequence"):
        make()[0].rank("film", "good food")


def test_a_wrong_document_is_named_by_its_place() -> None:
    with pytest.raises(InputError, match="row 1: NoneType, expected a string"):
        make()[0].rank("film", ["good", None])


def test_a_single_text_is_refused_by_its_row() -> None:
    with pytest.raises(InputError, match="row 1: a single string; give pairs of query"):
        make()[0].score([("a", "b"), "the cat"])


def test_the_configurations_policy_is_taken() -> None:
    pair = ("film", "the " * 60)
    assert make()[0].score([pair], raw=True).tolist() == [0]
    with pytest.raises(InputError, match="row 0: 64 tokens, the model takes 40"):
        make(truncation="error")[0].score([pair])


def test_windows_reach_the_end_of_a_long_document() -> None:
    pair = ("film", "the " * 60 + "good")
    assert make()[0].score([pair], raw=True).tolist() == [0]
    assert make(truncation="window")[0].score([pair], raw=True)[0] > 0


def test_a_classifier_of_several_labels_is_refused() -> None:
    with pytest.raises(TaskError, match=r"cross-encoder with one output; .* has 3 labels"):
        Reranker.load(CLASSIFY)


def test_a_bundle_for_another_task_is_refused() -> None:
    with pytest.raises(TaskError, match="is for 'tag', not for 'classify'"):
        Reranker.load(DATA / "tiny-tag")
