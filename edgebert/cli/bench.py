"""`edgebert bench`: what a bundle costs on this machine, beside onnxruntime alone."""

import argparse
import dataclasses
import json
from pathlib import Path

from edgebert.bundle import MANIFEST_NAME, Bundle
from edgebert.device.cpu import read_cpu
from edgebert.measure import Figures, measure

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
        bundle.path, texts=arguments.texts, rounds=arguments.rounds, threads=arguments.threads
    )
    cpu = read_cpu()
    disk_mb = (bundle.total_bytes() + (bundle.path / MANIFEST_NAME).stat().st_size) / 1e6
    if arguments.json:
        figures = [dataclasses.asdict(row) for row in rows]
        machine = {"cpu": cpu.model, "int8_path": cpu.int8_path.value}
        print(json.dumps({"machine": machine, "disk_mb": disk_mb, "rows": figures}, indent=1))
        return 0
    print(f"{cpu.model}, int8 path {cpu.int8_path.value}; {disk_mb:.1f} MB on disk")
    for line in _table(rows):
        print(line)
    return 0


def _table(rows: tuple[Figures, ...]) -> list[str]:
    """Lay out one column a row, and how many times better edgebert is."""
    ours, plain = rows
    lines = [f"{'':28}{NAMES[ours.row]:>14}{NAMES[plain.row]:>20}{'ratio':>8}"]

    def add(what: str, one: float, other: float, *, more_is_better: bool = False) -> None:
        ratio = one / other if more_is_better else other / one
        lines.append(f"{what:28}{one:>14,.2f}{other:>20,.2f}{ratio:>8.2f}")

    for one, other in zip(ours.latencies, plain.latencies, strict=True):
        add(f"ms, {one.tokens} tokens, p50", one.p50_ms, other.p50_ms)
        add(f"ms, {one.tokens} tokens, p99", one.p99_ms, other.p99_ms)
    add("texts a second", ours.texts_per_s, plain.texts_per_s, more_is_better=True)
    add("tokens a second", ours.tokens_per_s, plain.tokens_per_s, more_is_better=True)
    add("s, start to first output", ours.first_s, plain.first_s)
    add("MB, peak with one text", ours.peak_mb, plain.peak_mb)
    return lines
