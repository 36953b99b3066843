"""What every example says of a file or a bundle that it cannot use: one line, exit code 1."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from edgebert.errors import InputError
from examples.lines import read_lines

pytestmark = pytest.mark.export

EXAMPLES = {
    "search": ("tiny-embed", []),
    "redact": ("tiny-tag", []),
    "zero_shot": ("tiny-classify", ["--labels", "a", "b"]),
}


def test_blank_lines_and_blanks_around_a_text_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "texts").write_text("  one\n\n \ntwo three \r\n", encoding="utf-8")
    assert read_lines(tmp_path / "texts") == ["one", "two three"]


def test_a_line_separator_within_a_text_does_not_cut_it(tmp_path: Path) -> None:
    (tmp_path / "texts").write_text("one\u2028two\n", encoding="utf-8")
    assert read_lines(tmp_path / "texts") == ["one\u2028two"]


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "no text in it"), (b" \n\n", "no text in it"), (b"ok\n\xff\n", "byte 3 is not UTF-8")],
)
def test_a_file_without_texts_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "texts").write_bytes(content)
    with pytest.raises(InputError, match=said):
        read_lines(tmp_path / "texts")


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_missing_file_is_one_line_and_exit_code_1(
    name: str, tiny: Path, python: Callable[..., "subprocess.CompletedProcess[bytes]"]
) -> None:
    bundle, options = EXAMPLES[name]
    done = python("-m", f"examples.{name}", str(tiny / bundle), "absent.txt", *options)
    assert done.returncode == 1
    said = done.stderr.decode().splitlines()
    assert len(said) == 1
    assert said[0].startswith("error: ")


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_bundle_of_another_task_is_refused(
    name: str,
    tiny: Path,
    lines_file: Callable[..., Path],
    python: Callable[..., "subprocess.CompletedProcess[bytes]"],
) -> None:
    texts = str(lines_file("the cat"))
    _, options = EXAMPLES[name]
    done = python("-m", f"examples.{name}", str(tiny / "tiny-fill"), texts, *options)
    assert done.returncode == 1
    assert done.stderr.decode().startswith("error: ")
