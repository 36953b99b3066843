"""`edgebert data`: look labelled files over before they are used, and split one into parts."""

import argparse
import csv
import dataclasses
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from edgebert.bundle import Bundle
from edgebert.checks import Checked, Measure, Part, Source, as_fault, check
from edgebert.errors import EdgebertError, InputError
from edgebert.jobs.tables import Format, read_entries, read_rows
from edgebert.labelled import COLUMNS, Example, Goal, read_example, read_names
from edgebert.manifest import Task
from edgebert.page import bars, folded, page, paragraph, section, table
from edgebert.splits import REST, assign_parts
from edgebert.tokens import Text, Tokenizer, open_tokenizer
from edgebert.writing import write_text

SUMMARY = "\n".join(
    [
        "check: look files over: rows, labels, scripts, lengths, faults; several files are parts",
        "of one set, and a text in two is a leak; exit 1 on errors.",
        "split: divide one file, each label alike and no text in two parts.",
        "Columns of a task:",
        *(f"  {goal.value:9} {columns}" for goal, columns in COLUMNS.items()),
    ]
)
EXAMPLE = "edgebert data check intents.csv --task classify --bundle minilm-int8"
UNBOUNDED = sys.maxsize
SHOWN = 5  # places of a finding on a terminal; JSON has them all, a page has them folded
OPEN = 20  # lines of a page's table that are not folded


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    kinds = parser.add_subparsers(metavar="check|split", required=True)
    checked = kinds.add_parser("check", help="say what is wrong with files")
    checked.add_argument("files", type=Path, nargs="+", help="the one to learn from first")
    checked.add_argument("--bundle", type=Path, help="whose limit lengths are set against")
    checked.add_argument("--json", action="store_true", help="print the report as JSON")
    checked.add_argument("--html", type=Path, metavar="FILE", help="write the report as a page")
    checked.set_defaults(does=run_check)
    split = kinds.add_parser("split", help="divide a file into parts")
    split.add_argument("file", type=Path, help="labelled rows")
    split.add_argument("-o", "--output", type=Path, required=True, help="a folder for the parts")
    split.add_argument("--test", type=float, default=0.2, help="share of test (0.2)")
    split.add_argument("--validation", type=float, default=0.0, help="share of validation (0)")
    split.add_argument("--seed", type=int, default=0, help="another gives other parts (0)")
    split.set_defaults(does=run_split)
    for one in (checked, split):
        one.add_argument("--task", type=Goal, choices=list(Goal), required=True)
        one.add_argument(
            "--format", type=Format, choices=list(Format), help="of the files; default: by name"
        )
        one.add_argument(
            "--columns",
            nargs="+",
            default=[],
            metavar="NAME=COLUMN",
            help="where the file names a column otherwise, such as text=sentence_A",
        )


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked."""
    does: Callable[[argparse.Namespace], int] = arguments.does
    return does(arguments)


def run_check(arguments: argparse.Namespace) -> int:
    """Check files and say what was found."""
    goal, names = arguments.task, read_names(arguments.columns)
    bundle = Bundle.open(arguments.bundle) if arguments.bundle else None
    found = check(
        [Source(path.name, _rows_of(path, arguments, names)) for path in arguments.files],
        goal,
        _counter(bundle) if bundle else None,
        bundle.manifest.max_tokens if bundle else None,
    )
    if arguments.html is not None:
        write_text(arguments.html, check_page(found))
    if arguments.json:
        print(json.dumps(dataclasses.asdict(found), ensure_ascii=False, indent=1))
    else:
        print("\n".join(check_lines(found)))
    return 1 if found.errors else 0


def _rows_of(
    path: Path, arguments: argparse.Namespace, names: Mapping[str, str]
) -> Iterator[tuple[str, Example | str]]:
    for row, entry in enumerate(read_entries(path, arguments.format), 1):
        read = partial(read_example, entry.fields, row, arguments.task, names)
        yield entry.place, entry.fault or as_fault(read)


def _counter(bundle: Bundle) -> Measure:
    """Give what counts the tokens of examples as a bundle does, without running its model."""
    pairs = bundle.manifest.task in (Task.CLASSIFY, Task.ANSWER)
    tokenizer = Tokenizer(
        open_tokenizer(bundle.path / "tokenizer.json"),
        max_tokens=UNBOUNDED,  # nothing is cut, all is counted
        pairs=pairs,
        cut_second_only=False,
        needs_offsets=False,
    )

    def count(texts: Sequence[Text]) -> list[int]:
        return [row.n_tokens for row in tokenizer.encode(texts)]

    def measure(examples: Sequence[Example]) -> list[int]:
        if pairs:  # run together
            return count([(one.text, one.pair) if one.pair else one.text for one in examples])
        sides = (count([one.text for one in examples]), count([one.pair or "" for one in examples]))
        return [max(both) for both in zip(*sides, strict=True)]

    return measure


def check_lines(found: Checked) -> list[str]:
    """Say for a terminal what was found."""
    lines = []
    for part in found.parts:
        lines.append(f"{part.name}: {part.rows:,} rows{_balance(part)}")
        for what in ("labels", "scripts", "tokens"):
            counts: Mapping[str, int] = getattr(part, what)
            if counts:
                lines.append(f"  {what}: {_listed(counts)}")
    for finding in found.findings:
        kind = "ERROR" if finding.error else "warning"
        lines.append(f"{kind}: {finding.count:,} {finding.what}: {finding.advice}")
        lines += [f"    {place}" for place in finding.places[:SHOWN]]
        if finding.count > SHOWN:
            lines.append(f"    and {finding.count - SHOWN:,} more; --json lists them")
    return [*lines, _verdict(found)]


def _verdict(found: Checked) -> str:
    """Count the kinds of findings."""
    warnings = len(found.findings) - found.errors
    counts = ((found.errors, "error"), (warnings, "warning"))
    return ", ".join(
        f"{n} {'kind' if n == 1 else 'kinds'} of {what}" if n else f"no {what}s"
        for n, what in counts
    )


def _balance(part: Part) -> str:
    """Say how many labels a file has, and how large the smallest and the largest are."""
    if not part.labels:
        return ""
    least, most = min(part.labels.values()), max(part.labels.values())
    return f", {len(part.labels):,} labels of {least:,} to {most:,}"


def _listed(counts: Mapping[str, int], most: int = 8) -> str:
    shown = ", ".join(f"{name} {count:,}" for name, count in list(counts.items())[:most])
    return shown + (f", and {len(counts) - most:,} more" if len(counts) > most else "")


def check_page(found: Checked) -> str:
    """Lay out what was found as a page."""
    parts = []
    for finding in found.findings:
        kind = "Error" if finding.error else "Warning"
        first, more = finding.places[:SHOWN], finding.places[SHOWN:]
        told = [paragraph(f"What to do: {finding.advice}."), _listing("the first", first)]
        if more:
            told.append(folded(f"{len(more):,} more", _listing("the next", more)))
        parts.append(section(f"{kind}: {finding.count:,} {finding.what}", told))
    for part in found.parts:
        tables = [paragraph(f"{part.rows:,} rows{_balance(part)}.", dim=True)]
        for what in ("labels", "scripts", "tokens"):
            if counts := getattr(part, what):
                drawn = bars(what, counts)
                tables.append(drawn if len(counts) <= OPEN else folded(f"all {what}", drawn))
        parts.append(section(part.name, tables))
    return page("Labelled data", [paragraph(f"Found: {_verdict(found)}."), *parts])


def _listing(title: str, places: Sequence[str]) -> str:
    return table([title], [[place] for place in places])


def run_split(arguments: argparse.Namespace) -> int:
    """Divide a file and say how many rows each part has."""
    goal, names, path = arguments.task, read_names(arguments.columns), arguments.file
    shares = {"test": arguments.test, "validation": arguments.validation}
    if not arguments.validation:
        del shares["validation"]
    form = arguments.format or Format.of(path.name)
    rows = list(read_rows(path, form))
    keys = [_kept_together(read_example(cells, n, goal, names)) for n, cells in enumerate(rows, 1)]
    chosen = assign_parts(keys, shares, arguments.seed)
    kept = form if form in (Format.CSV, Format.TSV) else Format.JSONL
    try:
        arguments.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EdgebertError(f"{arguments.output}: cannot be made: {error.strerror}") from error
    targets = {name: arguments.output / f"{name}.{kept.value}" for name in (REST, *shares)}
    for target in targets.values():
        if target.exists():
            raise InputError(f"{target} is there already; give another folder, or remove it")
    for name, target in targets.items():
        mine = [row for row, part in zip(rows, chosen, strict=True) if part == name]
        write_text(target, _as_text(mine, kept))
        print(f"{target}: {len(mine):,} rows")
    return 0


def _kept_together(example: Example) -> tuple[tuple[str, ...], str]:
    """Give the texts that must not stand in two parts, and the label to divide alike."""
    return (example.text, example.pair or ""), example.label


def _as_text(rows: Sequence[Mapping[str, Any]], form: Format) -> str:
    if form is Format.JSONL:
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    text = io.StringIO(newline="")
    delimiter = "," if form is Format.CSV else "\t"
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
