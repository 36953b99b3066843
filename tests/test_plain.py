"""The yardstick: padded batches through the masked graph, all rows of it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgebert.bundle import Bundle
from edgebert.errors import BundleFormatError
from edgebert.plain import BATCH, PlainModel, pad
from edgebert.tokens import Tokenizer, open_tokenizer
from tests.damage import put_file


def make(folder: Path) -> tuple[PlainModel, Tokenizer]:
    tokenizer = Tokenizer(
        open_tokenizer(folder / "tokenizer.json"),
        max_tokens=40,
        pairs=False,
        cut_second_only=False,
        needs_offsets=False,
    )
    graph = Bundle.open(folder).manifest.graphs.masked
    return PlainModel(folder, graph, tokenizer, 1), tokenizer


def test_shorter_rows_are_padded_behind(tiny: Path) -> None:
    _, tokenizer = make(tiny / "tiny-embed")
    rows = tokenizer.encode(["the train to seoul", "a"])
    feeds = pad(rows)
    assert feeds["input_ids"].shape == (2, len(rows[0].ids))
    assert feeds["input_ids"][1, len(rows[1].ids) :].sum() == 0
    np.testing.assert_array_equal(feeds["attention_mask"].sum(axis=1), [len(r.ids) for r in rows])


def test_more_texts_than_a_batch_run(tiny: Path) -> None:
    model, _ = make(tiny / "tiny-embed")
    model.run(["the train", "a good film", "paris"] * BATCH)


def test_no_text_is_no_run(tiny: Path) -> None:
    model, _ = make(tiny / "tiny-embed")
    model.run([])


def test_a_graph_that_onnxruntime_refuses_is_named(copied: Callable[..., Path]) -> None:
    folder = copied()
    put_file(folder, "model_masked.onnx", b"not a graph")
    with pytest.raises(BundleFormatError, match=r"model_masked\.onnx: onnxruntime .* refuses it"):
        make(folder)
