"""The table of word embeddings of a bundle, read where it lies: the mean of a text's words.

The cheapest view of a text there is: no layer is run. The table is mapped from the file of
weights, so what is resident is what the texts touch.

Axes: N texts, n tokens of a text, V vocabulary, E width of the table: the encoder's hidden size,
or less where it projects its embeddings (ALBERT, ELECTRA).
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebert.errors import BundleError, BundleFormatError, InferenceError, InputError
from edgebert.manifest import Manifest, TableType
from edgebert.results import Floats

TYPES: dict[TableType, np.dtype[Any]] = {
    TableType.FLOAT32: np.dtype("<f4"),
    TableType.INT8: np.dtype("i1"),
}
TOKENS = 4096  # gathered at a time: 6 MB at 384 wide, however many texts there are


class WordTable:
    """Word embeddings. May be shared between threads."""

    def __init__(self, values: NDArray[Any], scales: Floats | None) -> None:
        """Take the table; `open_word_table` finds it in a bundle.

        Args:
            values: (V, E) float32, or int8 with scales.
            scales: (V,) float32, of each row; None where `values` are floats.
        """
        self._values = values
        self._scales = scales

    @property
    def shape(self) -> tuple[int, int]:
        """V and E."""
        return self._values.shape[0], self._values.shape[1]

    def mean(self, ids: Sequence[Sequence[int]], weights: Floats) -> Floats:
        """Average the rows of each text's tokens.

        Args:
            ids: of each text, 0 to V - 1; a text may be empty.
            weights: (V,) float32, of each token, 0 or more.

        Returns:
            (N, E) float32; zeros for a text whose weights are all 0. Rows are summed in the order
            of the tokens, so that a text has the same bits whatever texts stand beside it.

        Raises:
            InputError: an id is not in the table, or the weights have another shape or type.
            InferenceError: a mean is not finite.

        Source: Arora et al. 2017, the weighted average without the removal of a common direction.
        """
        rows, width = self.shape
        if weights.shape != (rows,) or weights.dtype != np.float32:
            raise InputError(
                f"weights are {weights.shape} {weights.dtype}; expected ({rows},) float32, one for "
                "each token of the vocabulary"
            )
        means: Floats = np.zeros((len(ids), width), np.float32)
        for places in _equal_lengths(ids):
            block = np.array([ids[place] for place in places], np.int64)  # (k, n)
            self._check(block, places)
            means[places] = self._block_mean(block, weights)
        if not np.isfinite(means).all():
            row = int(np.isfinite(means).all(axis=1).argmin())
            raise InferenceError(
                f"text {row}: the mean of its words is not finite; check the weights, and copy the "
                "bundle again"
            )
        return means

    def _check(self, block: NDArray[np.int64], places: list[int]) -> None:
        if block.view(np.uint64).max() < len(self._values):  # a negative id is a huge one
            return
        wrong = (block < 0) | (block >= len(self._values))
        place = int(wrong.any(axis=1).argmax())
        raise InputError(
            f"text {places[place]}: token id {block[wrong][0]} is not in the table of "
            f"{len(self._values)} tokens; tokenize with the bundle's own tokenizer"
        )

    def _block_mean(self, block: NDArray[np.int64], weights: Floats) -> Floats:
        factors = weights[block]  # (k, n)
        total = np.add.accumulate(factors, axis=1)[:, -1:]  # (k, 1); in order, unlike a sum
        if self._scales is not None:
            factors = factors * self._scales[block]
        vectors = self._values[block].astype(np.float32, copy=False)  # (k, n, E)
        vectors *= factors[:, :, np.newaxis]
        sums: Floats = np.add.reduce(vectors, axis=1)  # row upon row, in order
        if total.all():
            sums /= total
            return sums
        sums /= np.where(total > 0, total, 1)
        return np.where(total > 0, sums, np.float32(0))  # a sum of zeros may be -0


def _equal_lengths(ids: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Yield the places of texts of one length, a bounded number at a time; empty ones left out."""
    if len(ids) == 1:
        yield from [[0]] if ids[0] else []
        return
    order = sorted(range(len(ids)), key=lambda place: len(ids[place]))
    for length, places in groupby(order, key=lambda place: len(ids[place])):
        if length:
            some, most = list(places), max(1, TOKENS // length)
            yield from (some[start : start + most] for start in range(0, len(some), most))


def open_word_table(folder: Path, manifest: Manifest) -> WordTable:
    """Map the table of a bundle.

    Args:
        folder: of the bundle, its files known to be whole.
        manifest: its manifest.

    Raises:
        BundleError: the manifest does not say where the table is, or the file is not there whole.
    """
    stored = manifest.word_table
    if stored is None:
        raise BundleError(
            folder,
            "does not say where its word embeddings are; export it again with this edgebert, on "
            "the native road",
        )
    path = folder / stored.file
    try:
        found = path.stat().st_size
        if stored.end > found:
            raise BundleFormatError(
                path,
                f"has {found:,} bytes, its word embeddings end at byte {stored.end:,}; copy the "
                "bundle again",
            )
        values = _map(path, TYPES[stored.type], stored.offset, (stored.rows, stored.columns))
        if stored.scales_offset is None:
            return WordTable(values, None)
        return WordTable(
            values, _map(path, TYPES[TableType.FLOAT32], stored.scales_offset, (stored.rows,))
        )
    except OSError as error:
        raise BundleFormatError(path, f"cannot be read: {error.strerror}") from error


def _map(path: Path, dtype: np.dtype[Any], offset: int, shape: tuple[int, ...]) -> NDArray[Any]:
    # plain: an index into a memmap costs microseconds more
    return np.asarray(np.memmap(path, dtype, "r", offset, shape))
