"""Labelled texts of `bench.route`: to fit on, to calibrate on, to test on, and foreign ones."""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SEED = 0
Pair = tuple[str, str]  # text, label


@dataclass(frozen=True, slots=True)
class Routes:
    """A set of texts in the parts that a cascade needs; published parts share a text or two."""

    name: str
    fit: Sequence[Pair]
    calibration: Sequence[Pair]
    test: Sequence[Pair]
    foreign: Sequence[str] = ()  # of no class


def banking77(folder: Path) -> Routes:
    """Give Banking77; 3,000 texts of its training file, drawn at random, calibrate."""
    rows = {part: _table(folder / "banking77" / f"{part}.csv", ",") for part in ("train", "test")}
    pairs = {part: [(row["text"], row["category"]) for row in rows[part]] for part in rows}
    fit, calibration = divide(pairs["train"], 3000)
    return Routes("banking77", fit, calibration, pairs["test"])


def clinc150(folder: Path) -> Routes:
    """Give CLINC150, the smaller set: its validation part calibrates, out-of-scope is foreign."""
    parts = json.loads((folder / "clinc150" / "data_small.json").read_text(encoding="utf-8"))
    pairs = {part: [(text, label) for text, label in parts[part]] for part in parts}
    foreign = [text for text, _ in pairs["oos_test"]]
    return Routes("clinc150", pairs["train"], pairs["val"], pairs["test"], foreign)


def snips(folder: Path) -> Routes:
    """Give SNIPS' seven intents; 1,000 of its 2,100 training texts calibrate."""
    pairs = {}
    for part in ("train", "test"):
        text = (folder / "snips" / f"{part}.jsonl").read_text(encoding="utf-8")
        rows = [json.loads(line) for line in text.splitlines()]
        pairs[part] = [(row["text"], row["intent"]) for row in rows]
    fit, calibration = divide(pairs["train"], 1000)
    return Routes("snips", fit, calibration, pairs["test"])


def sentiment(folder: Path) -> Routes:
    """Give 3,000 sentences of reviews, good and bad: 1,000 to fit, to calibrate, to test."""
    pairs = []
    for path in sorted((folder / "sentiment_sentences").glob("*_labelled.txt")):
        lines = path.read_text(encoding="utf-8").split("\n")
        rows = [line.rstrip("\r").rsplit("\t", 1) for line in lines if line.strip()]
        pairs += [(text.strip(), "good" if label == "1" else "bad") for text, label in rows]
    rest, test = divide(pairs, 1000)
    fit, calibration = divide(rest, 1000)
    return Routes("sentiment_sentences", fit, calibration, test)


def stackoverflow(folder: Path) -> Routes:
    """Give titles of questions in 20 topics; half of the training file calibrates."""
    pairs = {}
    for part in ("train", "test"):
        rows = _table(folder / "stackoverflow_topics" / f"{part}.tsv", "\t")
        pairs[part] = [(row["text"], row["label"]) for row in rows]
    fit, calibration = divide(pairs["train"], 2500)
    return Routes("stackoverflow_topics", fit, calibration, pairs["test"])


SETS: Mapping[str, Callable[[Path], Routes]] = {
    "banking77": banking77,
    "clinc150": clinc150,
    "snips": snips,
    "sentiment_sentences": sentiment,
    "stackoverflow_topics": stackoverflow,
}


def divide(pairs: Sequence[Pair], count: int) -> tuple[list[Pair], list[Pair]]:
    """Divide at random: (the rest, this many). Equal texts go to one side."""
    texts = sorted({text for text, _ in pairs})
    order = np.random.default_rng(SEED).permutation(len(texts))
    taken: set[str] = set()
    held = 0
    counts: dict[str, int] = {}
    for text, _ in pairs:
        counts[text] = counts.get(text, 0) + 1
    for place in order:
        if held >= count:
            break
        taken.add(texts[place])
        held += counts[texts[place]]
    rest = [pair for pair in pairs if pair[0] not in taken]
    return rest, [pair for pair in pairs if pair[0] in taken]


def _table(path: Path, delimiter: str) -> list[dict[str, str]]:
    quoting = csv.QUOTE_MINIMAL if delimiter == "," else csv.QUOTE_NONE
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter=delimiter, quoting=quoting))
