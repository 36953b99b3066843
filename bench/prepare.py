"""The files that each peer loads, made from one checkpoint in the peer's own way, and kept.

A file is made by a step, run as a process in the environment that has the tools:

    python -m bench.prepare STEP SOURCE TARGET      # inside of that environment
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from bench.environments import CACHE, python_of

ROOT = Path(__file__).parents[1]
REASON = 400  # characters kept of what a failed step said


class PreparationFailed(Exception):
    """A peer's files could not be made; the message is the tool's."""


@dataclass(frozen=True, slots=True)
class Step:
    """How one kind of file is made."""

    environment: str
    module: str  # of bench.making; its `make(source, target, *arguments)` does it
    source: str = "checkpoint"  # the step whose folder it starts from
    arguments: tuple[str, ...] = ()


STEPS = {
    "checkpoint": Step("optimum", "checkpoint"),
    "bundle-fp32": Step("optimum", "bundle", arguments=("fp32",)),
    "bundle-int8": Step("optimum", "bundle", arguments=("int8",)),
    "bundle-int8-static": Step("optimum", "bundle", arguments=("int8", "static")),
    "bundle-int8-accurate": Step("optimum", "bundle", arguments=("int8-accurate",)),
    "bundle-int8-amx": Step("edgebert-openvino", "bundle", arguments=("int8", "dynamic", "amx")),
    "bundle-int8-openvino": Step(
        "edgebert-openvino", "bundle", arguments=("int8", "static", "openvino")
    ),
    "bundle-fp32-openvino": Step(
        "edgebert-openvino", "bundle", arguments=("fp32", "none", "openvino")
    ),
    "bundle-tuned": Step("edgebert-openvino", "tuned_bundle", "bundle-int8-openvino"),
    "onnx": Step("optimum", "optimum_export"),
    "onnx-int8": Step("optimum", "onnxruntime_int8", "onnx"),
    "optimum-o2": Step("optimum", "optimum_level", "onnx", ("O2",)),
    "optimum-int8": Step("optimum", "optimum_level", "onnx", ("int8",)),
    "ct2-int8": Step("optimum", "ctranslate2_int8"),
    "openvino-int8": Step("openvino", "nncf_int8", "onnx"),
    "st-onnx-qint8": Step("sentence-transformers", "sentence_onnx"),
    "st-openvino": Step("sentence-transformers", "sentence_openvino"),
}


def folder_of(model: str, kind: str) -> Path:
    """Give the folder of a kind of file, making it and what it starts from the first time.

    Raises:
        PreparationFailed: its tool refused.
        EnvironmentFailed: its environment cannot be made.
    """
    target = CACHE / "models" / model / kind
    if target.is_dir():
        return target
    step = STEPS[kind]
    source = Path(model) if kind == "checkpoint" else folder_of(model, step.source)
    part = target.with_name(f".{kind}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.parent.mkdir(parents=True, exist_ok=True)
    print(f"making {target}", file=sys.stderr)
    command = [
        str(python_of(step.environment)),
        "-m",
        "bench.prepare",
        kind,
        str(source),
        str(part),
    ]
    done = subprocess.run(command, cwd=ROOT, env=offline(), capture_output=True, text=True)
    if done.returncode:
        shutil.rmtree(part, ignore_errors=True)
        raise PreparationFailed(last_words(done.stderr))
    part.rename(target)
    return target


def offline() -> dict[str, str]:
    """Give a process's surroundings: this source, and no model hub, which nothing here needs."""
    paths = f"{ROOT}{os.pathsep}{ROOT / 'export'}"
    return os.environ | {"PYTHONPATH": paths, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


def last_words(stderr: str) -> str:
    """Take the reason out of what a failed process printed: its last line, mostly."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return lines[-1][:REASON] if lines else "it said nothing"


def disk_bytes(folder: Path) -> int:
    """Count what a peer needs of its folder on disk."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> int:
    """Run one step in this process."""
    kind, source, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    step = STEPS[kind]
    target.mkdir()
    import_module(f"bench.making.{step.module}").make(source, target, *step.arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
