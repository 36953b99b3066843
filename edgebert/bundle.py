"""The bundle: a folder with a manifest that names, sizes and hashes every other file.

Opening checks structure, sizes and hashes; no file is parsed or mapped before its own are checked.
Writing goes to a temporary folder beside the target and is renamed, so that what was interrupted is
never taken for a bundle. One file for shipping is `packing.py`'s.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath

from edgebert.errors import BundleError, BundleFormatError, BundleVersionError
from edgebert.manifest import FileEntry, Manifest, NewerFormatError
from edgebert.reader import ReadError

MANIFEST_NAME = "edgebert.json"
MANIFEST_BYTES = 16 << 20  # ample for 100,000 labels; bounds what is read before any check
GRAPH_BYTES = 64 << 20  # graphs hold structure, not weights; protobuf itself stops at 2 GB


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened bundle: its folder, its manifest, and what identifies it."""

    path: Path
    manifest: Manifest
    fingerprint: str  # sha256 of the manifest, and so of every file in it

    @classmethod
    def open(cls, path: Path | str) -> "Bundle":
        """Open a bundle's folder and check that it is whole.

        Args:
            path: the folder.

        Raises:
            BundleFormatError: not a bundle, or damaged; the message names the file or key.
            BundleVersionError: made for a newer runtime.
        """
        with cls.opening(path) as bundle:
            return bundle

    @classmethod
    @contextmanager
    def opening(cls, path: Path | str) -> Iterator["Bundle"]:
        """Open a bundle whose weights are still being hashed, on another core, during the block.

        The block may read the graphs and the JSON files, which are good, and nothing else; when it
        ends the bundle is as `open` gives it.

        Raises:
            BundleFormatError, BundleVersionError: as `open`; for the weights, at the block's end.
        """
        folder = Path(path)
        data = _read_manifest(folder)
        manifest = parse_manifest(folder / MANIFEST_NAME, data)
        weights = [name for name in manifest.files if _is_weights(name, manifest)]
        for name, entry in manifest.files.items():
            if name not in weights:
                _check_file(folder, name, entry)
        with ThreadPoolExecutor(1, "edgebert-check") as checker:
            checks = [
                checker.submit(_check_file, folder, name, manifest.files[name]) for name in weights
            ]
            yield cls(folder, manifest, hashlib.sha256(data).hexdigest())
            for check in checks:
                check.result()

    def file(self, name: str) -> Path:
        """Give the path of a file that the manifest lists."""
        if name not in self.manifest.files:
            raise BundleFormatError(self.path, f"has no file {name!r}")
        return self.path / name

    def total_bytes(self) -> int:
        """Count the bytes of all files, the manifest left out."""
        return sum(entry.bytes for entry in self.manifest.files.values())


def _read_manifest(folder: Path) -> bytes:
    path = folder / MANIFEST_NAME
    try:
        if folder.is_file():
            raise BundleFormatError(
                folder, f"is a file; a bundle is a folder. Run `edgebert unpack {folder}` first"
            )
        if not folder.is_dir():
            raise BundleFormatError(folder, "no such folder; `edgebert export` makes one")
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise BundleFormatError(path, "is not an ordinary file; unpack or copy again")
        if path.stat().st_size > MANIFEST_BYTES:
            raise BundleFormatError(path, f"is over {MANIFEST_BYTES:,} bytes, not a manifest")
        return path.read_bytes()
    except FileNotFoundError as error:
        hint = ""
        if (folder / "config.json").exists():
            hint = f"; it looks like a checkpoint, run `edgebert export {folder} OUT` first"
        raise BundleFormatError(folder, f"not a bundle: no {MANIFEST_NAME}{hint}") from error
    except OSError as error:
        raise BundleFormatError(path, f"cannot be read: {error.strerror}") from error


