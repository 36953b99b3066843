"""The arguments of `edgebert export`, its progress line and what it prints."""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from edgebert.manifest import EngineName, Level, PoolingMode, Task
from edgebert_export.errors import ExportError
from edgebert_export.pipeline import export
from edgebert_export.recipe import Recipe, Road, Target
from edgebert_export.report import Report

BAR = 24  # characters of the progress bar


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("model", help="a checkpoint's folder, or a hub name")
    road = parser.add_mutually_exclusive_group()
    road.add_argument(
        "--road",
        type=Road,
        choices=list(Road),
        help="who makes the graph: native (edgebert), optimum (any encoder that it knows, needs "
        "edgebert[optimum]), onnx (it is in the folder); default: native where it can, else "
        "optimum",
    )
    road.add_argument(
        "--from-onnx",
        dest="road",
        action="store_const",
        const=Road.ONNX,
        help="the same as --road onnx: MODEL is a folder with an ONNX encoder, or its file",
    )
    parser.add_argument("output", type=Path, help="the bundle's folder, to be made")
    parser.add_argument(
        "--quantize",
        type=Level,
        choices=list(Level),
        default=Level.INT8,
        help="int8 (default); int8-accurate: nearer to fp32, a little slower; fp32",
    )
    parser.add_argument(
        "--calibrate",
        type=Path,
        metavar="FILE",
        help="texts, one a line: fixes the activation scales, so that texts may share a run",
    )
    parser.add_argument(
        "--parity-texts",
        type=Path,
        metavar="FILE",
        help="texts, one a line, to prove the bundle on; default: built-in sentences",
    )
    parser.add_argument(
        "--task", type=Task, choices=list(Task), help="default: as the checkpoint says"
    )
    parser.add_argument(
        "--pooling",
        type=PoolingMode,
        choices=list(PoolingMode),
        help="embeddings: default as modules.json says",
    )
    parser.add_argument(
        "--normalize",
        action=argparse.BooleanOptionalAction,
        help="embeddings of unit length: default as modules.json says",
    )
    parser.add_argument("--max-tokens", type=int, help="lower the limit on a text's tokens")
    parser.add_argument(
        "--layers-out",
        type=int,
        default=1,
        metavar="N",
        help="embeddings: pool each of the last N layers too, for the learner's larger tiers",
    )
    parser.add_argument(
        "--exits",
        type=read_layers,
        default=(),
        metavar="N,N",
        help="embed, classify: let a cascade stop after these layers; best two, such as 2,4 of 6",
    )
    parser.add_argument(
        "--target",
        type=Target,
        choices=list(Target),
        default=Target.ANY,
        help="avx2: 7-bit weights for CPUs without VNNI, where 8 bits saturate",
    )
    parser.add_argument(
        "--engine",
        type=EngineName,
        choices=list(EngineName),
        default=EngineName.ONNXRUNTIME,
        help="openvino: add a graph for it, embed and classify; needs --calibrate, or fp32. "
        "amx: add what our kernels for that CPU need; embed, int8",
    )
    parser.add_argument("--min-cosine-mean", type=float, help="floor of the mean cosine to fp32")
    parser.add_argument("--min-cosine", type=float, help="floor of the least cosine to fp32")
    parser.add_argument("--min-agreement", type=float, help="floor of equal decisions, 0 to 1")
    parser.add_argument("--name", help="the bundle's name; default: its folder's")
    parser.add_argument("--overwrite", action="store_true", help="replace a bundle at OUTPUT")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")


def read_layers(text: str) -> tuple[int, ...]:
    """Read numbers of layers with commas between them."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of layers such as 2,4") from None


def run(arguments: argparse.Namespace) -> int:
    """Export and print what was measured."""
    fields = {field.name for field in dataclasses.fields(Recipe)}
    given = {key: value for key, value in vars(arguments).items() if key in fields}
    given["model"] = find_model(arguments.model, graphs=arguments.road is Road.ONNX)
    shown = sys.stderr.isatty() and not arguments.quiet
    report = export(Recipe(**given), show_progress if shown else None)
    if arguments.json:
        print(json.dumps(dataclasses.asdict(report), indent=1))
    else:
        show_report(report, arguments.output)
    return 0


def find_model(name: str, *, graphs: bool = False) -> Path:
    """Give a local folder as it is, and fetch a hub name if `huggingface_hub` is installed.

    Args:
        name: a path, or `owner/model`.
        graphs: fetch ONNX files, and not the checkpoint's weights.

    Raises:
        ExportError: no such folder, and not a hub name that can be had.
    """
    path = Path(name)
    looks_local = name.startswith((".", "/", "~")) or name.count("/") != 1
    if path.exists() or looks_local:
        return path
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise ExportError(
            f"{name}: no such folder; to fetch it from the hub, `pip install huggingface_hub`"
        ) from error
    try:
        left = ["*.safetensors", "*.bin"] if graphs else ["*.onnx*"]
        return Path(snapshot_download(name, ignore_patterns=[*left, "*.h5", "*.msgpack"]))
    except Exception as error:  # network, repository and permission errors of many kinds
        raise ExportError(f"{name}: no such folder, and the hub gave none: {error}") from error


def show_progress(step: str, share: float) -> None:
    """Draw the progress line on a terminal."""
    done = round(BAR * share)
    end = "\n" if share >= 1 else ""
    bar = "#" * done + "." * (BAR - done)
    print(f"\r\033[K[{bar}] {share:4.0%} {step}", end=end, file=sys.stderr, flush=True)


def show_report(report: Report, output: Path) -> None:
    """Print what was measured, for a person."""
    parity = report.parity
    print(f"{output}: {report.total_bytes / 1e6:.1f} MB, {report.quantization.level.value}")
    print(
        f"cosine to fp32 {parity.cosine_mean:.5f} mean, {parity.cosine_min:.5f} least, on "
        f"{parity.texts} texts ({parity.source})"
    )
    if parity.agreement is not None:
        print(f"same decisions {parity.agreement:.2%}")
    for engine, other in report.alternatives.items():
        print(f"on {engine} {other.cosine_mean:.5f} mean, {other.cosine_min:.5f} least")
