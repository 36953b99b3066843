"""Fixtures that several tests share: the tiny bundles, and where labelled data stands."""

import os
from pathlib import Path

import pytest

from tests.make_tiny import DATA


@pytest.fixture(scope="session")
def tiny() -> Path:
    """The folder of the tiny bundles: tiny-embed, tiny-classify, tiny-tag, ..."""
    return DATA


@pytest.fixture(scope="session")
def labelled_data() -> Path:
    """The folder of the labelled text sets; without it CI fails and a laptop skips."""
    path = Path(os.environ.get("EDGEBERT_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not path.is_dir():
        message = f"labelled data is not at {path}; set EDGEBERT_DATA"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path
