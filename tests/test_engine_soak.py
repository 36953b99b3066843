"""A minute of sixteen threads on one object: every result as the serial one, memory flat."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import checkpoints
from tests.make_tiny import DATA

pytestmark = [pytest.mark.export, pytest.mark.realmodel]

SECONDS = 60
SOAK = """
import resource, sys, threading, time
from pathlib import Path
from edgebert.config import RuntimeConfig
from edgebert.tasks.embed import Embedder
from tests.make_tiny import WORDS

def resident_megabytes():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20

embedder = Embedder.load(sys.argv[1], RuntimeConfig(threads=2))
seconds = float(sys.argv[2])
parts = [[" ".join(WORDS[i % 7 : i % 7 + i % 13]) for i in range(n, 5 * n + 3)] for n in range(16)]
expected = [embedder.embed(part).tobytes() for part in parts]
calls, wrong = [0] * 16, [0] * 16
end = time.monotonic() + seconds

def call(caller):
    number = caller
    while time.monotonic() < end:
        number = (number + 5) % 16
        calls[caller] += 1
        wrong[caller] += embedder.embed(parts[number]).tobytes() != expected[number]

threads = [threading.Thread(target=call, args=(caller,)) for caller in range(16)]
[thread.start() for thread in threads]
time.sleep(seconds / 4)
before = resident_megabytes()
[thread.join() for thread in threads]
print(min(calls), sum(wrong), round(resident_megabytes() - before))
"""


@pytest.fixture(scope="module")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from edgebert_export import Recipe, export  # absent where only the runtime is installed

    output = tmp_path_factory.mktemp("minilm") / "int8"
    export(Recipe(model=checkpoints.minilm(), output=output))
    return output


@pytest.mark.skipif(sys.platform != "linux", reason="reads resident memory from /proc")
@pytest.mark.parametrize(("name", "seconds"), [("minilm", SECONDS), ("tiny-embed", SECONDS / 6)])
def test_sixteen_threads_for_a_minute_get_the_serial_results_in_flat_memory(
    name: str,
    seconds: float,
    minilm: Path,
    python: Callable[..., "subprocess.CompletedProcess[bytes]"],
) -> None:
    folder = minilm if name == "minilm" else DATA / name
    result = python("-c", SOAK, str(folder), str(seconds), timeout=seconds + 120)
    assert result.returncode == 0, result.stderr
    calls, wrong, grown_megabytes = map(int, result.stdout.split())
    assert calls > 0
    assert wrong == 0
    assert grown_megabytes < 24
