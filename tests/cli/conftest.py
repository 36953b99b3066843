"""The command line called in this process, as a user would see it."""

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from edgebert.cli import main


@dataclass(frozen=True)
class Called:
    """What came of a command."""

    code: int
    out: str
    err: str


@pytest.fixture
def call(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Called]:
    """Call a command; argparse's own exits give their code too."""

    def run(*arguments: object, stdin: bytes = b"") -> Called:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="ascii"))
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Called(code, *capsys.readouterr())

    return run
