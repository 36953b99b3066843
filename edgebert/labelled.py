"""Labelled rows of a file as examples: what each goal of an evaluation needs, and what is wrong.

Pure over rows that are dicts already; lists stand in CSV as text, apart by "|" (words and tags by
blanks). A row that does not fit is an error that names the column, the value and what was expected.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import Any

from edgebert.errors import InputError

MASK = "[MASK]"  # in labelled files, whatever the bundle's own mask token


class Goal(StrEnum):
    """What is scored."""

    CLASSIFY = "classify"
    TAG = "tag"
    ANSWER = "answer"
    FILL = "fill"
    STS = "sts"  # how alike two texts are
    RETRIEVE = "retrieve"  # a query's texts among all texts of the file
    RERANK = "rerank"  # a query's texts among those that the file lists with it


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One row: what is run, and what is right."""

    row: int  # place in the file, from 1, headings left out
    text: str  # for retrieve and rerank the query
    pair: str | None = None
    label: str = ""  # classify
    score: float = 0.0  # sts: how alike; retrieve, rerank: how relevant
    golds: tuple[str, ...] = ()  # tags, answers, masked words


Cells = Mapping[str, Any]


def _text(cells: Cells, name: str) -> str:
    value = cells.get(name)
    if not isinstance(value, str):
        raise _wrong(cells, name, "a string")
    return value


def _label(cells: Cells, name: str) -> str:
    value = cells.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise _wrong(cells, name, "a label")
    return str(value)


def _number(cells: Cells, name: str) -> float:
    value = cells.get(name)
    try:
        number = float(value) if isinstance(value, str | int | float) else float("nan")
    except (ValueError, OverflowError):
        number = float("nan")
    if isinstance(value, bool) or not isfinite(number):
        raise _wrong(cells, name, "a number")
    return number


def _list(cells: Cells, name: str, separator: str | None = "|") -> tuple[str, ...]:
    value = cells.get(name)
    if isinstance(value, str):
        value = [part.strip() for part in value.split(separator)]
    if not isinstance(value, list | tuple) or not value:
        raise _wrong(cells, name, "a list of strings")
    if not all(isinstance(part, str) for part in value):
        raise _wrong(cells, name, "a list of strings")
    return tuple(value)


def _wrong(cells: Cells, name: str, expected: str) -> InputError:
    if name not in cells:
        return InputError(f"no column {name!r}, expected {expected}; found {sorted(cells)!r:.120}")
    return InputError(f"column {name!r} is {cells[name]!r:.80}, expected {expected}")


def _classify(cells: Cells, row: int) -> Example:
    pair = _text(cells, "text_pair") if cells.get("text_pair") is not None else None
    return Example(row=row, text=_text(cells, "text"), pair=pair, label=_label(cells, "label"))


def _tag(cells: Cells, row: int) -> Example:
    words, tags = _list(cells, "words", None), _list(cells, "tags", None)
    if len(words) != len(tags):
        raise InputError(f"{len(words)} words and {len(tags)} tags; expected one tag a word")
    for word in words:
        if not word or word.split() != [word]:
            raise InputError(f"word {word!r} is empty or holds a blank; split it")
    for tag in tags:
        if tag != "O" and tag[:2] not in ("B-", "I-"):
            raise InputError(f"tag {tag!r}; expected O, B-TYPE or I-TYPE")
    return Example(row=row, text=" ".join(words), golds=tags)


def _answer(cells: Cells, row: int) -> Example:
    question, context = _text(cells, "question"), _text(cells, "context")
    return Example(row=row, text=question, pair=context, golds=_list(cells, "answers"))


def _fill(cells: Cells, row: int) -> Example:
    text, golds = _text(cells, "text"), _list(cells, "answers")
    if text.count(MASK) != len(golds):
        raise InputError(
            f"{text.count(MASK)} times {MASK} in the text and {len(golds)} answers; expected one "
            "answer a mask"
        )
    return Example(row=row, text=text, golds=golds)


def _sts(cells: Cells, row: int) -> Example:
    text, pair = _text(cells, "text"), _text(cells, "text_pair")
    return Example(row=row, text=text, pair=pair, score=_number(cells, "score"))


def _retrieve(cells: Cells, row: int) -> Example:
    query = "" if cells.get("query") is None else _text(cells, "query")
    return Example(row=row, text=query, pair=_text(cells, "text"), score=float(bool(query)))


def _rerank(cells: Cells, row: int) -> Example:
    query, text = _text(cells, "query"), _text(cells, "text")
    return Example(row=row, text=query, pair=text, score=_number(cells, "label"))


READERS: Mapping[Goal, Callable[[Cells, int], Example]] = {
    Goal.CLASSIFY: _classify,
    Goal.TAG: _tag,
    Goal.ANSWER: _answer,
    Goal.FILL: _fill,
    Goal.STS: _sts,
    Goal.RETRIEVE: _retrieve,
    Goal.RERANK: _rerank,
}
# for help texts and docs: the columns of a goal
COLUMNS: Mapping[Goal, str] = {
    Goal.CLASSIFY: "text, label (and text_pair for models of pairs)",
    Goal.TAG: "words, tags (O, B-TYPE, I-TYPE): lists, or apart by blanks",
    Goal.ANSWER: 'question, context, answers: a list, or apart by "|"',
    Goal.FILL: f"text with {MASK} where a word is hidden, answers: the hidden words",
    Goal.STS: "text, text_pair, score",
    Goal.RETRIEVE: "query, text: the texts are the corpus; no query: a text nobody asks for",
    Goal.RERANK: "query, text, label: 0 or how relevant",
}


def read_example(cells: Cells, row: int, goal: Goal, names: Mapping[str, str]) -> Example:
    """Read one row.

    Args:
        cells: the row's columns.
        row: its place, from 1.
        goal: what is to be scored.
        names: the file's own name of a column, where it is not as the goal has it.

    Raises:
        InputError: the row does not fit; names it.
    """
    for ours, theirs in names.items():
        if theirs not in cells:
            raise InputError(f"row {row}: no column {theirs!r}; found {sorted(cells)!r:.120}")
        cells = {**cells, ours: cells[theirs]}
    try:
        return READERS[goal](cells, row)
    except InputError as error:
        raise InputError(f"row {row}: {error}") from error


def read_examples(
    rows: Iterable[Cells], goal: Goal, names: Mapping[str, str] | None = None
) -> list[Example]:
    """Read all rows.

    Raises:
        InputError: a row does not fit, or there is none.
    """
    found = [read_example(cells, row, goal, names or {}) for row, cells in enumerate(rows, 1)]
    if not found:
        raise InputError("no rows; give a file with at least one")
    return found


def read_names(given: Iterable[str]) -> dict[str, str]:
    """Read `text=sentence_A` and the like: a column's name here, and in the file.

    Raises:
        InputError: one is not so.
    """
    names = {}
    for part in given:
        ours, sign, theirs = part.partition("=")
        if not (ours and sign and theirs):
            raise InputError(f"column {part!r}; expected NAME=COLUMN, such as text=sentence_A")
        names[ours] = theirs
    return names
