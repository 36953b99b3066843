"""Fixtures of the export tests: bundles made once per session, and texts to run them on."""

import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from edgebert.manifest import Level, PoolingMode, Task
from tests.make_tiny import write_checkpoint

FamilyFolders = Callable[[str], Path]

# where only the runtime is installed, these files cannot even be imported
if any(find_spec(name) is None for name in ("edgebert_export", "onnx", "safetensors")):
    collect_ignore_glob = ["test_*.py"]


def export_fp32(model: Path, output: Path, **options: Any) -> Path:
    from edgebert_export import Recipe, export

    export(Recipe(model=model, output=output, quantize=Level.FP32, **options))
    return output


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> FamilyFolders:
    """Give the tiny checkpoint of an architecture; made once, so no test may change it."""

    @cache
    def make(architecture: str) -> Path:
        return write_checkpoint(tmp_path_factory.mktemp("checkpoint") / architecture, architecture)

    return make


@pytest.fixture(scope="session")
def tiny_bundle(
    tiny_checkpoint: FamilyFolders, tmp_path_factory: pytest.TempPathFactory
) -> FamilyFolders:
    """Give the fp32 bundle of a tiny checkpoint; made once, so no test may change it."""

    @cache
    def make(architecture: str) -> Path:
        output = tmp_path_factory.mktemp("bundle") / architecture
        pooling = PoolingMode.MEAN if architecture.endswith("Model") else None
        model = tiny_checkpoint(architecture)
        return export_fp32(model, output, pooling=pooling)

    return make


@pytest.fixture(scope="session")
def real_bundle() -> Iterator[Callable[..., Path]]:
    """Give the fp32 bundle of a real checkpoint, by its folder; made once, removed at the end.

    With `task=Task.EMBED` the encoder below a head, whose masked graph gives hidden states.
    """
    with tempfile.TemporaryDirectory(prefix="edgebert-tests-") as folder:

        @cache
        def make(model: Path, task: Task | None = None) -> Path:
            output = Path(folder) / f"{model.name}-{task or 'own'}"
            bare = task is Task.EMBED or model.name.startswith("minilm")
            options = {"pooling": PoolingMode.MEAN, "normalize": True} if bare else {}
            return export_fp32(model, output, task=task, **options)

        yield make


@pytest.fixture(scope="session")
def english(labelled_data: Path) -> list[str]:
    """1,000 distinct English sentences of the SICK test set."""
    return _column(labelled_data / "sick" / "test.txt", (1, 2), 1000)


@pytest.fixture(scope="session")
def korean(labelled_data: Path) -> list[str]:
    """500 distinct Korean sentences of the KLUE STS development set."""
    return _column(labelled_data / "klue_sts" / "dev.tsv", (2, 3), 500)


def _column(path: Path, columns: tuple[int, ...], count: int) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()[1:]  # the first names the columns
    texts = (line.split("\t")[column] for line in lines for column in columns)
    return list(islice(dict.fromkeys(texts), count))
