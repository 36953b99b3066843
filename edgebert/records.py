"""Rows of a file to a task's inputs, and its results to rows: the record format of `run`."""

import dataclasses
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebert.errors import InputError
from edgebert.loading import AnyTask
from edgebert.manifest import Task
from edgebert.results import Answer, Embedding, Filling, Floats
from edgebert.tokens import Text

VectorWriter = Callable[[Floats], "list[float] | list[int]"]

NOTHING = Answer("", 0.0, 0, 0)  # of an empty context
SEQUENCES = 1 << 27  # characters of one record: each candidate of each mask repeats its text


class InputFormat(StrEnum):
    """How a file holds its rows."""

    LINES = "lines"
    JSONL = "jsonl"

    @classmethod
    def of(cls, name: str) -> "InputFormat":
        """Tell by a file's name."""
        return cls.JSONL if name.endswith((".jsonl", ".ndjson")) else cls.LINES


@dataclass(frozen=True, slots=True)
class Row:
    """What is run, and what is handed through beside it."""

    text: Text
    fields: Mapping[str, Any]


def read_inputs(lines: Iterable[str], form: InputFormat, task: Task) -> Iterator[Row]:
    """Read rows one by one.

    Raises:
        InputError: a row is not as the format says; the message names the line.
    """
    if form is InputFormat.LINES and task is Task.ANSWER:
        raise InputError("questions need a context: give JSONL with 'question' and 'context'")
    stream = enumerate(lines, 1)
    while True:
        try:
            number, line = next(stream)
        except StopIteration:
            return
        except UnicodeDecodeError as error:
            raise InputError(f"the input is not UTF-8: {error}") from error
        except OSError as error:
            raise InputError(f"the input cannot be read: {error.strerror}") from error
        text = line.rstrip("\r\n")
        if form is InputFormat.LINES:
            yield Row(text, {"text": text})
        elif text.strip():
            fields = _parse(text, number)
            yield Row(_text_of(fields, number, task), fields)


def _parse(line: str, number: int) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"line {number}: not JSON: {error}; for plain text, --format lines") from (
            error
        )
    if not isinstance(fields, dict):
        raise InputError(f"line {number}: {type(fields).__name__}, expected a JSON object")
    return fields


def _text_of(fields: Mapping[str, Any], number: int, task: Task) -> Text:
    names = ("question", "context") if task is Task.ANSWER else ("text", "text_pair")
    needed = names if task is Task.ANSWER or names[1] in fields else names[:1]
    for name in needed:
        if not isinstance(fields.get(name), str):
            raise InputError(
                f"line {number}: field {name!r} is {fields.get(name)!r:.80}, expected a string"
            )
    return fields[names[0]] if len(needed) == 1 else (fields[names[0]], fields[names[1]])


def numbers_of(vector: NDArray[Any]) -> list[float] | list[int]:
    """Give JSON numbers: whole ones as they are, floats as short as they can be unchanged."""
    if np.issubdtype(vector.dtype, np.integer):
        return [int(value) for value in vector]
    return [float(str(value)) for value in vector]


def results_of(
    task: AnyTask,
    rows: Iterable[Row],
    options: Mapping[str, Any],
    write_vector: VectorWriter = numbers_of,
) -> Iterator[dict[str, Any]]:
    """Run rows and yield one record each: the row's own fields, then the result's."""
    waiting: deque[Mapping[str, Any]] = deque()

    def texts() -> Iterator[Any]:
        for row in rows:
            waiting.append(row.fields)
            yield row.text

    try:
        results = task.stream(texts(), **options)
    except TypeError as error:
        raise InputError(f"task {task.manifest.task.value!r}: {error}") from error
    several = options.get("top_k", 1) != 1 or "threshold" in options
    for result in results:
        yield {**waiting.popleft(), **as_record(result, several=several, write_vector=write_vector)}


def as_record(
    result: Any, *, several: bool, write_vector: VectorWriter = numbers_of
) -> dict[str, Any]:
    """Turn a result into JSON values.

    Labels and answers stand in a list where several were asked for, else the best alone stands in
    the record itself.
    """
    if isinstance(result, Embedding):
        return {
            "embedding": write_vector(result.vector),
            "n_tokens": result.n_tokens,
            "truncated": result.truncated,
        }
    if isinstance(result, Filling):
        return _filling_record(result)
    record = dataclasses.asdict(result)
    for name in ("labels", "answers"):
        if name in record and not several:
            best = record.pop(name) or [dataclasses.asdict(NOTHING)]
            return {**best[0], **record}
    return record


def _filling_record(filling: Filling) -> dict[str, Any]:
    written = sum(len(fill.text) for fills in filling.masks for fill in fills)
    if written > SEQUENCES:
        raise InputError(
            f"a text with {len(filling.masks):,} masks: its candidates' sequences have "
            f"{written:,} characters, a record may have {SEQUENCES:,}; ask for fewer (top_k), or "
            "split the text"
        )
    masks = [
        [
            {
                "token": fill.token,
                "token_str": fill.token_str,
                "score": fill.score,
                "sequence": fill.sequence,
            }
            for fill in fills
        ]
        for fills in filling.masks
    ]
    return {"masks": masks, "n_tokens": filling.n_tokens, "truncated": filling.truncated}
