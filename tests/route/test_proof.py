"""On real weights and real intents: much leaves early, and no more is lost than was certified.

Parts of Banking77 and CLINC150, so that the tests stay short; each text that nobody has learnt is
taken through all places once, and whatever needs no more than that goes by it.
"""

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from edgebert.learn.learner import Learner
from edgebert.results import Ints
from edgebert.route.calibration import (
    FULL,
    Target,
    Trace,
    choose_thresholds,
    exits_at,
    fit_gates,
    lay_levels,
    losses_of,
    split_rows,
)
from edgebert.route.cascade import Cascade
from edgebert.route.certify import Request, certify_collected, trace_of
from edgebert.route.fitting import Collected, collect
from edgebert.route.inputs import columns_of

pytestmark = [pytest.mark.export, pytest.mark.realmodel]

CALIBRATED, SPLITS = 2000, 300
NAMES = ["banking", "clinc"]


@dataclass(frozen=True)
class Proof:
    """A learner, a cascade on it, certified, and texts that neither has seen."""

    learner: Learner
    cascade: Cascade
    texts: list[str]
    labels: list[str]
    foreign: list[str]
    # of the texts it was calibrated on, and of `texts` after them
    found: Collected
    trace: Trace
    truth: Ints


Rows = list[tuple[str, str]]


def read_banking(folder: Path) -> tuple[Rows, Rows, list[str]]:
    """Give texts to learn and others, both of the training file: the test file's mix is another."""
    with (folder / "banking77" / "train.csv").open(encoding="utf-8", newline="") as stream:
        rows = [(row["text"], row["category"]) for row in csv.DictReader(stream)]
    order = np.random.default_rng(0).permutation(len(rows))[:6500]
    mixed = [rows[row] for row in order]
    return mixed[:3000], mixed[3000:], []


def read_clinc(folder: Path) -> tuple[Rows, Rows, list[str]]:
    """Give texts to learn, others, and texts of no class."""
    data = json.loads((folder / "clinc150" / "data_small.json").read_text(encoding="utf-8"))
    rng = np.random.default_rng(0)
    train = [tuple(data["train"][row]) for row in rng.permutation(len(data["train"]))[:4500]]
    held = data["val"] + data["test"]
    other = [tuple(held[row]) for row in rng.permutation(len(held))[:3500]]
    return train, other, [text for text, _ in data["oos_test"][:500]]


READERS = {"banking": read_banking, "clinc": read_clinc}


@pytest.fixture(scope="module")
def prove(labelled_data: Path) -> Iterator[Callable[[str], Proof]]:
    """Give a set's proof, made once."""
    from edgebert_export import Recipe, export
    from tests import checkpoints

    with TemporaryDirectory(prefix="edgebert-tests-") as folder:
        bundle = Path(folder) / "minilm"
        export(Recipe(model=checkpoints.minilm(), output=bundle, layers_out=3, exits=(2, 4)))

        @cache
        def make(name: str) -> Proof:
            train, held, foreign = READERS[name](labelled_data)
            learnt, named = [text for text, _ in train], [label for _, label in train]
            texts, labels = [text for text, _ in held], [label for _, label in held]
            learner = Learner.create(bundle, tier="small")
            learner.learn(learnt, named, new_classes=True)
            built = Cascade.build(learner, ["static", 2, 4], texts=learnt, labels=named)
            found = collect(built._route, texts)
            target = Target(0.01, 0.95, names=built._route.full.labels)
            request = Request(texts[:CALIBRATED], None, [], target, seed=0, even_if_slower=True)
            seen = some_of(found, slice(CALIBRATED))
            route, certificate = certify_collected(built._route, request, seen)
            truth = columns_of(route.full, texts, labels)
            assert truth is not None
            return Proof(
                learner,
                Cascade(route, built._full, certificate, 0.0),
                texts[CALIBRATED:],
                labels[CALIBRATED:],
                foreign,
                found,
                trace_of(route, found),
                truth,
            )

        yield make


def some_of(found: Collected, rows: slice) -> Collected:
    """Take some of the texts."""
    assert found.features is not None
    vectors = [each[rows] for each in found.vectors]
    return Collected(vectors, found.probabilities[rows], found.features[rows])


