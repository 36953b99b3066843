"""A bundle as one file: the same bytes every time, and no way in for a hostile one."""

import os
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebert.bundle import MANIFEST_BYTES, Bundle
from edgebert.errors import BundleError, BundleFormatError, BundleVersionError
from edgebert.packing import pack, unpack
from tests.damage import MANIFEST, edit_manifest, file_names, flip, put_file
from tests.make_tiny import DATA

Copied = Callable[..., Path]
Entry = tuple[str, bytes, int]  # name, content, compression


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack(DATA / "tiny-embed", tmp_path_factory.mktemp("packed") / "tiny.edgebert")


def entries(folder: Path = DATA / "tiny-embed") -> list[Entry]:
    names = [MANIFEST, *(name for name in file_names(folder) if name != MANIFEST)]
    return [(name, (folder / name).read_bytes(), zipfile.ZIP_STORED) for name in names]


def write_zip(path: Path, content: list[Entry]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data, compression in content:
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=compression)
    return path


def refuse(path: Path, complaint: str) -> None:
    """See that a file is refused with nothing left behind, inside its folder or outside."""
    before = sorted(path.parent.parent.rglob("*"))
    with pytest.raises(BundleFormatError, match=complaint):
        unpack(path, path.parent / "out")
    assert sorted(path.parent.parent.rglob("*")) == before


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where to put a hostile file: a folder below the test's own, so that an escape is seen."""
    (tmp_path / "below").mkdir()
    return tmp_path / "below" / "hostile.edgebert"


def test_a_packed_bundle_unpacks_to_the_same_bytes(packed: Path, tmp_path: Path) -> None:
    bundle = unpack(packed, tmp_path / "out")
    assert entries(bundle.path) == entries()


def test_an_unpacked_bundle_has_the_same_fingerprint(packed: Path, tmp_path: Path) -> None:
    original = Bundle.open(DATA / "tiny-embed")
    assert unpack(packed, tmp_path / "out").fingerprint == original.fingerprint


def test_a_file_in_a_subfolder_is_packed_and_unpacked(copied: Copied, tmp_path: Path) -> None:
    folder = copied()
    (folder / "2_Extra").mkdir()
    put_file(folder, "2_Extra/config.json", b"{}")
    bundle = unpack(pack(folder, tmp_path / "it.edgebert"), tmp_path / "out")
    assert bundle.file("2_Extra/config.json").read_bytes() == b"{}"


def test_packing_twice_gives_the_same_bytes(packed: Path, copied: Copied, tmp_path: Path) -> None:
    folder = copied(to="of another name")
    for number, path in enumerate(folder / name for name in reversed(file_names(folder))):
        os.utime(path, (number, number))
        path.chmod(0o600)
    assert pack(folder, tmp_path / "again.edgebert").read_bytes() == packed.read_bytes()


def test_a_packed_bundle_is_a_plain_zip_with_the_manifest_first(packed: Path) -> None:
    with zipfile.ZipFile(packed) as archive:
        found = archive.infolist()
    assert [entry.filename for entry in found] == [name for name, _, _ in entries()]
    assert {entry.compress_type for entry in found} == {zipfile.ZIP_STORED}
    assert {entry.date_time for entry in found} == {(1980, 1, 1, 0, 0, 0)}


def test_a_file_that_the_manifest_does_not_list_is_not_packed(
    packed: Path, copied: Copied, tmp_path: Path
) -> None:
    folder = copied()
    (folder / "notes.txt").write_text("private")
    assert pack(folder, tmp_path / "b.edgebert").read_bytes() == packed.read_bytes()


@pytest.mark.parametrize("name", ["minilm", "bge-small-en-v1.5", "v1.edgebert"])
def test_a_packed_file_is_named_after_its_whole_folder_and_back(copied: Copied, name: str) -> None:
    path = pack(copied(to=name))
    assert path.name == f"{name}.edgebert"
    shutil.rmtree(path.parent / name)
    assert unpack(path).path == path.parent / name


