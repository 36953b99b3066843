"""`edgebert route`: cheaper stages before a model, certified on texts of one's own."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from edgebert.errors import InputError
from edgebert.jobs.tables import Entry, Format, parse_entries, read_entries
from edgebert.learn.learner import Learner
from edgebert.reader import Reader, ReadError, parse_object
from edgebert.records import as_record, to_json
from edgebert.route.building import Stage
from edgebert.route.cascade import Cascade
from edgebert.route.encoding import read_certificate
from edgebert.route.legs import STATIC

SUMMARY = """Answer each text at the cheapest stage that answers as the full model would: the mean
of its words, an exit of the encoder, a smaller bundle. `build` makes a cascade, `calibrate`
certifies how far it may answer early, `run` answers, `audit` holds it against the full model,
`report` shows the certificate; see docs/routing.md."""
EXAMPLE = (
    "edgebert route build minilm-int8 intents.route intents.csv --labels --learner intents.learn"
)
AT_ONCE = 2048  # texts answered together


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    steps = parser.add_subparsers(metavar="STEP", dest="step", required=True)
    build = _step(steps, "build", "put stages before a model and fit their heads")
    build.add_argument("input", nargs="?", help="texts to fit to; default: half of calibrate's")
    build.add_argument(
        "--stages",
        default=STATIC,
        help="static, numbers of layers, folders of smaller bundles, by commas; default: static",
    )
    calibrate = _step(steps, "calibrate", "certify on texts that the model has not seen")
    calibrate.add_argument("input", help="texts like those that will come")
    calibrate.add_argument("--max-harm", type=float, default=0.01, help="default: 0.01")
    calibrate.add_argument("--confidence", type=float, default=0.95, help="default: 0.95")
    calibrate.add_argument("--foreign", metavar="FILE", help="texts that belong to no class")
    calibrate.add_argument(
        "--max-slip", type=float, default=0.2, help="share of them answered early; default: 0.2"
    )
    calibrate.add_argument(
        "--mix", type=Path, metavar="FILE", help="JSON object: the share of each class to come"
    )
    calibrate.add_argument(
        "--even-if-slower", action="store_true", help="for a cascade that runs on another machine"
    )
    run = _step(steps, "run", "answer texts, one JSON line each")
    run.add_argument("input", nargs="?", default="-", help="a file, or - for stdin (default)")
    run.add_argument("--top-k", type=int, default=1, help="how many labels; default: 1")
    audit = _step(steps, "audit", "answer texts both ways and hold them against the certificate")
    audit.add_argument("input", help="texts that it was not calibrated on")
    for step in (build, calibrate, audit):
        step.add_argument("--labels", action="store_true", help='rows have a "label", which counts')
    report = steps.add_parser("report", help="show the certificate of a cascade's file")
    report.add_argument("cascade", type=Path, help="the cascade's file")
    report.add_argument("--json", action="store_true", help="the certificate as it stands")


def _step(
    steps: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, summary: str
) -> argparse.ArgumentParser:
    step = steps.add_parser(name, help=summary, description=summary)
    step.add_argument("bundle", type=Path, help="the full model's folder; of --learner its bundle")
    step.add_argument("cascade", type=Path, help="the cascade's file")
    step.add_argument("--learner", type=Path, metavar="FILE", help="the full model is a learner")
    if name != "build":
        step.add_argument(
            "--smaller",
            type=Path,
            action="append",
            default=[],
            metavar="FOLDER",
            help="a smaller bundle that it was built on; give each in order",
        )
    return step


def run(arguments: argparse.Namespace) -> int:
    """Do the step."""
    if arguments.step == "report":
        return _report(arguments)
    if arguments.step == "build":
        return _build(arguments)
    cascade = Cascade.open(arguments.cascade, _model(arguments), smaller=arguments.smaller)
    return {"calibrate": _calibrate, "run": _run, "audit": _audit}[arguments.step](
        cascade, arguments
    )


def _model(arguments: argparse.Namespace) -> Learner | Path:
    if arguments.learner is None:
        folder: Path = arguments.bundle
        return folder
    return Learner.open(arguments.learner, arguments.bundle, read_only=True)


def _build(arguments: argparse.Namespace) -> int:
    texts, labels = ([], None) if arguments.input is None else _read(arguments.input, arguments)
    stages = [_stage(name) for name in arguments.stages.split(",")]
    cascade = Cascade.build(_model(arguments), stages, texts=texts, labels=labels)
    cascade.save(arguments.cascade)
    print(f"fitted to {len(texts):,} texts; now `edgebert route calibrate`", file=sys.stderr)
    return 0


def _stage(name: str) -> Stage:
    if name == STATIC:
        return name
    return int(name) if name.isdecimal() else Path(name)


def _calibrate(cascade: Cascade, arguments: argparse.Namespace) -> int:
    texts, labels = _read(arguments.input, arguments)
    foreign = [] if arguments.foreign is None else _texts(read_entries(Path(arguments.foreign)))
    cascade.calibrate(
        texts,
        labels,
        max_harm=arguments.max_harm,
        confidence=arguments.confidence,
        mix=None if arguments.mix is None else _read_mix(arguments.mix),
        foreign=foreign,
        max_slip=arguments.max_slip,
        even_if_slower=arguments.even_if_slower,
    )
    cascade.save(arguments.cascade)
    certificate = cascade.certificate
    if certificate is not None:
        print(certificate.describe(), file=sys.stderr)
    return 0


def _run(cascade: Cascade, arguments: argparse.Namespace) -> int:
    entries = (
        parse_entries(sys.stdin.buffer, Format.LINES)
        if arguments.input == "-"
        else read_entries(Path(arguments.input))
    )
    while some := list(islice(entries, AT_ONCE)):
        results = cascade.classify(_texts(some), top_k=arguments.top_k)
        for entry, result in zip(some, results, strict=True):
            record = {**entry.fields, **as_record(result, several=arguments.top_k > 1)}
            print(to_json(record))
    report = cascade.report()
    shares = ", ".join(f"{name} {count:,}" for name, count in report.stages.items())
    print(f"{report.mode.value}; {report.texts:,} texts: {shares or 'none'}", file=sys.stderr)
    return 0


def _audit(cascade: Cascade, arguments: argparse.Namespace) -> int:
    report = cascade.audit(*_read(arguments.input, arguments))
    print(json.dumps(dataclasses.asdict(report), indent=1))
    return 0 if report.holds else 1


def _report(arguments: argparse.Namespace) -> int:
    certificate = read_certificate(arguments.cascade)
    if arguments.json:
        record = None if certificate is None else certificate.to_record()
        print(json.dumps(record, indent=1, ensure_ascii=False))
    elif certificate is None:
        print("not calibrated; every text goes to the full model")
    else:
        print(certificate.describe(), end="\n\n")
        for key, value in certificate.facts():
            print(f"{key:<14} {value}")
    return 0


def _read(name: str, arguments: argparse.Namespace) -> tuple[list[str], list[str] | None]:
    """Read the texts of a file, and their labels if they are to count."""
    entries = list(read_entries(Path(name)))
    texts = _texts(entries)
    if not arguments.labels:
        return texts, None
    labels = []
    for entry in entries:
        label = entry.fields.get("label")
        if not isinstance(label, str):
            raise InputError(f"{entry.place}: field 'label' is {label!r:.80}, expected a string")
        labels.append(label)
    return texts, labels


def _texts(entries: Iterable[Entry]) -> list[str]:
    texts = []
    for entry in entries:
        text = entry.fields.get("text")
        if entry.fault or not isinstance(text, str):
            fault = entry.fault or f"field 'text' is {text!r:.80}, expected a string"
            raise InputError(f"{entry.place}: {fault}")
        texts.append(text)
    return texts


def _read_mix(path: Path) -> dict[str, float]:
    """Read shares of classes."""
    try:
        reader = Reader(parse_object(path.read_bytes(), str(path)))
        return {name: reader.number(name) for name in reader.names()}
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except ReadError as error:
        raise InputError(f"{path}: {error}") from error
