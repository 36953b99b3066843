"""A lone text on all cores: the same bits, and never beside another run."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest

from edgebert.batching import Batch
from edgebert.config import RuntimeConfig
from edgebert.lone import LONG, LoneSession, Turns
from edgebert.session_onnxruntime import OnnxSession
from edgebert.tasks.embed import Embedder
from tests.conftest import count_threads
from tests.fakes import FakeSession, make_tokenizer, read_manifest
from tests.make_tiny import DATA

Run = Callable[..., "CompletedProcess[bytes]"]
EMBED = DATA / "tiny-embed"


def batch_of(text: str, folder: Path = EMBED) -> Batch:
    (row,) = make_tokenizer(folder, max_tokens=LONG).encode([text])
    return Batch((row,))


SHORT, FULL = "the cat", "the cat " * LONG


class Opened:
    """Opens fake sessions and counts them."""

    def __init__(self) -> None:
        self.sessions: list[FakeSession] = []

    def __call__(self) -> FakeSession:
        self.sessions.append(FakeSession())
        return self.sessions[-1]


def test_the_first_short_text_makes_no_second_session() -> None:
    shared, opened = FakeSession(), Opened()
    LoneSession(shared, opened).run(batch_of(SHORT))
    assert (len(shared.batches), opened.sessions) == (1, [])


def test_from_the_second_on_texts_run_on_all_cores() -> None:
    shared, opened = FakeSession(), Opened()
    lone = LoneSession(shared, opened)
    for _ in range(3):
        lone.run(batch_of(SHORT))
    assert [len(shared.batches), *(len(each.batches) for each in opened.sessions)] == [1, 2]


def test_a_long_text_runs_on_all_cores_at_once() -> None:
    shared, opened = FakeSession(), Opened()
    LoneSession(shared, opened).run(batch_of(FULL))
    assert (len(shared.batches), len(opened.sessions)) == (0, 1)


def test_texts_too_short_to_gain_stay_on_one_core() -> None:
    shared, opened = FakeSession(), Opened()
    lone = LoneSession(shared, opened, least=LONG // 2)
    for text in (SHORT, SHORT, "the cat " * (LONG // 4), SHORT):
        lone.run(batch_of(text))
    assert [len(shared.batches), *(len(each.batches) for each in opened.sessions)] == [3, 1]


def test_a_run_beside_another_takes_one_core() -> None:
    inside, go_on = threading.Event(), threading.Event()

    class Slow(FakeSession):
        def run(self, batch: Batch) -> tuple[np.ndarray, ...]:
            inside.set()
            assert go_on.wait(30)
            return super().run(batch)

    shared = FakeSession()
    lone = LoneSession(shared, Slow)
    first = threading.Thread(target=lone.run, args=[batch_of(FULL)])
    first.start()
    assert inside.wait(30)
    lone.run(batch_of(FULL))
    go_on.set()
    first.join()
    assert len(shared.batches) == 1


def test_a_run_on_another_engine_counts_as_well() -> None:
    inside, go_on = threading.Event(), threading.Event()

    class Slow(FakeSession):
        def run(self, batch: Batch) -> tuple[np.ndarray, ...]:
            inside.set()
            assert go_on.wait(30)
            return super().run(batch)

    turns, shared, opened = Turns(), FakeSession(), Opened()
    first = threading.Thread(
        target=LoneSession(FakeSession(), Slow, turns).run, args=[batch_of(FULL)]
    )
    first.start()
    assert inside.wait(30)
    LoneSession(shared, opened, turns).run(batch_of(FULL))
    go_on.set()
    first.join()
    assert (len(shared.batches), opened.sessions) == (1, [])


def test_a_failed_run_leaves_the_machine_free() -> None:
    def fail(batch: Batch) -> tuple[np.ndarray, ...]:
        raise ValueError("no")

    opened = Opened()
    lone = LoneSession(FakeSession(fail), opened)
    with pytest.raises(ValueError, match="no"):
        lone.run(batch_of(SHORT))
    lone.run(batch_of(SHORT))
    assert len(opened.sessions) == 1


@pytest.mark.parametrize("name", ["tiny-embed", "tiny-embed-int8", "tiny-embed-static"])
def test_all_cores_and_one_give_the_same_bits(name: str) -> None:
    graph = read_manifest(DATA / name).graphs.main
    one, many = OnnxSession(DATA / name, graph), OnnxSession(DATA / name, graph, threads=4)
    for words in range(0, 19, 3):
        batch = batch_of("a dog " * words, DATA / name)
        assert np.array_equal(one.run(batch)[0], many.run(batch)[0])


def test_one_thread_asked_for_is_one_thread() -> None:
    embedder = Embedder.load(EMBED, RuntimeConfig(threads=1))
    before = count_threads()
    for _ in range(3):
        embedder.embed([FULL])
    assert count_threads() == before


FORK = """
import os, signal, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import numpy as np
from edgebert.config import RuntimeConfig
from edgebert.tasks.embed import Embedder
embedder = Embedder.load(sys.argv[1], RuntimeConfig(threads=2))
texts = ["the cat " * 40]
expected = [embedder.embed(texts) for _ in range(3)][-1]
child = os.fork()
if child == 0:
    signal.alarm(30)
same = all(np.array_equal(embedder.embed(texts), expected) for _ in range(3))
if child == 0:
    os._exit(0 if same else 3)
print(same, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_forked_after_a_lone_run_works(python: Run) -> None:
    result = python("-c", FORK, str(EMBED))
    assert (result.returncode, result.stdout) == (0, b"True 0\n"), result.stderr
