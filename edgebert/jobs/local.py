"""A job from its input to its output: blocks of rows, run one after the other or spread.

The one loop for this machine and for many: who runs a block and where is `spread`'s, the order,
the output and what is kept for a resumed run are decided here.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

from edgebert.bundle import Bundle, hash_file
from edgebert.config import RuntimeConfig
from edgebert.device.cpu import read_cpu
from edgebert.engine_versions import version_of
from edgebert.errors import InputError
from edgebert.jobs.outputs import Layout, OutputFormat, finish_file, plan_layout
from edgebert.jobs.parquet import Blocks, types_of
from edgebert.jobs.progress import Summary
from edgebert.jobs.resume import BAD_ROWS, Part, State
from edgebert.jobs.tables import Entry, Format, parse_entries, read_entries
from edgebert.jobs.work import Request, check_request, run_block
from edgebert.loading import AnyTask, load
from edgebert.manifest import Manifest, Task
from edgebert.version import __version__

BLOCK_ROWS = 2048  # the engine's sort window: more would not run faster


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is read, what is done, what is written."""

    inputs: Sequence[Path] | BinaryIO  # files in their order, or a stream, read once
    output: Path | BinaryIO
    request: Request
    form: Format | None = None  # of the inputs; None: by their names; a stream: lines
    restart: bool = False  # leave what an earlier run has done
    block_rows: int = BLOCK_ROWS


@dataclass(frozen=True, slots=True)
class Encoded:
    """A block that was run: its bytes and what is counted."""

    data: bytes
    read: int
    written: int
    bad: int
    cut: int


class Worker:
    """Runs blocks with one opened bundle."""

    def __init__(self, task: AnyTask, request: Request, layout: Layout) -> None:
        self._task, self._request, self._layout = task, request, layout

    def __call__(self, entries: Sequence[Entry]) -> Encoded:
        """Run a block and encode its records.

        Raises:
            InputError: a row cannot be run or written, and the request is to fail then.
        """
        ran = run_block(self._task, self._request, entries)
        data = self._layout.encode(ran.records) if ran.records else b""
        return Encoded(data, len(entries), len(ran.records), ran.bad, ran.cut)


Block = list[Entry]
Spread = Callable[[AnyTask, Request, Layout, Iterator[Block]], Iterator[Encoded]]


def run_here(
    task: AnyTask, request: Request, layout: Layout, blocks: Iterator[Block]
) -> Iterator[Encoded]:
    """Run blocks one after the other in this process; the engine's threads share each."""
    return map(Worker(task, request, layout), blocks)


Run = Callable[[Iterator[Block]], Iterator[Encoded]]
Watch = Callable[[State], None]


def run_job(job: Job, *, spread: Spread = run_here, watch: Watch = lambda state: None) -> Summary:
    """Run a job, or go on with one that was interrupted.

    The output of files to a file is the same bytes however often it was interrupted, and appears
    whole or not at all.

    Args:
        job: what to do.
        spread: who runs the blocks; must give their results in order.
        watch: is told the state before the first block that is run, and after each.

    Raises:
        InputError: an input cannot be read, or a row cannot be run and the request is to fail.
        ResumeError: the unfinished output belongs to another job.
        EdgebertError: the output cannot be written; what is done is kept.
    """
    began = time.monotonic()
    config = RuntimeConfig(threads=job.request.threads, engine=job.request.engine)
    task = load(job.request.bundle, config)
    check_request(task, job.request)
    check = _watch_inputs(job)
    blocks = _cut_blocks(_entries(job, task.manifest.task), job.block_rows, check)
    first = next(blocks, [])  # tells the columns
    layout = _plan(job, task.manifest, first)
    blocks = chain([first] if first else [], blocks)
    run = partial(spread, task, job.request, layout)
    if isinstance(job.output, Path):
        resumed_at, state = _write_file(job, job.output, layout, blocks, run, watch)
    else:
        resumed_at, state = 0, _write_stream(job.output, layout, run(blocks), watch)
    return Summary(state=state, resumed_at=resumed_at, seconds=time.monotonic() - began)


def _write_stream(output: BinaryIO, layout: Layout, ran: Iterator[Encoded], watch: Watch) -> State:
    state = State()
    output.write(layout.head())
    for block in ran:
        output.write(block.data)
        state = _add(state, block)
        watch(state)
    output.flush()
    return state


def _write_file(
    job: Job, output: Path, layout: Layout, blocks: Iterator[Block], run: Run, watch: Watch
) -> tuple[int, State]:
    resumable = isinstance(job.inputs, Sequence)
    part = Part(output, _identity(job, layout), restart=job.restart or not resumable)
    try:
        resumed_at = part.state.read
        _append_all(part, layout, blocks, run, watch)
        return resumed_at, part.state
    except BaseException:
        part.close()
        if not resumable or not part.state.read:
            part.discard()
        raise
    finally:
        part.close()


