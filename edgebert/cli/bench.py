"""`edgebert bench`: what a bundle costs on this machine, beside onnxruntime alone."""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from edgebert.bundle import MANIFEST_NAME, Bundle
from edgebert.config import usable_cores
from edgebert.device.cpu import read_cpu
from edgebert.measure import Figures, measure
from edgebert.plain import BATCH

SUMMARY = """Measure a bundle on this machine: one text at a time, many mixed texts, cold start,
memory, disk; and beside it onnxruntime alone on the same weights, padded. Both take turns in
processes of their own. Close what else uses the CPU first."""
EXAMPLE = "edgebert bench minilm-int8 --texts 50 --rounds 1"
TEXTS, ROUNDS = 400, 3
NAMES = {"edgebert": "edgebert", "plain": "onnxruntime alone"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("bundle", type=Path, help="the bundle's folder")
    parser.add_argument("--texts", type=int, default=TEXTS, help="of the throughput (400)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="turns of each row (3)")
    parser.add_argument("--threads", type=int, help="cores to use; default: the usable ones")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Measure and print."""
    bundle = Bundle.open(arguments.bundle)
    rows = measure(
        bundle.path,
        texts=arguments.texts,
        rounds=arguments.rounds,
        threads=arguments.threads,
        tell=_tell if sys.stderr.isatty() else None,
    )
    cpu = read_cpu()
    disk_mb = (bundle.total_bytes() + (bundle.path / MANIFEST_NAME).stat().st_size) / 1e6
    if arguments.json:
        figures = [dataclasses.asdict(row) for row in rows]
        machine = {"cpu": cpu.model, "int8_path": cpu.int8_path.value}
        print(json.dumps({"machine": machine, "disk_mb": disk_mb, "rows": figures}, indent=1))
        return 0
    cores = arguments.threads or usable_cores()
    print(f"{bundle.path.name}: {disk_mb:.1f} MB on disk")
    print(f"{cpu.model}, {cores} cores, int8 path {cpu.int8_path.value}")
    print(f"{arguments.texts:,} mixed texts, medians of {arguments.rounds} rounds\n")
    for line in _table(rows):
        print(line)
    print(f"\n{NAMES['plain']}: the same weights, texts sorted and padded in batches of {BATCH}.")
    return 0


def _tell(number: int, rounds: int, row: str) -> None:
    print(f"round {number} of {rounds}: {NAMES[row]}", file=sys.stderr)


def _table(rows: tuple[Figures, ...]) -> list[str]:
    """Lay out one column a row, and how many times better edgebert is."""
    ours, plain = rows
    lines = [f"{'':30}{NAMES[ours.row]:>12}{NAMES[plain.row]:>20}{'better by':>12}"]

    def add(what: str, one: float, other: float, *, more_is_better: bool = False) -> None:
        ratio = one / other if more_is_better else other / one
        digits = 0 if min(one, other) >= 100 else 2
        lines.append(f"{what:30}{one:>12,.{digits}f}{other:>20,.{digits}f}{ratio:>11.2f}x")

    for one, other in zip(ours.latencies, plain.latencies, strict=True):
        add(f"one text of {one.tokens} tokens, ms", one.p50_ms, other.p50_ms)
        add("  the slowest in a hundred, ms", one.p99_ms, other.p99_ms)
    add("mixed texts a second", ours.texts_per_s, plain.texts_per_s, more_is_better=True)
    add("tokens a second", ours.tokens_per_s, plain.tokens_per_s, more_is_better=True)
    add("start to first output, s", ours.first_s, plain.first_s)
    add("peak memory with one text, MB", ours.peak_mb, plain.peak_mb)
    return lines
