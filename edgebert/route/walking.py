"""A text's way through all bundles of a cascade.

The same walk serves to fit, to calibrate and to answer: they differ in who stands at the places.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgebert.batching import Batch
from edgebert.results import Floats
from edgebert.route.full import FullModel, Raw
from edgebert.route.legs import AtPlace, Leg, Mask
from edgebert.route.places import Place
from edgebert.route.scope import Known
from edgebert.tokens import Tokens

# rows and what the full model is to judge of them; called from several threads
AtFull = Callable[[Sequence[int], Raw], None]


@dataclass(frozen=True, slots=True)
class Route:
    """All that a cascade is made of but its certificate."""

    legs: tuple[Leg, ...]  # bundles in order, the full model's last
    places: tuple[Place, ...]  # early ones, of all legs
    full: FullModel
    seed: int  # of the random features
    first_scope: Known | None = None  # what texts look like at the first place, if it has a head
    full_scope: Known | None = None  # and to the full model, where it is a learner

    @property
    def fitted(self) -> bool:
        """Whether every place can answer."""
        return all(place.fitted for place in self.places)

    @property
    def bare(self) -> "Route":
        """The same with nothing but the full model."""
        last = self.legs[-1]
        leg = replace(last, static=None, segments=None, exits=(), first=0)
        return replace(self, legs=(leg,), places=(), first_scope=None)

    def walk(
        self, texts: Sequence[str], first: int, at_place: AtPlace, at_full: AtFull
    ) -> list[Tokens]:
        """Take texts through.

        Args:
            texts: N strings.
            first: the caller's number of the first, for messages.
            at_place: sees rows (from 0) at each place and says which go on.
            at_full: sees the rows that reach the end.

        Returns:
            N rows of tokens, each of the bundle that it came to last.
        """
        rows = list(range(len(texts)))
        seen: dict[int, Tokens] = {}
        for leg in self.legs:
            if rows:
                tokens = leg.tokenize([texts[row] for row in rows], first)
                seen.update(zip(rows, tokens, strict=True))
                rows = self._walk_leg(leg, tokens, rows, at_place, at_full)
        return [seen[row] for row in range(len(texts))]

    def _walk_leg(
        self,
        leg: Leg,
        tokens: Sequence[Tokens],
        rows: Sequence[int],
        at_place: AtPlace,
        at_full: AtFull,
    ) -> list[int]:
        """Take rows through one bundle; say which go on to the next."""
        goes_on = np.zeros(len(rows), bool)

        def at_inner(place: int, here: Sequence[int], vectors: Floats) -> Mask:
            return at_place(place, [rows[row] for row in here], vectors)

        def at_end(here: Sequence[int], outputs: tuple[Floats, ...], batch: Batch) -> None:
            theirs = [rows[row] for row in here]
            if leg is self.legs[-1]:
                at_full(theirs, self.full.read(outputs, batch))
            else:
                goes_on[list(here)] = at_place(leg.first + leg.places, theirs, outputs[0])

        leg.walk(tokens, at_inner, at_end)
        return [row for row, stays in zip(rows, goes_on, strict=True) if stays]
