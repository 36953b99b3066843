"""Cascades on the tiny bundles: escalated texts get the full model's answer, and void is void."""

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from edgebert.errors import InputError, RouteError, StaleCertificateError
from edgebert.learn.features import Grid
from edgebert.learn.learner import Learner
from edgebert.results import Floats
from edgebert.route.cascade import Cascade
from edgebert.route.certificate import Loss
from edgebert.route.places import Place
from edgebert.route.production import Mode
from edgebert.tasks.classify import Classifier
from tests.route.conftest import make_texts

TEXTS, LABELS = make_texts(200, 3)
FEW, FEW_LABELS = TEXTS[:80], LABELS[:80]  # heads of more texts take seconds


def test_every_kind_of_place_answers(cascade: Cascade) -> None:
    stages = Counter(result.stage for result in cascade.classify(TEXTS))
    assert set(stages) == {"static", "exit 1", "exit 2", "full"}
    assert cascade.mode is Mode.ROUTED


def test_what_goes_all_the_way_gets_the_full_models_answer(
    cascade: Cascade, taught: Learner
) -> None:
    pairs = list(
        zip(cascade.classify(TEXTS, top_k=None), taught.predict(TEXTS, top_k=None), strict=True)
    )
    escalated = [pair for pair in pairs if pair[0].stage == "full"]
    assert len(escalated) > 3
    for one, other in escalated:
        assert one.labels == other.labels
        assert (one.n_tokens, one.truncated) == (other.n_tokens, other.truncated)


def test_a_text_is_answered_alike_alone_and_among_others(cascade: Cascade) -> None:
    together = cascade.classify(TEXTS)
    assert [cascade.classify([text])[0] for text in TEXTS] == together
    assert cascade.classify(TEXTS[::-1]) == together[::-1]


def test_infinite_thresholds_are_the_full_model(cascade: Cascade, taught: Learner) -> None:
    certificate = cascade.certificate
    assert certificate is not None and certificate.thresholds is not None
    never = replace(certificate, thresholds=dict.fromkeys(certificate.thresholds, math.inf))
    closed = Cascade(cascade._route, cascade._full, never, 0.0)
    results = closed.classify(TEXTS, top_k=None)
    assert {result.stage for result in results} == {"full"}
    full = taught.predict(TEXTS, top_k=None)
    assert [result.labels for result in results] == [result.labels for result in full]


def test_a_result_says_whether_its_text_belongs(cascade: Cascade) -> None:
    inside = [result.p_in_scope for result in cascade.classify(TEXTS)]
    assert all(value is not None and 0 < value <= 1 for value in inside)
    results = cascade.classify(["train train film berlin 99", "seoul film bad film bad"])
    assert {result.stage for result in results} == {"full"}


def test_a_text_that_looks_foreign_is_seen_by_no_stage_but_the_first(
    cascade: Cascade, monkeypatch: pytest.MonkeyPatch
) -> None:
    see, seen = Place.see, Counter[str]()

    def note(self: Place, vectors: Floats) -> tuple[Floats, Grid | None]:
        seen[self.name] += len(vectors)
        return see(self, vectors)

    monkeypatch.setattr(Place, "see", note)
    cascade.classify(["train train film berlin 99", "seoul film bad film bad"])
    assert seen == {"static": 2}


def test_answers_say_their_probability(cascade: Cascade) -> None:
    for result in cascade.classify(TEXTS, top_k=None):
        assert sum(label.score for label in result.labels) == pytest.approx(1)
        assert result.label == result.labels[0].label
        assert result.score == max(label.score for label in result.labels)


def test_few_answers_differ_from_the_full_models(cascade: Cascade, taught: Learner) -> None:
    mine, full = cascade.classify(TEXTS), taught.predict(TEXTS)
    differ = sum(one.label != other.label for one, other in zip(mine, full, strict=True))
    assert differ <= 20  # certified: one in twenty with 95 % confidence


@pytest.mark.parametrize("change", ["learn", "forget", "add_class"])
def test_a_change_of_the_learner_makes_the_certificate_stale(
    cascade: Cascade, taught: Learner, change: str
) -> None:
    texts, labels = make_texts(60, 1)
    if change == "learn":
        taught.learn(["the cat runs"], ["cat"])
    elif change == "forget":
        taught.forget(texts=texts[:3], labels=labels[:3])
    else:
        taught.add_class("fish")
    assert cascade.mode is Mode.STALE
    with pytest.raises(StaleCertificateError, match="learnt or forgot"):
        _ = cascade.certificate
    results = cascade.classify(TEXTS, top_k=None)
    assert {result.stage for result in results} == {"full"}
    full = taught.predict(TEXTS, top_k=None)
    assert [result.labels for result in results] == [result.labels for result in full]


