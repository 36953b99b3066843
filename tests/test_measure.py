"""What a bundle costs: texts of a stated length, figures of both rows, faults that are named."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgebert.bundle import Bundle
from edgebert.errors import BundleFormatError, EdgebertError, InputError
from edgebert.measure import (
    STATUS,
    golden_text,
    main,
    measure,
    measure_start,
    mixed_texts,
    open_row,
    text_of,
)
from edgebert.tokens import Tokenizer, open_tokenizer
from tests.make_tiny import DATA

BUNDLES = sorted(path.name for path in DATA.iterdir())


@pytest.fixture
def tokenizer(tiny: Path) -> Tokenizer:
    return Tokenizer(
        open_tokenizer(tiny / "tiny-embed" / "tokenizer.json"),
        max_tokens=40,
        pairs=False,
        cut_second_only=False,
        needs_offsets=False,
    )


@pytest.mark.parametrize("tokens", [3, 7, 16, 40])
def test_a_text_has_the_tokens_asked_for(tokenizer: Tokenizer, tokens: int) -> None:
    text = text_of(tokenizer, "the train to seoul a good film", tokens)
    assert tokenizer.encode([text])[0].n_tokens == tokens


def test_a_text_is_cut_short_where_words_do_not_fit(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode([text_of(tokenizer, "the", 2)])[0].n_tokens == 2


def test_mixed_texts_are_the_same_every_time(tokenizer: Tokenizer) -> None:
    first, second = (mixed_texts(tokenizer, "the train to seoul", 20, 40) for _ in range(2))
    assert first == second


def test_mixed_texts_differ_in_length_and_keep_the_limit(tokenizer: Tokenizer) -> None:
    counts = [
        row.n_tokens
        for row in tokenizer.encode(mixed_texts(tokenizer, "the train to seoul", 50, 40))
    ]
    assert len(set(counts)) > 5
    assert max(counts) <= 40


@pytest.mark.parametrize("row", ["edgebert", "plain"])
@pytest.mark.parametrize("name", BUNDLES)
def test_both_rows_run_a_bundle_of_every_task(tiny: Path, name: str, row: str) -> None:
    run, _, source, _ = open_row(row, tiny / name, 1)
    run([source, source[:20], "a"])


def test_the_golden_texts_are_the_source(tiny: Path) -> None:
    bundle = Bundle.open(tiny / "tiny-embed")
    first = json.loads((bundle.path / "golden.json").read_bytes())["rows"][0]["texts"][0]
    assert golden_text(bundle).startswith(first)


def test_a_process_prints_its_figures(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["edgebert", str(tiny / "tiny-embed"), "8", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["tokens"] for one in found["latencies"]] == [16, 40]
    assert found["texts_per_s"] > 0
    assert all(one["p50_ms"] <= one["p99_ms"] for one in found["latencies"])


def test_each_turn_is_told_before_it_is_taken(tiny: Path) -> None:
    told: list[tuple[int, int, str]] = []
    measure(tiny / "tiny-embed", texts=1, rounds=2, threads=1, tell=lambda *turn: told.append(turn))
    assert told == [(1, 2, "edgebert"), (1, 2, "plain"), (2, 2, "edgebert"), (2, 2, "plain")]


def test_both_rows_are_measured(tiny: Path) -> None:
    ours, plain = measure(tiny / "tiny-embed", texts=8, rounds=1, threads=1)
    assert (ours.row, plain.row) == ("edgebert", "plain")
    for figures in (ours, plain):
        assert figures.first_s > 0
        assert figures.peak_mb > 10  # Python alone takes more


@pytest.mark.parametrize("name", ["texts", "rounds", "threads"])
def test_a_number_that_is_not_positive_is_refused(tiny: Path, name: str) -> None:
    numbers = {"texts": 1, "rounds": 1, "threads": 1, name: 0}
    with pytest.raises(InputError, match=f"{name} is 0; it must be 1 or more"):
        measure(tiny / "tiny-embed", **numbers)


def test_a_folder_that_is_no_bundle_is_refused_before_a_process_starts(tmp_path: Path) -> None:
    with pytest.raises(BundleFormatError, match="not a bundle"):
        measure(tmp_path, texts=1, rounds=1)


def test_a_process_that_fails_says_its_last_words(
    copied: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied()
    monkeypatch.setattr("edgebert.measure.Bundle.open", lambda path: _Elsewhere(folder / "gone"))
    with pytest.raises(EdgebertError, match=r"edgebert ended with exit code 1: .*no such folder"):
        measure(folder, texts=1, rounds=1)


class _Elsewhere:
    """A bundle that went away after it was opened."""

    def __init__(self, path: Path) -> None:
        self.path = path


@pytest.mark.skipif(not STATUS.exists(), reason="only Linux says")
def test_the_memory_measured_is_not_that_of_the_process_which_starts_it(tiny: Path) -> None:
    held = np.ones(400_000_000 // 8)  # 400 MB, touched
    _, peak = measure_start(tiny / "tiny-embed", rounds=1, threads=1)
    assert 10 < peak < held.nbytes / 1e6