@pytest.mark.parametrize(("name", "least"), [("banking", 0.5), ("clinc", 0.5)])
def test_most_texts_leave_early(prove: Callable[[str], Proof], name: str, least: float) -> None:
    proof = prove(name)
    certificate = proof.cascade.certificate
    assert certificate is not None
    assert certificate.early >= least
    assert certificate.cascade_ms < certificate.full_ms


@pytest.mark.parametrize("name", NAMES)
def test_no_more_is_lost_than_was_certified(prove: Callable[[str], Proof], name: str) -> None:
    proof = prove(name)
    report = proof.cascade.audit(proof.texts, proof.labels)
    assert report.holds
    assert report.accuracy is not None and report.full_accuracy is not None
    assert report.accuracy >= report.full_accuracy - 0.005


@pytest.mark.parametrize("name", NAMES)
def test_escalated_texts_get_the_full_models_answer(
    prove: Callable[[str], Proof], name: str
) -> None:
    proof = prove(name)
    texts = proof.texts[:400]
    mine = proof.cascade.classify(texts, top_k=None)
    full = proof.learner.predict(texts, top_k=None)
    pairs = [pair for pair in zip(mine, full, strict=True) if pair[0].stage == "full"]
    assert len(pairs) > 20
    assert all(one.labels == other.labels for one, other in pairs)


def test_a_text_is_answered_alike_alone_and_among_others(prove: Callable[[str], Proof]) -> None:
    proof = prove("clinc")
    texts = proof.texts[:400]
    alone = [proof.cascade.classify([text])[0] for text in texts]
    assert alone == proof.cascade.classify(texts)


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_the_certificate_is_exceeded_on_few_random_splits(
    prove: Callable[[str], Proof], name: str, labelled: bool
) -> None:
    proof = prove(name)
    places = proof.cascade._route.places
    trace = replace(proof.trace, scores=[])  # margins and answers are enough, and soon divided
    truth = proof.truth if labelled else None
    target = Target(max_loss=0.01, confidence=0.95)
    lost, exceeded = losses_of(trace, truth), 0
    for seed in range(SPLITS):
        tested, known = split_rows(len(proof.truth), seed, 0.4)
        first, second = (known[rows] for rows in split_rows(len(known), seed))
        of_first, of_second = (None if truth is None else truth[rows] for rows in (first, second))
        gated = fit_gates(places, trace.some(first), of_first)
        levels = lay_levels(gated, trace.some(first))
        found = choose_thresholds(gated, levels, trace.some(second), of_second, target)
        if found.thresholds is not None:
            leaves = exits_at(trace.some(tested), found.thresholds)
            share = ((leaves != FULL) & lost[tested, leaves]).mean()
            exceeded += share > target.max_loss
    # the texts tested on vary as well: of so few the share is over a limit that holds now and then
    assert exceeded / SPLITS <= 0.05 + 3 * (0.05 * 0.95 / SPLITS) ** 0.5


def test_texts_of_no_class_are_told(prove: Callable[[str], Proof]) -> None:
    proof = prove("clinc")
    scope, features = proof.cascade._route.full_scope, proof.found.features
    assert scope is not None and features is not None
    inside = scope.p_values(features[CALIBRATED:])
    shown = in_full(proof).classify([*proof.texts[:50], *proof.foreign])
    assert [each.p_in_scope for each in shown[:50]] == inside[:50].tolist()
    outside = np.array([each.p_in_scope for each in shown[50:]])
    ranks = (outside[:, None] < inside).mean() + (outside[:, None] == inside).mean() / 2
    assert ranks >= 0.95  # AUROC
    assert (outside <= 0.05).mean() >= 0.8
    assert (inside <= 0.05).mean() == pytest.approx(0.05, abs=0.025)


def in_full(proof: Proof) -> Cascade:
    """Give the same cascade with nothing but its full model at work."""
    certificate = proof.cascade.certificate
    assert certificate is not None
    closed = replace(certificate, thresholds=None)
    return Cascade(proof.cascade._route, proof.cascade._full, closed, 0.0)
