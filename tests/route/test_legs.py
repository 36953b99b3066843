"""The way through one bundle: rows that left are not computed any further."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebert.batching import Batch
from edgebert.bundle import Bundle
from edgebert.config import RuntimeConfig
from edgebert.engine import Engine
from edgebert.results import Floats
from edgebert.route.legs import SHARE, Leg, Mask, StaticPlace, word_weights
from edgebert.segments import Segments
from edgebert.tasks.embed import Embedder
from edgebert.word_table import open_word_table

TEXTS = ["the cat runs", "a dog runs", "the bird eats", "anna eats in paris", "the dog", "a cat"]


@pytest.fixture(scope="module")
def leg(tiny: Path) -> Leg:
    bundle = Bundle.open(tiny / "tiny-exits")
    engine = Engine.from_parts(bundle.path, bundle.manifest, RuntimeConfig(threads=1))
    table = open_word_table(bundle.path, bundle.manifest)
    static = StaticPlace(table, np.ones(table.shape[0], np.float32))
    segments = Segments(bundle.path, bundle.manifest)
    return Leg(engine, bundle.fingerprint, "", static, segments, (1, 2), 5)


class Walk:
    """Who stands at the places: lets rows leave where it is told to, and takes notes."""

    def __init__(self, leaving: dict[int, set[int]]) -> None:
        self.leaving = leaving
        self.seen: dict[int, list[int]] = {}
        self.ends: dict[int, Floats] = {}

    def at_place(self, place: int, rows: Sequence[int], vectors: Floats) -> Mask:
        assert len(vectors) == len(rows)
        self.seen.setdefault(place, []).extend(rows)
        return np.array([row not in self.leaving.get(place, set()) for row in rows])

    def at_end(self, rows: Sequence[int], outputs: tuple[Floats, ...], batch: Batch) -> None:
        assert [row.row for row in batch.tokens] == list(rows)
        self.ends.update(zip(rows, outputs[0], strict=True))


@pytest.fixture
def walk(leg: Leg) -> Callable[..., Walk]:
    def go(**leaving: set[int]) -> Walk:
        walk = Walk({int(place[1:]): rows for place, rows in leaving.items()})
        leg.walk(leg.tokenize(TEXTS, 0), walk.at_place, walk.at_end)
        return walk

    return go


def test_rows_see_the_places_until_they_leave(walk: Callable[..., Walk]) -> None:
    found = walk(p5={0, 3}, p6={1}, p7={2, 4})
    assert sorted(found.seen[5]) == [0, 1, 2, 3, 4, 5]
    assert sorted(found.seen[6]) == [1, 2, 4, 5]
    assert sorted(found.seen[7]) == [2, 4, 5]
    assert sorted(found.ends) == [5]


def test_the_end_is_the_main_graphs_output(walk: Callable[..., Walk], tiny: Path) -> None:
    whole = Embedder.load(tiny / "tiny-exits").embed(TEXTS)
    for found in (walk(), walk(p6={0, 2, 4})):
        for row, vector in found.ends.items():
            assert np.abs(vector - whole[row]).max() < 1e-6


def test_rows_that_left_are_not_computed_any_further(
    leg: Leg, walk: Callable[..., Walk], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, computed = Segments.run, [0, 0, 0]

    def count(self: Segments, number: int, arrays: Any) -> Any:
        found = run(self, number, arrays)
        computed[number] += len(next(iter(found.values())))
        return found

    monkeypatch.setattr(Segments, "run", count)
    walk(p5={0}, p6={1, 2}, p7={3, 4, 5})
    assert computed == [5, 3, 0]


def test_a_bundle_without_exits_runs_whole(leg: Leg) -> None:
    plain = Leg(leg.engine, leg.fingerprint, "", None, None, (), 0)
    found = Walk({})
    plain.walk(plain.tokenize(TEXTS, 0), found.at_place, found.at_end)
    assert (sorted(found.ends), found.seen) == ([0, 1, 2, 3, 4, 5], {})


def test_words_weigh_by_how_rare_they_are(leg: Leg) -> None:
    tokens = leg.tokenize(TEXTS, 0)
    weights = word_weights(tokens, leg.engine.manifest.encoder.vocabulary)
    ids = np.concatenate([row.ids for row in tokens])
    counts = np.bincount(ids, minlength=len(weights)) + 1.0
    special = {tokens[0].ids[0], tokens[0].ids[-1]}
    for token, count in enumerate(counts):
        wanted = 0.0 if token in special else SHARE / (SHARE + count / counts.sum())
        assert weights[token] == pytest.approx(wanted)
