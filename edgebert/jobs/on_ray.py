"""The same work on a cluster, by Ray (only user of ray): a bundle is opened once an actor.

`run_on_ray` is another way to run a job's blocks: same blocks, same order, so the same bytes, and
a resumed run as well. `map_batches` is for those who hold a Ray Dataset.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from edgebert.config import RuntimeConfig
from edgebert.errors import EdgebertError, InputError
from edgebert.jobs.extras import load_extra
from edgebert.jobs.local import BLOCK_ROWS, Block, Encoded, Worker
from edgebert.jobs.outputs import Layout, OutputFormat, plan_layout, record_table
from edgebert.jobs.tables import Entry
from edgebert.jobs.work import Request, check_request, run_block
from edgebert.loading import AnyTask, load

AHEAD = 2  # blocks that wait at each actor: one is run while the next is on its way
LIVES = 3  # how often an actor that was lost is begun anew, and a block given out again
READY_S = 600  # until all actors have opened the bundle: machines may have to be started first


def run_on_ray(
    task: AnyTask,
    request: Request,
    layout: Layout,
    blocks: Iterator[Block],
    *,
    workers: int,
) -> Iterator[Encoded]:
    """Run blocks on actors, and yield them in order; a `Spread` of `run_job`.

    A cluster that runs already is used (`ray.init` before, or RAY_ADDRESS), else one is started on
    this machine. The bundle must stand at the same path on every machine. An actor that is lost,
    with its machine or alone, is begun anew: a block's bytes are the same wherever it is run.

    Args:
        task: of this process; the actors open their own.
        request: what is done; `request.threads` cores are asked of Ray for each actor.
        layout: how records are written.
        blocks: of rows; a few for each actor are in memory.
        workers: how many actors.

    Raises:
        MissingExtraError: ray is not installed.
        InputError: workers are none, or more than this machine has cores for.
        EdgebertError: an actor raised it, or was lost too often, or the cluster has no room.
    """
    if workers < 1:
        raise InputError(f"workers is {workers}; it must be 1 or more")
    cores = request.threads or 1
    ray = _connect(workers * cores)
    actor = ray.remote(num_cpus=cores, max_restarts=LIVES, max_task_retries=LIVES)(_Actor)
    actors = [actor.remote(request, layout) for _ in range(workers)]
    waiting, turns = deque[Any](), cycle(actors)
    try:
        _await_all(ray, actors, cores)
        for block in blocks:
            waiting.append(next(turns).run.remote(block))
            if len(waiting) >= AHEAD * workers:
                yield _get(ray, waiting.popleft())
        while waiting:
            yield _get(ray, waiting.popleft())
    finally:
        for each in actors:
            ray.kill(each)


def _connect(cores: int) -> Any:
    """Give Ray, connected; refuse what a cluster of this machine alone could never run."""
    ray = load_extra("ray", "ray")
    if not ray.is_initialized():
        try:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level="error")
        except (OSError, RuntimeError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise EdgebertError(
                f"no Ray cluster could be reached or started: {reason}; see what RAY_ADDRESS says"
            ) from error
    there = int(ray.cluster_resources().get("CPU", 0))
    if len(ray.nodes()) == 1 and cores > there:
        raise InputError(
            f"the workers ask for {cores} cores, Ray has {there} here; give fewer --workers or "
            "--threads, or name a larger cluster in RAY_ADDRESS"
        )
    return ray


def _await_all(ray: Any, actors: Sequence[Any], cores: int) -> None:
    """Wait until every actor has opened the bundle: one without room would wait in silence."""
    opened = [each.open.remote() for each in actors]
    done, late = ray.wait(opened, num_returns=len(opened), timeout=READY_S)
    for each in done:
        _get(ray, each)
    if late:
        raise EdgebertError(
            f"{len(late)} of {len(opened)} workers had no {cores} cores after {READY_S} s; the "
            f"cluster has {ray.available_resources().get('CPU', 0):g} free; give fewer --workers"
        )


def _get(ray: Any, waiting: Any) -> Any:
    try:
        return ray.get(waiting)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, EdgebertError):
            raise error.cause from error
        raise
    except ray.exceptions.RayError as error:
        reason = str(error).partition("\n")[0]
        raise EdgebertError(
            f"a worker was lost {LIVES + 1} times: {reason}; see that it has memory enough, then "
            "run the same command again: it goes on"
        ) from error


class _Actor:
    """Holds an opened bundle in another process."""

    def __init__(self, request: Request, layout: Layout) -> None:
        self._request, self._layout = request, layout
        self._worker: Worker | None = None  # opened at the first call, so that errors are its own

    def open(self) -> None:
        """Open the bundle, before there is a block."""
        self._opened()

    def run(self, block: Block) -> Encoded:
        """Run and encode a block."""
        return self._opened()(block)

    def _opened(self) -> Worker:
        """Give what runs blocks; an actor that was begun anew has to open it again."""
        if self._worker is None:
            request = self._request
            config = RuntimeConfig(threads=request.threads or 1, engine=request.engine)
            self._worker = Worker(load(request.bundle, config), request, self._layout)
        return self._worker


def map_batches(
    dataset: Any,
    bundle: Path | str,
    *,
    workers: int,
    cores: int = 1,
    request: Mapping[str, Any] | None = None,
) -> Any:
    """Add the results of a bundle to a Ray Dataset, lazily.

    A batch is as many rows as the command's blocks. Bundles whose manifest says they are
    batch-invariant to float error give, in batches cut elsewhere, the same to float error.

    Args:
        dataset: a `ray.data.Dataset`.
        bundle: its folder, at the same path on every machine.
        workers: how many actors.
        cores: of each actor.
        request: further fields of `jobs.work.Request`, such as {"options": {"dimensions": 128}}.

    Returns:
        A dataset with the columns of the results beside those it had; vectors as fixed-size lists.

    Raises:
        InputError: an option that the task does not have.
        BundleError: the bundle cannot be used here.
    """
    asked = Request(**{**(request or {}), "bundle": Path(bundle), "threads": cores})
    check_request(load(bundle, RuntimeConfig(threads=1)), asked)
    return dataset.map_batches(
        _Batches,
        fn_constructor_kwargs={"request": asked},
        batch_format="pyarrow",
        batch_size=BLOCK_ROWS,
        concurrency=workers,
        num_cpus=cores,
    )


class _Batches:
    """Runs the batches of a Ray Dataset."""

    def __init__(self, request: Request) -> None:
        self._request = request
        config = RuntimeConfig(threads=request.threads, engine=request.engine)
        self._task = load(request.bundle, config)

    def __call__(self, table: Any) -> Any:
        rows = enumerate(table.to_pylist())
        entries = [Entry(f"row {number} of its batch", row) for number, row in rows]
        records = run_block(self._task, self._request, entries).records
        types = {field.name: field.type for field in table.schema}
        name = f"batch.{OutputFormat.PARQUET}"
        layout = plan_layout(name, self._task.manifest, self._request, list(types), types)
        return record_table(layout, records)
