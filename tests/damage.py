"""Ways to change a bundle that its hashes do not notice, and small edits of its files.

Tests that look behind the hashes need a bundle whose hashes are right.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgebert.manifest import UNSIGNED, with_own_hash

MANIFEST = "edgebert.json"


def file_names(folder: Path) -> list[str]:
    """Name every file in a folder, those of its subfolders with a slash, in sorted order."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in files)


def edit_manifest(folder: Path, edit: Callable[[dict[str, Any]], None]) -> Path:
    """Change the manifest's values in place; returns the folder."""
    path = folder / MANIFEST
    values = json.loads(path.read_bytes())
    edit(values)
    path.write_bytes(signed(values))
    return folder


def signed(values: dict[str, Any]) -> bytes:
    """Write a manifest's values with the hash of themselves that a manifest states."""
    unsigned = values | {"manifest_sha256": UNSIGNED}  # keeps the key's place
    return with_own_hash((json.dumps(unsigned, indent=1, ensure_ascii=False) + "\n").encode())


def put_file(folder: Path, name: str, data: bytes) -> Path:
    """Write a file and list it, with its size and hash, in the manifest; returns the folder."""
    (folder / name).write_bytes(data)
    entry = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return edit_manifest(folder, lambda values: values["files"].__setitem__(name, entry))


def flip(path: Path, place: int, mask: int) -> None:
    """Change one byte of a file: its bits under the mask are turned around."""
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= mask
    path.write_bytes(data)
