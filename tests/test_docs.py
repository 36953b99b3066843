"""What the documentation says can be run, runs: commands, Python blocks, and every help text.

In a folder of its own, on the bundle that its commands make.
"""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from edgebert.cli import VERBS
from tests import checkpoints

pytestmark = [pytest.mark.export, pytest.mark.realmodel]

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {
    name: (ROOT / "docs" / name).read_text("utf-8")
    for name in ("compatibility.md", "in-an-app.md", "tuning.md")
}
CHOOSING = (ROOT / "docs" / "choosing.md").read_text(encoding="utf-8")
LEARNING = (ROOT / "docs" / "learning.md").read_text(encoding="utf-8")
ROUTING = (ROOT / "docs" / "routing.md").read_text(encoding="utf-8")
SCALE = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
INTENTS = """text,label
Where is my card?,card_arrival
My card has not come yet,card_arrival
I lost my card,card_lost
Someone stole my card,card_lost
"""
LABELLED = (("Where is my card", "card_arrival"), ("I lost my card", "card_lost"))
CHECKPOINT = "path/to/all-MiniLM-L6-v2"  # stands for the reader's own


def blocks(language: str, page: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


EXAMPLES = [
    pytest.param(block, id=f"{name}-{number}")
    for name, page in {"README.md": README, **PAGES}.items()
    for number, block in enumerate(blocks("python", page))
]


def commands(page: str = README) -> list[str]:
    found = blocks("sh", page)
    lines = [line.split("  #")[0].strip() for block in found for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("pip install")]


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a reader would, `edgebert` being this source."""
    program = folder / "bin" / "edgebert"
    program.parent.mkdir(exist_ok=True)
    paths = f"{ROOT}:{ROOT / 'export'}"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={paths} exec {sys.executable} -m edgebert "$@"\n')
    program.chmod(0o755)
    return subprocess.run(
        command.replace(CHECKPOINT, str(checkpoints.minilm())),
        cwd=folder,
        shell=True,
        env={"PATH": f"{program.parent}:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which README's commands were run in their order."""
    made = tmp_path_factory.mktemp("reader")
    (made / "texts.txt").write_text("How do I reset my password?\nBread needs flour.\n")
    for name in ("intents.csv", "more.csv"):
        (made / name).write_text(INTENTS)
    labelled = [f"{text} {n},{label}" for n in range(10) for text, label in LABELLED]
    (made / "labelled.csv").write_text("\n".join(["text,label", *labelled, ""]))
    pages = (README, LEARNING, CHOOSING, SCALE, ROUTING, PAGES["tuning.md"])
    for command in [command for page in pages for command in commands(page)]:
        done = run(command, made)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    return made


def test_readme_has_commands_of_several_verbs() -> None:
    assert {"export", "verify", "run"} <= {
        command.split("edgebert ")[1].split()[0] for command in commands()
    }


def test_readmes_commands_make_a_bundle(folder: Path) -> None:
    assert (folder / "minilm-int8" / "edgebert.json").is_file()


def run_python(code: str, folder: Path) -> str:
    """Run a script in the folder of the README's bundle; give what it prints."""
    script = folder / "example.py"
    script.write_text(code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, script],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def python_of(page: str) -> str:
    """Give all Python of a page as one script."""
    return "\n".join(blocks("python", page))


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_documentations_python_runs(folder: Path, example: str) -> None:
    assert run_python(example, folder)


def test_the_python_of_learning_runs(folder: Path) -> None:
    assert "card_lost" in run_python(python_of(LEARNING), folder)


def test_the_python_of_routing_runs(folder: Path) -> None:
    printed = run_python(python_of(ROUTING), folder)
    assert "give 399 texts at the least" in printed
    assert "full: nothing could be certified" in printed


def test_the_python_of_scale_runs(folder: Path) -> None:
    pytest.importorskip("ray")
    assert run_python(python_of(SCALE), folder).split()[-1] == "9"  # tokens of the first text


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"export", "unpack", "merge"}))
def test_the_example_of_each_help_text_runs(folder: Path, verb: str) -> None:
    done = run(import_module(f"edgebert.cli.{verb}").EXAMPLE, folder)
    assert done.returncode == 0, done.stderr


def test_the_example_of_merge_runs_where_the_files_are(folder: Path) -> None:
    assert run("edgebert learn minilm-int8 fresh.learn intents.csv", folder).returncode == 0
    example = import_module("edgebert.cli.merge").EXAMPLE
    done = run(example.replace("intents.learn", "fresh.learn"), folder)
    assert done.returncode == 0, done.stderr


def test_the_example_of_unpack_runs_where_the_file_is(folder: Path, tmp_path: Path) -> None:
    packed = tmp_path / "minilm-int8.edgebert"
    assert run(f"edgebert pack {folder / 'minilm-int8'} {packed}", tmp_path).returncode == 0
    done = run(import_module("edgebert.cli.unpack").EXAMPLE, tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_example_of_export_is_the_readmes() -> None:
    assert import_module("edgebert.cli.export").EXAMPLE in commands()


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_is_in_the_readme(verb: str) -> None:
    assert f"`{verb}`" in README


@pytest.mark.parametrize("target", ["demo", "test"])
def test_the_two_commands_are_targets_of_make(target: str) -> None:
    done = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert f"make {target}" in README
