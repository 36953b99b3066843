"""A cascade at work: what it answered where, whether it still agrees, whether texts have changed.

Of all texts a small share, drawn at random, is audited: those of them that were answered early are
answered by the full model too. Bets against "they differ as seldom as was certified" that win too
much are an alarm, and from then on every text goes to the full model.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from edgebert.route.certificate import Certificate
from edgebert.route.drift import Audit, Drift

AUDIT_RATE = 0.02  # of the texts: an early answer that is audited costs the full model's time
ALPHA = 0.01  # chance of ever raising a false alarm
LEAST_BOUND = 1e-6  # a rate of disagreement that bets can be made against


class Mode(StrEnum):
    """What is done with texts, and why."""

    ROUTED = "routed"
    NOT_CALIBRATED = "full: not calibrated"
    NOT_CERTIFIED = "full: nothing could be certified"
    NOT_WORTH_IT = "full: not worth it here, the cascade is no faster"
    STALE = "full: what the full model answers was changed since the certificate"
    ALARM = "full: the audit found more disagreement than was certified"


@dataclass(frozen=True, slots=True)
class RouteReport:
    """What a cascade promises and how it has done since it was opened or calibrated."""

    mode: Mode
    certificate: Certificate | None
    texts: int
    stages: Mapping[str, int]  # texts answered by each
    audited: int
    disagreed: int  # audited texts whose early answer was not the full model's
    audit_evidence: float  # against the certificate; alarm at 1 / alpha
    drift_evidence: float | None  # against texts being as they were; None: not watched
    drift_warning: bool  # the fast one: texts look changed, not proven
    drift_alarm: bool  # proven at 1 - alpha


class Watch:
    """Counts and bets. Not thread-safe: the cascade holds a lock around it."""

    def __init__(self, certificate: Certificate | None) -> None:
        """Begin anew under a certificate."""
        bound = 0.5 if certificate is None else certificate.disagreement_bound
        self.stages: Counter[str] = Counter()
        self.audit = Audit(min(max(bound, LEAST_BOUND), 0.5), ALPHA)
        self.drift = Drift(ALPHA)

    def report(self, mode: Mode, certificate: Certificate | None) -> RouteReport:
        """Say how it has done."""
        return RouteReport(
            mode=mode,
            certificate=certificate,
            texts=self.stages.total(),
            stages=dict(self.stages),
            audited=self.audit.samples,
            disagreed=self.audit.disagreements,
            audit_evidence=self.audit.evidence,
            drift_evidence=self.drift.evidence if self.drift.samples else None,
            drift_warning=self.drift.warning,
            drift_alarm=self.drift.alarm,
        )
