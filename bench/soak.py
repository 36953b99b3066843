"""Memory under a long load of changing lengths: the resident size of one process, as a series.

    python -m bench.soak BUNDLE --seconds 180

Calls of 1 to MOST texts, each of SHORTEST to the bundle's limit of tokens, drawn anew each time:
every length comes up, and none in order. Writes results/soak.json, which
`python -m bench.performance_report` puts into docs/performance.md.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from bench import machine
from bench.runner import FORMAT, RESULTS
from bench.workloads import SEED, make_texts, words_of
from edgebert import Embedder

MOST = 24  # texts of a call
SHORTEST = 4
POINTS = 24  # of the series
POOL = 512  # texts that calls draw from: of every length
STATM = Path("/proc/self/statm")


def main(arguments: Sequence[str] | None = None) -> int:
    """Load, watch and write."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--output", type=Path, default=RESULTS / "soak.json")
    asked = parser.parse_args(arguments)
    found = soak(asked.bundle, asked.seconds)
    result = {
        "format": FORMAT,
        "kind": "soak",
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine.describe(),
        **found,
    }
    asked.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found))
    print(f"written: {asked.output}", file=sys.stderr)
    return 0


def soak(bundle: Path, seconds: float) -> dict[str, Any]:
    """Run calls for some seconds.

    Returns:
        `calls`, `texts`, `tokens`, `lengths` (different ones that were run) and `rss_mb`: POINTS
        of the resident size, evenly over the time, in MB of 10^6 bytes.
    """
    embedder = Embedder.load(bundle)
    rng = np.random.default_rng(SEED)
    most = embedder.manifest.max_tokens
    drawn = rng.integers(min(SHORTEST, most), most + 1, POOL).tolist()
    texts = make_texts(words_of(bundle / "tokenizer.json"), drawn)
    counts, seen, series = {"calls": 0, "texts": 0, "tokens": 0}, set(), []
    start = time.monotonic()
    while (now := time.monotonic() - start) < seconds:
        if now >= len(series) * seconds / POINTS:
            series.append(round(resident_mb(), 1))
        chosen = rng.integers(0, POOL, rng.integers(1, MOST + 1)).tolist()
        lengths = [each.n_tokens for each in embedder.stream([texts[number] for number in chosen])]
        counts["calls"] += 1
        counts["texts"] += len(lengths)
        counts["tokens"] += sum(lengths)
        seen |= set(lengths)
    series.append(round(resident_mb(), 1))
    return {"seconds": seconds, **counts, "lengths": len(seen), "rss_mb": series}


def resident_mb() -> float:
    """Read the resident size of this process in MB of 10^6 bytes."""
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    sys.exit(main())
