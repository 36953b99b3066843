"""Fixtures of the examples' tests: each example run as a reader runs it, on real bundles."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Example = Callable[..., list[str]]


@pytest.fixture(scope="session")
def example(python: Callable[..., "subprocess.CompletedProcess[bytes]"]) -> Example:
    """Run an example and give the lines it prints."""

    def run(name: str, *arguments: object) -> list[str]:
        done = python("-m", f"examples.{name}", *map(str, arguments), timeout=300)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().splitlines()

    return run


@pytest.fixture
def lines_file(tmp_path: Path) -> Callable[..., Path]:
    """Write texts as a file of lines."""

    def write(*texts: str) -> Path:
        path = tmp_path / "texts.txt"
        path.write_text("\n".join(texts) + "\n", encoding="utf-8")
        return path

    return write
