"""Search over real titles: what comes first is about the same thing, in every store."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgebert.vectors import unit_length
from examples.search import STORES
from tests.examples.conftest import Example

pytestmark = [pytest.mark.export]

TOP = 3
LEAST_SAME_TOPIC = 0.6  # of the titles found; of 20 topics, one in 20 would agree by chance


def titles(data: Path) -> list[tuple[str, str]]:
    path = data / "stackoverflow_topics" / "train.tsv"
    lines = path.read_text(encoding="utf-8").strip().split("\n")[1:]
    rows = [line.rsplit("\t", 1) for line in lines]
    topics = {text.strip().strip('"'): topic for text, topic in rows}
    return list(topics.items())


@pytest.mark.realmodel
@pytest.mark.oracle
@pytest.mark.parametrize("store", STORES)
def test_titles_found_are_of_the_querys_topic(
    store: str,
    labelled_data: Path,
    subject_bundle: Callable[..., Path],
    lines_file: Callable[..., Path],
    example: Example,
) -> None:
    rows = titles(labelled_data)
    topic_of, queries = dict(rows), [text for text, _ in rows[-20:] if not text.startswith("-")]
    texts = lines_file(*(text for text, _ in rows[:1000]))
    arguments = (subject_bundle("embed"), texts, *queries, "--top", TOP, "--store", store)
    printed = example("search", *arguments)
    found = [line.split("  ", 2)[2] for line in printed if line.startswith("  ")]
    assert len(found) == TOP * len(queries)
    same = [topic_of[text] == topic_of[queries[place // TOP]] for place, text in enumerate(found)]
    assert np.mean(same) >= LEAST_SAME_TOPIC


def test_int8_scores_are_the_cosines_to_a_hundredth() -> None:
    rng = np.random.default_rng(0)
    vectors = unit_length(rng.normal(size=(200, 384)).astype(np.float32))
    full, small = (STORES[name](vectors)(vectors[7]) for name in ("float32", "int8"))
    assert np.abs(full - small).max() < 0.015


def test_binary_vectors_find_the_vector_itself() -> None:
    rng = np.random.default_rng(0)
    vectors = unit_length(rng.normal(size=(300, 384)).astype(np.float32))
    assert STORES["binary"](vectors)(vectors[7]).argmax() == 7