def test_a_bundle_is_packed_from_within_under_its_name(
    copied: Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied(to="inside")
    monkeypatch.chdir(folder)
    assert pack(".") == folder.parent / "inside.edgebert"


def test_packing_does_not_replace_a_file(packed: Path) -> None:
    before = packed.read_bytes()
    with pytest.raises(BundleError, match="exists"):
        pack(DATA / "tiny-tag", packed)
    assert packed.read_bytes() == before


def test_a_damaged_bundle_is_not_packed(copied: Copied, tmp_path: Path) -> None:
    folder = copied()
    flip(folder / "model.weights", 5, 1)
    with pytest.raises(BundleFormatError, match="is damaged"):
        pack(folder, tmp_path / "b.edgebert")
    assert not (tmp_path / "b.edgebert").exists()


def test_unpacking_does_not_replace_a_folder(packed: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(BundleError, match="exists"):
        unpack(packed, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_packed_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleFormatError, match=r"absent\.edgebert: no such file"):
        unpack(tmp_path / "absent.edgebert")


@pytest.mark.parametrize("data", [b"", b"PK", b"not a zip" * 100, b"PK\5\6" + bytes(18)])
def test_what_is_no_zip_or_holds_nothing_is_refused(place: Path, data: bytes) -> None:
    place.write_bytes(data)
    refuse(place, "not a packed bundle")


@given(cut=st.integers(0, 10**6))
def test_a_truncated_file_is_refused(
    packed: Path, tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    data = packed.read_bytes()
    (folder / "cut.edgebert").write_bytes(data[: cut % len(data)])
    with pytest.raises(BundleFormatError):
        unpack(folder / "cut.edgebert")
    assert [path.name for path in folder.iterdir()] == ["cut.edgebert"]


# the directory at the end is a hundredth of the file and holds what an attacker would change
@given(
    place=st.integers(0, 10**6) | st.integers(-1000, -1),
    mask=st.integers(1, 255),
)
def test_a_flipped_byte_is_refused_or_changes_nothing(
    packed: Path, tmp_path_factory: pytest.TempPathFactory, place: int, mask: int
) -> None:
    folder = tmp_path_factory.mktemp("flip")
    path = Path(shutil.copy(packed, folder / "flip.edgebert"))
    flip(path, place, mask)
    try:
        bundle = unpack(path)
    except BundleError:
        assert [path.name for path in folder.iterdir()] == ["flip.edgebert"]
    else:
        assert bundle.fingerprint == Bundle.open(DATA / "tiny-embed").fingerprint


@pytest.mark.parametrize("name", ["../evil", "/evil", "..\\evil", "C:\\evil", "a/../../evil"])
def test_a_name_that_leaves_the_folder_is_refused(place: Path, name: str) -> None:
    write_zip(place, [*entries(), (name, b"evil", zipfile.ZIP_STORED)])
    refuse(place, "not those of its manifest")


@pytest.mark.parametrize("name", ["../evil", "/evil", "..\\evil", "C:\\evil", "a/../../evil"])
def test_a_name_that_leaves_the_folder_is_refused_even_if_listed(
    place: Path, copied: Copied, name: str
) -> None:
    entry = {"bytes": 4, "sha256": "0" * 64}
    folder = edit_manifest(copied(), lambda values: values["files"].__setitem__(name, entry))
    content = [item for item in entries(folder) if item[0] != "hostile.edgebert"]
    write_zip(place, [*content, (name, b"evil", zipfile.ZIP_STORED)])
    refuse(place, "not a plain name")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", [MANIFEST, "model.onnx"])
def test_a_name_that_stands_twice_is_refused(place: Path, name: str) -> None:
    write_zip(place, [*entries(), (name, b"other", zipfile.ZIP_STORED)])
    refuse(place, "names twice")


def test_a_zip_without_a_manifest_is_refused(place: Path) -> None:
    write_zip(place, entries()[1:])
    refuse(place, r"no edgebert\.json")


@pytest.mark.parametrize("name", [name for name, _, _ in entries()[1:]])
def test_a_zip_that_lacks_a_listed_file_is_refused(place: Path, name: str) -> None:
    write_zip(place, [entry for entry in entries() if entry[0] != name])
    refuse(place, f"not those of its manifest: .*{name}")


def test_a_manifest_of_a_newer_format_asks_for_an_upgrade(place: Path, copied: Copied) -> None:
    folder = edit_manifest(copied(), lambda values: values.update(format_version=9))
    write_zip(place, entries(folder))
    with pytest.raises(BundleVersionError, match="format 9"):
        unpack(place)


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
@pytest.mark.parametrize("name", ["model.weights", MANIFEST])
def test_a_compressed_file_is_refused_unread(place: Path, name: str, compression: int) -> None:
    content = [(key, data, compression * (key == name)) for key, data, _ in entries()]
    write_zip(place, content)
    refuse(place, "compressed or")


def test_a_bomb_in_place_of_the_manifest_is_refused_unread(place: Path) -> None:
    bomb = (MANIFEST, bytes(MANIFEST_BYTES + 1), zipfile.ZIP_DEFLATED)
    write_zip(place, [bomb, *entries()[1:]])
    refuse(place, "its manifest is compressed or too large")


def test_a_manifest_that_is_too_large_is_refused_unread(place: Path) -> None:
    content = (MANIFEST, bytes(MANIFEST_BYTES + 1), zipfile.ZIP_STORED)
    write_zip(place, [content, *entries()[1:]])
    refuse(place, "its manifest is compressed or too large")


def test_a_file_of_another_size_than_its_manifest_says_is_refused(place: Path) -> None:
    content = [(name, data + b"x" * (name == "config.json"), 0) for name, data, _ in entries()]
    write_zip(place, content)
    refuse(place, r"config\.json is compressed or of another size")


def test_a_file_with_other_bytes_of_the_same_size_is_refused(place: Path) -> None:
    content = [(n, data[::-1] if n == "config.json" else data, 0) for n, data, _ in entries()]
    write_zip(place, content)
    refuse(place, r"config\.json: is damaged")


def change_directory(path: Path, name: str, offset: int, value: bytes) -> None:
    """Overwrite a field of a file's entry in the zip's central directory (APPNOTE 4.3.12)."""
    data = bytearray(path.read_bytes())
    start = data.rfind(b"PK\1\2", 0, data.rfind(name.encode()))
    data[start + offset : start + offset + len(value)] = value
    path.write_bytes(data)


LIES = {
    "encrypted": (8, struct.pack("<H", 1)),
    "a compression that nobody knows": (10, struct.pack("<H", 77)),
    "a wrong checksum": (16, struct.pack("<I", 1)),
    "fewer bytes stored than the file has": (20, struct.pack("<I", 10)),
    "a larger file than is stored": (24, struct.pack("<I", 2**31)),
    "a start behind the end": (42, struct.pack("<I", 2**31)),
}


@pytest.mark.parametrize("name", ["model.onnx", MANIFEST])
@pytest.mark.parametrize("lie", LIES)
def test_a_directory_that_lies_is_refused(place: Path, lie: str, name: str) -> None:
    write_zip(place, entries())
    change_directory(place, name, *LIES[lie])
    before = sorted(place.parent.iterdir())
    with pytest.raises(BundleError):
        unpack(place)
    assert sorted(place.parent.iterdir()) == before


def test_a_directory_that_points_to_another_file_is_refused(place: Path) -> None:
    write_zip(place, entries())
    change_directory(place, "model.onnx", 42, struct.pack("<I", 0))
    refuse(place, "not a packed bundle")


def test_a_directory_that_claims_more_bytes_than_a_file_has_gets_no_more(place: Path) -> None:
    write_zip(place, entries())
    change_directory(place, "model.onnx", 20, struct.pack("<I", 2**31))
    try:
        unpacked = unpack(place)
    except BundleFormatError as error:  # Python's own zipfile refuses it since 3.11.8 and 3.12.2
        assert "Overlapped entries" in str(error)
        assert not place.with_suffix("").exists()
    else:
        assert entries(unpacked.path) == entries()
