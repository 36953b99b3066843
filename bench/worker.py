"""The process of one row in one round: it loads, is timed, says what it found, and ends.

Line 1 on stdin names the adapter, the folder, its settings and one text; line 2, sent after the
first vector is out, holds the work. So nothing of the work is paid for at the cold start. Nothing
but small parts of the standard library is imported before the adapter.
"""

import json
import re
import resource
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

Embed = Callable[[Sequence[str], int], Any]
PASSES_S = 0.5
LONG_PASS_S = 5.0  # a first pass of so long has warmed up on its way: it is not repeated
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")  # Linux
RESET_PEAK = "5"  # proc(5), clear_refs


def main() -> int:
    """Answer the two lines on stdin with one each."""
    job = json.loads(sys.stdin.readline())
    answers = sys.stdout
    sys.stdout = sys.stderr  # what a library prints must not mix with the answers
    adapter = import_module(f"bench.peers.{job['peer']}")
    embed: Embed = adapter.load(Path(job["folder"]), job["settings"])
    embed([job["text"]], 1)
    first = {"at": time.monotonic(), "rss_mb": peak_mb()}  # one clock for all processes
    print(json.dumps(first), file=answers, flush=True)
    work = json.loads(sys.stdin.readline() or "{}")
    print(json.dumps(run(embed, work)), file=answers, flush=True)
    return 0


def peak_mb() -> float:
    """Read the most memory this process ever held, in MB of 10^6 bytes.

    Linux gives a process's `ru_maxrss` that of the process which started it; VmHWM is its own.
    """
    try:
        found = re.search(r"VmHWM:\s*(\d+) kB", STATUS.read_text())
    except OSError:
        found = None
    kilobytes = int(found[1]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes * 1024 / 1e6


def run(embed: Embed, work: dict[str, Any]) -> dict[str, Any]:
    """Do what the work asks for, each part timed from strings to vectors.

    Args:
        embed: of the adapter.
        work: `batch`, or `batches` to try on `probe`; `latency` as tokens -> [repeats, texts];
            `request` and `mixed` as texts; `sentences` whose vectors are wanted; a long `list`,
            and whether to embed it `again`. All optional.
    """
    found: dict[str, Any] = {}
    batch = work.get("batch") or _best_batch(embed, work, found)
    for tokens, (repeats, texts) in work.get("latency", {}).items():
        found.setdefault("latency", {})[tokens] = time_singles(embed, texts, repeats)
    if "request" in work:
        embed(work["request"], batch)
        found["request_ms"] = time_passes(embed, work["request"], batch, least=3) * 1000
    if "mixed" in work:
        first = found["first_pass_s"] = _timed(embed, work["mixed"], batch)
        again = first < LONG_PASS_S
        found["pass_s"] = time_passes(embed, work["mixed"], batch) if again else first
        found["rss_after_mb"] = peak_mb()
    if "list" in work:
        found |= run_list(embed, work["list"], batch, work["again"])
    if "sentences" in work:
        found["vectors"] = [
            [round(float(x), 7) for x in row] for row in embed(work["sentences"], 1)
        ]
    return found


def run_list(embed: Embed, texts: list[str], batch: int, again: bool) -> dict[str, float]:
    """Embed a list once, or again and again if it is short, and say what memory that takes.

    Returns:
        `pass_s`, and in MB: `peak_mb` during the passes, `texts_mb` and `vectors_mb` of it.
    """
    CLEAR.write_text(RESET_PEAK)
    start = time.perf_counter()
    vectors = embed(texts, batch)
    seconds = time.perf_counter() - start
    peak = peak_mb()
    return {
        "pass_s": time_passes(embed, texts, batch) if again else seconds,
        "peak_mb": peak,
        "texts_mb": sum(sys.getsizeof(text) for text in texts) / 1e6,
        "vectors_mb": vectors.nbytes / 1e6,
    }


def _best_batch(embed: Embed, work: dict[str, Any], found: dict[str, Any]) -> int:
    """Try batch sizes twice each and keep the quickest; the first try warms up."""
    seconds = {}
    for size in work.get("batches", ()):
        seconds[size] = min(_timed(embed, work["probe"], size) for _ in range(2))
    found["batches_s"] = {str(size): round(value, 4) for size, value in seconds.items()}
    found["batch"] = min(seconds, key=lambda size: seconds[size]) if seconds else 1
    return int(found["batch"])


def time_singles(embed: Embed, texts: list[str], repeats: int) -> dict[str, float]:
    """Time one text at a time; the first eighth of the runs warms up and is not counted.

    Returns:
        p50 and p99 in ms, and n, how many runs they rest on.
    """
    times = []
    for number in range(repeats + max(2, repeats // 8)):
        times.append(_timed(embed, [texts[number % len(texts)]], 1) * 1000)
    counted = sorted(times[-repeats:])
    last = min(repeats - 1, int(0.99 * repeats))
    return {"p50": counted[repeats // 2], "p99": counted[last], "n": repeats}


def time_passes(embed: Embed, texts: list[str], batch: int, least: int = 1) -> float:
    """Time the whole list: `least` times if that is long enough, else often; give the median."""
    times: list[float] = []
    while len(times) < least or sum(times) < PASSES_S:
        times.append(_timed(embed, texts, batch))
    return sorted(times)[len(times) // 2]


def _timed(embed: Embed, texts: list[str], batch: int) -> float:
    start = time.perf_counter()
    embed(texts, batch)
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
