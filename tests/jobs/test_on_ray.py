"""On a real Ray of this machine, two actors: the same bytes as here, and the same errors."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgebert.errors import BundleError, EdgebertError, InputError
from edgebert.jobs import on_ray
from edgebert.jobs.local import Job, run_job
from edgebert.jobs.on_ray import map_batches, run_on_ray
from edgebert.jobs.resume import State
from edgebert.jobs.work import Request
from edgebert.tasks.embed import Embedder
from tests.make_tiny import DATA

# ray leaves files of its own open, in its code and at exit
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
TEXTS = [f"the cat {'sat ' * (number % 9)}{number}" for number in range(100)]
ON_TWO = partial(run_on_ray, workers=2)


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    yield ray
    ray.shutdown()


@pytest.fixture
def job(tmp_path: Path) -> Job:
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    request = Request(bundle=DATA / "tiny-embed", threads=1)
    return Job(inputs=[source], output=tmp_path / "out.jsonl", request=request, block_rows=8)


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv", "out.parquet", "out.npy"])
def test_two_actors_give_the_bytes_of_one_process(
    ray: Any, job: Job, tmp_path: Path, name: str
) -> None:
    run_job(replace(job, output=tmp_path / f"here-{name}"))
    run_job(replace(job, output=tmp_path / name), spread=ON_TWO)
    assert (tmp_path / name).read_bytes() == (tmp_path / f"here-{name}").read_bytes()


def test_what_ray_has_begun_goes_on_here(ray: Any, job: Job, tmp_path: Path) -> None:
    class StoppedError(Exception):
        pass

    def stop(state: State) -> None:
        if state.read >= 40:
            raise StoppedError

    with pytest.raises(StoppedError):
        run_job(job, spread=ON_TWO, watch=stop)
    assert run_job(job).resumed_at == 40
    run_job(replace(job, output=tmp_path / "whole.jsonl"))
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_a_bad_row_on_an_actor_is_the_same_error(ray: Any, job: Job, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "a"}\n{"text": 1}\n')
    with pytest.raises(InputError, match=r"^in\.jsonl: line 2: field 'text' is 1"):
        run_job(job, spread=ON_TWO)


def kill(ray: Any) -> int:
    """Kill the actors that are alive, and say how many they were."""
    found = ray._private.state.actors().values()
    living = [int(each["Pid"]) for each in found if each["State"] == "ALIVE"]
    for pid in living:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(living)


def test_actors_that_are_killed_cost_no_byte(ray: Any, job: Job, tmp_path: Path) -> None:
    killed = []

    def watch(state: State) -> None:
        if state.read in (16, 48):
            killed.append(kill(ray))

    run_job(job, spread=ON_TWO, watch=watch)
    assert killed[0] == 2
    run_job(replace(job, output=tmp_path / "whole.jsonl"))
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_actors_that_are_lost_again_and_again_end_the_job_which_can_go_on(
    ray: Any, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_ray, "LIVES", 0)

    with pytest.raises(EdgebertError, match=r"a worker was lost 1 times.*it goes on"):
        run_job(job, spread=ON_TWO, watch=lambda state: kill(ray))
    assert run_job(job).resumed_at > 0
    run_job(replace(job, output=tmp_path / "whole.jsonl"))
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_a_bundle_that_a_worker_does_not_find_is_the_workers_own_error(
    ray: Any, job: Job, tmp_path: Path
) -> None:
    absent = replace(job.request, bundle=tmp_path / "absent")

    def elsewhere(task: Any, request: Request, *rest: Any) -> Any:
        return run_on_ray(task, absent, *rest, workers=1)

    with pytest.raises(BundleError, match="absent"):
        run_job(job, spread=elsewhere)


def test_more_workers_than_there_are_cores_are_refused(ray: Any, job: Job) -> None:
    with pytest.raises(InputError, match="ask for 3 cores, Ray has 2 here"):
        run_job(job, spread=partial(run_on_ray, workers=3))


def test_a_cluster_that_does_not_answer_is_told(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**options: Any) -> None:
        raise ConnectionError("Could not find any running Ray instance.\nAnd a page more")

    away = SimpleNamespace(is_initialized=lambda: False, init=init)
    monkeypatch.setattr(on_ray, "load_extra", lambda *names: away)
    with pytest.raises(EdgebertError, match=r"^no Ray cluster .*running Ray instance\.; see what"):
        run_job(job, spread=ON_TWO)
    assert not job.output.exists()


def test_workers_that_get_no_cores_are_told(
    ray: Any, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_ray, "READY_S", 3)
    busy = ray.remote(num_cpus=2)(Idle).remote()
    ray.get(busy.wake.remote())
    with pytest.raises(EdgebertError, match=r"2 of 2 workers had no 1 cores.*fewer --workers"):
        run_job(job, spread=ON_TWO)
    ray.kill(busy)


class Idle:
    def wake(self) -> None:
        pass


def test_a_number_of_workers_below_one_is_refused(ray: Any, job: Job) -> None:
    with pytest.raises(InputError, match="workers is 0"):
        run_job(job, spread=partial(run_on_ray, workers=0))


def test_a_dataset_gets_the_columns_of_the_results(ray: Any) -> None:
    dataset = ray.data.from_items([{"id": n, "text": text} for n, text in enumerate(TEXTS)])
    found = map_batches(
        dataset, DATA / "tiny-embed-int8", workers=2, request={"options": {"dimensions": 8}}
    )
    rows = sorted(found.take_all(), key=lambda row: row["id"])
    expected = Embedder.load(DATA / "tiny-embed-int8").embed(TEXTS, dimensions=8)
    # dynamic scales: a text's vector does not depend on its batch, to the bit
    assert np.array_equal(np.stack([row["embedding"] for row in rows]), expected)
    assert [row["truncated"] for row in rows] == [False] * len(TEXTS)


def test_a_dataset_with_an_option_that_does_not_fit_is_refused_at_once(ray: Any) -> None:
    dataset = ray.data.from_items([{"text": "a"}])
    with pytest.raises(InputError, match="top_k"):
        map_batches(dataset, DATA / "tiny-embed", workers=1, request={"options": {"top_k": 1}})
