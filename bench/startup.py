"""What a process that embeds one text costs: start to first vector, peak memory, sizes.

    python -m bench.startup BUNDLE

Each run is a process of its own; the median of RUNS is printed. One row of the larger benchmark.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from edgebert.bundle import Bundle

RUNS = 9
IMPORT = "import time; t = time.perf_counter(); import edgebert; print(time.perf_counter() - t)"
EMBED = """
import json, resource, sys
import edgebert
edgebert.Embedder.load(sys.argv[1]).embed(["How do I reset my password?"])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def main() -> int:
    """Measure and print."""
    bundle = Path(sys.argv[1])
    imports = [float(run(IMPORT)[0]) for _ in range(RUNS)]
    embeds = [run(EMBED, str(bundle)) for _ in range(RUNS)]
    figures = {
        "import edgebert, ms": round(median(imports) * 1000, 1),
        "process start to first embedding and exit, ms": round(
            median(seconds for _, seconds in embeds) * 1000
        ),
        "peak RSS of that process, MB": round(median(float(out) for out, _ in embeds), 1),
        "bundle, MB": round(Bundle.open(bundle).total_bytes() / 1e6, 1),
    }
    print(json.dumps(figures, indent=1))
    return 0


def run(script: str, *arguments: str) -> tuple[str, float]:
    """Run a script in a process of its own; give what it printed and how long it lived."""
    start = time.perf_counter()
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout, time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
