"""What many texts cost: `python -m bench.scale BUNDLE ROWS` measures, `--page` writes the tables.

Measured are core-seconds (CPU time, which neighbours on the machine disturb least) of a worker per
text, and of the process that reads, hands out and writes per row. The rest is arithmetic, whose
assumption is that workers do not slow each other down: see docs/scale.md for where that ends.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.bulk import recorded as recorded_memory
from bench.bulk import table as memory_table
from bench.bulk import write_rows
from bench.markdown import DOCS, fill
from edgebert.jobs.local import Block, Encoded, Job, run_here, run_job
from edgebert.jobs.outputs import Layout
from edgebert.jobs.work import Request
from edgebert.loading import AnyTask

RESULTS = Path(__file__).parent / "results" / "scale.json"
PAGE = DOCS / "scale.md"
BILLION = 1_000_000_000
DOLLARS_PER_CORE_HOUR = 0.04  # an assumption, of the order of a rented vCPU; put in your own


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One model on one machine."""

    model: str
    rows: int
    worker_ms: float  # CPU time of a worker per text: tokens, model, encoding
    driver_ms: float  # CPU time per row of the one process that reads and writes
    bytes_per_row: float  # of the output


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a job comes to."""

    hours: float
    core_hours: float
    bottleneck: str  # "workers" or "driver"
    terabytes: float  # of the output


def estimate(measured: Measured, rows: int, cores: int) -> Estimate:
    """Reckon a job of so many rows on so many worker cores, with one driver."""
    workers = rows * measured.worker_ms / 3.6e6 / cores
    driver = rows * measured.driver_ms / 3.6e6
    return Estimate(
        hours=max(workers, driver),
        core_hours=rows * (measured.worker_ms + measured.driver_ms) / 3.6e6,
        bottleneck="workers" if workers >= driver else "driver",
        terabytes=rows * measured.bytes_per_row / 1e12,
    )


def most_cores(measured: Measured) -> int:
    """Give how many worker cores one driver can feed."""
    return int(measured.worker_ms / measured.driver_ms)


def measure(bundle: Path, rows: int) -> Measured:
    """Run a job on one core and split its CPU time between worker and driver."""
    spent = start = 0.0

    def timed(
        task: AnyTask, request: Request, layout: Layout, blocks: Iterator[Block]
    ) -> Iterator[Encoded]:
        nonlocal spent, start
        start = time.process_time()  # opening the bundle is not a cost of each row
        for block in blocks:
            began = time.process_time()
            (encoded,) = run_here(task, request, layout, iter([block]))
            spent += time.process_time() - began
            yield encoded

    with tempfile.TemporaryDirectory(prefix="edgebert-scale-") as folder:
        source, output = Path(folder) / "in.jsonl", Path(folder) / "out.npy"
        write_rows(source, rows)
        request = Request(bundle=bundle, threads=1)
        run_job(Job(inputs=[source], output=output, request=request), spread=timed)
        driver = time.process_time() - start - spent
        size = output.stat().st_size
    return Measured(
        model=bundle.name,
        rows=rows,
        worker_ms=round(spent / rows * 1e3, 4),
        driver_ms=round(driver / rows * 1e3, 4),
        bytes_per_row=round(size / rows, 1),
    )


def render(page: str) -> str:
    """Make the page anew of what was measured."""
    made = {"costs": tables(recorded()), "memory": memory_table(recorded_memory())}
    return fill(page, made.__getitem__)


def tables(found: list[Measured]) -> str:
    """Write the tables of costs."""
    head = "| model | texts per core-hour | worker ms | driver ms | cores one driver feeds |\n"
    one = [
        f"| {m.model} | {3.6e6 / (m.worker_ms + m.driver_ms):,.0f} | {m.worker_ms:.3f} "
        f"| {m.driver_ms:.3f} | {most_cores(m):,} |\n"
        for m in found
    ]
    second = "\n| a billion texts | cores | hours | core-hours | dollars | slowest | output, TB |\n"
    many = [
        f"| {m.model} | {cores:,} | {e.hours:,.1f} | {e.core_hours:,.0f} "
        f"| {e.core_hours * DOLLARS_PER_CORE_HOUR:,.0f} | {e.bottleneck} | {e.terabytes:.2f} |\n"
        for m in found
        for cores in (1, 16, 64, 256)
        for e in [estimate(m, BILLION, cores)]
    ]
    rule = "|---" * 5 + "|\n"
    return head + rule + "".join(one) + second + "|---" * 7 + "|\n" + "".join(many)


def recorded() -> list[Measured]:
    """Read what was measured."""
    values = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    return [Measured(**each) for each in values]


def main(arguments: list[str]) -> None:
    """Measure a bundle, or write the page's tables."""
    if arguments == ["--page"]:
        PAGE.write_text(render(PAGE.read_text("utf-8")), "utf-8")
        return
    new = measure(Path(arguments[0]), int(arguments[1]))
    kept = [each for each in recorded() if each.model != new.model]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps([asdict(each) for each in [*kept, new]], indent=1) + "\n")
    print(new)


if __name__ == "__main__":
    main(sys.argv[1:])
