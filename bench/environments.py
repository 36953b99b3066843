"""The venv of each peer, made once and kept: pinned versions as data, pip as the installer.

What pip says when it fails is the reason that the row's place in the table gives.

    python -m bench.environments            # make all
    python -m bench.environments openvino   # make one
"""

import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path

CACHE = Path(__file__).parents[1] / ".cache" / "bench"
READY = "ready.json"  # in a finished venv: the pins it was made from
TORCH = "torch==2.13.0"  # a plain "torch" pulls gigabytes of CUDA on most machines
ARRAYS = "numpy==2.4.6"
TOKENIZERS = "tokenizers==0.22.2"
ONNXRUNTIME = "onnxruntime==1.32.0"

PINS: dict[str, tuple[str, ...]] = {
    # edgebert itself runs here, from this checkout
    "onnxruntime": (ONNXRUNTIME, TOKENIZERS, ARRAYS),
    # edgebert with its second engine, and what exports bundles for it
    "edgebert-openvino": (
        ONNXRUNTIME,
        TOKENIZERS,
        ARRAYS,
        "openvino==2026.4.1",
        "onnx==1.23.2",
        "safetensors",
    ),
    # the peer, and what makes the files of other peers: exports, CTranslate2's converter
    "optimum": (
        TORCH,
        "optimum-onnx[onnxruntime]==0.1.0",
        "optimum==2.1.0",
        "transformers==4.57.6",
        ONNXRUNTIME,
        TOKENIZERS,
        "ctranslate2==4.8.5",
        "safetensors",
    ),
    "torch": (TORCH, "transformers==5.23.0", ARRAYS),
    "sentence-transformers": (
        TORCH,
        "sentence-transformers[onnx,openvino]==5.7.0",
        "transformers==4.57.6",
        ONNXRUNTIME,
    ),
    "ctranslate2": ("ctranslate2==4.8.5", TOKENIZERS, ARRAYS),
    "openvino": ("openvino==2026.4.1", "nncf==3.4.0", TOKENIZERS),
    "fastembed": ("fastembed==0.9.1", ONNXRUNTIME),
}


class EnvironmentFailed(Exception):
    """A venv could not be made; the message is pip's."""


def python_of(name: str) -> Path:
    """Give the Python of an environment, making it the first time.

    Raises:
        EnvironmentFailed: pip refused.
    """
    folder = CACHE / "venvs" / name
    python = folder / "bin" / "python"
    pins = list(PINS[name])
    if _pins_of(folder) == pins:
        return python
    if folder.exists():
        shutil.rmtree(folder)
    print(f"making {folder}: {', '.join(pins)}", file=sys.stderr)
    venv.create(folder, with_pip=True)
    _install(python, pins)
    (folder / READY).write_text(json.dumps({"pins": pins}) + "\n")
    return python


def _pins_of(folder: Path) -> list[str]:
    try:
        found: list[str] = json.loads((folder / READY).read_text())["pins"]
    except (OSError, ValueError):
        return []
    return found


def _install(python: Path, pins: list[str]) -> None:
    """Install torch first, so that nothing else chooses its build."""
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    steps = [[TORCH], pins] if TORCH in pins else [pins]
    for step in steps:
        done = subprocess.run([*pip, *step], capture_output=True, text=True)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            raise EnvironmentFailed(" ".join(lines)[:400] or done.stderr[-400:])


def main() -> int:
    """Make the environments that the command line names, or all; say which failed."""
    failed = 0
    for name in sys.argv[1:] or list(PINS):
        try:
            print(f"{name}: {python_of(name)}")
        except EnvironmentFailed as error:
            print(f"{name}: {error}")
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
