"""Labelled texts of a table: what `edgebert learn` and `edgebert forget` read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgebert.errors import InputError
from edgebert.jobs.tables import Format, read_entries


@dataclass(frozen=True, slots=True)
class Labelled:
    """Texts and their labels, in the order of the file."""

    texts: list[str]
    labels: list[str] | list[list[str]]


def read_file(path: Path, *, several: bool) -> Labelled:
    """Read rows of "text" and "label"; with `several`, of "text" and "labels".

    Args:
        path: the file; JSONL where its name tells no format.
        several: a list of labels a text; in CSV they stand apart by "|".

    Raises:
        InputError: it cannot be read, or a row is not so; names the line.
    """
    key = "labels" if several else "label"
    form = Format.of(path.name)
    texts: list[str] = []
    labels: list[Any] = []
    for entry in read_entries(path, Format.JSONL if form is Format.LINES else form):
        text, label = entry.fields.get("text"), entry.fields.get(key)
        if several and isinstance(label, str):
            label = [part.strip() for part in label.split("|") if part.strip()]
        if entry.fault:
            raise InputError(f"{entry.place}: {entry.fault}")
        if not isinstance(text, str) or not isinstance(label, list if several else str):
            raise InputError(
                f"{entry.place}: expected a text in 'text' and "
                f"{'a list of labels' if several else 'a label'} in {key!r}, found "
                f"{dict(entry.fields)!r:.80}"
            )
        texts.append(text)
        labels.append(label)
    if not texts:
        raise InputError(f"{path}: no rows; expected 'text' and {key!r} in each")
    return Labelled(texts, labels)
