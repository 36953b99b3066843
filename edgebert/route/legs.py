"""The way of a text through one bundle: static place, exits, end.

At each place whoever walks is shown the rows that are there and says which go on. Rows that left
are not computed any further: a run is compacted between segments. Places know no class and no
threshold; they give vectors.

Axes: N rows, B rows of a run, H hidden.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgebert.batching import Batch, plan_runs
from edgebert.engine import Engine
from edgebert.errors import InputError
from edgebert.manifest import pooled_name
from edgebert.results import Floats, Ints
from edgebert.segments import Segments
from edgebert.session import feeds_of
from edgebert.tokens import Tokens
from edgebert.word_table import WordTable

STATIC = "static"
Mask = NDArray[np.bool_]
# place, rows, (B, H) vectors of theirs -> which of them go on; called from several threads
AtPlace = Callable[[int, Sequence[int], Floats], Mask]
# rows, outputs of the main graph, their batch; called from several threads
AtEnd = Callable[[Sequence[int], tuple[Floats, ...], Batch], None]
SHARE = 1e-2  # a of a / (a + p), Arora et al. 2017 (SIF); their 1e-3 loses 4 points on Banking77


@dataclass(frozen=True, slots=True)
class StaticPlace:
    """The mean of a text's word embeddings, before the encoder."""

    table: WordTable
    weights: Floats  # (V,) of each token; 0 for special ones, and for all until texts are counted

    def vectors(self, tokens: Sequence[Tokens]) -> Floats:
        """Give (N, H) means."""
        return self.table.mean([row.ids for row in tokens], self.weights)


@dataclass(frozen=True, slots=True)
class Leg:
    """One bundle and its early places, in order."""

    engine: Engine
    fingerprint: str  # of the bundle
    prefix: str  # put before each text
    static: StaticPlace | None
    segments: Segments | None  # where there are exits
    exits: tuple[int, ...]  # layers passed at each exit
    first: int  # number of its first place in the cascade

    @property
    def places(self) -> int:
        """How many places there are before its end."""
        return (self.static is not None) + len(self.exits)

    def tokenize(self, texts: Sequence[str], first: int) -> list[Tokens]:
        """Turn texts into rows, over-long ones cut."""
        wrong = next((row for row, text in enumerate(texts) if not isinstance(text, str)), None)
        if wrong is not None:
            raise InputError(
                f"row {first + wrong}: {texts[wrong]!r:.80} is not a string; give one text a row"
            )
        return self.engine.tokenize([self.prefix + text for text in texts], first)

    def walk(self, tokens: Sequence[Tokens], at_place: AtPlace, at_end: AtEnd) -> None:
        """Take rows through, as far as `at_place` lets them go on."""
        rows: list[int] = list(range(len(tokens)))
        if self.static is not None and rows:
            stay = at_place(self.first, rows, self.static.vectors(tokens))
            rows = [row for row, goes_on in zip(rows, stay, strict=True) if goes_on]
        if not rows:
            return
        if self.segments is None:
            self._run_whole(tokens, rows, at_end)
        else:
            self._run_segments(self.segments, tokens, rows, at_place, at_end)

    def _run_whole(self, tokens: Sequence[Tokens], rows: list[int], at_end: AtEnd) -> None:
        places = {id(tokens[row]): row for row in rows}

        def read(outputs: tuple[Floats, ...], batch: Batch) -> list[None]:
            at_end([places[id(row)] for row in batch.tokens], outputs, batch)
            return [None] * len(batch.tokens)

        self.engine.run([tokens[row] for row in rows], read)

    def _run_segments(
        self,
        segments: Segments,
        tokens: Sequence[Tokens],
        rows: list[int],
        at_place: AtPlace,
        at_end: AtEnd,
    ) -> None:
        main = self.engine.manifest.graphs.main
        places = {
            layers: self.first + number + (self.static is not None)
            for number, layers in enumerate(self.exits)
        }

        def run(places_of_run: tuple[int, ...]) -> None:
            here = [rows[place] for place in places_of_run]
            batch = Batch(tuple(tokens[row] for row in here))
            arrays: dict[str, Floats | Ints] = dict(feeds_of(batch, main.inputs))
            for number, layers in enumerate(segments.depths):
                arrays |= segments.run(number, arrays)
                if layers not in places:
                    continue
                pooled = np.asarray(arrays[pooled_name(layers)], np.float32)
                stay = at_place(places[layers], here, pooled)
                if not stay.all():
                    here = [row for row, goes_on in zip(here, stay, strict=True) if goes_on]
                    if not here:
                        return
                    arrays = {name: array[stay] for name, array in arrays.items()}
            outputs = tuple(np.asarray(arrays[name], np.float32) for name in main.outputs)
            at_end(here, outputs, Batch(tuple(tokens[row] for row in here)))

        lengths = [len(tokens[row].ids) for row in rows]
        for _ in self.engine.each(run, list(plan_runs(lengths, self.engine.budget))):
            pass


def word_weights(tokens: Sequence[Tokens], vocabulary: int) -> Floats:
    """Weigh words by how rare they are in texts of the kind: (V,) float32, 0 for special tokens."""
    counts = np.ones(vocabulary)  # a word not seen counts as seen once
    special = set()
    for row in tokens:
        np.add.at(counts, row.ids, 1)
        pairs = zip(row.ids, row.sequence_ids, strict=True)
        special |= {token for token, sequence in pairs if sequence is None}
    weights: Floats = (SHARE / (SHARE + counts / counts.sum())).astype(np.float32)
    weights[sorted(special)] = 0
    return weights
