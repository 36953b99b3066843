"""What changes no result: neighbours, order, budget, threads, the process it runs in."""

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from edgebert.config import RuntimeConfig
from edgebert.engine import SORTED
from edgebert.loading import AnyTask, load
from edgebert.manifest import Scales
from edgebert.tasks.embed import Embedder
from tests.fakes import read_manifest
from tests.make_tiny import DATA, WORDS

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
EMBEDDERS = ("tiny-embed", "tiny-embed-int8", "tiny-embed-static")
MIXED = [" ".join(WORDS[i % 7 : i % 7 + i % 11]) for i in range(120)]
# each task's texts, some of them longer than the model's limit
INPUTS = {
    "tiny-embed": [*MIXED, "the cat " * 40],
    "tiny-classify": [*MIXED, "the cat " * 40, ("the cat", "a dog")],
    "tiny-tag": [*MIXED, "anna in seoul " * 40],
    "tiny-answer": [("the cat", f"{text} anna " * 9) for text in MIXED[:40]],
    "tiny-fill": [f"{text} <mask>" for text in ["", *WORDS]] * 3,
}


def same(one: np.ndarray, other: np.ndarray, name: str) -> bool:
    """Compare to float error; to the bit where scales are taken from each run."""
    if read_manifest(DATA / name).quantization.scales is Scales.DYNAMIC:
        return np.array_equal(one, other)
    return np.allclose(one, other, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", EMBEDDERS)
def test_a_texts_result_does_not_depend_on_its_neighbours(name: str) -> None:
    embedder = Embedder.load(DATA / name)
    alone = np.concatenate([embedder.embed([text]) for text in MIXED])
    assert same(embedder.embed(MIXED), alone, name)


@pytest.mark.parametrize("name", EMBEDDERS)
def test_the_order_of_texts_changes_no_result(name: str) -> None:
    embedder = Embedder.load(DATA / name)
    order = np.random.default_rng(5).permutation(len(MIXED))
    shuffled = embedder.embed([MIXED[place] for place in order])
    assert same(shuffled, embedder.embed(MIXED)[order], name)


@pytest.mark.parametrize("name", EMBEDDERS)
def test_one_thread_and_four_give_the_same_results(name: str) -> None:
    one, four = (Embedder.load(DATA / name, RuntimeConfig(threads=n)) for n in (1, 4))
    assert np.array_equal(one.embed(MIXED), four.embed(MIXED))


@pytest.mark.parametrize("name", EMBEDDERS)
def test_the_budget_of_a_run_changes_no_result(name: str) -> None:
    small, large = (
        Embedder.load(DATA / name, RuntimeConfig(max_tokens_per_run=n)) for n in (1, 4096)
    )
    assert same(small.embed(MIXED), large.embed(MIXED), name)


def results(task: AnyTask, texts: list[object]) -> list[object]:
    """Give all results in a form that can be compared."""
    found = list(task.stream(texts))
    return (
        [(each.vector.tobytes(), each.n_tokens) for each in found]
        if isinstance(task, Embedder)
        else found
    )


@pytest.mark.parametrize("name", INPUTS)
def test_sixteen_threads_on_one_object_get_the_serial_results(name: str) -> None:
    task = load(DATA / name, RuntimeConfig(threads=2))
    expected = results(task, INPUTS[name])
    with ThreadPoolExecutor(16) as callers:
        found = list(callers.map(lambda _: results(task, INPUTS[name]), range(32)))
    assert all(each == expected for each in found)


def test_threads_with_other_texts_do_not_mix() -> None:
    task = load(DATA / "tiny-embed", RuntimeConfig(threads=2))
    parts = [MIXED[place : place + 40] for place in range(16)]
    expected = [results(task, part) for part in parts]
    with ThreadPoolExecutor(16) as callers:
        assert list(callers.map(lambda part: results(task, part), parts)) == expected


def test_many_threads_may_make_the_first_call_at_once() -> None:
    expected = results(load(DATA / "tiny-embed"), MIXED)
    task = load(DATA / "tiny-embed", RuntimeConfig(threads=2))
    with ThreadPoolExecutor(16) as callers:
        found = list(callers.map(lambda _: results(task, MIXED), range(16)))
    assert all(each == expected for each in found)


def test_calls_from_asyncio_get_the_serial_results() -> None:
    embedder = Embedder.load(DATA / "tiny-embed", RuntimeConfig(threads=2))
    parts = [MIXED[place : place + 40] for place in range(8)]

    async def embed_all() -> list[np.ndarray]:
        return await asyncio.gather(*(asyncio.to_thread(embedder.embed, part) for part in parts))

    for found, part in zip(asyncio.run(embed_all()), parts, strict=True):
        assert np.array_equal(found, embedder.embed(part))


FORK = """
import os, signal, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of any fork with threads
import numpy as np
from edgebert.config import RuntimeConfig
from edgebert.tasks.embed import Embedder
embedder = Embedder.load(sys.argv[1], RuntimeConfig(threads=2))
texts = ["the cat " * (number % 9) for number in range(300)]
expected = embedder.embed(texts)
child = os.fork()
if child == 0:
    signal.alarm(30)  # a child that hangs must not outlive the test
same = np.array_equal(embedder.embed(texts), expected)
if child == 0:
    os._exit(0 if same else 3)
print(same, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_and_its_parent_both_work_on(python: Run) -> None:
    result = python("-c", FORK, str(DATA / "tiny-embed"))
    assert (result.returncode, result.stdout) == (0, b"True 0\n"), result.stderr


SPAWN = """
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from edgebert.tasks.embed import Embedder

def embed(path):
    return Embedder.load(path).embed(["the cat"]).shape

if __name__ == "__main__":
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        print(pool.submit(embed, sys.argv[1]).result())
        try:
            pool.submit(embed, "absent").result()
        except Exception as error:
            print(type(error).__name__, error.path)
"""


def test_a_spawned_process_hands_back_results_and_errors(python: Run, tmp_path: Path) -> None:
    (tmp_path / "spawn.py").write_text(SPAWN)
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    result = python(str(tmp_path / "spawn.py"), str(DATA / "tiny-embed"), env=environment)
    assert result.stdout.splitlines() == [b"(1, 32)", b"BundleFormatError absent"], result.stderr


@pytest.mark.parametrize("name", INPUTS)
def test_a_task_takes_a_generator_one_part_at_a_time(name: str) -> None:
    taken = 0

    def texts() -> Iterator[object]:
        nonlocal taken
        while True:
            taken += 1
            yield INPUTS[name][0]

    stream = load(DATA / name).stream(texts())
    assert taken == 0
    next(stream)
    assert taken == SORTED
