"""Memory of a long job: `python -m bench.bulk BUNDLE [ROWS]` runs it and samples its RSS.

Prints one JSON object: rows, seconds, and the process's memory at each tenth of the job.
"""

import json
import random
import sys
import tempfile
from pathlib import Path

from edgebert.jobs.local import Job, run_job
from edgebert.jobs.resume import State
from edgebert.jobs.work import Request

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
    """Run the job and print what it took."""
    samples: list[float] = []

    def watch(state: State) -> None:
        if state.read >= rows * (len(samples) + 1) // 10:
            samples.append(round(resident_mb(), 1))

    with tempfile.TemporaryDirectory(prefix="edgebert-bulk-") as folder:
        source = Path(folder) / "in.jsonl"
        write_rows(source, rows)
        job = Job(inputs=[source], output=Path(folder) / name, request=Request(bundle=bundle))
        summary = run_job(job, watch=watch)
        size = (Path(folder) / name).stat().st_size
    print(json.dumps({**summary.to_json(), "output_bytes": size, "rss_mb": samples}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int((sys.argv[2:] or ["1000000"])[0]), (sys.argv[3:] or ["o.jsonl"])[0])
