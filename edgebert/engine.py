"""The straight line: texts to rows to runs to arrays to results, in the order given.

Knows no task: a task gives a readout, a pure function over one batch's outputs. Holds the worker
threads, whose number is the only parallelism: each run uses one core.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import import_module
from itertools import groupby, islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from edgebert.batching import Batch, default_budget, fill_runs, plan_runs
from edgebert.bundle import Bundle
from edgebert.config import TUNED, RuntimeConfig, Truncation, usable_cores
from edgebert.engines import Opened, Range, open_ranges, open_sessions
from edgebert.errors import InferenceError, InputError, TaskError
from edgebert.manifest import EngineName, Manifest, Task
from edgebert.results import Floats
from edgebert.tokens import Text, Tokenizer, Tokens, open_tokenizer

R = TypeVar("R")
T = TypeVar("T")
Readout = Callable[[tuple[Floats, ...], Batch], Sequence[R]]

SORTED = 2048  # texts sorted together; more gains little and delays the first result
CHUNK = 64  # texts a worker tokenizes at a time
AHEAD = 4  # runs in flight per worker: enough to keep it busy, few enough to bound memory


class Engine:
    """An opened bundle that runs. May be shared between threads."""

    def __init__(
        self,
        manifest: Manifest,
        tokenizer: Tokenizer,
        opened: Opened,
        config: RuntimeConfig,
    ) -> None:
        """Join the parts; `Engine.open` makes them from a bundle.

        Args:
            manifest: of the bundle.
            tokenizer: turns texts into rows.
            opened: what runs batches; the worker threads share it.
            config: how to run.
        """
        self.manifest = manifest
        self.tokenizer = tokenizer
        self._opened = opened
        self._truncation = config.truncation
        self._threads = config.threads or usable_cores()
        self._most = config.max_tokens_per_run or default_budget(manifest.encoder.hidden)
        # Dynamic scales are taken over a whole run, so there a run may hold one text only.
        self.budget = self._most if manifest.batch_invariant else 1  # tokens of a run
        self._pools: dict[int, ThreadPoolExecutor] = {}  # by process: see _workers

    @classmethod
    def open(cls, path: Path | str, config: RuntimeConfig | None = None) -> "Engine":
        """Open a bundle's folder: check it, read its tokenizer, load its main graph.

        Raises:
            BundleError: it cannot be used.
        """
        chosen = config or RuntimeConfig()
        ranges: Sequence[Range] = ()
        with Bundle.opening(path) as bundle:
            tokenizer = _open_tokenizer(bundle.path, bundle.manifest)
        if chosen.engine == TUNED:
            # by name, so that who does not use it does not wait for its imports
            tuned = import_module("edgebert.tuned")
            ranges = tuned.ranges_here(bundle, chosen.threads or usable_cores())
        opened = _open_sessions(bundle.path, bundle.manifest, chosen, ranges)
        return cls(bundle.manifest, tokenizer, opened, chosen)

    @classmethod
    def from_parts(
        cls, folder: Path, manifest: Manifest, config: RuntimeConfig, ranges: Sequence[Range] = ()
    ) -> "Engine":
        """Make an engine from a folder whose files are known to be good.

        Args:
            folder: of the bundle.
            manifest: of the bundle.
            config: how to run.
            ranges: which engine runs which lengths; without, the configuration's runs all, and
                onnxruntime where that is "tuned".
        """
        opened = _open_sessions(folder, manifest, config, ranges)
        return cls(manifest, _open_tokenizer(folder, manifest), opened, config)

    def require(self, task: Task) -> None:
        """Refuse a bundle that is for another task."""
        found = self.manifest.task
        if found is not task:
            raise TaskError(
                task,
                found,
                f"bundle {self.manifest.name!r} is for {found.value!r}, not for {task.value!r}",
            )

    def policy(self, asked: Truncation | str | None, default: Truncation) -> Truncation:
        """Settle what to do with long texts: as the call says, the configuration, or the task."""
        settled = default if self._truncation is None else self._truncation
        chosen = settled if asked is None else asked
        if chosen not in tuple(Truncation):
            known = ", ".join(Truncation)
            raise InputError(f"truncation is {chosen!r}; it must be one of: {known}")
        return Truncation(chosen)

    def map(
        self,
        texts: Iterable[Text],
        readout: Readout[R],
        truncation: Truncation = Truncation.CUT,
    ) -> Iterator[list[R]]:
        """Run texts and yield their results, in the order given.

        Texts are taken from the iterable some thousands at a time, so memory stays bounded
        however many there are.

        Args:
            texts: strings, or pairs of strings.
            readout: turns the outputs of one batch into one result per row.
            truncation: what to do with a text over the limit.

        Yields:
            The results of one text: one, or with `window` as many as the text has windows.

        Raises:
            InputError: a text cannot be taken; the message names the row.
            InferenceError: the graph failed, or gave a value that is not finite.
        """
        if isinstance(texts, str):
            raise InputError("a single string; give a sequence of texts, such as [text]")
        stream, first = iter(texts), 0
        while some := list(islice(stream, SORTED)):
            tokens = self.tokenize(some, first, truncation)
            results = iter(self.run(tokens, readout))
            for _, windows in groupby(tokens, key=lambda row: row.row):
                yield [next(results) for _ in windows]
            first += len(some)

    def tokenize(
        self, texts: Sequence[Text], first: int = 0, truncation: Truncation = Truncation.CUT
    ) -> list[Tokens]:
        """Turn texts into rows, the first of which has this number; see `Tokenizer.encode`."""

        def encode(start: int) -> list[Tokens]:
            return self.tokenizer.encode(texts[start : start + CHUNK], first + start, truncation)

        chunks = self.each(encode, range(0, len(texts), CHUNK))
        return [row for chunk in chunks for row in chunk]

    def run(self, tokens: Sequence[Tokens], readout: Readout[R]) -> list[R]:
        """Run rows and return one result each, in the order given.

        Raises:
            InferenceError: the graph failed, or gave a value that is not finite.
        """
        # by a row's own length alone: which engine runs it, and how far it is padded
        opened = [self._opened.of(len(row.ids)) for row in tokens]
        most = self.manifest.max_tokens
        lengths = [by.padded(len(row.ids), most) for row, by in zip(tokens, opened, strict=True)]
        runs = self._plan(lengths, opened)

        def run(rows: tuple[int, ...]) -> Sequence[R]:
            batch = Batch(tuple(tokens[row] for row in rows), lengths[rows[0]])
            by = opened[rows[0]]
            outputs = (by.lone if len(runs) == 1 else by.shared).run(batch)
            require_finite(outputs, batch.rows)
            return readout(outputs, batch)

        results: dict[int, R] = {}
        for rows, values in zip(runs, self.each(run, runs), strict=True):
            results.update(zip(rows, values, strict=True))
        return [results[row] for row in range(len(tokens))]

    def _plan(self, lengths: Sequence[int], opened: Sequence[Opened]) -> list[tuple[int, ...]]:
        """Share rows out into runs, each on one engine, the longest first."""
        mixed = [row for row, by in enumerate(opened) if by.mixes]
        others = [row for row, by in enumerate(opened) if not by.mixes]
        runs = [
            tuple(rows[place] for place in run)
            for rows, plan, most in (
                (mixed, fill_runs, self._most),
                (others, plan_runs, self.budget),
            )
            for run in plan([lengths[row] for row in rows], most)
        ]
        return sorted(runs, key=lambda run: -lengths[run[0]])

    def each(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """Apply a function in the workers, a bounded number ahead, and yield in order."""
        if self._threads == 1 or len(items) == 1:
            yield from map(function, items)
            return
        pool = self._workers()
        waiting: deque[Future[R]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= AHEAD * self._threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def _workers(self) -> ThreadPoolExecutor:
        process = os.getpid()  # a forked child inherits this object and none of its threads
        pool = self._pools.get(process)
        if pool is None:  # no lock, which a fork could leave held: setdefault is atomic
            pool = self._pools.setdefault(process, ThreadPoolExecutor(self._threads, "edgebert"))
        return pool


def _open_tokenizer(folder: Path, manifest: Manifest) -> Tokenizer:
    return Tokenizer(
        open_tokenizer(folder / "tokenizer.json"),
        max_tokens=manifest.max_tokens,
        pairs=manifest.task in (Task.CLASSIFY, Task.ANSWER),
        cut_second_only=manifest.task is Task.ANSWER,
        needs_offsets=manifest.task in (Task.TAG, Task.ANSWER, Task.FILL),
    )


def _open_sessions(
    folder: Path, manifest: Manifest, config: RuntimeConfig, ranges: Sequence[Range]
) -> Opened:
    threads = config.threads or usable_cores()
    if ranges:
        return open_ranges(folder, manifest, ranges, threads)
    tuned = config.engine == TUNED  # and no profile that holds here
    engine = EngineName.ONNXRUNTIME if tuned else EngineName(config.engine)
    return open_sessions(folder, manifest, engine, threads)


def require_finite(outputs: Iterable[Floats], rows: Iterable[int]) -> None:
    """Refuse what a model gave for these rows if it is no number.

    Raises:
        InferenceError: names the rows.
    """
    for output in outputs:
        if not np.isfinite(output).all():
            raise InferenceError(
                f"rows {sorted(rows)}: the model gave NaN or infinity; run `edgebert verify` on "
                "this machine"
            )
