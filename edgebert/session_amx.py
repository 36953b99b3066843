"""The kernels for AMX behind the seam of `session.py`: an encoder described by a JSON file.

`model_amx.json` says the sizes and where each array stands in the bundle's weights file, which is
mapped: docs/bundle.md. Linears are packed into memory of their own, all else is read in place.
"""

import math
import mmap
from collections.abc import Callable
from ctypes import POINTER, cast
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from edgebert.amx import GROUPS, HEAD_STEP, LINEARS, NORMS, Configuration, Encoder, Layer, place
from edgebert.batching import Batch
from edgebert.errors import BundleFormatError, InferenceError
from edgebert.manifest import Graph, PoolingMode
from edgebert.reader import Reader, ReadError, parse_object
from edgebert.results import Floats

POOLINGS = {PoolingMode.MEAN: 0, PoolingMode.CLS: 1}
MOST = 1 << 20  # of any size: bounds what is computed from a file before it is compared with it


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """The JSON file."""

    weights: str  # file of the bundle
    hidden: int
    heads: int
    vocabulary: int
    positions: int
    wide: tuple[int, ...]  # of each layer, outputs of its first feed-forward linear
    epsilon: float
    pooling: PoolingMode
    normalize: bool
    offsets: dict[str, int]  # of each array, in bytes

    SIZES: ClassVar[tuple[str, ...]] = ("hidden", "heads", "vocabulary", "positions")

    @classmethod
    def read(cls, reader: Reader) -> "Description":
        """Read the JSON object.

        Raises:
            ReadError: a key is missing, unknown or out of range.
        """
        found = cls(
            weights=reader.text("weights"),
            **{name: reader.count(name, least=1) for name in cls.SIZES},
            wide=tuple(_whole(each) for each in reader.numbers("wide")),
            epsilon=reader.number("epsilon"),
            pooling=reader.choice("pooling", PoolingMode),
            normalize=reader.flag("normalize"),
            offsets=_offsets(reader.part("offsets")),
        )
        reader.finish()
        sizes = (found.hidden, found.vocabulary, found.positions, *found.wide)
        if max(sizes) > MOST or not found.wide:
            raise ReadError(f"sizes are {sizes}, expected 1 to {MOST:,} each")
        if found.hidden % (found.heads * HEAD_STEP):
            raise ReadError(
                f"hidden is {found.hidden} with {found.heads} heads, expected a multiple of "
                f"{HEAD_STEP} for each head"
            )
        if found.pooling not in POOLINGS:
            raise ReadError(f"pooling is {found.pooling}, expected one of: {', '.join(POOLINGS)}")
        if not found.epsilon > 0:
            raise ReadError(f"epsilon is {found.epsilon}, expected more than 0")
        return found


def _whole(value: float) -> int:
    if value != int(value) or value < 1:
        raise ReadError(f"wide names {value}, expected whole numbers, 1 or more")
    return int(value)


def _offsets(reader: Reader) -> dict[str, int]:
    found = {name: reader.count(name) for name in reader.names()}
    reader.finish()
    return found


class AmxSession:
    """An encoder on the kernels for AMX; several threads may call it."""

    def __init__(self, encoder: Encoder, threads: int) -> None:
        """Take an opened encoder.

        Args:
            encoder: shared by the sessions of a bundle.
            threads: cores that share one run; with 1 a run stays on the thread that calls.
        """
        self._encoder = encoder
        self._threads = threads

    def run(self, batch: Batch) -> tuple[Floats, ...]:
        """Run one batch, whose rows may have any lengths: (B, H) float32.

        Raises:
            InferenceError: an id or a length is out of the encoder's range.
        """
        return (self._encoder.run([row.ids for row in batch.tokens], self._threads),)