def test_what_is_learnt_and_forgotten_leaves_the_certificate_valid(
    cascade: Cascade, taught: Learner
) -> None:
    receipts = taught.learn(["the cat runs"], ["cat"])
    with pytest.raises(StaleCertificateError):
        _ = cascade.certificate
    taught.forget(receipts)
    assert cascade.mode is Mode.ROUTED
    assert cascade.certificate is not None


def test_a_stale_cascade_can_be_calibrated_again(cascade: Cascade, taught: Learner) -> None:
    taught.learn(["the cat runs"], ["cat"])
    cascade.calibrate(make_texts(600, 5)[0], max_harm=0.05, even_if_slower=True)
    assert cascade.mode is Mode.ROUTED


def test_other_classes_need_other_heads(cascade: Cascade, taught: Learner) -> None:
    taught.add_class("fish")
    with pytest.raises(RouteError, match="built for 3 classes, the model now has 4"):
        cascade.calibrate(make_texts(600, 5)[0])


def test_too_few_texts_go_in_full_and_it_says_how_many_are_needed(taught: Learner) -> None:
    made = Cascade.build(taught, ["static"], texts=FEW, labels=FEW_LABELS)
    made.calibrate(make_texts(100, 4)[0], even_if_slower=True)
    certificate = made.certificate
    assert certificate is not None
    assert made.mode is Mode.NOT_CERTIFIED
    assert certificate.needed == 399  # 299 for the test, and the quarter that settles levels
    assert "give 399 texts at the least" in certificate.sentence()
    assert {result.stage for result in made.classify(TEXTS)} == {"full"}


def test_a_cascade_that_is_no_faster_says_so(cascade: Cascade) -> None:
    certificate = cascade.certificate
    assert certificate is not None
    slow = replace(certificate, even_if_slower=False, cascade_ms=2.0, full_ms=1.0)
    made = Cascade(cascade._route, cascade._full, slow, 0.0)
    assert made.mode is Mode.NOT_WORTH_IT
    assert {result.stage for result in made.classify(TEXTS)} == {"full"}
    assert "not worth it here" in slow.describe()


def test_without_a_calibration_all_go_in_full(taught: Learner) -> None:
    made = Cascade.build(taught, ["static"])
    assert made.mode is Mode.NOT_CALIBRATED
    assert made.certificate is None
    assert [one.labels for one in made.classify(TEXTS)] == [
        one.labels for one in taught.predict(TEXTS)
    ]


def test_labels_certify_harm(taught: Learner) -> None:
    made = Cascade.build(taught, ["static", 1], texts=FEW, labels=FEW_LABELS)
    texts, labels = make_texts(700, 6)
    certificate = made.calibrate(texts, labels, max_harm=0.05, even_if_slower=True).certificate
    assert certificate is not None
    assert certificate.loss is Loss.HARM
    assert certificate.accuracy is not None and certificate.full_accuracy is not None
    assert certificate.accuracy >= certificate.full_accuracy - 0.05
    assert sum(certificate.stages.values()) == pytest.approx(1)


def test_half_of_the_texts_fit_heads_where_none_are_fitted(taught: Learner) -> None:
    made = Cascade.build(taught, ["static"])
    made.calibrate(make_texts(160, 6)[0], max_harm=0.2, even_if_slower=True)
    certificate = made.certificate
    assert certificate is not None
    assert (certificate.samples, certificate.needed) == (60, 38)  # 14 / 0.75 / 0.5


@pytest.mark.export
def test_a_classifier_bundle_is_routed_as_it_is(classifier_bundle: Path) -> None:
    made = Cascade.build(classifier_bundle, ["static", 1, 2], texts=FEW, audit_rate=0)
    made.calibrate(make_texts(800, 6)[0], max_harm=0.1, even_if_slower=True)
    stages = Counter(result.stage for result in made.classify(TEXTS))
    assert set(stages) == {"static", "exit 1", "exit 2", "full"}
    full = Classifier.load(classifier_bundle).classify(TEXTS, top_k=None)
    for one, other in zip(made.classify(TEXTS, top_k=None), full, strict=True):
        if one.stage == "full":
            assert [label.label for label in one.labels] == [label.label for label in other.labels]
            assert one.score == pytest.approx(other.score, abs=1e-6)
            assert one.p_in_scope is not None


def test_a_small_bundle_stands_before_a_large_one(taught: Learner, tiny: Path) -> None:
    made = Cascade.build(taught, [tiny / "tiny-embed", "static"], texts=FEW, labels=FEW_LABELS)
    made.calibrate(make_texts(800, 6)[0], max_harm=0.05, even_if_slower=True)
    results = made.classify(TEXTS)
    assert {"tiny-embed", "full"} <= {result.stage for result in results}
    full = taught.predict(TEXTS)
    assert all(
        one.labels == other.labels
        for one, other in zip(results, full, strict=True)
        if one.stage == "full"
    )


def test_learnt_texts_are_no_calibration(taught: Learner) -> None:
    texts, labels = make_texts(60, 1)
    made = Cascade.build(taught, ["static"], texts=FEW, labels=FEW_LABELS)
    with pytest.raises(RouteError, match="60 of 60 texts looked at were learnt"):
        made.calibrate(texts, labels)


