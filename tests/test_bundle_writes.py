"""Nothing half-written is ever taken for a bundle, whatever stops the writing."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgebert import bundle as module
from edgebert.bundle import Bundle, check_target, new_folder, seal
from edgebert.errors import BundleError
from edgebert.packing import pack, unpack
from tests.conftest import ROOT
from tests.make_tiny import DATA

Copied = Callable[..., Path]
Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
TINY, OTHER = DATA / "tiny-embed", DATA / "tiny-tag"


def full(*arguments: object, **options: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fill(work: Path, source: Path = TINY) -> None:
    skip = shutil.ignore_patterns(module.MANIFEST_NAME)
    shutil.copytree(source, work, ignore=skip, dirs_exist_ok=True)


def test_a_new_folder_gets_its_name_when_the_block_ends(tmp_path: Path) -> None:
    with new_folder(tmp_path / "out") as work:
        (work / "a").write_text("a")
        assert not (tmp_path / "out").exists()
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["a"]


def test_a_new_folder_makes_the_folders_above_it(tmp_path: Path) -> None:
    with new_folder(tmp_path / "a" / "b" / "out"):
        pass
    assert (tmp_path / "a" / "b" / "out").is_dir()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_block_that_fails_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), new_folder(tmp_path / "out") as work:
        (work / "a").write_text("a")
        raise error
    assert names(tmp_path) == []


def test_a_folder_that_exists_is_not_replaced_unasked(copied: Copied) -> None:
    folder = copied()
    with pytest.raises(BundleError, match="--overwrite"), new_folder(folder):
        pass
    assert Bundle.open(folder)


def test_only_a_bundle_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1").write_text("years of work")
    with pytest.raises(BundleError, match="not a bundle; it is not replaced"):
        check_target(tmp_path / "thesis", overwrite=True)


def test_a_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(BundleError, match="not a bundle; it is not replaced"):
        check_target(tmp_path / "out", overwrite=True)


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_symbolic_link_is_not_replaced(copied: Copied, overwrite: bool) -> None:
    folder = copied()
    link = folder.parent / "current"
    link.symlink_to(folder)
    with pytest.raises(BundleError, match="exists"):
        check_target(link, overwrite=overwrite)


def test_a_dangling_link_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(tmp_path / "gone")
    with pytest.raises(BundleError, match="exists"):
        check_target(tmp_path / "current", overwrite=True)


def test_replacing_a_bundle_leaves_the_new_one_alone(copied: Copied) -> None:
    folder = copied()
    with new_folder(folder, overwrite=True) as work:
        fill(work, OTHER)
        seal(work, Bundle.open(OTHER).manifest)
    assert Bundle.open(folder).manifest == Bundle.open(OTHER).manifest
    assert names(folder.parent) == [folder.name]


def test_the_old_bundle_is_whole_when_replacing_it_fails(
    copied: Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied()
    before = Bundle.open(folder)
    rename = Path.rename

    def fail(path: Path, target: Path) -> Path:
        if path.suffix == ".part":
            full()
        return rename(path, target)

    with pytest.raises(BundleError, match="No space left"), new_folder(folder, overwrite=True) as w:
        fill(w, OTHER)
        monkeypatch.setattr(Path, "rename", fail)
    assert Bundle.open(folder) == before
    assert names(folder.parent) == [folder.name]


def test_a_disk_that_fills_up_while_a_bundle_is_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.os, "fsync", full)
    with (
        pytest.raises(BundleError, match="cannot be written: No space left on device"),
        new_folder(tmp_path / "out") as work,
    ):
        fill(work)
        seal(work, Bundle.open(TINY).manifest)
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_a_bundle_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError, match="cannot be written"), new_folder(tmp_path / "file/out"):
        pass


@pytest.mark.parametrize("nth", range(1, 9))
def test_a_disk_that_fills_up_while_unpacking_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    packed = pack(TINY, tmp_path / "tiny.edgebert")
    copy, calls = shutil.copyfileobj, iter(range(1, 99))

    def fill_up(source: object, sink: object, size: int) -> None:
        if next(calls) == nth:
            full()
        copy(source, sink, size)

    monkeypatch.setattr(module.shutil, "copyfileobj", fill_up)
    monkeypatch.setattr(module.os, "fsync", full)  # where there are fewer files than nth
    with pytest.raises(BundleError, match="No space left"):
        unpack(packed)
    assert names(tmp_path) == ["tiny.edgebert"]


@pytest.mark.parametrize("call", ["copyfileobj", "rename"])
def test_a_disk_that_fills_up_while_packing_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    owner = {"copyfileobj": module.shutil, "rename": Path}[call]
    monkeypatch.setattr(owner, call, full)
    with pytest.raises(BundleError, match=r"tiny\.edgebert: cannot be written: No space left"):
        pack(TINY, tmp_path / "tiny.edgebert")
    assert names(tmp_path) == []


def test_a_real_limit_on_file_size_is_one_clear_error(tmp_path: Path, small_disk: Run) -> None:
    packed = pack(TINY, tmp_path / "tiny.edgebert")
    result = small_disk(packed.stat().st_size // 2, "unpack", packed)
    assert result.returncode == 1
    assert result.stderr.startswith(b"error: ")
    assert result.stderr.count(b"\n") == 1
    assert names(tmp_path) == ["tiny.edgebert"]


# Kills its own process, as a power cut would, at the nth step that Python reports to the system:
# opening a file, making, renaming or removing something (PEP 578).
KILLED = """
import os, signal, sys
from pathlib import Path
from edgebert.bundle import Bundle, new_folder, seal
from edgebert.packing import unpack
nth, verb, source, target = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])
files = [path for path in source.rglob("*") if path.is_file()] if source.is_dir() else []
steps = 0
def step(event, arguments):
    global steps
    if event in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod"):
        steps += 1
        if steps == nth:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(step)
