"""Hold early answers against the full model's, and both against the certificate."""

from collections.abc import Sequence
from dataclasses import dataclass

from edgebert.results import Routed
from edgebert.route.answering import FULL_STAGE, answer
from edgebert.route.certificate import Certificate, Loss
from edgebert.route.risk import binomial_p_value
from edgebert.route.walking import Route


@dataclass(frozen=True, slots=True)
class AuditReport:
    """How a cascade fares on texts that it was not calibrated on."""

    texts: int
    early: int  # answered before the full model
    disagreed: int  # otherwise than by the full model
    harmed: int | None  # wrongly where the full model is right; None: no labels
    accuracy: float | None  # of the cascade
    full_accuracy: float | None
    p_value: float  # how likely so many losses are where the certificate holds
    holds: bool  # False: they are less likely than the certificate's own chance to be wrong


def shadow(
    route: Route, texts: Sequence[str], results: Sequence[Routed], drawn: Sequence[int]
) -> list[bool]:
    """Say of each text that was drawn whether the full model answers otherwise than was answered.

    Only what left early is run again.
    """
    early = [row for row in drawn if results[row].stage != FULL_STAGE]
    if not early:
        return [False] * len(drawn)
    full = answer(route, [texts[row] for row in early], 0, None, top_k=1).results
    differ = {
        row for row, other in zip(early, full, strict=True) if other.label != results[row].label
    }
    return [row in differ for row in drawn]


def compare_answers(
    certificate: Certificate,
    early: Sequence[Routed],
    full: Sequence[Routed],
    labels: Sequence[str] | None,
) -> AuditReport:
    """Count; without labels a certificate of harm is held against its bound on disagreement."""
    pairs = list(zip(early, full, strict=True))
    disagreed = sum(one.label != other.label for one, other in pairs)
    harmed = accuracy = full_accuracy = None
    if labels is not None:
        rights = [
            (one.label == label, other.label == label)
            for (one, other), label in zip(pairs, labels, strict=True)
        ]
        harmed = sum(right and not mine for mine, right in rights)
        accuracy = sum(mine for mine, _ in rights) / max(len(rights), 1)
        full_accuracy = sum(right for _, right in rights) / max(len(rights), 1)
    if certificate.loss is Loss.HARM and harmed is not None:
        losses, rate = harmed, certificate.max_loss
    else:
        losses, rate = disagreed, certificate.disagreement_bound
    p_value = at_least(losses, len(pairs), rate)
    return AuditReport(
        texts=len(pairs),
        early=sum(one.stage != FULL_STAGE for one in early),
        disagreed=disagreed,
        harmed=harmed,
        accuracy=accuracy,
        full_accuracy=full_accuracy,
        p_value=p_value,
        holds=p_value >= 1 - certificate.confidence,
    )


def at_least(losses: int, samples: int, rate: float) -> float:
    """Give P[Bin(samples, rate) >= losses]."""
    return 1.0 - (binomial_p_value(losses - 1, samples, rate) if losses else 0.0)
