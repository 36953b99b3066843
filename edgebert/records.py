"""A task's results as rows: the record format of `run`."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from datetime import date, time
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebert.errors import InputError
from edgebert.results import Answer, Embedding, Filling, Floats

VectorWriter = Callable[[Floats], NDArray[Any]]

NOTHING = Answer("", 0.0, 0, 0)  # of an empty context
SEQUENCES = 1 << 27  # characters of one record: each candidate of each mask repeats its text


def numbers_of(vector: NDArray[Any]) -> list[float] | list[int]:
    """Give JSON numbers: whole ones as they are, floats as short as they can be unchanged."""
    if np.issubdtype(vector.dtype, np.integer):
        return [int(value) for value in vector]
    return [float(str(value)) for value in vector]


def to_json(record: Mapping[str, Any]) -> str:
    """Write a record as one line of JSON.

    Raises:
        InputError: it holds a value that JSON has nothing for.
    """
    return json.dumps(record, ensure_ascii=False, default=_json_value)


def _json_value(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return numbers_of(value)
    if isinstance(value, date | time):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise InputError(
        f"a column holds {type(value).__name__}, which JSON does not have; write Parquet"
    )


def as_record(
    result: Any, *, several: bool, write_vector: VectorWriter = np.asarray
) -> dict[str, Any]:
    """Turn a result into the values of a row: those of JSON, and arrays for vectors.

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
