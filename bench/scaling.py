"""How cost grows: with the number of texts, with the cores, with the tokens of a text.

    python -m bench.scaling                     # MiniLM, up to 100,000 texts
    python -m bench.scaling --most 1000         # a quick look

Each point is a process of its own (bench/turn.py), whose cold start is not counted. Lists of all
sizes have the same mix of lengths. Cores are taken away by affinity, so that a row cannot use more
than it is given, nor is it told otherwise. Rows whose batch size is ours to choose take 8, on
MiniLM within a few per cent of the best of each.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import kept, machine
from bench.rows import MODELS, ROWS, Row, on_cores
from bench.runner import FORMAT, RESULTS, rounded
from bench.turn import Start, TurnFailed, prepare, take
from bench.workloads import SEED, even_lengths, make_texts, words_of
from edgebert.config import usable_cores

MODEL = "minilm"
DEFAULT = "edgebert-int8"  # the row of the longest list
COMPARED = (DEFAULT, "edgebert-int8-static", "raw-fp32", "openvino-bf16-workers")
COUNTS = (1, 8, 32, 100, 1_000, 10_000, 100_000)
OTHERS_MOST = 10_000  # texts of the other rows: enough to see the line
LONG = 1_000  # lists over this are embedded once
TOKENS = (8, 16, 32, 64, 128, 256, 512)
REPEATS = 20  # single texts at each length
CORE_TEXTS = 1_000
BATCH = 8


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all three and write them."""
    parser = argparse.ArgumentParser(prog="python -m bench.scaling", description=__doc__)
    parser.add_argument("--most", type=int, default=COUNTS[-1], help="texts of the longest list")
    parser.add_argument("--rows", type=lambda text: text.split(","), default=list(COMPARED))
    parser.add_argument("--output", type=Path, default=RESULTS / "scaling.json")
    asked = parser.parse_args(arguments)
    result: dict[str, Any] = {
        "format": FORMAT,
        "kind": "scaling",
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine.describe(),
        "model": MODELS[MODEL].label,
        "rows": {},
    }
    for key in asked.rows:
        print(f"{key} ...", file=sys.stderr)
        most = asked.most if key == DEFAULT else min(asked.most, OTHERS_MOST)
        result["rows"][key] = measure(ROWS[key], most)
        kept.write(asked.output, result)
    print(f"written: {asked.output}", file=sys.stderr)
    return 0


def measure(row: Row, most: int) -> dict[str, Any]:
    """Measure one row's three curves, lists up to so many texts."""
    found: dict[str, Any] = {"label": row.label, "ours": row.ours}
    try:
        python, folder = prepare(row.environment, MODEL, row.files)
        _, checkpoint = prepare("optimum", MODEL, "checkpoint")
        words = words_of(checkpoint / "tokenizer.json")

        def turn(work: dict[str, Any], cores: int) -> dict[str, Any]:
            settings = on_cores(row.settings, cores)
            with only_cores(cores):
                return take(
                    Start(python, row.peer, folder, settings, cores), {"batch": BATCH} | work
                )

        cores = usable_cores()
        counts = [count for count in COUNTS if count <= most]
        found["texts"] = [_list_point(turn, words, count, cores) for count in counts]
        found["cores"] = [
            _list_point(turn, words, min(most, CORE_TEXTS), number) | {"cores": number}
            for number in range(1, cores + 1)
        ]
        found["tokens"] = _lengths(turn, words, cores)
    except TurnFailed as error:
        found["failed"] = str(error)
    return found


def _list_point(turn: Any, words: list[str], count: int, cores: int) -> dict[str, Any]:
    """Embed one list of mixed texts."""
    lengths = even_lengths(count)
    one = turn({"list": make_texts(words, lengths), "again": count <= LONG}, cores)
    point: dict[str, Any] = rounded(
        {
            "texts": count,
            "tokens": sum(lengths),
            "texts_per_s": count / one["pass_s"],
            "us_per_token": 1e6 * one["pass_s"] / sum(lengths),
            "peak_mb": one["peak_mb"],
            "own_mb": one["peak_mb"] - one["texts_mb"] - one["vectors_mb"],
            "foreign": one["foreign"],
        }
    )
    return point


def _lengths(turn: Any, words: list[str], cores: int) -> list[dict[str, Any]]:
    """Embed single texts of each length."""
    work = {
        "latency": {
            str(tokens): [REPEATS, make_texts(words, [tokens] * 8, SEED + tokens)]
            for tokens in TOKENS
        }
    }
    found = turn(work, cores)["latency"]
    points: list[dict[str, Any]] = rounded(
        [
            {
                "tokens": tokens,
                "p50_ms": found[str(tokens)]["p50"],
                "us_per_token": 1e3 * found[str(tokens)]["p50"] / tokens,
            }
            for tokens in TOKENS
        ]
    )
    return points


@contextmanager
def only_cores(number: int) -> Iterator[None]:
    """Let this process, and those that it starts meanwhile, use some of its cores only."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:number])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


if __name__ == "__main__":
    sys.exit(main())
