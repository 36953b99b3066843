"""`edgebert run`: a bundle over lines or JSONL, results as JSONL in the order given."""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from edgebert.config import RuntimeConfig, Truncation
from edgebert.errors import EdgebertError, InputError
from edgebert.loading import load
from edgebert.manifest import EngineName, Manifest
from edgebert.records import InputFormat, VectorWriter, numbers_of, read_inputs, results_of
from edgebert.vector_records import vector_writer
from edgebert.vectors import Precision

SUMMARY = """Run a bundle over texts: lines or JSONL in, JSONL out, in the order given. JSONL rows
hold "text" (and "text_pair"), or "question" and "context"; their other fields are kept."""
EXAMPLE = "edgebert run minilm-int8 texts.txt -o vectors.jsonl"
# Half a surrogate pair in a field that is handed through: Python's escape of it is JSON's as well.
ESCAPED = "backslashreplace"
# arguments that go to the task as they are; one that the task does not have is refused
OPTIONS = (
    "truncation",
    "prompt",
    "dimensions",
    "top_k",
    "threshold",
    "aggregation",
    "targets",
    "no_answer",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("bundle", type=Path, help="the bundle's folder")
    parser.add_argument("input", nargs="?", default="-", help="a file, or - for stdin (default)")
    parser.add_argument("-o", "--output", default="-", help="a file, or - for stdout (default)")
    parser.add_argument(
        "--format",
        type=InputFormat,
        choices=list(InputFormat),
        help="default: jsonl for *.jsonl, lines for all else",
    )
    parser.add_argument("--threads", type=int, help="worker threads; default: the usable cores")
    parser.add_argument(
        "--engine",
        type=EngineName,
        choices=list(EngineName),
        default=EngineName.ONNXRUNTIME,
        help="onnxruntime (default), or openvino if the bundle was exported for it",
    )
    parser.add_argument(
        "--truncation",
        type=Truncation,
        choices=list(Truncation),
        help="texts over the limit: window (default for tag, answer), cut (for others) or error",
    )
    parser.add_argument("--prompt", help="embed: name of a prefix that the bundle has")
    parser.add_argument("--dimensions", type=int, help="embed: keep the first of a vector")
    parser.add_argument(
        "--precision",
        type=Precision,
        choices=list(Precision),
        help="embed: numbers of a vector; int8 and uint8 by fixed ranges, or those of --ranges",
    )
    parser.add_argument(
        "--ranges",
        type=Path,
        metavar="FILE",
        help="embed: vectors of a corpus, as this verb writes them, whose ranges int8 takes",
    )
    parser.add_argument("--top-k", type=int, help="classify, answer, fill: how many candidates")
    parser.add_argument("--threshold", type=float, help="classify: least score of a label")
    parser.add_argument("--aggregation", help="tag: none, simple (default), first, average, max")
    parser.add_argument("--targets", nargs="+", metavar="WORD", help="fill: score only these")
    parser.add_argument(
        "--no-answer", action="store_const", const=True, help="answer: an empty one may win"
    )
    parser.add_argument("--quiet", action="store_true", help="no summary on stderr")


def run(arguments: argparse.Namespace) -> int:
    """Run the bundle and write one JSON line a result."""
    config = RuntimeConfig(threads=arguments.threads, engine=arguments.engine)
    task = load(arguments.bundle, config)
    options = {name: value for name in OPTIONS if (value := getattr(arguments, name)) is not None}
    write_vector = _vector_writer(task.manifest, arguments.precision, arguments.ranges)
    form = arguments.format or InputFormat.of(arguments.input)
    count = cut = 0
    with ExitStack() as stack:
        source = stack.enter_context(_reading(arguments.input))
        sink = stack.enter_context(_writing(arguments.output))
        rows = read_inputs(source, form, task.manifest.task)
        for record in results_of(task, rows, options, write_vector):
            sink.write(json.dumps(record, ensure_ascii=False) + "\n")
            count += 1
            cut += record["truncated"]
    if not arguments.quiet:
        limit = task.manifest.max_tokens
        print(f"{count:,} texts, {cut:,} cut at {limit} tokens", file=sys.stderr)
    return 0


def _vector_writer(
    manifest: Manifest, precision: Precision | None, ranges: Path | None
) -> VectorWriter:
    if precision is None and ranges is None:
        return numbers_of
    with ExitStack() as stack:
        # absolute: a file named - is no stdin
        corpus = stack.enter_context(_reading(str(ranges.absolute()))) if ranges else None
        return vector_writer(manifest, precision or Precision.FLOAT32, corpus)


@contextmanager
def _reading(name: str) -> Iterator[TextIO]:
    if name == "-":
        if isinstance(sys.stdin, TextIOWrapper):  # whatever the locale says
            sys.stdin.reconfigure(encoding="utf-8", errors="strict", newline="\n")
        yield sys.stdin
        return
    try:
        stream = open(name, encoding="utf-8", newline="\n")
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror}") from error
    with stream:  # outside of the try: what the body raises is not a fault of the input
        yield stream


@contextmanager
def _writing(name: str) -> Iterator[TextIO]:
    """Write to a temporary name first: what carries the asked name is whole."""
    if name == "-":
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", errors=ESCAPED)
        yield sys.stdout
        return
    path = Path(name)
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf-8", errors=ESCAPED) as stream:
            yield stream
        part.replace(path)
    except OSError as error:
        raise EdgebertError(f"{name}: cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
