"""The record of what is promised."""

import json
import math
from dataclasses import replace

import pytest

from edgebert.reader import Reader, ReadError
from edgebert.route.certificate import Certificate, Loss

CERTIFICATE = Certificate(
    loss=Loss.DISAGREEMENT,
    max_loss=0.01,
    confidence=0.95,
    thresholds={"static": 0.25, "exit 2": math.inf},
    samples=1000,
    needed=399,
    losses=3,
    p_value=0.01,
    disagreement_bound=0.01,
    early=0.7,
    stages={"static": 0.7, "exit 2": 0.0, "full": 0.3},
    accuracy=None,
    full_accuracy=None,
    slip=0.1,
    full_ms=1.0,
    cascade_ms=0.4,
    even_if_slower=False,
    assumption="all is as it was",
    identity="abc",
)
NONE = replace(CERTIFICATE, thresholds=None)


@pytest.mark.parametrize("certificate", [CERTIFICATE, NONE])
def test_a_record_is_read_as_it_was_written(certificate: Certificate) -> None:
    text = json.dumps(certificate.to_record(), allow_nan=False)
    assert Certificate.read(Reader(json.loads(text))) == certificate


def test_a_key_too_many_is_refused() -> None:
    with pytest.raises(ReadError, match="unknown key 'colour'"):
        Certificate.read(Reader({**CERTIFICATE.to_record(), "colour": 1}))


def test_the_sentence_says_what_is_promised() -> None:
    promised = "with 95% confidence at most 1.00% of texts are answered"
    assert CERTIFICATE.sentence() == f"{promised} otherwise than by the full model"
    harm = replace(CERTIFICATE, loss=Loss.HARM).sentence()
    assert harm == f"{promised} wrongly that the full model answers rightly"


def test_without_thresholds_it_says_how_many_texts_it_takes() -> None:
    assert "give 399 texts at the least" in NONE.sentence()
    assert NONE.describe() == NONE.sentence()


@pytest.mark.parametrize(
    ("changes", "worth_it"),
    [
        ({}, True),
        ({"cascade_ms": 1.0}, False),
        ({"cascade_ms": 1.0, "even_if_slower": True}, True),
        ({"thresholds": None, "even_if_slower": True}, False),
    ],
)
def test_it_is_worth_it_where_it_is_faster(changes: dict[str, object], worth_it: bool) -> None:
    assert replace(CERTIFICATE, **changes).worth_it is worth_it  # type: ignore[arg-type]


def test_the_description_has_shares_and_times() -> None:
    lines = CERTIFICATE.describe().splitlines()
    assert lines[1:] == [
        "on 1,000 texts, 3 lost; if all is as it was",
        "answered by: static 70.0%, exit 2 0.0%, full 30.0%",
        "0.40 ms a text, 1.00 in full",
    ]
    slow = replace(CERTIFICATE, cascade_ms=2.0).describe().splitlines()
    assert slow[-1] == "not worth it here: 2.00 ms a text, 1.00 in full; all goes in full"
