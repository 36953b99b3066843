"""What a cascade promises, and the record of it.

"With this confidence, at most this share of texts is answered wrongly that the full model answers
rightly": true of texts drawn as the calibration texts were, for the state it names, and void for
any other.
"""

import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from edgebert.reader import Reader

ASSUMPTION = "texts come as the calibration texts did: drawn independently from the same mix"
WEIGHTED = "; the mix of classes may be as stated, texts of a class as the calibration's"


class Loss(StrEnum):
    """What is counted against an early answer."""

    HARM = "harm"  # wrong where the full model is right: needs labels
    DISAGREEMENT = "disagreement"  # other than the full model's: needs none, and is stricter


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """The outcome of a calibration."""

    loss: Loss
    max_loss: float  # epsilon: what was asked
    confidence: float  # 1 - delta
    # by place the margin from which it answers, null for never; None: always the full model
    thresholds: dict[str, float] | None
    samples: int  # texts the certificate rests on; others settled curves and levels
    needed: int  # texts to give, at least: enough where none of them is lost
    losses: int  # of those texts, at that level
    p_value: float  # of the hypothesis that the loss is above max_loss
    disagreement_bound: float  # the share of other answers than the full model's is below it
    early: float  # share of those texts that were answered before the full model
    stages: dict[str, float]  # share answered by each stage
    accuracy: float | None  # of the cascade on those texts; None: no labels
    full_accuracy: float | None
    slip: float | None  # share of foreign texts answered early; None: none were given
    full_ms: float  # mean time of a text alone, all the way
    cascade_ms: float  # and by the cascade
    even_if_slower: bool  # whether to answer early though that was not faster here
    assumption: str
    identity: str  # hash of the full model's state

    @property
    def worth_it(self) -> bool:
        """Whether to answer early: it is allowed, and faster than the full model alone."""
        faster = self.cascade_ms < self.full_ms or self.even_if_slower
        return self.thresholds is not None and faster

    def to_record(self) -> dict[str, Any]:
        """Give the JSON object."""
        return {**asdict(self), "thresholds": _to_record(self.thresholds)}

    @classmethod
    def read(cls, reader: Reader) -> "Certificate":
        """Read the JSON object."""
        shares = reader.part("stages")
        certificate = cls(
            loss=reader.choice("loss", Loss),
            max_loss=reader.number("max_loss"),
            confidence=reader.number("confidence"),
            thresholds=reader.optional("thresholds", lambda key: _thresholds(reader.part(key))),
            samples=reader.count("samples"),
            needed=reader.count("needed"),
            losses=reader.count("losses"),
            p_value=reader.number("p_value"),
            disagreement_bound=reader.number("disagreement_bound"),
            early=reader.number("early"),
            stages={name: shares.number(name) for name in shares.names()},
            accuracy=reader.optional("accuracy", reader.number),
            full_accuracy=reader.optional("full_accuracy", reader.number),
            slip=reader.optional("slip", reader.number),
            full_ms=reader.number("full_ms"),
            cascade_ms=reader.number("cascade_ms"),
            even_if_slower=reader.flag("even_if_slower"),
            assumption=reader.text("assumption"),
            identity=reader.text("identity"),
        )
        reader.finish()
        return certificate

    def describe(self) -> str:
        """Say in a few lines what is promised and what it is worth."""
        shares = ", ".join(f"{name} {share:.1%}" for name, share in self.stages.items())
        lines = [self.sentence()]
        if self.thresholds is not None:
            lines += [f"on {self.samples:,} texts, {self.losses:,} lost; if {self.assumption}"]
            lines += [f"answered by: {shares}"]
            speed = f"{self.cascade_ms:.2f} ms a text, {self.full_ms:.2f} in full"
            lines += [speed if self.worth_it else f"not worth it here: {speed}; all goes in full"]
        return "\n".join(lines)

    def facts(self) -> list[tuple[str, str]]:
        """Say what it rests on, one line a fact."""
        facts = [("p-value", f"{self.p_value:.4f}")]
        if self.thresholds is not None:
            margins = [
                f"{name} {'never' if at == math.inf else f'{at:.4f}'}"
                for name, at in self.thresholds.items()
            ]
            facts += [("from margins", ", ".join(margins))]
            facts += [("other answers", f"at most {self.disagreement_bound:.2%} of texts")]
        if self.accuracy is not None and self.full_accuracy is not None:
            facts += [("accuracy", f"{self.accuracy:.2%}, in full {self.full_accuracy:.2%}")]
        if self.slip is not None:
            facts += [("foreign texts", f"{self.slip:.2%} answered early")]
        needed = f"{self.needed:,} texts, if none of them is lost"
        return [*facts, ("least to give", needed), ("full model", self.identity)]

    def sentence(self) -> str:
        """Say what is promised, or why nothing is."""
        if self.thresholds is None:
            return (
                f"nothing is certified: on {self.samples:,} texts with {self.losses:,} losses at "
                f"the strictest threshold at most {self.max_loss:.2%} cannot be shown with "
                f"{self.confidence:.0%} confidence (give {self.needed:,} texts at the least); "
                "every text goes to the full model"
            )
        what = (
            "answered wrongly that the full model answers rightly"
            if self.loss is Loss.HARM
            else "answered otherwise than by the full model"
        )
        return (
            f"with {self.confidence:.0%} confidence at most {self.max_loss:.2%} of texts are {what}"
        )


def _to_record(thresholds: dict[str, float] | None) -> dict[str, float | None] | None:
    """JSON has no infinity."""
    if thresholds is None:
        return None
    return {name: None if value == math.inf else value for name, value in thresholds.items()}


def _thresholds(part: Reader) -> dict[str, float]:
    found = {name: part.optional(name, part.number) for name in part.names()}
    return {name: math.inf if value is None else value for name, value in found.items()}
