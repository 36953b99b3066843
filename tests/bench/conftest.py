"""A benchmark whose models are the tiny bundles and whose environment is this Python."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from bench import environments, prepare
from bench.environments import PINS, READY
from bench.rows import MODELS, Model

MACHINE = {
    "cpu": "A CPU",
    "flags": ["avx2"],
    "cores": 2,
    "memory_gb": 4.0,
    "kernel": "Linux 6",
    "python": "3.11.7",
}


@pytest.fixture
def tiny_model(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a model that stands ready in a cache of its own."""
    monkeypatch.setattr(environments, "CACHE", tmp_path)
    monkeypatch.setattr(prepare, "CACHE", tmp_path)
    for name in ("onnxruntime", "optimum"):
        python = tmp_path / "venvs" / name / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        python.chmod(0o755)
        (python.parents[1] / READY).write_text(json.dumps({"pins": PINS[name]}))
    for bundle, files in {
        "tiny-embed": "checkpoint",
        "tiny-embed-int8": "bundle-int8",
        "tiny-embed-static": "bundle-int8-static",
    }.items():
        shutil.copytree(tiny / bundle, tmp_path / "models" / "tiny" / files)
    shutil.copytree(tiny / "tiny-embed", tmp_path / "models" / "tiny" / "bundle-fp32")
    model = Model("tiny", 32, True, 20, 2, {16: 4, 128: 4, 512: 4})
    monkeypatch.setitem(MODELS, "tiny", model)
    return "tiny"
