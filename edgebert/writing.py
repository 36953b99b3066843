"""Whole files or none: a text is written beside its place and then renamed."""

from contextlib import suppress
from pathlib import Path

from edgebert.errors import EdgebertError


def write_text(path: Path, text: str) -> None:
    """Write a whole file or none.

    Raises:
        EdgebertError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as stream:
            stream.write(text)
        part.replace(path)
    except OSError as error:
        raise EdgebertError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        with suppress(OSError):  # the first fault is the one to tell
            part.unlink()