if verb == "unpack":
    unpack(source, target)
else:
    with new_folder(target, overwrite=True) as work:
        for path in files:
            if path.name != "edgebert.json":
                place = work / path.relative_to(source)
                place.parent.mkdir(exist_ok=True)
                place.write_bytes(path.read_bytes())
        seal(work, Bundle.open(source).manifest)
"""


def kill_at(nth: int, *arguments: object) -> bool:
    """Run the script, to be killed at its nth step; tells whether it was."""
    command = [sys.executable, "-c", KILLED, str(nth), *map(str, arguments)]
    result = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, timeout=60)
    assert result.returncode in (0, -9), result.stderr
    return result.returncode != 0


def bundles_in(folder: Path) -> list[str]:
    """Open all that stands in a folder, hidden names too; gives the fingerprints of bundles."""
    found = []
    for path in folder.iterdir():
        try:
            found.append(Bundle.open(path).fingerprint)
        except BundleError:
            continue
    return found


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_an_unpacking_that_is_killed_leaves_no_half_of_a_bundle(tmp_path: Path) -> None:
    packed = pack(TINY, tmp_path / "tiny.edgebert")
    whole = Bundle.open(TINY).fingerprint
    nth, stride = 1, 3
    while kill_at(nth, "unpack", packed, tmp_path / str(nth) / "out"):
        target = tmp_path / str(nth)
        if target.exists():
            assert set(bundles_in(target)) <= {whole}
            assert not (target / "out").exists() or bundles_in(target) == [whole]
        nth += stride
    assert nth > 5 * stride
    assert bundles_in(tmp_path / str(nth)) == [whole]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_replacing_that_is_killed_loses_neither_the_old_bundle_nor_the_new(
    tmp_path: Path,
) -> None:
    old, new = Bundle.open(TINY).fingerprint, Bundle.open(OTHER).fingerprint
    nth, stride = 1, 4
    while True:
        folder = tmp_path / str(nth)
        shutil.copytree(TINY, folder / "out")
        if not kill_at(nth, "replace", OTHER, folder / "out"):
            break
        found = bundles_in(folder)
        assert set(found) <= {old, new}
        assert found
        nth += stride
    assert nth > 5 * stride
    assert bundles_in(folder) == [new]
