"""What a manifest says for routing: the main graph cut into segments, and where the words lie.

Both parts are left out of the manifest of a bundle that has none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from edgebert.manifest_parts import FileEntry, Graph
from edgebert.reader import Reader, ReadError


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One part of the main graph, cut after some layers; an exit but for the last."""

    layers: int  # passed at its end
    graph: Graph

    @classmethod
    def read(cls, reader: Reader) -> "Segment":
        """Read the JSON object."""
        segment = cls(
            layers=reader.count("layers", least=1), graph=Graph.read(reader.part("graph"))
        )
        reader.finish()
        return segment


def pooled_name(layers: int) -> str:
    """Name an exit's pooled output, (B, H) float32: the mean of the tokens' hidden states.

    The mean whatever the pooling of the bundle: see docs/decisions/009-early-exits.md.
    """
    return f"pooled_{layers}"


def check_segments(segments: tuple[Segment, ...], main: Graph, layers: int) -> None:
    """Check that segments, if there are any, lead from a main graph's inputs to its outputs.

    Raises:
        ReadError: out of order, or one wants or lacks an array.
    """
    ends = [segment.layers for segment in segments]
    if segments and (len(ends) < 2 or ends != sorted(set(ends)) or ends[-1] != layers):
        raise ReadError(
            f"segments end after layers {ends}; expected two or more, the least first, the last "
            f"one being the encoder's {layers}"
        )
    known = set(main.inputs)
    for segment in segments:
        where = f"the segment that ends after layer {segment.layers}"
        missing = [name for name in segment.graph.inputs if name not in known]
        if missing:
            raise ReadError(f"{where} wants an array {missing[0]!r} that none before it gives")
        is_exit = segment.layers < layers
        wanted = [pooled_name(segment.layers)] if is_exit else main.outputs
        known |= set(segment.graph.outputs)
        lacking = [name for name in wanted if name not in known]
        if lacking:
            raise ReadError(f"{where} lacks an output {lacking[0]!r}")


class TableType(StrEnum):
    """How the numbers of a stored table are written, little-endian."""

    FLOAT32 = "float32"
    INT8 = "int8"  # row = values * its scale


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTable:
    """Where a table of word embeddings lies in a file of weights."""

    file: str
    type: TableType
    rows: int  # as many as the vocabulary has
    columns: int
    offset: int  # of the values, row by row
    scales_offset: int | None  # int8: of `rows` float32, one a row

    @classmethod
    def read(cls, reader: Reader) -> "StoredTable":
        """Read the JSON object."""
        table = cls(
            file=reader.text("file"),
            type=reader.choice("type", TableType),
            rows=reader.count("rows", least=1),
            columns=reader.count("columns", least=1),
            offset=reader.count("offset"),
            scales_offset=reader.optional("scales_offset", reader.count),
        )
        reader.finish()
        if (table.scales_offset is not None) != (table.type is TableType.INT8):
            raise ReadError("word_table: scales_offset belongs to type 'int8', which needs it")
        return table

    @property
    def end(self) -> int:
        """The bytes that a file must have to hold the table."""
        if self.scales_offset is None:
            return self.offset + 4 * self.rows * self.columns
        return max(self.offset + self.rows * self.columns, self.scales_offset + 4 * self.rows)

    def check(self, vocabulary: int, files: Mapping[str, FileEntry]) -> None:
        """Check that the table lies in its file and has a row for each token.

        Raises:
            ReadError: it does not.
        """
        if self.rows != vocabulary:
            raise ReadError(f"word_table has {self.rows} rows, the vocabulary {vocabulary} tokens")
        if self.file not in files:
            raise ReadError(f"file {self.file!r} is needed and not listed under 'files'")
        found = files[self.file].bytes
        if self.end > found:
            raise ReadError(
                f"word_table ends at byte {self.end:,} of {self.file!r}, which has {found:,}"
            )