def opener() -> Callable[[Path, Graph, int, int], AmxSession]:
    """Give what opens the sessions of a bundle, which share one encoder."""
    opened: dict[Path, Encoder] = {}

    def open_one(folder: Path, graph: Graph, runs: int, threads: int) -> AmxSession:
        path = folder / graph.file
        if path not in opened:
            opened[path] = open_encoder(folder, graph.file, threads)
        return AmxSession(opened[path], threads // runs)

    return open_one


def open_encoder(folder: Path, file: str, threads: int) -> Encoder:
    """Map a bundle's weights and pack its encoder.

    Args:
        folder: of the bundle.
        file: the description's name.
        threads: that a run may have.

    Raises:
        MissingExtraError: the kernels cannot be used here.
        BundleFormatError: the description is damaged or does not fit the weights.
    """
    path = folder / file
    try:
        described = Description.read(Reader(parse_object(path.read_bytes(), file)))
        if Path(described.weights).name != described.weights:
            raise ReadError(f"weights are {described.weights!r}, expected a file of the bundle")
        with (folder / described.weights).open("rb") as stream:
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        return _open(described, mapped, threads)
    except (OSError, ValueError) as error:  # a file that cannot be mapped is one of these
        raise BundleFormatError(path, f"cannot be used: {error}") from error
    except InferenceError as error:
        raise BundleFormatError(path, str(error)) from error


@dataclass(frozen=True, slots=True)
class _Arrays:
    """Finds arrays in the mapped weights; each is held against the size of the file."""

    described: Description
    mapped: mmap.mmap

    def address(self, name: str, kind: type[np.generic], *shape: int) -> int | None:
        """Give where an array of a shape stands.

        Raises:
            ReadError: it has no place, or ends after the end of the file.
        """
        offset = self.described.offsets.get(name)
        if offset is None:
            raise ReadError(f"offsets has no {name!r}")
        count = math.prod(shape)
        if offset + count * np.dtype(kind).itemsize > len(self.mapped):
            raise ReadError(f"{name!r} ends after the end of {self.described.weights}")
        return place(np.frombuffer(self.mapped, kind, count, offset))

    def floats(self, name: str, *shape: int) -> int | None:
        """Give where float32 numbers stand."""
        return self.address(name, np.float32, *shape)

    def norm(self, name: str) -> tuple[int | None, int | None]:
        """Give where the weight and the bias of a layer normalization stand."""
        size = self.described.hidden
        return self.floats(f"{name}.weight", size), self.floats(f"{name}.bias", size)

    def fill(self, layer: Layer, number: int) -> None:
        """Say where all of a layer stands."""
        size, outputs = self.described.hidden, self.described.wide[number]
        layer.wide = outputs
        for group in GROUPS:
            name = f"{number}.{group}.multiplier"
            if name in self.described.offsets:
                inputs = outputs if group == "f2" else size
                setattr(layer, f"{group}_multiplier", self.floats(name, inputs))
        for linear in LINEARS:
            rows = outputs if linear == "f2" else size
            columns = outputs if linear == "f1" else size
            weights, name = getattr(layer, linear), f"{number}.{linear}"
            weights.weight = self.address(f"{name}.weight_s8", np.int8, rows, columns)
            weights.scale = self.floats(f"{name}.scales", columns)
            weights.bias = self.floats(f"{name}.bias", columns)
        for which in NORMS:
            getattr(layer, which)[:] = self.norm(f"{number}.{which}")


def _open(described: Description, mapped: mmap.mmap, threads: int) -> Encoder:
    arrays = _Arrays(described, mapped)
    layers = (Layer * len(described.wide))()
    for number, layer in enumerate(layers):
        arrays.fill(layer, number)
    configuration = Configuration(
        layers=len(layers),
        hidden=described.hidden,
        heads=described.heads,
        vocabulary=described.vocabulary,
        positions=described.positions,
        mapped=True,
        pooling=POOLINGS[described.pooling],
        normalize=described.normalize,
        epsilon=described.epsilon,
        threads=threads,
        word=arrays.address("word_s8", np.int8, described.vocabulary, described.hidden),
        word_scale=arrays.floats("word_scales", described.vocabulary),
        position=arrays.floats("position", described.positions, described.hidden),
        layer=cast(layers, POINTER(Layer)),
    )
    configuration.norm[:] = arrays.norm("embedding_norm")
    return Encoder(configuration, (mapped, layers))
