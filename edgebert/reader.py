"""Typed reading of JSON objects: every complaint names the key, and no key goes unread.

Hand-written on purpose: a manifest is a promise, so a key this runtime does not know is an error
rather than a meaning that is silently dropped.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any, TypeVar

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")
U = TypeVar("U")


class ReadError(ValueError):
    """The JSON is not as the format says; the message names the key."""


def parse_object(data: bytes, what: str) -> dict[str, Any]:
    """Parse JSON bytes that must be one object."""
    try:
        value = json.loads(data, parse_constant=_no_constant, object_pairs_hook=_no_doubles)
        # half a surrogate pair or 1e999 can be read but never written again
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError as error:
        raise ReadError(f"{what} is nested too deeply") from error
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        raise ReadError(f"{what} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ReadError(f"{what} is {type(value).__name__}, expected an object")
    return value


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice")
    return result


def _is_number(value: object) -> bool:
    if isinstance(value, int):  # JSON's whole numbers have no bound, a float has
        return not isinstance(value, bool) and abs(value) <= sys.float_info.max
    return isinstance(value, float)


class Reader:
    """Takes the keys of one JSON object, each once, each with its type."""

    def __init__(self, values: Mapping[str, Any], where: str = "") -> None:
        self._values = dict(values)
        self._where = where

    def _name(self, key: str) -> str:
        return f"{self._where}.{key}" if self._where else key

    def _take(self, key: str) -> Any:
        if key not in self._values:
            raise ReadError(f"key {self._name(key)!r} is missing")
        return self._values.pop(key)

    def _typed(self, key: str, kind: type[T], expected: str) -> T:
        value = self._take(key)
        if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
            raise ReadError(f"{self._name(key)} is {value!r:.80}, expected {expected}")
        return value

    def text(self, key: str) -> str:
        """Take a string."""
        return self._typed(key, str, "a string")

    def flag(self, key: str) -> bool:
        """Take true or false."""
        return self._typed(key, bool, "true or false")

    def count(self, key: str, *, least: int = 0) -> int:
        """Take a whole number that is `least` or more."""
        value = self._typed(key, int, "a whole number")
        if value < least:
            raise ReadError(f"{self._name(key)} is {value}, expected {least} or more")
        return value

    def number(self, key: str) -> float:
        """Take a number."""
        value = self._take(key)
        if not _is_number(value):
            raise ReadError(f"{self._name(key)} is {value!r:.80}, expected a number")
        return float(value)

    def optional(self, key: str, take: Callable[[str], T]) -> T | None:
        """Take a value, or None where the JSON says null."""
        if key in self._values and self._values[key] is None:
            del self._values[key]
            return None
        return take(key)

    def stated(self, key: str, take: Callable[[str], T], default: U) -> T | U:
        """Take a value, or a default where an older writer did not have the key."""
        return take(key) if key in self._values else default

    def choice(self, key: str, kind: type[E]) -> E:
        """Take one of an enum's values."""
        value = self.text(key)
        try:
            return kind(value)
        except ValueError:
            known = ", ".join(kind)
            raise ReadError(f"{self._name(key)} is {value!r}, expected one of: {known}") from None

    def choices(self, key: str, kind: type[E]) -> tuple[E, ...]:
        """Take a list of an enum's values."""
        values = self.texts(key)
        unknown = [value for value in values if value not in set(kind)]
        if unknown:
            known = ", ".join(kind)
            raise ReadError(f"{self._name(key)} holds {unknown[0]!r}, expected: {known}")
        return tuple(kind(value) for value in values)

    def texts(self, key: str) -> tuple[str, ...]:
        """Take a list of strings."""
        values = self._typed(key, list, "a list of strings")
        if not all(isinstance(value, str) for value in values):
            raise ReadError(f"{self._name(key)} holds something that is not a string")
        return tuple(values)

    def numbers(self, key: str) -> tuple[float, ...]:
        """Take a list of numbers."""
        values = self._typed(key, list, "a list of numbers")
        if not all(_is_number(value) for value in values):
            raise ReadError(f"{self._name(key)} holds something that is not a number")
        return tuple(float(value) for value in values)

    def part(self, key: str) -> "Reader":
        """Take an object, to be read in turn."""
        return Reader(self._typed(key, dict, "an object"), self._name(key))

    def parts(self, key: str) -> Iterator["Reader"]:
        """Take a list of objects, to be read in turn."""
        for position, value in enumerate(self._typed(key, list, "a list of objects")):
            where = f"{self._name(key)}[{position}]"
            if not isinstance(value, dict):
                raise ReadError(f"{where} is {value!r:.80}, expected an object")
            yield Reader(value, where)

    def entries(self, key: str) -> Iterator[tuple[str, "Reader"]]:
        """Take an object whose keys are free names and whose values are objects."""
        part = self.part(key)
        for name in part.names():
            yield name, part.part(name)

    def names(self) -> list[str]:
        """Give the keys that are not taken yet, of an object whose keys are free names."""
        return list(self._values)

    def pairs(self, key: str) -> dict[str, str]:
        """Take an object of free names and strings."""
        part = self.part(key)
        return {name: part.text(name) for name in part.names()}

    def finish(self) -> None:
        """Complain of any key not taken."""
        if self._values:
            names = ", ".join(repr(self._name(key)) for key in sorted(self._values))
            raise ReadError(f"unknown key {names}; a newer edgebert may have written it")
