"""What every road gives the pipeline: a model that is understood, and its graphs when asked."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgebert.manifest import Graph, Graphs, Level, Quantization, Segment, StoredTable
from edgebert.session import Session
from edgebert_export.prepare import Prepared

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Written:
    """The graphs of a bundle, and what they are to be measured against."""

    graphs: Graphs
    quantization: Quantization
    reference: Session  # what is true
    lost: Level  # what lies between the two: fp32 where nothing was quantized here
    further: Graph | None = None  # for a further engine, where the recipe asks for it
    segments: tuple[Segment, ...] = ()  # the main graph cut, where the recipe asks for it
    word_table: StoredTable | None = None


class Source(Protocol):
    """A model on its road."""

    @property
    def prepared(self) -> Prepared:
        """What is settled before anything is written."""
        ...

    def write(self, folder: Path, scratch: Path, tell: Progress) -> Written:
        """Write the graphs of a bundle.

        Args:
            folder: the bundle's.
            scratch: gone after the export.
            tell: progress, 0 to 1.
        """
        ...
