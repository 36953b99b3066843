"""Labelled texts of `bench.learn`, embedded once and kept in a cache where one is given."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from edgebert.bundle import Bundle
from edgebert.learn.encoder import FrozenEncoder
from edgebert.learn.features import Grid, Tier, plan_features
from edgebert.learn.planning import phrase_of
from edgebert.learn.state import Setting

TASK = 10  # classes of a round of CLINC150


@dataclass(frozen=True)
class Intents:
    """A set of intents, in rounds of new classes."""

    name: str
    classes: list[str]
    rounds: list[list[str]]
    train: Grid  # (N, 3 H)
    train_labels: list[str]
    test: Grid
    test_labels: list[str]
    names: Grid  # (C, 3 H) the classes' names as phrases


def banking77(bundle: Path, folder: Path, cache: Path | None) -> Intents:
    """Read Banking77 in its seven published rounds of classes."""
    rows = {part: _csv(folder / "banking77" / f"{part}.csv", "excel") for part in ("train", "test")}
    rounds = _csv(folder / "banking77" / "class_rounds.tsv", "excel-tab")
    ordered = [[row["category"] for row in some] for _, some in groupby(rounds, _round)]
    pairs = {part: [(row["text"], row["category"]) for row in rows[part]] for part in rows}
    return _intents("banking77", pairs["train"], pairs["test"], ordered, bundle, cache)


def _round(row: dict[str, str]) -> str:
    return row["round"]


def clinc150(bundle: Path, folder: Path, cache: Path | None) -> Intents:
    """Read CLINC150 (the smaller set, 50 texts a class to learn) in tasks of ten classes."""
    parts = json.loads((folder / "clinc150" / "data_small.json").read_text(encoding="utf-8"))
    pairs = {part: [(text, label) for text, label in parts[part]] for part in ("train", "test")}
    names = sorted({label for _, label in pairs["train"]})
    rounds = [names[start : start + TASK] for start in range(0, len(names), TASK)]
    return _intents("clinc150", pairs["train"], pairs["test"], rounds, bundle, cache)


def _intents(
    name: str,
    train: Sequence[tuple[str, str]],
    test: Sequence[tuple[str, str]],
    rounds: list[list[str]],
    bundle: Path,
    cache: Path | None,
) -> Intents:
    classes = sorted({label for _, label in train})
    grids = embedder(bundle, cache, None)
    return Intents(
        name=name,
        classes=classes,
        rounds=rounds,
        train=grids(f"{name}-train", [text for text, _ in train]),
        train_labels=[label for _, label in train],
        test=grids(f"{name}-test", [text for text, _ in test]),
        test_labels=[label for _, label in test],
        names=grids(f"{name}-names", [phrase_of(label) for label in classes]),
    )


def rows_of(labels: Sequence[str], names: Sequence[str]) -> list[int]:
    """Find the rows that have one of these labels."""
    wanted = set(names)
    return [row for row, label in enumerate(labels) if label in wanted]


def draw(data: Intents, shots: int, seed: int) -> list[int]:
    """Draw so many texts of each class."""
    rng = np.random.default_rng(seed)
    return [
        int(row)
        for name in data.classes
        for row in rng.permutation(rows_of(data.train_labels, [name]))[:shots]
    ]


def korean_years(
    bundle: Path, folder: Path, cache: Path | None
) -> Iterator[tuple[str, list[str], Grid]]:
    """Give the labels and texts of each year of dated Korean film reviews, the oldest first."""
    path = folder / "nsmc" / "stream.tsv"
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    grid = embedder(bundle, cache, "query")("nsmc", [row["document"] for row in rows])
    for year, places in groupby(range(len(rows)), key=lambda place: rows[place]["date"][:4]):
        some = list(places)
        yield year, [rows[place]["label"] for place in some], grid[some]


def embedder(
    bundle: Path, cache: Path | None, prompt: str | None
) -> Callable[[str, Sequence[str]], Grid]:
    """Give a function that embeds the texts of a name, or reads them from the cache."""
    opened = Bundle.open(bundle)
    features = plan_features(opened.manifest, Tier.SMALL, 0)
    setting = Setting(
        learner="", encoder=opened.fingerprint, features=features, prompt=prompt, multi_label=False
    )
    encoder = FrozenEncoder(opened, setting)

    def embed(name: str, texts: Sequence[str]) -> Grid:
        path = None if cache is None else cache / f"{opened.fingerprint[:12]}-{name}.npy"
        if path is not None and path.exists():
            return np.load(path)
        grid = encoder.grids(texts)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, grid)
        return grid

    return embed


def _csv(path: Path, dialect: str) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, dialect=dialect))
