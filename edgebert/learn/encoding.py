"""States and changes as bytes, and back: the layouts of docs/learning.md, without the file.

Little-endian throughout. Whole numbers are stored in as few bytes as the largest needs. Whoever
calls has checked the bytes against their checksum; what is read here is checked for sense all the
same, and nothing is allocated that the bytes at hand do not fill.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebert.learn.features import FeatureMap, Grid
from edgebert.learn.solve import Doubles
from edgebert.learn.state import (
    AddClass,
    Change,
    Forget,
    Learn,
    RemoveClass,
    Setting,
    State,
)
from edgebert.learn.statistics import Statistics
from edgebert.reader import Reader, ReadError, parse_object

LEDGER_BYTES = 8
MOST_FEATURES = 1 << 16  # of a text: bounds what a file can ask for


def encode_state(state: State) -> bytes:
    """Write a state; equal states give equal bytes."""
    statistics = state.statistics
    statistics.settle()
    upper = statistics.gram[np.triu_indices(len(statistics.gram))]
    parts = [
        pack_whole(array)
        for array in (statistics.counts, statistics.first, statistics.sums.ravel(), upper)
    ]
    features = asdict(state.setting.features)
    header = {
        "setting": asdict(state.setting) | {"features": features},
        "classes": {name: state.descriptions[name][0] for name in state.names},
        "learners": sorted(state.learners),
        "total": statistics.total,
        "bytes_each": [width for width, _ in parts],
    }
    grids = b"".join(state.descriptions[name][1].astype("<i2").tobytes() for name in state.names)
    ledger = state.ledger.astype("<u8").tobytes()
    return _join(header, b"".join([*(data for _, data in parts), grids, ledger]))


def decode_state(data: bytes) -> State:
    """Read a state.

    Raises:
        ReadError: the bytes are not one.
    """
    reader, rest = _split(data)
    setting = _read_setting(reader.part("setting"))
    classes = reader.pairs("classes")
    learners = frozenset(reader.texts("learners"))
    total = reader.count("total")
    widths = [int(width) for width in reader.numbers("bytes_each")]
    reader.finish()
    size, raw, names = setting.features.width, setting.features.raw_width, sorted(classes)
    lengths = (len(names), size, size * len(names), size * (size + 1) // 2)
    if len(widths) != len(lengths) or not all(1 <= width <= 8 for width in widths):
        raise ReadError(f"bytes_each is {widths}, expected four numbers from 1 to 8")
    sizes = [length * width for length, width in zip(lengths, widths, strict=True)]
    parts = _cut(rest, [*sizes, 2 * raw * len(names), LEDGER_BYTES * total])
    whole = [unpack_whole(part, width) for part, width in zip(parts, widths, strict=False)]
    counts, first, sums, upper = whole
    gram = np.zeros((size, size))
    rows, columns = np.triu_indices(size)
    gram[rows, columns] = gram[columns, rows] = upper
    statistics = Statistics(
        total,
        counts,
        first.astype(np.float64),
        sums.reshape(size, len(names)).astype(np.float64),
        gram,
    )
    grids = _read_grid(parts[4]).reshape(len(names), raw)
    descriptions = {name: (classes[name], grid) for name, grid in zip(names, grids, strict=True)}
    ledger = np.frombuffer(parts[5], "<u8").astype(np.uint64)
    return State(setting, statistics, names, descriptions, ledger, learners)


def _cut(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    if sum(sizes) != len(data):
        raise ReadError(f"{len(data):,} bytes of sums, the header says {sum(sizes):,}")
    ends = list(accumulate(sizes))
    return [data[end - size : end] for end, size in zip(ends, sizes, strict=True)]


def _read_setting(reader: Reader) -> Setting:
    part = reader.part("features")
    features = FeatureMap(
        part.count("layers", least=1),
        part.count("hidden", least=1),
        part.count("random"),
        part.count("seed"),
    )
    part.finish()
    if max(features.width, features.raw_width) > MOST_FEATURES:
        raise ReadError(f"{features.width:,} features, at most {MOST_FEATURES:,} are read")
    setting = Setting(
        learner=reader.text("learner"),
        encoder=reader.text("encoder"),
        features=features,
        prompt=reader.optional("prompt", reader.text),
        multi_label=reader.flag("multi_label"),
    )
    reader.finish()
    return setting


def encode_change(change: Change) -> bytes:
    """Write a change."""
    match change:
        case AddClass(name, description, grid):
            return _join({"add_class": name, "description": description}, _grid_bytes(grid))
        case RemoveClass(name, grid):
            return _join({"remove_class": name}, _grid_bytes(grid))
        case Learn(labels, grid, new):
            header = {
                "learn": _lists(labels),
                "new": {each.name: each.description for each in new},
            }
            return _join(
                header, b"".join(_grid_bytes(each.grid) for each in new) + _grid_bytes(grid)
            )
        case Forget(labels, grid):
            return _join({"forget": _lists(labels)}, _grid_bytes(grid))


def decode_change(data: bytes, raw_width: int) -> Change:
    """Read a change.

    Raises:
        ReadError: the bytes are not one.
    """
    header, rest = _parse(data)
    values = _read_grid(rest)
    if values.size % raw_width:
        raise ReadError(f"{values.size:,} embedding values, expected rows of {raw_width:,}")
    grid = values.reshape(-1, raw_width)
    match header:
        case {"add_class": str(name), "description": str(description)} if len(grid) == 1:
            return AddClass(name, description, grid[0])
        case {"remove_class": str(name)}:
            return RemoveClass(name, grid)
        case {"learn": list(labels), "new": dict(new)} if len(grid) == len(labels) + len(new):
            added = tuple(map(AddClass, new, _texts(new.values()), grid))
            return Learn(_label_tuples(labels), grid[len(new) :], added)
        case {"forget": list(labels)} if len(grid) == len(labels):
            return Forget(_label_tuples(labels), grid)
    raise ReadError(f"no change that this version knows: {sorted(header)!s:.80}")


def _texts(values: Iterable[Any]) -> list[str]:
    texts = list(values)
    if not all(isinstance(text, str) for text in texts):
        raise ReadError("a description is not a string")
    return texts


def _label_tuples(labels: Sequence[Any]) -> tuple[tuple[str, ...], ...]:
    for names in labels:
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ReadError(f"labels {names!r:.80}, expected a list of strings")
    return tuple(tuple(names) for names in labels)


def _lists(rows: Iterable[Iterable[Any]]) -> list[list[Any]]:
    return [list(row) for row in rows]


def _grid_bytes(grid: Grid) -> bytes:
    return grid.astype("<i2").tobytes()


def _read_grid(data: bytes) -> Grid:
    if len(data) % 2:
        raise ReadError("half an embedding value")
    return np.frombuffer(data, "<i2").astype(np.int16)


def _join(header: dict[str, Any], rest: bytes) -> bytes:
    text = json.dumps(header, ensure_ascii=False).encode()
    return len(text).to_bytes(4, "little") + text + rest


def _parse(data: bytes) -> tuple[dict[str, Any], bytes]:
    end = 4 + int.from_bytes(data[:4], "little")
    if end > len(data):
        raise ReadError("the header is cut")
    return parse_object(data[4:end], "the header"), data[end:]


def _split(data: bytes) -> tuple[Reader, bytes]:
    header, rest = _parse(data)
    return Reader(header), rest


def replay(snapshot: bytes, records: Iterable[bytes]) -> State:
    """Do again what was done since a snapshot.

    Raises:
        ReadError: the bytes are no state, or no change.
        LearnError: a change cannot have been made.
    """
    state = decode_state(snapshot)
    for record in records:
        change = decode_change(record, state.setting.features.raw_width)
        state.check(change)
        state.apply(change)
    return state


def pack_whole(values: Doubles | NDArray[np.int64]) -> tuple[int, bytes]:
    """Write whole numbers in as few bytes each as the largest needs: that count, and the bytes."""
    whole = values.astype("<i8")
    largest = max(int(whole.max(initial=0)), -int(whole.min(initial=0)))
    width = largest.bit_length() // 8 + 1
    return width, whole.view(np.uint8).reshape(-1, 8)[:, :width].tobytes()


def unpack_whole(data: bytes, width: int) -> NDArray[np.int64]:
    """Read what `pack_whole` wrote."""
    low = np.frombuffer(data, np.uint8).reshape(-1, width)
    whole = np.empty((len(low), 8), np.uint8)
    whole[:, :width] = low
    whole[:, width:] = np.where(low[:, -1:] >= 128, 255, 0)  # the sign
    return whole.view("<i8").ravel().astype(np.int64)
