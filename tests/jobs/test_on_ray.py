"""On a real Ray of this machine, two actors: the same bytes as here, and the same errors."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebert.errors import InputError
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
