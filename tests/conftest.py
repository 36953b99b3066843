"""Fixtures that several tests share: the tiny bundles, and where labelled data stands."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import hypothesis
import pytest

import edgebert
from edgebert.amx import why_not
from edgebert.manifest import EngineName, Level, PoolingMode
from tests.make_tiny import DATA, write_checkpoint

ROOT = Path(__file__).parents[1]
PACKAGE = Path(edgebert.__file__).parent  # the source here, or the wheel where that is tested

# where only the runtime is installed, these cannot even be imported
if any(find_spec(name) is None for name in ("edgebert_export", "onnx", "safetensors")):
    collect_ignore = ["test_checkpoints.py", "test_docs.py", "test_engine_soak.py"]

# No deadline: a test that fails because a machine is slow proves nothing.
hypothesis.settings.register_profile("edgebert", deadline=None, max_examples=50)
hypothesis.settings.load_profile("edgebert")


@pytest.fixture(scope="session")
def tiny() -> Path:
    """The folder of the tiny bundles: tiny-embed, tiny-classify, tiny-tag, ..."""
    return DATA


@pytest.fixture
def copied(tiny: Path, tmp_path: Path) -> Callable[..., Path]:
    """Copy a tiny bundle to where it may be damaged."""

    def copy(name: str = "tiny-embed", to: str = "bundle") -> Path:
        return Path(shutil.copytree(tiny / name, tmp_path / to))

    return copy


@pytest.fixture(scope="session")
def python() -> Callable[..., "subprocess.CompletedProcess[bytes]"]:
    """Run this Python anew on the sources at hand, warnings as errors."""

    def run(
        *arguments: str, stdin: bytes = b"", **options: object
    ) -> "subprocess.CompletedProcess[bytes]":
        command = [sys.executable, "-W", "error", *arguments]
        settings: dict[str, object] = {"input": stdin, "cwd": ROOT, "timeout": 60}
        if "stdout" not in options:
            settings["capture_output"] = True
        return subprocess.run(command, check=False, **(settings | options))

    return run


LIMITED = """
import resource, sys
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
from edgebert.cli import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture(scope="session")
def small_disk(
    python: Callable[..., "subprocess.CompletedProcess[bytes]"],
) -> Callable[..., "subprocess.CompletedProcess[bytes]"]:
    """Run the command line where no file may grow over a limit, as on a disk that fills up."""
    pytest.importorskip("resource", reason="this system has no limits on file size")
    return lambda limit, *arguments, **options: python(
        "-c", LIMITED, str(limit), *map(str, arguments), **options
    )


@pytest.fixture(scope="session")
def labelled_data() -> Path:
    """The folder of the labelled text sets; without it CI fails and a laptop skips."""
    path = Path(os.environ.get("EDGEBERT_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not path.is_dir():
        message = f"labelled data is not at {path}; set EDGEBERT_DATA"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


@pytest.fixture(scope="session")
def openvino_bundle(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Give a tiny bundle with a graph for OpenVINO, by its level or "rerank"; made once."""
    if not os.environ.get("CI"):  # where it must not be missing
        pytest.importorskip("openvino")

    @cache
    def make(kind: str) -> Path:
        from edgebert_export import Recipe, export

        folder = tmp_path_factory.mktemp("openvino")
        texts = folder / "texts.txt"
        texts.write_text("the train to seoul\na good film and bad food\nanna lives in paris\n")
        level = Level.FP32 if kind == "rerank" else Level(kind)
        name = "BertForSequenceClassification" if kind == "rerank" else "BertModel"
        recipe = Recipe(
            model=write_checkpoint(folder / "checkpoint", name, labels=1),
            output=folder / "bundle",
            quantize=level,
            calibrate=None if level is Level.FP32 else texts,
            pooling=None if kind == "rerank" else PoolingMode.MEAN,
            normalize=None if kind == "rerank" else True,
            # random weights of width 32 leave int8 little to average over
            min_cosine_mean=0.9,
            min_cosine=0.8,
            engine=EngineName.OPENVINO,
        )
        export(recipe)
        return recipe.output

    return make


@pytest.fixture(scope="session")
def amx_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a tiny bundle for our kernels; skip where they cannot run."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    pytest.importorskip("onnx")
    from edgebert_export import Recipe, export

    folder = tmp_path_factory.mktemp("amx")
    recipe = Recipe(
        model=write_checkpoint(folder / "checkpoint", num_attention_heads=1),
        output=folder / "bundle",
        pooling=PoolingMode.MEAN,
        normalize=True,
        min_cosine_mean=0.9,  # as above
        min_cosine=0.8,
        engine=EngineName.AMX,
    )
    export(recipe)
    return recipe.output


@pytest.fixture(scope="session")
def subject_bundle(labelled_data: Path) -> Iterator[Callable[..., Path]]:
    """Give a bundle of `bench.subjects` by name and level; made once, removed at the end.

    Heads are trained the first time, all that tests use at once, and kept in the cache.
    """
    from bench.differences import bundle_of
    from examples.heads.cache import checkpoints

    checkpoints(labelled_data, ("nli", "ner", "answers", "relevance"))
    with tempfile.TemporaryDirectory(prefix="edgebert-tests-") as folder:
        yield lambda name, level="int8": bundle_of(name, Level(level), labelled_data, Path(folder))


def count_threads() -> int:
    """Count this process's threads, onnxruntime's among them."""
    return len(list(Path("/proc/self/task").iterdir()))