def test_a_file_gives_the_cascade_back(cascade: Cascade, taught: Learner, tmp_path: Path) -> None:
    cascade.save(tmp_path / "c.route")
    again = Cascade.open(tmp_path / "c.route", taught, audit_rate=0)
    assert again.certificate == cascade.certificate
    assert again.classify(TEXTS) == cascade.classify(TEXTS)


def test_a_file_of_a_changed_learner_is_stale(
    cascade: Cascade, taught: Learner, tmp_path: Path
) -> None:
    cascade.save(tmp_path / "c.route")
    taught.learn(["the cat runs"], ["cat"])
    again = Cascade.open(tmp_path / "c.route", taught)
    assert again.mode is Mode.STALE


def test_an_audit_of_other_texts_bears_the_certificate_out(cascade: Cascade) -> None:
    report = cascade.audit(*make_texts(300, 8))
    assert report.holds
    assert (report.texts, report.harmed is None) == (300, False)
    assert report.early > 100
    assert cascade.audit(make_texts(300, 8)[0]).harmed is None


def test_early_answers_that_differ_raise_the_alarm(cascade: Cascade, taught: Learner) -> None:
    # the head of the static place is turned: it answers another class with the same margin
    route = cascade._route
    place = route.places[0]
    assert place.head is not None
    turned = replace(
        place.head, weights=place.head.weights[:, [1, 2, 0]], bias=place.head.bias[[1, 2, 0]]
    )
    places = (replace(place, head=turned), *route.places[1:])
    broken = Cascade(replace(route, places=places), cascade._full, cascade.certificate, 0.5)
    assert not broken.audit(TEXTS).holds
    broken.classify(TEXTS)
    assert broken.mode is Mode.ALARM
    assert {result.stage for result in broken.classify(TEXTS)} == {"full"}
    report = broken.report()
    assert report.disagreed > 5
    assert report.audit_evidence >= 100


def test_texts_of_another_kind_raise_the_drift_alarm(cascade: Cascade) -> None:
    cascade.classify(TEXTS)
    calm = cascade.report()
    assert not calm.drift_alarm
    cascade.classify([f"train film berlin {number}" for number in range(200)])
    report = cascade.report()
    assert report.drift_warning
    assert report.drift_alarm


def test_the_report_counts_texts_by_stage(cascade: Cascade) -> None:
    results = cascade.classify(TEXTS)
    report = cascade.report()
    assert report.texts == len(TEXTS)
    assert report.stages == Counter(result.stage for result in results)
    assert (report.mode, report.certificate) == (Mode.ROUTED, cascade.certificate)


def test_no_texts_are_no_results(cascade: Cascade) -> None:
    assert cascade.classify([]) == []


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([], "give a list"),
        ("static", "give a list"),
        ([2, "static"], "out of order"),
        ([2, 1], "out of order"),
        (["static", "static"], "out of order"),
        ([True], "no 'static', number of layers or folder"),
    ],
)
def test_stages_that_are_none_are_refused(taught: Learner, stages: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Cascade.build(taught, stages)


def test_an_exit_that_is_not_there_is_refused(taught: Learner) -> None:
    with pytest.raises(RouteError, match=r"no exit after layer 3 .*--exits 3"):
        Cascade.build(taught, [3])


def test_a_bundle_of_another_task_is_no_stage(taught: Learner, tiny: Path) -> None:
    with pytest.raises(RouteError, match="a stage is for embeddings"):
        Cascade.build(taught, [tiny / "tiny-tag"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_harm": 0.0}, "max_harm is 0"),
        ({"confidence": 1.0}, "confidence is 1"),
        ({"max_slip": -1.0}, "max_slip is -1"),
        ({"mix": {"fish": 1.0}}, "class 'fish' of the mix"),
        ({"labels": ["fish"] * 200}, "row 0: label 'fish'"),
        ({"labels": ["cat"]}, "200 texts and 1 labels"),
    ],
)
def test_a_calibration_that_cannot_be_is_refused(
    cascade: Cascade, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        cascade.calibrate(TEXTS, **arguments)  # type: ignore[arg-type]


def test_one_string_is_refused(cascade: Cascade) -> None:
    for method in (cascade.classify, cascade.calibrate, cascade.audit):
        with pytest.raises(InputError, match="a single string"):
            method("the cat")


def test_what_is_no_text_is_refused_by_its_row(cascade: Cascade) -> None:
    with pytest.raises(InputError, match="row 1: None is not a string"):
        cascade.classify(["the cat", None])  # type: ignore[list-item]


@pytest.mark.parametrize("top_k", [0, -1])
def test_no_labels_are_refused(cascade: Cascade, top_k: int) -> None:
    with pytest.raises(InputError, match="top_k"):
        cascade.classify(["the cat"], top_k=top_k)
