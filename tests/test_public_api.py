"""What a user may rely on: the names, the price of an import, and what the runtime never does."""

import ast
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import edgebert
from tests.conftest import PACKAGE
from tests.make_tiny import DATA

Process = subprocess.CompletedProcess[bytes]
Run = Callable[..., Process]
PUBLIC = {
    "Bundle",
    "Cascade",
    "Classifier",
    "EdgebertError",
    "Embedder",
    "Learner",
    "Manifest",
    "MaskFiller",
    "QuestionAnswerer",
    "Reranker",
    "RuntimeConfig",
    "TokenClassifier",
    "ZeroShotClassifier",
    "__version__",
    "embedding_ranges",
    "load",
    "quantize_embeddings",
    "similarity",
    "unit_ranges",
}
HEAVY = {"numpy", "onnxruntime", "tokenizers"}
FOREIGN = {"torch", "transformers", "optimum", "onnx", "safetensors", "edgebert_export"}
SOURCES = sorted(PACKAGE.rglob("*.py"))


def test_the_public_names_are_exactly_these() -> None:
    assert set(edgebert.__all__) == PUBLIC
    assert len(edgebert.__all__) == len(PUBLIC)


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_a_public_name_can_be_imported(name: str) -> None:
    assert getattr(edgebert, name) is not None


@pytest.mark.parametrize("name", sorted(PUBLIC - {"__version__"}))
def test_a_public_name_is_documented(name: str) -> None:
    assert getattr(edgebert, name).__doc__


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'edgebert' has no attribute 'colour'"):
        edgebert.colour  # noqa: B018


def test_the_names_shown_are_the_public_ones() -> None:
    assert set(dir(edgebert)) == PUBLIC


def loaded_by(python: Run, code: str) -> set[str]:
    """Run code in a fresh process and give the top names of the modules it has loaded then."""
    report = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    result = python("-c", f"{code}\n{report}")
    assert (result.returncode, result.stderr) == (0, b"")
    return set(result.stdout.decode().split())


def test_importing_edgebert_loads_nothing_heavy(python: Run) -> None:
    assert not loaded_by(python, "import edgebert") & (HEAVY | FOREIGN)


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["run", "--help"]])
def test_help_loads_nothing_of_other_packages(python: Run, arguments: list[str]) -> None:
    code = f"import edgebert.cli\ntry: edgebert.cli.main({arguments})\nexcept SystemExit: pass"
    result = python("-c", f"{code}\nimport sys; sys.stderr.write(' '.join(sys.modules))")
    found = {name.partition(".")[0] for name in result.stderr.decode().split()}
    assert "edgebert" in found
    assert not found & FOREIGN
    assert not found & HEAVY or arguments[0] == "run"


def use(name: str) -> str:
    """Write code that opens a bundle and runs it over something fitting."""
    text = {"tiny-answer": ("the cat", "a dog"), "tiny-fill": "the <mask>"}.get(name, "the cat")
    folder = str(DATA / name)
    return f"import edgebert; assert len(list(edgebert.load({folder!r}).stream([{text!r}] * 3)))"


WATCHED = """
import json, sys
events = []
def watch(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.system", "os.fork", "os.exec", "os.posix")):
        events.append(event)
sys.addaudithook(watch)
"""
TOLD = """
modules = sorted({name.partition(".")[0] for name in sys.modules})
sys.stderr.write(json.dumps({"events": events, "modules": modules}))
"""


@pytest.fixture(scope="module")
def watched(python: Run) -> Process:
    """A whole run of two bundles, which says at its end, on stderr, what it did and loaded."""
    return python("-c", "\n".join([WATCHED, use("tiny-embed"), use("tiny-fill"), TOLD]))


def test_a_whole_run_loads_no_package_of_the_export_stage(watched: Process) -> None:
    found = set(json.loads(watched.stderr)["modules"])
    assert found >= HEAVY
    assert not found & FOREIGN


def test_a_whole_run_reaches_for_no_network_and_no_process(watched: Process) -> None:
    assert json.loads(watched.stderr)["events"] == []


def test_a_whole_run_prints_nothing(watched: Process) -> None:
    assert watched.stdout == b""


NO_NETWORK = """
import socket, sys
class Refused(socket.socket):
    def __init__(self, *arguments, **options):
        raise SystemExit("a socket was opened")
def refuse(event, arguments):
    if event.startswith("socket."):
        raise SystemExit(event)
socket.socket = Refused
sys.addaudithook(refuse)
"""


def test_the_runtime_opens_no_socket(python: Run) -> None:
    code = "\n".join([NO_NETWORK, *map(use, ("tiny-embed", "tiny-tag", "tiny-answer"))])
    result = python("-c", code)
    assert (result.returncode, result.stderr) == (0, b"")


def test_an_opened_socket_would_have_been_seen(python: Run) -> None:
    code = f"{NO_NETWORK}\nimport _socket\n_socket.socket()"
    assert python("-c", code).stderr == b"socket.__new__\n"


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if path.parent.name != "cli"],
    ids=lambda path: path.relative_to(PACKAGE).as_posix(),
)
def test_the_library_reads_no_environment(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = {
            getattr(node, "attr", None),
            getattr(node, "id", None),
            getattr(node, "name", None),
        }
        assert not names & {"environ", "environb", "getenv", "getenvb"}
