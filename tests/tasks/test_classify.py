"""Classification: labels ranked by score, as many as asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebert.batching import Batch
from edgebert.errors import InputError
from edgebert.manifest import Activation
from edgebert.results import Classification, Label
from edgebert.tasks.classify import Classifier, mean_logits, rank_labels, read_logits
from tests.fakes import make_tokenizer
from tests.make_tiny import DATA

LABELS = ("good", "bad", "odd")
TOKENS = make_tokenizer(DATA / "tiny-classify").encode(["the cat", "a dog", "a cat"])


def read(
    logits: list[list[float]],
    activation: Activation = Activation.SOFTMAX,
    top_k: int | None = None,
    labels: tuple[str, ...] = LABELS,
    threshold: float | None = None,
) -> list[Classification]:
    count = len(logits)
    outputs = (np.array(logits, np.float32),)
    rows = read_logits(outputs, Batch(tuple(TOKENS[:count])), labels=len(labels))
    options = {"labels": labels, "activation": activation, "top_k": top_k, "threshold": threshold}
    return [rank_labels([row], **options) for row in rows]


def test_labels_are_ranked_by_score() -> None:
    (result,) = read([[0, 2, 1]])
    assert [label.label for label in result.labels] == ["bad", "odd", "good"]


def test_each_row_has_its_own_ranking() -> None:
    assert [result.label for result in read([[3, 2, 1], [1, 2, 3], [1, 3, 2]])] == [
        "good",
        "odd",
        "bad",
    ]


def test_labels_of_one_score_keep_the_bundles_order() -> None:
    (result,) = read([[1, 1, 1]])
    assert [label.label for label in result.labels] == list(LABELS)


def test_softmax_scores_share_one() -> None:
    (result,) = read([[0, np.log(2), np.log(5)]])
    assert [label.score for label in result.labels] == pytest.approx([5 / 8, 2 / 8, 1 / 8])


def test_sigmoid_scores_each_label_by_itself() -> None:
    (result,) = read([[0, np.log(3), -np.log(3)]], Activation.SIGMOID)
    assert [label.score for label in result.labels] == pytest.approx([0.75, 0.5, 0.25])


def test_without_activation_the_score_is_the_models_number() -> None:
    (result,) = read([[-2.5]], Activation.NONE, labels=("stars",))
    assert result.labels == (Label("stars", -2.5),)


def test_the_best_label_is_at_hand() -> None:
    (result,) = read([[0, 2, 1]])
    assert (result.label, result.score) == (result.labels[0].label, result.labels[0].score)


@pytest.mark.parametrize(("top_k", "count"), [(1, 1), (2, 2), (3, 3), (99, 3), (None, 3)])
def test_a_result_holds_as_many_labels_as_asked_for(top_k: int | None, count: int) -> None:
    (result,) = read([[0, 2, 1]], top_k=top_k)
    assert len(result.labels) == count


@given(st.lists(st.floats(-50, 50, width=32), min_size=3, max_size=3), st.integers(1, 3))
def test_fewer_labels_are_the_first_of_all(logits: list[float], top_k: int) -> None:
    (some,), (every,) = read([logits], top_k=top_k), read([logits])
    assert some.labels == every.labels[:top_k]


@pytest.mark.parametrize("top_k", [0, -1])
def test_fewer_than_one_label_is_refused_before_the_first_text(
    classifier: Classifier, top_k: int
) -> None:
    with pytest.raises(InputError, match=f"top_k is {top_k}; it must be 1 or more"):
        classifier.stream(["the cat"], top_k=top_k)


def test_texts_are_classified_in_the_order_given(classifier: Classifier) -> None:
    texts = ["the cat", "", "a good film and bad food", "the cat"]
    found = classifier.classify(texts, top_k=None)
    alone = [classifier.classify([text], top_k=None)[0] for text in texts]
    assert [result.n_tokens for result in found] == [4, 2, 8, 4]
    for one, other in zip(found, alone, strict=True):
        assert dict_of(one) == pytest.approx(dict_of(other), abs=1e-6)


def dict_of(result: Classification) -> dict[str, float]:
    return {label.label: label.score for label in result.labels}


def test_one_label_is_given_unasked(classifier: Classifier) -> None:
    (result,) = classifier.classify(["the cat"])
    assert len(result.labels) == 1


def test_a_bundles_scores_follow_its_activation(classifier: Classifier) -> None:
    (result,) = classifier.classify(["the cat"], top_k=None)
    assert sum(label.score for label in result.labels) == pytest.approx(1, abs=1e-5)
    assert set(dict_of(result)) == set(classifier.manifest.labels)


def test_singles_and_pairs_may_stand_together(classifier: Classifier) -> None:
    results = classifier.classify(["the", ("the", "cat"), ("the", "")])
    assert [result.n_tokens for result in results] == [3, 5, 4]


def test_the_second_text_of_a_pair_counts(classifier: Classifier) -> None:
    one, other = classifier.classify([("the", "cat"), ("the", "dog")], top_k=None)
    assert dict_of(one) != pytest.approx(dict_of(other), abs=1e-4)


def test_a_pair_over_the_limit_is_cut_and_says_so(classifier: Classifier) -> None:
    fits, cut = classifier.classify([("the " * 20, "cat " * 17), ("the " * 20, "cat " * 18)])
    assert (fits.n_tokens, fits.truncated) == (40, False)
    assert (cut.n_tokens, cut.truncated) == (41, True)


def test_options_are_given_by_name(classifier: Classifier) -> None:
    with pytest.raises(TypeError, match="positional"):
        classifier.classify(["the cat"], 2)


HALVES = [[0, np.log(2), np.log(5)]]  # softmax: 1/8, 2/8, 5/8


@pytest.mark.parametrize(
    ("threshold", "left"),
    [(0.0, 3), (0.2, 2), (0.5, 1), (0.9, 0), (None, 3)],
)
def test_labels_below_the_threshold_are_left_out(threshold: float | None, left: int) -> None:
    (result,) = read(HALVES, threshold=threshold)
    assert [label.label for label in result.labels] == ["odd", "bad", "good"][:left]


def test_a_score_at_the_threshold_is_kept() -> None:
    (result,) = read([[0, 0]], labels=("a", "b"), threshold=0.5)
    assert len(result.labels) == 2


def test_a_threshold_and_a_number_of_labels_both_hold() -> None:
    (result,) = read(HALVES, top_k=1, threshold=0.2)
    assert [label.label for label in result.labels] == ["odd"]


def test_a_threshold_holds_for_the_raw_numbers_of_a_regression() -> None:
    assert read([[-2.5]], Activation.NONE, labels=("stars",), threshold=-2)[0].labels == ()


def test_with_no_label_left_the_best_is_empty() -> None:
    (result,) = read(HALVES, threshold=0.9)
    assert (result.label, result.score) == ("", 0.0)


def test_a_texts_logits_are_the_mean_of_its_windows_weighted_by_their_tokens() -> None:
    long, short = make_tokenizer(DATA / "tiny-classify").encode(["the cat", ""])  # 4 and 2 tokens
    windows = [(np.float32([6, 0, 0]), long), (np.float32([0, 3, 0]), short)]
    assert mean_logits(windows).tolist() == [4, 1, 0]


def test_a_mean_is_taken_of_logits_and_not_of_scores() -> None:
    long, short = make_tokenizer(DATA / "tiny-classify").encode(["the cat", ""])
    windows = [(np.float32([9, 0, 0]), long), (np.float32([0, 9, 0]), short)]
    options = {"labels": LABELS, "activation": Activation.SIGMOID}
    result = rank_labels(windows, **options, top_k=None, threshold=None)
    assert dict_of(result)["good"] == pytest.approx(1 / (1 + np.exp(-6)))


def test_windows_see_the_end_of_a_long_text(classifier: Classifier) -> None:
    one, other = ("the " * 60 + word for word in ("good", "bad"))
    cut = [dict_of(each) for each in classifier.classify([one, other], top_k=None)]
    windows = classifier.classify([one, other], top_k=None, truncation="window")
    assert cut[0] == pytest.approx(cut[1], abs=1e-6)
    assert dict_of(windows[0]) != pytest.approx(dict_of(windows[1]), abs=1e-4)


def test_a_classifier_cuts_unasked(classifier: Classifier) -> None:
    (cut,), (windows,) = (
        classifier.classify(["the " * 60], **options) for options in ({}, {"truncation": "window"})
    )
    assert (cut.truncated, windows.truncated, windows.n_tokens) == (True, False, 62)


def test_an_unknown_policy_is_refused_before_the_first_text(classifier: Classifier) -> None:
    with pytest.raises(InputError, match="truncation is 'slide'; it must be one of"):
        classifier.stream(["the cat"], truncation="slide")
