"""What a cascade's gain hangs on: the learner's tier, and how many texts there are of either kind.

Measured as `edgebert route` does it with its defaults: stage `static`, 1 % of disagreement at 95 %
confidence, calibration texts without labels.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.route_data import SEED, Pair, Routes
from edgebert import Cascade, Learner
from edgebert.learn.features import Tier

TIERS = (Tier.TINY, Tier.BASE)
COUNTS = ((3000, 2000), (None, None))  # learnt and to calibrate; None: all that there are
Figures = dict[str, Any]


def measure_needs(bundle: Path, routes: Routes) -> list[Figures]:
    """Certify each tier on few texts and on all, and tell what the certificate says."""
    return [
        _certify(bundle, routes, tier, learnt, calibrating)
        for tier in TIERS
        for learnt, calibrating in COUNTS
    ]


def _certify(
    bundle: Path, routes: Routes, tier: Tier, learnt: int | None, calibrating: int | None
) -> Figures:
    learner = Learner.create(bundle, tier=tier)
    texts, labels = _some(routes.fit, learnt)
    learner.learn(texts, labels, new_classes=True)
    cascade = Cascade.build(learner, ["static"], texts=texts, labels=labels)
    given, _ = _some(routes.calibration, calibrating)
    certificate = cascade.calibrate(given).certificate
    if certificate is None:
        raise TypeError("a calibrated cascade has a certificate")
    return {
        "tier": tier.value,
        "learnt": len(texts),
        "calibration": len(given),
        "early": round(100 * certificate.early, 2),
        "full_ms": round(certificate.full_ms, 4),
        "cascade_ms": round(certificate.cascade_ms, 4),
        "said_worth_it": certificate.worth_it,
    }


def _some(pairs: Sequence[Pair], count: int | None) -> tuple[list[str], list[str]]:
    """Draw texts and their labels: published files stand in the order of their classes."""
    rows = np.random.default_rng(SEED).permutation(len(pairs))[:count]
    return [pairs[row][0] for row in rows], [pairs[row][1] for row in rows]
