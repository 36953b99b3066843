"""Opening loads side by side: what is damaged is refused all the same, and no thread stays."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from edgebert.bundle import Bundle
from edgebert.config import RuntimeConfig
from edgebert.engine import Engine
from edgebert.errors import BundleFormatError
from tests.damage import flip
from tests.fakes import read_manifest
from tests.make_tiny import DATA

Copied = Callable[..., Path]
DAMAGED = r"model\.weights: is damaged"


def test_weights_that_are_damaged_are_refused_though_the_graph_loads(copied: Copied) -> None:
    folder = copied()
    flip(folder / "model.weights", 0, 1)
    with pytest.raises(BundleFormatError, match=DAMAGED):
        Engine.open(folder)


def test_damaged_weights_are_told_before_what_went_wrong_on_loading_them(copied: Copied) -> None:
    folder = copied()
    flip(folder / "model.weights", -1, 1)
    with pytest.raises(BundleFormatError, match=DAMAGED), Bundle.opening(folder):
        raise ValueError("cannot load")


def test_a_vocabulary_that_cannot_be_read_is_refused_though_the_graph_loads(copied: Copied) -> None:
    folder = copied()
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(BundleFormatError, match=r"tokenizer\.json: is not a tokenizer"):
        Engine.from_parts(folder, read_manifest(folder), RuntimeConfig())


def test_opening_leaves_no_thread_behind() -> None:
    before = set(threading.enumerate())
    Engine.open(DATA / "tiny-embed")
    assert set(threading.enumerate()) == before
