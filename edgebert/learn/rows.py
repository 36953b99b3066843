"""Labelled texts from JSONL and CSV: what `edgebert learn` and `edgebert forget` read."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgebert.errors import InputError


@dataclass(frozen=True, slots=True)
class Labelled:
    """Texts and their labels, in the order of the file."""

    texts: list[str]
    labels: list[str] | list[list[str]]


def read_file(path: Path, *, several: bool) -> Labelled:
    """Read a file of labelled texts; see `read_labelled`."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return read_labelled(path.name, stream, several=several)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def read_labelled(name: str, lines: Iterable[str], *, several: bool) -> Labelled:
    """Read rows of "text" and "label"; with `several`, of "text" and "labels".

    Args:
        name: the file's; CSV if it ends so, else JSONL.
        lines: its lines.
        several: a list of labels a text; in CSV they stand apart by "|".

    Raises:
        InputError: a row is not so; names the line.
    """
    key = "labels" if several else "label"
    rows = _csv_rows(lines, key) if name.endswith(".csv") else _json_rows(lines)
    texts: list[str] = []
    labels: list[Any] = []
    try:
        for number, row in rows:
            text, label = row.get("text"), row.get(key)
            if several and isinstance(label, str):
                label = [part.strip() for part in label.split("|") if part.strip()]
            if not isinstance(text, str) or not isinstance(label, list if several else str):
                raise InputError(
                    f"{name}: line {number}: expected a text in 'text' and "
                    f"{'a list of labels' if several else 'a label'} in {key!r}, found {row!r:.80}"
                )
            texts.append(text)
            labels.append(label)
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: not UTF-8: {error}") from error
    except csv.Error as error:
        raise InputError(f"{name}: not CSV: {error}") from error
    return Labelled(texts, labels)


def _json_rows(lines: Iterable[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"line {number}: not JSON: {error}") from error
        if not isinstance(row, dict):
            raise InputError(f"line {number}: {type(row).__name__}, expected a JSON object")
        yield number, row


def _csv_rows(lines: Iterable[str], key: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(lines, strict=True)
    columns: Sequence[str] = reader.fieldnames or ()
    if not {"text", key} <= set(columns):
        raise InputError(f"CSV columns are {list(columns)!r:.80}, expected 'text' and {key!r}")
    for row in reader:
        yield reader.line_num, row
