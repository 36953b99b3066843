"""`edgebert run`: a bundle over texts of files or of stdin, in the order given."""

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from edgebert.bundle import Bundle
from edgebert.config import Truncation
from edgebert.errors import InputError
from edgebert.jobs.local import Job, Spread, run_here, run_job
from edgebert.jobs.on_ray import run_on_ray
from edgebert.jobs.progress import ProgressLine
from edgebert.jobs.tables import Format, count_rows, find_files, read_rows
from edgebert.jobs.work import OnError, Request
from edgebert.manifest import EngineName
from edgebert.vector_records import read_ranges
from edgebert.vectors import Precision

SUMMARY = """Run a bundle over texts: lines, JSONL, CSV, TSV or Parquet in, JSONL, CSV, TSV, Parquet
or .npy out, in the order given, .gz and .zst among them. Rows hold "text" (and "text_pair"), or
"question" and "context"; their other columns are kept. From files to a file, a run that was
interrupted goes on when the same command is given again."""
EXAMPLE = "edgebert run minilm-int8 texts.txt -o vectors.jsonl"
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
    parser.add_argument("input", nargs="*", help="files, globs, folders; - for stdin (default)")
    parser.add_argument("-o", "--output", default="-", help="a file, or - for stdout (default)")
    _add_table_arguments(parser)
    _add_task_arguments(parser)
    parser.add_argument("--threads", type=int, help="worker threads; default: the usable cores")
    parser.add_argument(
        "--engine",
        type=EngineName,
        choices=list(EngineName),
        default=EngineName.ONNXRUNTIME,
        help="onnxruntime (default), or openvino or amx if the bundle was exported for it",
    )
    parser.add_argument(
        "--on",
        choices=["local", "ray"],
        default="local",
        help="where: in this process (default), or on a Ray cluster, started here if there is none",
    )
    parser.add_argument(
        "--workers", type=int, help="ray: processes (1), each of --threads cores (1)"
    )
    told = parser.add_mutually_exclusive_group()
    told.add_argument("--quiet", action="store_true", help="no progress, no summary on stderr")
    told.add_argument("--json", action="store_true", help="the summary on stderr as JSON")


def _add_task_arguments(parser: argparse.ArgumentParser) -> None:
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


def _add_table_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format",
        type=Format,
        choices=list(Format),
        help="of the input; default: by its name, lines where that tells nothing",
    )
    parser.add_argument("--text-column", metavar="NAME", help="default: text; answer: question")
    parser.add_argument("--pair-column", metavar="NAME", help="default: text_pair; answer: context")
    parser.add_argument("--prefix", default="", help="of the names of result columns")
    parser.add_argument(
        "--on-error",
        type=OnError,
        choices=list(OnError),
        default=OnError.FAIL,
        help="rows that cannot be run: fail (default), skip, or record the error in their place",
    )
    parser.add_argument(
        "--restart", action="store_true", help="begin anew what an earlier run has left unfinished"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the bundle and write one record a row."""
    job = _job(arguments)
    files = job.inputs if isinstance(job.inputs, Sequence) else ()
    shown = sys.stderr.isatty() and not arguments.quiet and isinstance(job.output, Path)
    line = ProgressLine(sys.stderr, count_rows(files, job.form)) if shown else None
    try:
        summary = run_job(job, spread=_spread(arguments), watch=line or (lambda state: None))
    finally:
        if line:
            line.close()
    if arguments.json:
        print(json.dumps(summary.to_json()), file=sys.stderr)
    elif not arguments.quiet:
        limit = Bundle.open(arguments.bundle).manifest.max_tokens
        print(summary.to_text(limit), file=sys.stderr)
    return 0


def _spread(arguments: argparse.Namespace) -> Spread:
    if arguments.on == "ray":
        return partial(run_on_ray, workers=1 if arguments.workers is None else arguments.workers)
    if arguments.workers is not None:
        raise InputError("--workers is of --on ray; on this machine alone, --threads")
    return run_here


def _job(arguments: argparse.Namespace) -> Job:
    names = arguments.input or ["-"]
    if "-" in names and len(names) > 1:
        raise InputError("- is stdin and stands alone; name it, or files")
    options = {name: value for name in OPTIONS if (value := getattr(arguments, name)) is not None}
    ranges = arguments.ranges and read_ranges(read_rows(arguments.ranges, Format.JSONL))
    request = Request(
        bundle=arguments.bundle,
        threads=arguments.threads,
        engine=arguments.engine,
        text_column=arguments.text_column,
        pair_column=arguments.pair_column,
        options=options,
        precision=arguments.precision,
        ranges=ranges,
        prefix=arguments.prefix,
        on_error=arguments.on_error,
    )
    return Job(
        inputs=sys.stdin.buffer if names == ["-"] else find_files(names),
        output=sys.stdout.buffer if arguments.output == "-" else Path(arguments.output),
        request=request,
        form=arguments.format,
        restart=arguments.restart,
    )
