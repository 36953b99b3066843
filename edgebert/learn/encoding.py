"""States and changes as bytes, and back: the layouts of docs/learning.md, without the file.

Little-endian throughout. Whole numbers are stored in as few bytes as the largest needs. Whoever
calls has checked the bytes against their checksum; what is read here is checked for sense all the
same, and nothing is allocated that the bytes at hand do not fill.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebert.learn.features import FeatureMap, Grid
from edgebert.learn.solve import Doubles
from edgebert.learn.state import (
    AddClass,
    Change,
    Forget,
    Issued,
    Learn,
    ReceiptName,
    RemoveClass,
    Setting,
    State,
)
from edgebert.learn.statistics import Statistics
from edgebert.reader import Reader, ReadError, parse_object

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
        "issued": {
            learner: {"count": known.count, "forgotten": to_ranges(known.forgotten)}
            for learner, known in sorted(state.issued.items())
        },
        "total": statistics.total,
        "bytes_each": [width for width, _ in parts],
    }
    grids = b"".join(state.descriptions[name][1].astype("<i2").tobytes() for name in state.names)
    return _join(header, b"".join([*(data for _, data in parts), grids]))


def decode_state(data: bytes) -> State:
    """Read a state.

    Raises:
        ReadError: the bytes are not one.
    """
    reader, rest = _split(data)
    setting = _read_setting(reader.part("setting"))
    classes = reader.pairs("classes")
    issued = {name: _read_issued(part) for name, part in reader.entries("issued")}
    total = reader.count("total")
    widths = [int(width) for width in reader.numbers("bytes_each")]
    reader.finish()
    size, names = setting.features.width, sorted(classes)
    lengths = (len(names), size, size * len(names), size * (size + 1) // 2)
    if len(widths) != len(lengths) or not all(1 <= width <= 8 for width in widths):
        raise ReadError(f"bytes_each is {widths}, expected four numbers from 1 to 8")
    grid_bytes = 2 * setting.features.raw_width
    sizes = [length * width for length, width in zip(lengths, widths, strict=True)]
    if sum(sizes) + len(names) * grid_bytes != len(rest):
        raise ReadError(f"{len(rest):,} bytes of sums, which is not what the header says")
    arrays = []
    for length, width in zip(lengths, widths, strict=True):
        arrays.append(unpack_whole(rest[: length * width], width))
        rest = rest[length * width :]
    descriptions = {
        name: (classes[name], _read_grid(rest[place * grid_bytes : (place + 1) * grid_bytes]))
        for place, name in enumerate(names)
    }
    counts, first, sums, upper = arrays
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
    return State(setting, statistics, names, descriptions, issued)


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


def _read_issued(reader: Reader) -> Issued:
    ends = [int(end) for end in reader.numbers("forgotten")]
    issued = Issued(reader.count("count"))
    reader.finish()
    if len(ends) % 2 or sorted(ends) != ends or (ends and not 0 <= ends[0] <= ends[-1]):
        raise ReadError("forgotten receipts are not in order")
    if ends and ends[-1] > issued.count:
        raise ReadError("more receipts are forgotten than were given")
    for first, end in zip(ends[::2], ends[1::2], strict=True):
        issued.forgotten.update(range(first, end))
    return issued


def to_ranges(numbers: Iterable[int]) -> list[int]:
    """Write whole numbers as first, end, first, end, ... of their runs; ends are left out."""
    ends: list[int] = []
    for number in sorted(numbers):
        if ends and ends[-1] == number:
            ends[-1] = number + 1
        else:
            ends += [number, number + 1]
    return ends


def encode_change(change: Change) -> bytes:
    """Write a change."""
    match change:
        case AddClass(name, description, grid):
            return _join({"add_class": name, "description": description}, _grid_bytes(grid))
        case RemoveClass(name):
            return _join({"remove_class": name}, b"")
        case Learn(labels, grid):
            return _join({"learn": _lists(labels)}, _grid_bytes(grid))
        case Forget(labels, grid, receipts):
            header = {"forget": _lists(labels), "receipts": _lists(receipts)}
            return _join(header, _grid_bytes(grid))


def decode_change(data: bytes, raw_width: int) -> Change:
    """Read a change.

    Raises:
        ReadError: the bytes are not one.
    """
    header, rest = _parse(data)
    grid = _read_grid(rest)
    match header:
        case {"add_class": str(name), "description": str(description)} if grid.size == raw_width:
            return AddClass(name, description, grid)
        case {"remove_class": str(name)} if not grid.size:
            return RemoveClass(name)
        case {"learn": list(labels)} if grid.size == len(labels) * raw_width:
            return Learn(_label_tuples(labels), grid.reshape(len(labels), raw_width))
        case {"forget": list(labels), "receipts": list(receipts)} if (
            grid.size == len(labels) * raw_width
        ):
            names = tuple(_receipt_name(name) for name in receipts)
            return Forget(_label_tuples(labels), grid.reshape(len(labels), raw_width), names)
    raise ReadError(f"no change that this version knows: {sorted(header)!s:.80}")


def _label_tuples(labels: Sequence[Any]) -> tuple[tuple[str, ...], ...]:
    for names in labels:
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ReadError(f"labels {names!r:.80}, expected a list of strings")
    return tuple(tuple(names) for names in labels)


def _receipt_name(value: Any) -> ReceiptName:
    match value:
        case [str(learner), int(number)] if number >= 0:
            return learner, number
    raise ReadError(f"receipt {value!r:.80}, expected a learner and a number")


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
