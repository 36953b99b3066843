"""Zero-shot labels of real commands: right far more often than by chance."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.examples.conftest import Example

pytestmark = [pytest.mark.export, pytest.mark.oracle, pytest.mark.realmodel]

LABELS = {
    "BookRestaurant": "booking a restaurant",
    "GetWeather": "the weather",
    "PlayMusic": "playing music",
}
LEAST_RIGHT = 0.6  # chance is 0.33


def test_commands_get_the_label_of_their_intent(
    labelled_data: Path,
    subject_bundle: Callable[..., Path],
    lines_file: Callable[..., Path],
    example: Example,
) -> None:
    path = labelled_data / "snips" / "test.jsonl"
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").strip().split("\n")]
    rows = [row for row in records if row["intent"] in LABELS][::5]
    texts = lines_file(*(row["text"] for row in rows))
    options = ("--labels", *LABELS.values(), "--template", "This is about {}.")
    *printed, counts = example("zero_shot", subject_bundle("zero-shot"), texts, *options)
    assert [line.split("\t")[2] for line in printed] == [row["text"].strip() for row in rows]
    right = [
        line.split("\t")[0] == LABELS[row["intent"]]
        for line, row in zip(printed, rows, strict=True)
    ]
    assert sum(right) >= LEAST_RIGHT * len(rows)
    assert sum(int(part.rsplit(": ", 1)[1]) for part in counts.split(", ")) == len(rows)
