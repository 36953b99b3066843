"""Labelled files before they are learnt or scored: what is wrong with them, and what is in them.

Each file is read once and kept as hashes of its texts. Several files are parts of one set, such as
train and test: a text in two of them is a leak. Errors spoil a figure; warnings are for a person.
"""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

from edgebert.errors import InputError
from edgebert.labelled import Example, Goal
from edgebert.splits import key_of

KEPT = 1000  # places that a finding names
FEW = 5  # rows of a label: too few to learn or to score
SKEW = 10  # times that the largest label may have what the smallest has
EDGES = (8, 16, 32, 64, 128, 256, 512)  # tokens, of the histogram
LOST = "\ufffd"  # stands where a decoder met what it could not read


@dataclass(slots=True)
class Finding:
    """One kind of fault: how often, where first, what to do."""

    error: bool
    what: str
    advice: str
    count: int = 0
    places: list[str] = field(default_factory=list)  # the first of them

    def add(self, place: str) -> None:
        """Count one more."""
        self.count += 1
        if len(self.places) < KEPT:
            self.places.append(place)


@dataclass(frozen=True, slots=True)
class Part:
    """What one file holds."""

    name: str
    rows: int
    labels: dict[str, int]
    scripts: dict[str, int]  # rows by the script that most of their letters are of
    tokens: dict[str, int]  # rows by tokens of their longest input; empty without a bundle
    cut: int  # rows of which a bundle would not see all


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found in all files."""

    parts: tuple[Part, ...]
    findings: tuple[Finding, ...]  # errors first
    max_tokens: int | None  # of the bundle

    @property
    def errors(self) -> int:
        """How many kinds of error there are."""
        return sum(finding.error for finding in self.findings)


KINDS = {
    "row": (True, "rows that cannot be read", "mend or drop them; the reason is given"),
    "empty": (True, "empty texts", "drop them"),
    "lost": (True, "texts with characters lost (U+FFFD)", "read the source again as what it is"),
    "leak": (True, "texts that stand in two files", "drop them from one; a score on them is void"),
    "one": (True, "files with one label only", "nothing can be told apart; add others"),
    "conflict": (False, "texts with different labels", "decide for one of them"),
    "double": (False, "texts that stand twice in a file", "drop one; it weighs double"),
    "garbled": (False, "texts that look garbled (UTF-8 read as cp1252)", "decode them again"),
    "control": (False, "texts with control characters", "remove them"),
    "few": (False, f"labels with under {FEW} rows", "gather more, or join labels"),
    "skew": (False, f"files whose labels differ over {SKEW} times in size", "go by macro F1"),
    "new": (False, "labels that the first file does not have", "they cannot be learnt from it"),
    "cut": (
        False,
        "rows over the bundle's limit",
        "split them, or take a bundle with a larger one",
    ),
}
Measure = Callable[[Sequence[Example]], list[int]]  # tokens of each example's longest input


@dataclass(frozen=True, slots=True)
class Source:
    """A file that is being read: examples, or the reason why a row is none."""

    name: str
    rows: Iterable[tuple[str, Example | str]]  # the place, and either


def check(
    sources: Iterable[Source], goal: Goal, measure: Measure | None = None, limit: int | None = None
) -> Checked:
    """Read files and say what is wrong with them.

    Args:
        sources: the files, the one to learn from first.
        goal: what their rows are for.
        measure: counts tokens as a bundle does; None: lengths are not looked at.
        limit: of that bundle.
    """
    checker = _Checker(goal, measure, limit)
    parts = tuple(checker.read(source) for source in sources)
    found = [finding for finding in checker.findings.values() if finding.count]
    return Checked(parts, tuple(sorted(found, key=lambda one: not one.error)), limit)


class _Checker:
    """What is known after some files."""

    def __init__(self, goal: Goal, measure: Measure | None, limit: int | None) -> None:
        self.findings = {kind: Finding(*words) for kind, words in KINDS.items()}
        self._goal = goal
        self._measure = measure
        self._limit = limit
        self._seen: dict[bytes, str] = {}  # text of an earlier file -> where it stands
        self._labels: set[str] = set()  # of the first file

    def read(self, source: Source) -> Part:
        """Read one file to its end."""
        labels: Counter[str] = Counter()
        scripts: Counter[str] = Counter()
        tokens: Counter[int] = Counter()
        own: dict[bytes, tuple[str, str]] = {}  # text -> label and place
        waiting: list[tuple[str, Example]] = []
        rows = 0
        for place, example in source.rows:
            rows += 1
            if isinstance(example, str):
                self.findings["row"].add(f"{place}: {example}")
                continue
            self._look(place, example)
            self._compare(place, example, own)
            labels.update([example.label] if self._goal is Goal.CLASSIFY else types_of(example))
            scripts[script_of(example.text + (example.pair or ""))] += 1
            waiting.append((place, example))
            if len(waiting) == 512:
                self._count(waiting, tokens)
                waiting = []
        self._count(waiting, tokens)
        self._seen = {key: place for key, (_, place) in own.items()} | self._seen
        self._weigh(source.name, labels)
        over = 0 if self._limit is None else sum(tokens[n] for n in tokens if n > self._limit)
        return Part(
            source.name,
            rows,
            dict(labels.most_common()),
            dict(scripts.most_common()),
            histogram(tokens, self._limit),
            over,
        )

    def _look(self, place: str, example: Example) -> None:
        """Look at one row's own texts."""
        texts = [text for text in (example.text, example.pair) if text is not None]
        needed = texts[1:] if self._goal is Goal.RETRIEVE else texts  # a query may be left out
        for kind, wrong in (
            ("empty", any(not text.strip() for text in needed)),
            ("lost", any(LOST in text for text in texts)),
            ("garbled", any(map(is_garbled, texts))),
            ("control", any(map(has_control, texts))),
        ):
            if wrong:
                self.findings[kind].add(place)

    def _compare(self, place: str, example: Example, own: dict[bytes, tuple[str, str]]) -> None:
        """Look for the row's text among those already read."""
        texts = [example.text, example.pair or ""]
        if self._goal is Goal.RETRIEVE and example.text:
            asked = key_of(texts[:1], "query")
            if asked in self._seen:
                self.findings["leak"].add(f"{place}, also in {self._seen[asked]}")
            own.setdefault(asked, ("", place))
        key = key_of(texts)
        if key in own:
            label, first = own[key]
            kind = "conflict" if label != example.label else "double"
            self.findings[kind].add(f"{place}, first {first}")
        elif key in self._seen and self._goal is not Goal.RETRIEVE:
            self.findings["leak"].add(f"{place}, also in {self._seen[key]}")
        own.setdefault(key, (example.label, place))

    def _count(self, waiting: Sequence[tuple[str, Example]], tokens: "Counter[int]") -> None:
        if self._measure is None or not waiting:
            return
        counts = self._measure([example for _, example in waiting])
        tokens.update(counts)
        for (place, _), count in zip(waiting, counts, strict=True):
            if self._limit is not None and count > self._limit:
                self.findings["cut"].add(f"{place}: {count} tokens")

    def _weigh(self, name: str, labels: "Counter[str]") -> None:
        """Look at how a file's labels are distributed."""
        if not labels:
            return
        if len(labels) == 1 and self._goal is Goal.CLASSIFY:
            self.findings["one"].add(f"{name}: {next(iter(labels))}")
        if max(labels.values()) > SKEW * min(labels.values()):
            self.findings["skew"].add(name)
        for label, count in labels.items():
            if count < FEW:
                self.findings["few"].add(f"{name}: {label} ({count})")
            if self._labels and label not in self._labels:
                self.findings["new"].add(f"{name}: {label}")
        self._labels = self._labels or set(labels)


