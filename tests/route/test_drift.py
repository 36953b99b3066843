"""Alarms: seldom where nothing has changed, soon where much has."""

import math

import numpy as np
import pytest

from edgebert.route.drift import WARNING, Audit, Drift
from edgebert.route.scope import conformal_p_values

RUNS = 1000


def within(share: float, alpha: float) -> bool:
    return share <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / RUNS)


@pytest.mark.parametrize("rate", [0.005, 0.05, 0.5])
def test_the_audit_raises_no_more_false_alarms_than_it_may(rate: float) -> None:
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(RUNS):
        audit = Audit(rate, 0.05)
        for disagreed in (rng.random(600) < rate).tolist():
            audit.add(disagreed)
        alarms += audit.alarm
    assert within(alarms / RUNS, 0.05)


def test_the_audit_finds_a_rate_of_five_times_what_was_certified() -> None:
    rng = np.random.default_rng(0)
    delays = []
    for _ in range(50):
        audit = Audit(0.01, 0.01)
        while not audit.alarm and audit.samples < 2000:
            audit.add(bool(rng.random() < 0.05))
        delays.append(audit.samples)
    assert np.median(delays) < 250
    assert max(delays) < 2000


def test_an_alarm_is_kept_though_evidence_wanes() -> None:
    audit = Audit(0.01, 0.01)
    for disagreed in [True] * 4 + [False] * 500:
        audit.add(disagreed)
    assert audit.alarm
    assert audit.evidence < 100
    assert (audit.samples, audit.disagreements) == (504, 4)


def stream(rng: np.random.Generator, count: int, foreign: float) -> list[float]:
    """P-values against 1,000 known texts; foreign ones are two deviations farther."""
    known = np.sort(rng.normal(size=1000))
    distances = rng.normal(size=count) + 2 * (rng.random(count) < foreign)
    return list(conformal_p_values(distances, known))


def test_exchangeable_texts_raise_no_more_alarms_than_they_may() -> None:
    rng = np.random.default_rng(0)
    alarms = warnings = 0
    for _ in range(RUNS):
        drift = Drift(0.01)
        for p_value in stream(rng, 500, 0.0):
            drift.add(p_value)
        alarms += drift.alarm
        warnings += drift.warning
    assert within(alarms / RUNS, 0.01)
    assert warnings / RUNS < 0.05  # 500 texts of a warning in some 10,000


def test_a_fifth_of_foreign_texts_is_found() -> None:
    rng = np.random.default_rng(0)
    warned, proven = [], []
    for _ in range(30):
        drift, warning, proof = Drift(0.01), 0, 0
        for number, p_value in enumerate(stream(rng, 3000, 0.2), 1):
            drift.add(p_value)
            warning = warning or (number if drift.warning else 0)
            proof = proof or (number if drift.alarm else 0)
        assert warning and proof
        warned.append(warning)
        proven.append(proof)
    assert np.median(warned) < 150
    assert np.median(proven) < 900


def test_a_warning_comes_at_its_threshold() -> None:
    drift, count = Drift(0.01), math.ceil(WARNING / math.log(0.5 / math.sqrt(0.01)))
    for _ in range(count - 1):
        drift.add(0.01)
    assert not drift.warning
    drift.add(0.01)
    assert drift.warning
