"""What a row's process does with its work, on a function that only counts."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from bench.peers.edgebert_bundle import load
from bench.peers.padded import Floats
from bench.worker import STATUS, peak_mb, run, time_passes, time_singles
from tests.conftest import ROOT


class Counting:
    """Embeds nothing, remembers its calls, and is quickest with one batch size."""

    def __init__(self, quickest: int = 4) -> None:
        self.calls: list[tuple[int, int]] = []
        self.quickest = quickest

    def __call__(self, texts: Sequence[str], batch: int) -> list[list[float]]:
        self.calls.append((len(texts), batch))
        time.sleep(0.001 if batch == self.quickest else 0.005)
        return [[0.6, 0.8] for _ in texts]


def test_the_quickest_batch_size_is_chosen() -> None:
    assert run(Counting(), {"batches": [1, 4, 32], "probe": ["a"] * 8})["batch"] == 4


def test_a_batch_size_that_is_given_is_used() -> None:
    embed = Counting()
    found = run(embed, {"batch": 2, "mixed": ["a", "b", "c"]})
    assert set(embed.calls) == {(3, 2)}
    assert found["pass_s"] > 0
    assert found["first_pass_s"] > 0


def test_a_long_first_pass_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.worker.LONG_PASS_S", 0.0)
    embed = Counting()
    found = run(embed, {"batch": 2, "mixed": ["a", "b", "c"]})
    assert len(embed.calls) == 1
    assert found["pass_s"] == found["first_pass_s"]


def test_single_texts_are_warmed_up_and_counted() -> None:
    embed = Counting()
    found = time_singles(embed, ["a", "b"], 16)
    assert found["n"] == 16
    assert len(embed.calls) == 18
    assert 1 <= found["p50"] <= found["p99"]


def test_vectors_are_given_where_sentences_are() -> None:
    assert run(Counting(), {"batch": 1, "sentences": ["a", "b"]})["vectors"] == [[0.6, 0.8]] * 2


def test_a_request_is_timed_after_a_warm_up_for_half_a_second() -> None:
    embed = Counting()
    found = run(embed, {"batch": 1, "request": ["a"] * 3})
    assert found["request_ms"] >= 1
    assert 10 < len(embed.calls) <= 101  # of 5 ms each, or what a busy machine makes of them


def test_a_slow_list_is_timed_as_often_as_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.worker.PASSES_S", 0.001)
    embed = Counting()
    assert time_passes(embed, ["a"], 1, least=3) > 0
    assert len(embed.calls) == 3


def test_the_process_answers_with_the_first_vector_and_the_work(tiny: Path) -> None:
    folder = str(tiny / "tiny-embed")
    job = {"peer": "edgebert_bundle", "folder": folder, "settings": {}, "text": "the train"}
    work = {"batch": 1, "latency": {"16": [4, ["the train to seoul"]]}}
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "bench.worker"],
        input=f"{json.dumps(job)}\n{json.dumps(work)}\n",
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=True,
    )
    first, found = map(json.loads, done.stdout.splitlines())
    assert start < first["at"] < time.monotonic()
    assert first["rss_mb"] > 10
    assert found["latency"]["16"]["n"] == 4


def test_a_list_is_embedded_once_or_often_and_weighed(tiny: Path) -> None:
    embed = load(tiny / "tiny-embed", {})
    texts = ["the train to seoul"] * 50
    for again, calls in ((True, 1), (False, 0)):
        counting = Counting()

        def both(texts: Sequence[str], batch: int, counting: Counting = counting) -> Floats:
            counting(texts, batch)
            return embed(texts, batch)

        found = run(both, {"batch": 8, "list": texts, "again": again})
        assert (len(counting.calls) > 1) == bool(calls)
        assert found["texts_mb"] == sum(map(sys.getsizeof, texts)) / 1e6
        assert found["vectors_mb"] == 50 * 32 * 4 / 1e6
        assert found["peak_mb"] > found["texts_mb"]
        assert found["pass_s"] > 0


@pytest.mark.skipif(not STATUS.exists(), reason="this system does not say")
def test_the_peak_is_of_the_process_alone() -> None:
    held = np.ones(60_000_000, np.float64)  # 480 MB, which a child shares until it is another's
    code = "from bench.worker import peak_mb; print(peak_mb())"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert held.nbytes / 1e6 > 400 > float(done.stdout)


@pytest.mark.skipif(not STATUS.exists(), reason="this system does not say")
def test_the_peak_of_a_list_is_not_that_of_what_came_before(tiny: Path) -> None:
    held = np.ones(60_000_000, np.float64)
    del held
    embed = load(tiny / "tiny-embed", {})
    before = peak_mb()
    found = run(embed, {"batch": 8, "list": ["the train"] * 8, "again": False})
    assert found["peak_mb"] < before - 300