def types_of(example: Example) -> Iterator[str]:
    """Give the types of a row's entities; none for goals without labels."""
    return (tag[2:] for tag in example.golds if tag.startswith("B-"))


def histogram(tokens: "Counter[int]", limit: int | None) -> dict[str, int]:
    """Group rows by tokens; the last group is what is over the limit."""
    if limit is None:
        return {}
    edges = [edge for edge in EDGES if edge < limit] + [limit]
    groups, low = {}, 0
    for edge in edges:
        groups[f"{low + 1} to {edge}"] = sum(tokens[n] for n in tokens if low < n <= edge)
        low = edge
    groups[f"over {limit}"] = sum(tokens[n] for n in tokens if n > limit)
    return groups


def is_garbled(text: str) -> bool:
    """Tell UTF-8 read as cp1252 or latin-1: reading it back works, which chance seldom gives."""
    if text.isascii():
        return False
    for encoding in ("cp1252", "latin-1"):
        try:
            text.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
        return True
    return False


def has_control(text: str) -> bool:
    """Tell whether a text holds characters that are none: of control, or halves of a pair."""
    return any(unicodedata.category(one) in ("Cc", "Cs") and one not in "\t\n\r" for one in text)


def script_of(text: str) -> str:
    """Name the script that most letters of a text are of, as Unicode names them; "-" for none."""
    scripts = Counter(_script(letter) for letter in text if letter.isalpha())
    return scripts.most_common(1)[0][0] if scripts else "-"


@cache
def _script(letter: str) -> str:
    return unicodedata.name(letter, "?").split()[0].split("-")[0].title()


def as_fault(read: Callable[[], Example]) -> Example | str:
    """Read an example, or say why it cannot be."""
    try:
        return read()
    except InputError as error:
        return str(error).partition(": ")[2] or str(error)
