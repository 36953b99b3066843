"""What is done to a block of rows: texts out of columns, the task over them, records back.

A block's records depend on nothing but its rows, the bundle and the request: so a job may stop and
go on at any block, and blocks may be run anywhere, and the bytes stay the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from edgebert.errors import InputError
from edgebert.jobs.tables import Entry
from edgebert.loading import AnyTask
from edgebert.manifest import EngineName, Manifest, Task
from edgebert.records import as_record
from edgebert.results import Floats
from edgebert.tokens import Text
from edgebert.vector_records import vector_writer
from edgebert.vectors import Precision

ERROR = "error"  # the column of what is wrong with a row


class OnError(StrEnum):
    """What to do with a row that cannot be run."""

    FAIL = "fail"  # stop and name it
    SKIP = "skip"  # leave it out, and count it
    RECORD = "record"  # keep it with an error in place of its results, and count it


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to do with each row; values only, so that it can be sent to another process."""

    bundle: Path
    threads: int | None = None  # of each worker; None: the usable cores
    engine: EngineName = EngineName.ONNXRUNTIME
    text_column: str | None = None  # None: "text", or "question" where the task is to answer
    pair_column: str | None = None  # None: "text_pair" where a row has it, or "context"
    options: Mapping[str, Any] = field(default_factory=dict)  # of the task
    precision: Precision | None = None  # of vectors; None: float32
    ranges: Floats | None = None  # (2, D), for int8 and uint8
    prefix: str = ""  # of the names of result columns
    on_error: OnError = OnError.FAIL


@dataclass(frozen=True, slots=True)
class Ran:
    """The records of a block."""

    records: list[dict[str, Any]]
    bad: int  # rows that could not be run
    cut: int  # texts the model saw only the beginning of


def run_block(task: AnyTask, request: Request, entries: Sequence[Entry]) -> Ran:
    """Run the rows of a block and give their records in the order of the rows.

    Raises:
        InputError: a row cannot be run and `on_error` is to fail; or a column of the input has the
            name of a result.
    """
    texts = [text_of(entry, request, task.manifest.task) for entry in entries]
    good = [place for place, text in enumerate(texts) if not isinstance(text, InputError)]
    results: list[Any] = list(texts)  # what is wrong stays where it is
    found = _run(task, request, [texts[place] for place in good])
    for place, result in zip(good, found, strict=True):
        results[place] = result
    records: list[dict[str, Any]] = []
    bad = cut = 0
    for entry, result in zip(entries, results, strict=True):
        if isinstance(result, InputError):
            bad += 1
            message = f"{entry.place}: {result}"
            if request.on_error is OnError.FAIL:
                raise InputError(message) from result
            if request.on_error is OnError.SKIP:
                continue
            result = {ERROR: message}
        cut += result.get("truncated", False)
        records.append(_join(entry, result, request.prefix))
    return Ran(records, bad, cut)


def _join(entry: Entry, result: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    named = {prefix + name: value for name, value in result.items()}
    taken = sorted(named.keys() & entry.fields.keys())
    if taken:
        raise InputError(
            f"{entry.place}: the input has a column {taken[0]!r}, which is the name of a result; "
            "name results otherwise, as with --prefix predicted_"
        )
    return {**entry.fields, **named}


def _run(task: AnyTask, request: Request, texts: Sequence[Any]) -> list[Any]:
    """Run texts; where that fails, halve them until the one at fault stands alone."""
    if not texts:
        return []
    write_vector = vector_writer(task.manifest, request.precision, request.ranges)
    several = has_several(request.options)
    try:
        results: Iterable[Any] = task.stream(texts, **request.options)
        return [as_record(each, several=several, write_vector=write_vector) for each in results]
    except InputError as error:
        if len(texts) == 1:
            return [InputError(str(error).removeprefix("row 0: "))]
    half = len(texts) // 2
    return _run(task, request, texts[:half]) + _run(task, request, texts[half:])


def has_several(options: Mapping[str, Any]) -> bool:
    """Tell whether a record holds a list of labels or answers, not one alone."""
    return options.get("top_k", 1) != 1 or "threshold" in options


def check_request(task: AnyTask, request: Request) -> None:
    """Refuse a request that no row could be run with.

    Raises:
        InputError: an option that the task does not have, or a value that it does not take.
    """
    vector_writer(task.manifest, request.precision, request.ranges)
    try:
        list(task.stream([], **request.options))
    except TypeError as error:
        raise InputError(f"task {task.manifest.task.value!r}: {error}") from error


def columns_of(request: Request, task: Task) -> tuple[str, str]:
    """Name the columns of texts and of their pairs."""
    first, second = ("question", "context") if task is Task.ANSWER else ("text", "text_pair")
    return request.text_column or first, request.pair_column or second


def text_of(entry: Entry, request: Request, task: Task) -> Text | InputError:
    """Take a row's text or pair of texts out of its columns; what is wrong comes as an error."""
    if entry.fault:
        return InputError(entry.fault)
    first, second = columns_of(request, task)
    must_pair = task is Task.ANSWER or request.pair_column is not None
    names = (first, second) if must_pair or second in entry.fields else (first,)
    for name in names:
        if not isinstance(entry.fields.get(name), str):
            found = f"is {entry.fields[name]!r:.80}" if name in entry.fields else "is missing"
            return InputError(f"field {name!r} {found}, expected a string")
    texts = tuple(entry.fields[name] for name in names)
    return texts[0] if len(texts) == 1 else (texts[0], texts[1])


def result_names(manifest: Manifest, request: Request) -> list[str]:
    """Name the columns that a request adds to a row."""
    several = has_several(request.options)
    names = {
        Task.EMBED: ("embedding",),
        Task.CLASSIFY: ("labels",) if several else ("label", "score"),
        Task.TAG: ("entities",),
        Task.ANSWER: ("answers",) if several else ("answer", "score", "start", "end"),
        Task.FILL: ("masks",),
    }[manifest.task]
    errors = (ERROR,) if request.on_error is OnError.RECORD else ()
    return [request.prefix + name for name in (*names, "n_tokens", "truncated", *errors)]
