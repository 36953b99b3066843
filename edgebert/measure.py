"""What a bundle costs on this machine: latency, throughput, cold start, memory, disk.

Each row is measured in processes of its own, one after another, and rows take turns: two pools of
threads in one process ruin each other's figures, and what disturbs the machine meets both rows.
The yardstick is onnxruntime alone on the same weights (plain.py), so what differs is the runtime.

`python -m edgebert.measure ROW BUNDLE N_TEXTS THREADS` is one such process.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from edgebert.bundle import Bundle
from edgebert.config import RuntimeConfig, usable_cores
from edgebert.engine import Engine
from edgebert.errors import EdgebertError, InputError
from edgebert.golden import Golden
from edgebert.plain import PlainModel
from edgebert.tokens import Tokenizer, open_tokenizer

if sys.platform != "win32":
    import resource

ROWS = ("edgebert", "plain")
LENGTHS = (16, 128, 512)  # tokens of one text; a model with a lower limit gets that
SECONDS = 1.0  # of single texts at each length, after the warm-up
WARM_UP = 3
LEAST = 5  # single texts at each length, however long they take
# token counts as people's texts have them: log-normal, median 32, mean about 45
MEDIAN, SIGMA = 32.0, 0.85
SHORTEST, LONGEST = 4, 256
SEED = 0
STATUS = Path("/proc/self/status")  # Linux
Run = Callable[[Sequence[str]], None]


@dataclass(frozen=True, slots=True)
class Latency:
    """One text at a time, from string to output."""

    tokens: int  # of the text, special tokens included
    p50_ms: float
    p99_ms: float
    runs: int  # that both rest on


@dataclass(frozen=True, slots=True)
class Figures:
    """What one row costs: medians over the rounds."""

    row: str
    latencies: tuple[Latency, ...]
    texts_per_s: float  # of mixed texts, from strings to outputs
    tokens_per_s: float
    first_s: float  # process start to the first output
    peak_mb: float  # memory of a process that runs one text


def measure(
    path: Path,
    *,
    texts: int,
    rounds: int,
    threads: int | None = None,
    tell: Callable[[int, int, str], None] | None = None,
) -> tuple[Figures, ...]:
    """Measure a bundle and the yardstick in turns.

    Args:
        path: the bundle's folder.
        texts: how many mixed texts the throughput rests on.
        rounds: turns of each row.
        threads: cores to use; None: all that this process may.
        tell: is called before each turn with the round from 1, how many there are, and the row.

    Returns:
        One row each, edgebert's first.

    Raises:
        BundleError: the bundle cannot be used.
        InputError: a number is not positive.
        EdgebertError: a process failed.
    """
    for name, value in (("texts", texts), ("rounds", rounds), ("threads", threads)):
        if value is not None and value < 1:
            raise InputError(f"{name} is {value}; it must be 1 or more")
    bundle = Bundle.open(path)
    cores = threads or usable_cores()
    turns: dict[str, list[dict[str, Any]]] = {row: [] for row in ROWS}
    for number in range(1, rounds + 1):
        for row in ROWS:
            if tell is not None:
                tell(number, rounds, row)
            turns[row].append(_take_turn(row, bundle.path, texts, cores))
    return tuple(_figures(row, turns[row]) for row in ROWS)


def measure_start(path: Path, *, rounds: int, threads: int | None = None) -> tuple[float, float]:
    """Measure what it takes until a bundle has answered one text, each time in a new process.

    Args:
        path: the bundle's folder.
        rounds: processes, of which the middle figures are given.
        threads: cores to use; None: all that this process may.

    Returns:
        Seconds from process start to the first output, and the most memory held then, in MB.

    Raises:
        EdgebertError: a process failed.
    """
    cores = threads or usable_cores()
    turns = [_take_turn(ROWS[0], path, 0, cores) for _ in range(rounds)]
    first_s, peak = (median(turn[name] for turn in turns) for name in ("first_s", "peak_mb"))
    return float(first_s), float(peak)


def _take_turn(row: str, path: Path, texts: int, threads: int) -> dict[str, Any]:
    """Run one row in a process of its own."""
    start = time.monotonic()
    command = [sys.executable, "-m", "edgebert.measure", row, str(path), str(texts), str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise EdgebertError(f"{row} ended with exit code {done.returncode}: {last}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found | {"first_s": found["first_at"] - start}


def _figures(row: str, turns: list[dict[str, Any]]) -> Figures:
    def middle(name: str) -> float:
        return float(median(turn[name] for turn in turns))

    return Figures(
        row=row,
        latencies=tuple(
            Latency(
                tokens=same[0]["tokens"],
                p50_ms=float(median(one["p50_ms"] for one in same)),
                p99_ms=float(median(one["p99_ms"] for one in same)),
                runs=sum(one["runs"] for one in same),
            )
            for same in zip(*(turn["latencies"] for turn in turns), strict=True)
        ),
        texts_per_s=middle("texts_per_s"),
        tokens_per_s=middle("tokens_per_s"),
        first_s=middle("first_s"),
        peak_mb=middle("peak_mb"),
    )


def main(arguments: Sequence[str]) -> int:
    """Be one row's process: run, time, and print what was found as one JSON object.

    With no texts, only what the start takes is measured.
    """
    row, path, texts, threads = arguments
    run, tokenizer, source, limit = open_row(row, Path(path), int(threads))
    run([source])
    found: dict[str, Any] = {"first_at": time.monotonic(), "peak_mb": peak_mb()}
    if int(texts):
        found |= _time_texts(run, tokenizer, source, int(texts), limit)
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


def _time_texts(
    run: Run, tokenizer: Tokenizer, source: str, texts: int, limit: int
) -> dict[str, Any]:
    """Time single texts of each length, and mixed ones at once."""
    lengths = sorted({min(tokens, limit) for tokens in LENGTHS})
    latencies = [time_singles(run, tokenizer, source, tokens) for tokens in lengths]
    mixed = mixed_texts(tokenizer, source, texts, limit)
    run(mixed)
    start = time.perf_counter()
    run(mixed)
    seconds = time.perf_counter() - start
    count = sum(row.n_tokens for row in tokenizer.encode(mixed))
    return {
        "latencies": latencies,
        "texts_per_s": len(mixed) / seconds,
        "tokens_per_s": count / seconds,
    }


def open_row(row: str, path: Path, threads: int) -> tuple[Run, Tokenizer, str, int]:
    """Open a bundle as a row runs it: what runs texts, its tokenizer, a text, the limit."""
    bundle = Bundle.open(path)
    engine = Engine.open(path, RuntimeConfig(threads=threads)) if row == "edgebert" else None
    source = golden_text(bundle)
    limit = bundle.manifest.max_tokens
    if engine is not None:

        def run(texts: Sequence[str]) -> None:
            for _ in engine.map(texts, lambda outputs, batch: batch.rows):
                pass

        return run, engine.tokenizer, source, limit
    tokenizer = Tokenizer(
        open_tokenizer(path / "tokenizer.json"),
        max_tokens=limit,
        pairs=False,
        cut_second_only=False,
        needs_offsets=False,
    )
    plain = PlainModel(path, bundle.manifest.graphs.masked, tokenizer, threads)
    return plain.run, tokenizer, source, limit


def golden_text(bundle: Bundle) -> str:
    """Join a bundle's golden texts: words of the domain that it is for."""
    parts = []
    for row in Golden.read(bundle).rows:
        parts += [row.text] if isinstance(row.text, str) else list(row.text)
    return " ".join(parts)


