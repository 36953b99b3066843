"""Answers of both ways, held against a certificate."""

from dataclasses import replace

import pytest

from edgebert.results import Label, Routed
from edgebert.route.auditing import at_least, compare_answers
from edgebert.route.certificate import Loss
from tests.route.test_certificate import CERTIFICATE


def routed(labels: str, stages: str) -> list[Routed]:
    names = {"s": "static", "f": "full"}
    return [
        Routed((Label(label, 1.0),), 3, False, names[stage], None)
        for label, stage in zip(labels, stages, strict=True)
    ]


EARLY, FULL = routed("abca", "sssf"), routed("abba", "ffff")


def test_answers_are_counted() -> None:
    report = compare_answers(CERTIFICATE, EARLY, FULL, ["a", "a", "b", "b"])
    assert (report.texts, report.early, report.disagreed, report.harmed) == (4, 3, 1, 1)
    assert (report.accuracy, report.full_accuracy) == (0.25, 0.5)


def test_without_labels_there_is_no_accuracy() -> None:
    report = compare_answers(CERTIFICATE, EARLY, FULL, None)
    assert (report.harmed, report.accuracy, report.full_accuracy) == (None, None, None)
    assert report.p_value == pytest.approx(1 - 0.99**4)
    assert not report.holds


def test_an_early_answer_that_happens_to_be_right_is_no_harm() -> None:
    harm = replace(CERTIFICATE, loss=Loss.HARM)
    report = compare_answers(harm, EARLY, FULL, list("abca"))
    assert (report.harmed, report.disagreed, report.p_value, report.holds) == (0, 1, 1.0, True)


def test_a_certificate_of_harm_bounds_disagreement_where_there_are_no_labels() -> None:
    harm = replace(CERTIFICATE, loss=Loss.HARM, disagreement_bound=0.5)
    assert compare_answers(harm, EARLY, FULL, None).p_value == pytest.approx(1 - 0.5**4)


def test_the_tail_is_that_of_the_binomial() -> None:
    assert at_least(0, 10, 0.1) == 1.0
    assert at_least(2, 2, 0.1) == pytest.approx(0.01)
