"""The command line's promises: exit codes, one line an error, help that can be copied."""

import os
import shlex
import signal
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from edgebert.cli import VERBS, _parse, inspect
from edgebert.version import __version__
from tests.cli.conftest import Called
from tests.conftest import PACKAGE, ROOT
from tests.make_tiny import DATA

Call = Callable[..., Called]
Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
EXTRA = {"eval", "compare"} if find_spec("sklearn") is None else set()  # cannot be imported then
OWN = sorted(set(VERBS) - {"export"} - EXTRA)  # export's arguments are of the other package
POSIX = pytest.mark.skipif(os.name == "nt", reason="needs signals and pipes of POSIX")


def test_the_version_is_printed_on_stdout(call: Call) -> None:
    assert call("--version") == Called(0, f"edgebert {__version__}\n", "")


def test_help_names_every_verb_and_what_it_is_for(call: Call) -> None:
    result = call("--help")
    assert result.code == 0
    for name, summary in VERBS.items():
        assert f"    {name}" in result.out
        assert summary in result.out


@pytest.mark.parametrize("arguments", [(), ("sing",), ("--colour",), ("inspect",), ("pack", "--x")])
def test_wrong_usage_exits_2_with_the_usage_on_stderr(
    call: Call, arguments: tuple[str, ...]
) -> None:
    result = call(*arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("usage: edgebert")


@pytest.mark.parametrize("name", OWN)
def test_help_of_a_verb_shows_its_summary_and_its_example(call: Call, name: str) -> None:
    verb = import_module(f"edgebert.cli.{name}")
    result = call(name, "--help")
    assert result.code == 0
    assert result.out.rstrip().endswith(f"example:\n  {verb.EXAMPLE}")
    assert verb.SUMMARY in result.out


@pytest.mark.parametrize("name", OWN)
def test_the_example_of_a_verb_parses(name: str) -> None:
    verb = import_module(f"edgebert.cli.{name}")
    program, *arguments = shlex.split(verb.EXAMPLE)
    assert (program, arguments[0]) == ("edgebert", name)
    assert _parse(arguments).run is verb.run


def test_every_verb_has_its_file_and_every_file_its_verb() -> None:
    files = {path.stem for path in (PACKAGE / "cli").glob("*.py")}
    assert files - {"__init__"} == set(VERBS)


LEARNERS = {"learn", "predict", "forget", "merge", "report"}  # theirs: test_learn.py
# theirs: test_data.py, test_eval.py, test_compare.py, test_route.py
OTHERS = {"data", "eval", "compare", "route"}


@pytest.mark.parametrize("name", sorted(set(OWN) - {"doctor"} - LEARNERS - OTHERS))
def test_a_bundle_that_is_not_there_is_one_line_on_stderr_and_exit_1(
    call: Call, tmp_path: Path, name: str
) -> None:
    result = call(name, tmp_path / "absent")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"error: {tmp_path / 'absent'}: no such f")
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("name", ["inspect", "verify", "run", "doctor", "pack"])
def test_a_checkpoint_is_told_to_be_exported(call: Call, tmp_path: Path, name: str) -> None:
    (tmp_path / "config.json").write_text("{}")
    result = call(name, tmp_path)
    assert result.code == 1
    assert "looks like a checkpoint, run `edgebert export" in result.err


def test_an_interrupt_exits_130(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(inspect, "run", interrupted)
    assert call("inspect", "x") == Called(130, "", "interrupted\n")


def test_a_bug_is_not_dressed_up_as_an_error(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(arguments: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(inspect, "run", broken)
    with pytest.raises(ZeroDivisionError):
        call("inspect", "x")


def test_export_without_its_packages_names_the_pip_line(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "edgebert_export", None)
    monkeypatch.delitem(sys.modules, "edgebert_export.cli", raising=False)
    result = call("export", "--help")
    assert (result.code, result.out) == (1, "")
    assert 'pip install "edgebert[export]"' in result.err


def test_export_hands_over_to_the_other_package(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, other = types.ModuleType("edgebert_export"), types.ModuleType("edgebert_export.cli")
    other.add_arguments = lambda parser: parser.add_argument("model")
    other.run = lambda arguments: 0 if arguments.model == "some-model" else 5
    monkeypatch.setitem(sys.modules, "edgebert_export", package)
    monkeypatch.setitem(sys.modules, "edgebert_export.cli", other)
    assert call("export", "some-model").code == 0


def test_a_command_in_a_process_of_its_own_does_the_same(call: Call, python: Run) -> None:
    arguments = ("inspect", str(DATA / "tiny-embed"))
    result, here = python("-m", "edgebert", *arguments), call(*arguments)
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.decode() == here.out


def test_an_error_in_a_process_of_its_own_is_exit_1_and_one_line(python: Run) -> None:
    result = python("-m", "edgebert", "inspect", "absent")
    assert (result.returncode, result.stdout) == (1, b"")
    assert result.stderr == b"error: absent: no such folder; `edgebert export` makes one\n"


def test_wrong_usage_in_a_process_of_its_own_is_exit_2(python: Run) -> None:
    assert python("-m", "edgebert", "sing").returncode == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("verb", ["inspect", "run"])
def test_a_disk_that_is_full_behind_stdout_is_exit_1_and_one_line(python: Run, verb: str) -> None:
    with open("/dev/full", "wb") as full:
        result = python(
            *("-m", "edgebert", verb, str(DATA / "tiny-embed")),
            stdin=b"the cat\n",
            stdout=full,
            stderr=subprocess.PIPE,
        )
    assert result.returncode == 1
    lines = result.stderr.decode().splitlines()
    assert [line for line in lines if line.startswith("error: ")] == [
        "error: output cannot be written: No space left on device"
    ]
    assert not any("Traceback" in line for line in lines)


def start(*arguments: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-W", "error", "-m", "edgebert", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe)


@POSIX
@pytest.mark.parametrize("source", ["file", "-"])
def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path, source: str) -> None:
    texts = b"the cat\n" * 4096
    (tmp_path / "file").write_bytes(texts)
    name = str(tmp_path / "file") if source == "file" else "-"
    with start("run", str(DATA / "tiny-embed"), name) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        if source == "-":
            process.stdin.write(texts)
        process.stdin.close()
        assert process.stdout.readline().startswith(b'{"text": "the cat"')
        process.stdout.close()  # as `| head -1` does
        errors = process.stderr.read()
        assert (process.wait(60), errors) == (0, b"")


@pytest.fixture
def listening() -> Iterator[None]:
    """SIGINT is not ignored; a child ignores what its parent does, as shells' background jobs."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@POSIX
@pytest.mark.usefixtures("listening")
def test_an_interrupted_run_exits_130() -> None:
    with start("run", str(DATA / "tiny-embed"), "-") as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(b"the cat\n" * 4096)  # two windows
        process.stdin.flush()
        for _ in range(4000):  # the rest is in its buffer
            assert process.stdout.readline()
        process.send_signal(signal.SIGINT)  # while it waits for more
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (130, b"interrupted\n")