def text_of(tokenizer: Tokenizer, source: str, tokens: int) -> str:
    """Cut a text of so many tokens, or the next fewer that there is, out of a source text."""
    per_character = len(tokenizer.encode([source])[0].ids) / max(1, len(source))
    text = source + " "
    while len(text) * per_character < 2 * tokens:
        text += text
    low, high = 0, len(text)
    while low < high:  # tokens grow with characters, but for a word cut in two
        middle = (low + high + 1) // 2
        fits = tokenizer.encode([text[:middle]])[0].n_tokens <= tokens
        low, high = (middle, high) if fits else (low, middle - 1)
    return text[:low]


def mixed_texts(tokenizer: Tokenizer, source: str, count: int, limit: int) -> list[str]:
    """Cut texts of mixed lengths, each beginning at another word."""
    rng = np.random.default_rng(SEED)
    drawn = np.clip(np.rint(rng.lognormal(np.log(MEDIAN), SIGMA, count)), SHORTEST, LONGEST)
    words = source.split(" ")
    texts = []
    for tokens in np.minimum(drawn, limit).astype(int).tolist():
        start = int(rng.integers(len(words)))
        texts.append(text_of(tokenizer, " ".join(words[start:] + words[:start]), tokens))
    return texts


def time_singles(run: Run, tokenizer: Tokenizer, source: str, tokens: int) -> dict[str, Any]:
    """Time one text at a time for about SECONDS."""
    text = text_of(tokenizer, source, tokens)
    for _ in range(WARM_UP):
        run([text])
    times: list[float] = []
    while len(times) < LEAST or sum(times) < SECONDS:
        start = time.perf_counter()
        run([text])
        times.append(time.perf_counter() - start)
    p50, p99 = np.percentile(times, [50, 99]) * 1000
    return {
        "tokens": tokenizer.encode([text])[0].n_tokens,
        "p50_ms": float(p50),
        "p99_ms": float(p99),
        "runs": len(times),
    }


def peak_mb() -> float:
    """Read the most memory this process ever held, in MB; 0 where the system does not say."""
    if sys.platform == "win32":
        return 0.0
    if STATUS.exists():  # ru_maxrss would count the parent's memory too, which a fork shares
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