def _append_all(
    part: Part, layout: Layout, blocks: Iterator[Block], run: Run, watch: Watch
) -> None:
    held = Blocks()
    is_parquet = layout.form is OutputFormat.PARQUET
    if is_parquet and not part.is_in_place:
        held.recall(part.path)
    if not part.state.complete:
        if not part.state.bytes and (head := layout.head()):
            if is_parquet:
                held.add(head)
            part.append(head, part.state)
        watch(part.state)
        for block in run(_after(blocks, part.state.read)):
            if is_parquet:
                held.add(block.data)
            part.append(block.data, _add(part.state, block))
            watch(part.state)
    part.finish(lambda path: finish_file(layout, path, part.state.written, held))


def _after(blocks: Iterator[Block], rows: int) -> Iterator[Block]:
    """Read past the blocks that an earlier run has done."""
    while rows > 0 and (block := next(blocks, None)):
        rows -= len(block)
    return blocks


def _add(state: State, block: Encoded) -> State:
    return replace(
        state,
        read=state.read + block.read,
        written=state.written + block.written,
        bad=state.bad + block.bad,
        cut=state.cut + block.cut,
    )


def _cut_blocks(entries: Iterator[Entry], size: int, check: Callable[[], None]) -> Iterator[Block]:
    while block := list(islice(entries, size)):
        check()
        yield block
    check()


def _watch_inputs(job: Job) -> Callable[[], None]:
    """Give what raises once a file is not as it was: its rows would be of two versions."""
    files = job.inputs if isinstance(job.inputs, Sequence) else ()
    before = [_stamp(path) for path in files]

    def check() -> None:
        for path, stamp in zip(files, before, strict=True):
            if _stamp(path) != stamp:
                raise InputError(
                    f"{path}: was changed while it was read; leave it as it is while a job runs, "
                    "or give a copy, and begin anew with --restart"
                )

    return check


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None  # whoever reads it says so
    return found.st_size, found.st_mtime_ns


def _entries(job: Job, task: Task) -> Iterator[Entry]:
    if not isinstance(job.inputs, Sequence):
        return parse_entries(job.inputs, _form(job, "-", task))
    forms = [(path, _form(job, path.name, task)) for path in job.inputs]
    return chain.from_iterable(read_entries(path, form) for path, form in forms)


def _form(job: Job, name: str, task: Task) -> Format:
    form = job.form or Format.of(name)
    if form is Format.LINES and task is Task.ANSWER:
        raise InputError("questions need a context: give JSONL with 'question' and 'context'")
    return form


def _plan(job: Job, manifest: Manifest, first: Block) -> Layout:
    files = job.inputs if isinstance(job.inputs, Sequence) else ()
    name = job.output.name if isinstance(job.output, Path) else "-"
    if isinstance(job.output, Path) and job.output.exists():
        _check_apart(job.output, files)
    types: Mapping[str, Any] = {}
    tables = [path for path in files if (job.form or Format.of(path.name)) is Format.PARQUET]
    if tables and OutputFormat.of(name) is OutputFormat.PARQUET:
        types = types_of(tables)
    columns = dict.fromkeys([*types, *(column for entry in first for column in entry.fields)])
    return plan_layout(name, manifest, job.request, list(columns), types)


def _check_apart(output: Path, files: Sequence[Path]) -> None:
    for path in files:
        if path.exists() and path.samefile(output):
            raise InputError(f"{output}: is among the inputs and would be replaced; name another")


def _identity(job: Job, layout: Layout) -> dict[str, Any]:
    """Say in JSON what the bytes of the output depend on."""
    request = job.request
    ranges = None if request.ranges is None else sha256(request.ranges.tobytes()).hexdigest()
    is_table = layout.form not in (OutputFormat.JSONL, OutputFormat.NPY)
    files = job.inputs if isinstance(job.inputs, Sequence) else ()
    return {
        "input": [[path.name, hash_file(path)] for path in files],
        "format": job.form,
        "bundle": Bundle.open(request.bundle).fingerprint,
        "text column": request.text_column,
        "pair column": request.pair_column,
        "options": dict(request.options),
        "precision": request.precision,
        "ranges": ranges,
        "prefix": request.prefix,
        BAD_ROWS: request.on_error,
        "columns": layout.results if is_table else None,
        "block": job.block_rows,
        "processor": read_cpu().kernels,
        "versions": [__version__, f"{request.engine} {version_of(request.engine)}"],
    }
