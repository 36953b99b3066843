"""A bundle as one file: a stored zip, the same bytes for the same bundle.

For shipping only: weights are mapped from a folder, so a packed bundle is unpacked before it runs.
What makes a bundle whole is `bundle.py`'s.
"""

import shutil
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

from edgebert.bundle import (
    MANIFEST_BYTES,
    MANIFEST_NAME,
    Bundle,
    new_folder,
    parse_manifest,
    write_synced,
)
from edgebert.errors import BundleError, BundleFormatError
from edgebert.manifest import FileEntry

# What zipfile raises at a damaged file: RuntimeError is encryption or a feature it lacks,
# ValueError a position before the file or a name that is not text.
ZIP_ERRORS = (zipfile.BadZipFile, EOFError, RuntimeError, ValueError, OverflowError, struct.error)
CHUNK = 1 << 20  # copied at a time
ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can state: same bytes every time


def pack(folder: Path | str, target: Path | str | None = None) -> Path:
    """Write a bundle as one `.edgebert` file: a stored zip, the same bytes for the same bundle.

    Args:
        folder: the bundle.
        target: the file; by default the folder's name with `.edgebert`.

    Raises:
        BundleError: the bundle is damaged, the target exists, or the disk does not take it.
    """
    bundle = Bundle.open(folder)
    whole = bundle.path.resolve()  # so that `.` has a name
    path = Path(target) if target else whole.with_name(f"{whole.name}.edgebert")
    if path.exists():
        raise BundleError(path, "exists; remove it or name another file")
    part = path.with_name(f".{path.name}.part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
            for name in (MANIFEST_NAME, *sorted(bundle.manifest.files)):
                entry = zipfile.ZipInfo(name, ZIP_TIME)
                entry.create_system = 3  # else the writing system's number gets in
                entry.external_attr = 0o100644 << 16
                with (
                    (bundle.path / name).open("rb") as source,
                    archive.open(entry, "w", force_zip64=True) as sink,
                ):
                    shutil.copyfileobj(source, sink, CHUNK)
        part.rename(path)
    except OSError as error:
        raise BundleError(path, f"cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return path


def unpack(packed: Path | str, target: Path | str | None = None) -> Bundle:
    """Unpack a `.edgebert` file into a folder; its hashes are checked before it gets its name.

    Args:
        packed: the file.
        target: the folder; by default the file's name without its suffix.

    Raises:
        BundleError: not a packed bundle, damaged, the target exists, or the disk is full.
    """
    path = Path(packed)
    folder = Path(target) if target else path.with_suffix("")
    if not path.is_file():
        raise BundleFormatError(path, "no such file")
    with new_folder(folder) as work:
        try:
            with zipfile.ZipFile(path) as archive:
                _extract(path, archive, work)
        except ZIP_ERRORS as error:
            raise BundleFormatError(path, f"not a packed bundle: {error}") from error
        Bundle.open(work)
    return Bundle.open(folder)


def _extract(path: Path, archive: zipfile.ZipFile, work: Path) -> None:
    entries = {entry.filename: entry for entry in archive.infolist()}
    first = entries.pop(MANIFEST_NAME, None)
    if first is None or len(archive.infolist()) != len(entries) + 1:
        raise BundleFormatError(path, f"not a packed bundle: no {MANIFEST_NAME}, or names twice")
    if first.compress_type != zipfile.ZIP_STORED or first.file_size > MANIFEST_BYTES:
        raise BundleFormatError(path, "its manifest is compressed or too large")
    manifest_bytes = archive.read(first)
    manifest = parse_manifest(path, manifest_bytes)
    if set(entries) != set(manifest.files):
        odd = sorted(set(entries) ^ set(manifest.files))
        raise BundleFormatError(path, f"its files are not those of its manifest: {odd[:5]}")
    _check_sizes(path, entries, manifest.files)
    for name, entry in entries.items():
        (work / name).parent.mkdir(exist_ok=True)
        with archive.open(entry) as source, (work / name).open("wb") as sink:
            shutil.copyfileobj(source, sink, CHUNK)
    write_synced(work / MANIFEST_NAME, manifest_bytes)


def _check_sizes(
    path: Path, entries: Mapping[str, zipfile.ZipInfo], files: Mapping[str, FileEntry]
) -> None:
    for name, entry in entries.items():
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != files[name].bytes:
            raise BundleFormatError(
                path, f"{name} is compressed or of another size than stated; pack it again"
            )
