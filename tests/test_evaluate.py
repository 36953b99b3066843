"""Evaluation of the tiny bundles: every goal runs, figures are those of the answers themselves."""

import json
from pathlib import Path

import pytest

pytest.importorskip("sklearn", reason="needs edgebert[eval]")
from edgebert.answering import Setting, open_model, tags_of
from edgebert.errors import InputError, TaskError
from edgebert.evaluate import evaluate
from edgebert.labelled import Example, Goal, read_examples
from edgebert.loading import load
from edgebert.reports import as_json, evaluation_lines, evaluation_page
from edgebert.results import Entity
from edgebert.tasks.classify import Classifier
from edgebert.tasks.tag import TokenClassifier

TEXTS = ["the train", "to seoul", "a good film", "the film", "a train"]
BUNDLES = {
    Goal.CLASSIFY: "tiny-classify",
    Goal.TAG: "tiny-tag",
    Goal.ANSWER: "tiny-answer",
    Goal.FILL: "tiny-fill",
    Goal.STS: "tiny-embed",
    Goal.RETRIEVE: "tiny-embed",
    Goal.RERANK: "tiny-embed",
}
MAIN = {
    Goal.CLASSIFY: "accuracy",
    Goal.TAG: "entity_f1",
    Goal.ANSWER: "f1",
    Goal.FILL: "accuracy",
    Goal.STS: "spearman",
    Goal.RETRIEVE: "ndcg_at_10",
    Goal.RERANK: "ndcg_at_10",
}


def examples_of(goal: Goal) -> list[Example]:
    rows = [
        {
            "text": f"{text} [MASK]" if goal is Goal.FILL else text,
            "query": TEXTS[place // 2],
            "question": "the film",
            "context": text,
            "answers": ["film"],
            "words": text.split(),
            "tags": ["O"] * len(text.split()),
            "text_pair": TEXTS[place - 1] if goal is Goal.STS else None,
            "score": place,
            "label": place % 2,
        }
        for place, text in enumerate(TEXTS)
    ]
    return read_examples(rows, goal)


@pytest.mark.parametrize("goal", Goal)
def test_every_goal_is_scored_by_its_own_figure(tiny: Path, goal: Goal) -> None:
    found, answers = evaluate(tiny / BUNDLES[goal], examples_of(goal), Setting(goal=goal), rounds=9)
    assert found.main[0] == MAIN[goal]
    assert len(answers) == 3 if goal is Goal.RETRIEVE else 5
    assert json.loads(as_json(found))["rows"] == 5
    assert found.bundle in evaluation_page(found, "rows.jsonl", "a machine")
    assert any(MAIN[goal] in line for line in evaluation_lines(found))


def test_gold_that_is_the_bundles_own_answer_scores_one(tiny: Path) -> None:
    task = load(tiny / "tiny-classify")
    assert isinstance(task, Classifier)
    rows = [
        Example(row=row, text=text, label=found.label)
        for row, (text, found) in enumerate(zip(TEXTS, task.classify(TEXTS), strict=True), 1)
    ]
    found, _ = evaluate(tiny / "tiny-classify", rows, Setting(goal=Goal.CLASSIFY), rounds=0)
    assert found.scores.figures["accuracy"].value == 1.0


def test_tags_that_are_the_bundles_own_score_one(tiny: Path) -> None:
    task = TokenClassifier.load(tiny / "tiny-tag")
    text = "cat seoul dog to"
    (found,) = task.tag([text], aggregation="first")
    rows = [Example(row=1, text=text, golds=tags_of(text, found.entities))]
    assert any(tag != "O" for tag in rows[0].golds)
    result, _ = evaluate(tiny / "tiny-tag", rows, Setting(goal=Goal.TAG), rounds=0)
    assert [figure.value for figure in result.scores.figures.values()] == [1.0, 1.0]


def test_words_take_the_tag_of_the_entity_that_they_begin_in() -> None:
    entities = [Entity("PER", 1.0, "ann lee", 0, 7), Entity("PER", 1.0, "bo", 8, 10)]
    assert tags_of("ann lee bo x", entities) == ("B-PER", "I-PER", "B-PER", "O")


def test_a_text_asked_for_by_its_own_words_is_found_first(tiny: Path) -> None:
    rows = [Example(row=n, text=text, pair=text, score=1.0) for n, text in enumerate(TEXTS, 1)]
    found, _ = evaluate(tiny / "tiny-embed", rows, Setting(goal=Goal.RETRIEVE), rounds=0)
    assert found.scores.figures["mrr_at_10"].value == 1.0


def test_embeddings_classify_by_a_head_that_is_fitted(tiny: Path) -> None:
    rows = [Example(row=n, text=text, label=text) for n, text in enumerate(TEXTS, 1)]
    setting = Setting(goal=Goal.CLASSIFY, fit=tuple(rows))
    found, _ = evaluate(tiny / "tiny-embed", rows, setting, rounds=0)
    assert found.scores.figures["accuracy"].value == 1.0


def test_embeddings_with_nothing_to_fit_are_refused(tiny: Path) -> None:
    with pytest.raises(InputError, match="--fit FILE"):
        open_model(tiny / "tiny-embed", Setting(goal=Goal.CLASSIFY))


def test_a_bundle_for_something_else_is_refused(tiny: Path) -> None:
    with pytest.raises(TaskError, match="is for 'tag'; 'sts' needs one for embed or classify"):
        open_model(tiny / "tiny-tag", Setting(goal=Goal.STS))


def test_a_classifier_of_several_labels_scores_no_pairs(tiny: Path) -> None:
    with pytest.raises(TaskError, match="has 3 labels; to score pairs it needs one output"):
        open_model(tiny / "tiny-classify", Setting(goal=Goal.STS))


def test_rows_over_the_limit_are_counted(tiny: Path) -> None:
    rows = [Example(row=1, text="the train " * 50, label="label-0")]
    found, _ = evaluate(tiny / "tiny-classify", rows, Setting(goal=Goal.CLASSIFY), rounds=0)
    assert (found.cut, found.max_tokens) == (1, 40)


def test_a_query_whose_text_is_over_the_limit_is_counted(tiny: Path) -> None:
    rows = [
        Example(row=1, text="the train", pair="to seoul " * 50, score=1.0),
        Example(row=2, text="a film", pair="the film", score=1.0),
        Example(row=3, text="", pair="a good film " * 50),
    ]
    found, _ = evaluate(tiny / "tiny-embed", rows, Setting(goal=Goal.RETRIEVE), rounds=0)
    assert found.cut == 1


def test_an_error_names_the_row_as_the_file_counts_it(tiny: Path) -> None:
    rows = [
        Example(row=7, text="why", pair="the film", golds=("film",)),
        Example(row=9, text="the train " * 50, pair="the film", golds=("film",)),
    ]
    with pytest.raises(InputError, match=r"^row 9: the first text alone"):
        open_model(tiny / "tiny-answer", Setting(goal=Goal.ANSWER)).answer(rows)
