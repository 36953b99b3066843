"""Memory of a long job: `python -m bench.bulk BUNDLE ROWS OUTPUT` runs it and samples its RSS.

OUTPUT is a name, such as out.parquet, and tells the format. Writes to results/bulk.json: rows,
bytes, the process's memory at each tenth of the job, and the most it ever was, finishing included.
"""

import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from edgebert.jobs.local import Job, run_job
from edgebert.jobs.resume import State
from edgebert.jobs.work import Request
from edgebert.measure import peak_mb

RESULTS = Path(__file__).parent / "results" / "bulk.json"
TENTHS = tuple(range(1, 11))
WORDS = "the cat sat on a mat and a dog saw rain today".split()


def write_rows(path: Path, count: int) -> None:
    """Write rows of one to twelve words."""
    draw = random.Random(7)
    with path.open("w") as stream:
        for number in range(count):
            text = " ".join(draw.choices(WORDS, k=draw.randint(1, 12)))
            stream.write(json.dumps({"id": number, "text": text}) + "\n")


def resident_mb() -> float:
    """Read this process's resident memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def main(bundle: Path, rows: int, name: str) -> None:
    """Run the job and write down what it took."""
    samples: list[float] = []

    def watch(state: State) -> None:
        if state.read >= rows * (len(samples) + 1) // 10:
            samples.append(round(resident_mb(), 1))

    with tempfile.TemporaryDirectory(prefix="edgebert-bulk-") as folder:
        source, output = Path(folder) / "in.jsonl", Path(folder) / name
        write_rows(source, rows)
        job = Job(inputs=[source], output=output, request=Request(bundle=bundle))
        summary = run_job(job, watch=watch)
        size = output.stat().st_size
    found = {
        "bundle": bundle.name,
        "rows": summary.state.written,
        "output_bytes": size,
        "rss_mb": samples,
        "peak_mb": round(peak_mb(), 1),
    }
    RESULTS.write_text(json.dumps(recorded() | {name: found}, indent=1) + "\n")
    print(json.dumps({**found, "seconds": round(summary.seconds, 1)}))


def recorded() -> dict[str, dict[str, Any]]:
    """Read what was measured, by the output's name."""
    found: dict[str, dict[str, Any]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return found


def table(found: dict[str, dict[str, Any]]) -> str:
    """Write the page's table: MB at each tenth."""
    heads = ["output", *(f"{tenth * 10} %" for tenth in TENTHS), "most", "output, MB"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name, one in sorted(found.items()):
        sizes = [f"{value:.0f}" for value in (*one["rss_mb"], one["peak_mb"])]
        cells = [name.removeprefix("out"), *sizes, f"{one['output_bytes'] / 1e6:,.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
