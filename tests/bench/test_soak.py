"""The soak: calls of many lengths are counted, and the memory is watched from start to end."""

import json
import mmap
from pathlib import Path

from bench.soak import POINTS, main, resident_mb


def test_a_soak_counts_what_it_ran_and_watches_memory(tiny: Path, tmp_path: Path) -> None:
    output = tmp_path / "soak.json"
    assert main([str(tiny / "tiny-embed-int8"), "--seconds", "1", "--output", str(output)]) == 0
    found = json.loads(output.read_text())
    assert found["texts"] >= found["calls"] > 1
    assert found["tokens"] > 4 * found["texts"]
    assert found["lengths"] > 4
    assert 2 <= len(found["rss_mb"]) <= POINTS + 1


def test_memory_that_is_taken_is_seen() -> None:
    before = resident_mb()
    with mmap.mmap(-1, 64_000_000) as taken:  # a bytearray may get memory freed before
        for page in range(0, len(taken), mmap.PAGESIZE):
            taken[page] = 1
        assert resident_mb() - before > 50