def parse_manifest(path: Path, data: bytes) -> Manifest:
    """Parse a manifest and check the names in it; `path` is for messages.

    Raises:
        BundleFormatError: it is damaged, or names something outside of its folder.
        BundleVersionError: made for a newer runtime.
    """
    try:
        manifest = Manifest.parse(data)
    except NewerFormatError as error:
        raise BundleVersionError(path, str(error)) from error
    except ReadError as error:
        raise BundleFormatError(path, str(error)) from error
    for name in manifest.files:
        if not is_plain_name(name) or name == MANIFEST_NAME:
            raise BundleFormatError(path, f"file name {name!r} is not a plain name in the folder")
    for name in manifest.graph_files:
        if manifest.files[name].bytes > GRAPH_BYTES:
            raise BundleFormatError(path, f"{name} states over {GRAPH_BYTES:,} bytes")
    return manifest


def is_plain_name(name: str) -> bool:
    """Tell whether a name, which may stand in one subfolder, stays inside on every system."""
    parts = name.split("/")
    return len(parts) <= 2 and all(
        part not in ("", ".", "..")
        and "\0" not in part
        and PurePosixPath(part).name == part
        and PureWindowsPath(part).name == part
        for part in parts
    )


def _is_weights(name: str, manifest: Manifest) -> bool:
    return name not in manifest.graph_files and not name.endswith(".json")


def _check_file(folder: Path, name: str, entry: FileEntry) -> None:
    path = folder / name
    try:
        is_link = path.is_symlink() or ("/" in name and path.parent.is_symlink())
        if is_link or not path.is_file():
            raise BundleFormatError(
                path, "is missing, or not an ordinary file; unpack or copy again"
            )
        size = path.stat().st_size
        if size != entry.bytes:
            raise BundleFormatError(
                path,
                f"has {size:,} bytes, the manifest says {entry.bytes:,}; copy the bundle again",
            )
        digest = hash_file(path)
    except OSError as error:
        raise BundleFormatError(path, f"cannot be read: {error.strerror}") from error
    if digest != entry.sha256:
        raise BundleFormatError(
            path, f"is damaged: sha256 {digest[:12]}..., the manifest says {entry.sha256[:12]}..."
        )


def hash_file(path: Path) -> str:
    """Compute the sha256 of a file, in hex; memory stays at a quarter of a megabyte."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def list_files(folder: Path) -> dict[str, FileEntry]:
    """Size and hash every file of a folder, by name in sorted order; the manifest left out."""
    paths = {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if not path.is_dir() and path != folder / MANIFEST_NAME
    }
    return {
        name: FileEntry(bytes=paths[name].stat().st_size, sha256=hash_file(paths[name]))
        for name in sorted(paths)
    }


def seal(folder: Path, manifest: Manifest) -> Bundle:
    """Write the manifest of a folder whose other files are complete, and open the result."""
    sealed = replace(manifest, files=list_files(folder))
    write_synced(folder / MANIFEST_NAME, sealed.to_json())
    return Bundle.open(folder)


@contextmanager
def new_folder(target: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary folder that becomes `target` if the block ends well, and vanishes if not.

    Args:
        target: where the folder shall stand.
        overwrite: replace a bundle that stands there; anything else is never replaced.

    Raises:
        BundleError: the target exists, or the disk does not take the files.
    """
    check_target(target, overwrite=overwrite)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
    except OSError as error:
        raise BundleError(target, f"cannot be written: {error.strerror}") from error
    try:
        work.chmod(0o755)
        yield work
        for inner in (*filter(Path.is_dir, work.iterdir()), work):
            sync_folder(inner)
        _replace_folder(work, target)
    except OSError as error:
        raise BundleError(target, f"cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def check_target(target: Path, *, overwrite: bool) -> None:
    """Refuse a target that would be lost."""
    if not target.exists() and not target.is_symlink():
        return
    if not overwrite:
        raise BundleError(target, "exists; name another folder, or replace it with --overwrite")
    if target.is_symlink() or not (target / MANIFEST_NAME).is_file():
        raise BundleError(target, "exists and is not a bundle; it is not replaced, remove it first")


def _replace_folder(work: Path, target: Path) -> None:
    if target.exists():
        aside = work.with_suffix(".old")
        target.rename(aside)
        try:
            work.rename(target)
        except BaseException:
            aside.rename(target)  # the old bundle gets its name back
            raise
        shutil.rmtree(aside)
    else:
        work.rename(target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder."""
    if os.name == "nt":  # Windows has no handle on a folder to flush
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_synced(path: Path, data: bytes) -> None:
    """Write a file and wait until the disk has it."""
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
