"""A cascade's file: whole or refused."""

from pathlib import Path

import numpy as np
import pytest

from edgebert.errors import RouteError
from edgebert.learn.learner import Learner
from edgebert.route.cascade import Cascade
from edgebert.route.encoding import read_certificate
from edgebert.route.store import HEAD, read_file, write_file

ARRAYS = {"a": np.arange(6.0).reshape(2, 3), "b": np.zeros(0, np.float32), "c": np.array([1, 2])}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    write_file(tmp_path / "a.route", {"key": "wört"}, ARRAYS)
    return tmp_path / "a.route"


def test_what_was_written_is_read(written: Path) -> None:
    contents = read_file(written)
    assert contents.header.text("key") == "wört"
    contents.header.finish()
    assert set(contents.arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert contents.arrays[name].dtype == array.dtype
        assert np.array_equal(contents.arrays[name], array)


def test_the_same_contents_are_the_same_bytes(written: Path, tmp_path: Path) -> None:
    write_file(tmp_path / "b.route", {"key": "wört"}, ARRAYS)
    assert (tmp_path / "b.route").read_bytes() == written.read_bytes()


def test_a_byte_that_was_changed_is_noticed(written: Path) -> None:
    data = written.read_bytes()
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 1
        written.write_bytes(damaged)
        with pytest.raises(RouteError):
            read_file(written)


def test_a_file_that_was_cut_is_noticed(written: Path) -> None:
    data = written.read_bytes()
    for length in range(len(data)):
        written.write_bytes(data[:length])
        with pytest.raises(RouteError):
            read_file(written)


def test_arrays_that_the_bytes_do_not_fill_are_refused(written: Path) -> None:
    import hashlib

    body = written.read_bytes()[HEAD.size :].replace(b'"shape": [2, 3]', b'"shape": [9, 3]')
    written.write_bytes(HEAD.pack(b"EDGEROU1", len(body), hashlib.sha256(body).digest()) + body)
    with pytest.raises(RouteError, match="is cut"):
        read_file(written)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RouteError, match="cannot be written"):
        write_file(tmp_path / "none" / "a.route", {}, {})
    with pytest.raises(RouteError, match="cannot be read"):
        read_file(tmp_path / "none.route")


def test_nothing_is_left_of_a_write_that_failed(written: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_file(written, {"key": float("nan")}, {})
    assert read_file(written).header.text("key") == "wört"
    assert [path.name for path in written.parent.iterdir()] == ["a.route"]


def test_the_certificate_is_read_without_the_bundles(cascade: Cascade, tmp_path: Path) -> None:
    cascade.save(tmp_path / "c.route")
    assert read_certificate(tmp_path / "c.route") == cascade.certificate


def test_another_bundle_is_refused(cascade: Cascade, tiny: Path, tmp_path: Path) -> None:
    cascade.save(tmp_path / "c.route")
    with pytest.raises(RouteError, match="built for 3 classes"):
        Cascade.open(tmp_path / "c.route", tiny / "tiny-classify")


def test_a_bundle_too_many_is_refused(
    cascade: Cascade, taught: Learner, tiny: Path, tmp_path: Path
) -> None:
    cascade.save(tmp_path / "c.route")
    with pytest.raises(RouteError, match="0 smaller bundles, 1 were given"):
        Cascade.open(tmp_path / "c.route", taught, smaller=[tiny / "tiny-embed"])


def test_smaller_bundles_are_given_again(taught: Learner, tiny: Path, tmp_path: Path) -> None:
    made = Cascade.build(taught, [tiny / "tiny-embed", "static"])
    made.save(tmp_path / "c.route")
    again = Cascade.open(tmp_path / "c.route", taught, smaller=[tiny / "tiny-embed"])
    assert [place.name for place in again._route.places] == ["tiny-embed", "static"]
    with pytest.raises(RouteError, match="give the bundles it was built on"):
        Cascade.open(tmp_path / "c.route", taught, smaller=[tiny / "tiny-embed-int8"])
