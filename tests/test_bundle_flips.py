"""Whatever happens to the bytes of a bundle, what comes of it is a `BundleError` or a bundle."""

import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebert.bundle import Bundle
from edgebert.errors import BundleError, BundleFormatError
from tests.damage import MANIFEST, file_names, flip
from tests.make_tiny import DATA

FILES = [name for name in file_names(DATA / "tiny-embed") if name != MANIFEST]


@pytest.fixture(scope="module")
def spare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for tests that put back what they damage."""
    return Path(shutil.copytree(DATA / "tiny-embed", tmp_path_factory.mktemp("spare") / "bundle"))


@given(place=st.integers(0, 10**6), mask=st.integers(1, 255), name=st.sampled_from(FILES))
def test_a_flipped_byte_in_any_listed_file_is_damage(
    spare: Path, name: str, place: int, mask: int
) -> None:
    flip(spare / name, place, mask)
    try:
        with pytest.raises(BundleFormatError, match=f"{name}: is damaged: sha256"):
            Bundle.open(spare)
    finally:
        flip(spare / name, place, mask)


@given(place=st.integers(0, 10**6), mask=st.integers(1, 255))
def test_a_flipped_byte_in_the_manifest_is_damage(spare: Path, place: int, mask: int) -> None:
    flip(spare / MANIFEST, place, mask)
    try:
        with pytest.raises(BundleError) as raised:
            Bundle.open(spare)
        assert spare in (raised.value.path, *raised.value.path.parents)
    finally:
        flip(spare / MANIFEST, place, mask)


@given(seed=st.integers(0, 2**32), size=st.integers(0, 4000))
def test_any_bytes_for_a_manifest_raise_bundle_errors_and_nothing_else(
    spare: Path, seed: int, size: int
) -> None:
    good = (spare / MANIFEST).read_bytes()
    data = random.Random(seed)
    cut = data.randrange(len(good))
    (spare / MANIFEST).write_bytes(good[:cut] + data.randbytes(size))
    try:
        with pytest.raises(BundleFormatError):
            Bundle.open(spare)
    finally:
        (spare / MANIFEST).write_bytes(good)
