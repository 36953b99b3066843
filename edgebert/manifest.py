"""The manifest of a bundle (`edgebert.json`): what the model is, how to run it, and its proof.

Pure data: read from JSON, checked, written back. Files and hashes are `bundle.py`'s. The format
is described in docs/bundle.md; a new key there raises FORMAT_VERSION here.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgebert.manifest_exits import (
    Segment,
    StoredTable,
    TableType,
    check_segments,
    pooled_name,
)
from edgebert.manifest_parts import (
    Activation,
    Alternative,
    Encoder,
    EngineName,
    FileEntry,
    Graph,
    Graphs,
    Level,
    Parity,
    Pooling,
    PoolingMode,
    Quantization,
    Scales,
    Source,
    Task,
)
from edgebert.reader import Reader, ReadError, parse_object

__all__ = [  # also what other modules import from here
    "Activation",
    "Alternative",
    "Encoder",
    "EngineName",
    "FileEntry",
    "Graph",
    "Graphs",
    "Level",
    "Manifest",
    "NewerFormatError",
    "Parity",
    "Pooling",
    "PoolingMode",
    "Quantization",
    "Scales",
    "Segment",
    "Source",
    "StoredTable",
    "TableType",
    "Task",
    "pooled_name",
]

FORMAT_VERSION = 1
FURTHER = (EngineName.OPENVINO, EngineName.AMX)  # engines that not every bundle is for
UNSIGNED = "0" * 64  # stands for the manifest's own hash while it is computed


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All that the runtime needs to know of a model; see docs/bundle.md for each key."""

    name: str
    task: Task
    family: str
    architecture: str  # the class name that transformers gives it
    encoder: Encoder
    max_tokens: int  # the one limit on a row, special tokens included
    labels: tuple[str, ...]
    activation: Activation
    pooling: Pooling | None  # embed only
    prompts: Mapping[str, str]  # prefixes by name, as sentence-transformers stores them
    default_prompt: str | None
    mask_token: str | None  # fill only
    graphs: Graphs
    quantization: Quantization
    parity: Parity
    source: Source
    tools: Mapping[str, str]  # versions of what made the bundle
    files: Mapping[str, FileEntry]  # every other file of the bundle
    # by engine; onnxruntime, which every bundle is for, is not among them
    alternatives: Mapping[EngineName, Alternative] = field(default_factory=dict)
    segments: tuple[Segment, ...] = ()  # the main graph in parts; empty where there are no exits
    word_table: StoredTable | None = None  # None where the bundle does not say

    @property
    def dimensions(self) -> int:
        """The length of a text vector."""
        stated = self.pooling.dimensions if self.pooling is not None else None
        return self.encoder.hidden if stated is None else stated

    @property
    def exits(self) -> tuple[int, ...]:
        """Layers after which a text may leave."""
        return tuple(segment.layers for segment in self.segments[:-1])

    @property
    def graph_files(self) -> tuple[str, ...]:
        """The names of all graphs' files."""
        others = [alternative.graph.file for alternative in self.alternatives.values()]
        others += [segment.graph.file for segment in self.segments]
        return (self.graphs.main.file, self.graphs.masked.file, *others)

    @property
    def batch_invariant(self) -> bool:
        """Whether rows may share a run without touching each other's result."""
        return self.quantization.scales is not Scales.DYNAMIC

    @classmethod
    def parse(cls, data: bytes) -> "Manifest":
        """Read and check a manifest.

        Raises:
            ReadError: a key is missing, unknown or of the wrong type.
            NewerFormatError: the format is newer than this runtime.
        """
        reader = Reader(parse_object(data, "the manifest"))
        version = reader.count("format_version", least=1)
        if version > FORMAT_VERSION:
            raise NewerFormatError(
                f"format {version}, this runtime reads format {FORMAT_VERSION}; "
                "run `pip install -U edgebert`"
            )
        check_own_hash(data, reader.text("manifest_sha256"))
        manifest = cls(
            name=reader.text("name"),
            task=reader.choice("task", Task),
            family=reader.text("family"),
            architecture=reader.text("architecture"),
            encoder=Encoder.read(reader.part("encoder")),
            max_tokens=reader.count("max_tokens", least=3),
            labels=reader.texts("labels"),
            activation=reader.choice("activation", Activation),
            pooling=reader.optional("pooling", lambda key: Pooling.read(reader.part(key))),
            prompts=reader.pairs("prompts"),
            default_prompt=reader.optional("default_prompt", reader.text),
            mask_token=reader.optional("mask_token", reader.text),
            graphs=Graphs.read(reader.part("graphs")),
            quantization=Quantization.read(reader.part("quantization")),
            parity=Parity.read(reader.part("parity")),
            source=Source.read(reader.part("source")),
            tools=reader.pairs("tools"),
            files={name: FileEntry.read(part) for name, part in reader.entries("files")},
            alternatives=reader.stated("alternatives", lambda key: _alternatives(reader, key), {}),
            segments=reader.stated("segments", lambda key: _segments(reader, key), ()),
            word_table=reader.stated(
                "word_table", lambda key: StoredTable.read(reader.part(key)), None
            ),
        )
        reader.finish()
        manifest._check()
        return manifest

    def _check(self) -> None:
        needs_labels = self.task in (Task.CLASSIFY, Task.TAG)
        if needs_labels and not self.labels:
            raise ReadError(f"task {self.task.value!r} needs labels, there are none")
        if len(set(self.labels)) != len(self.labels):
            raise ReadError("a label stands twice")
        if (self.task is Task.EMBED) != (self.pooling is not None):
            raise ReadError("pooling belongs to task 'embed', and that task needs it")
        if (self.task is Task.FILL) != (self.mask_token is not None):
            raise ReadError("mask_token belongs to task 'fill', and that task needs it")
        if self.default_prompt is not None and self.default_prompt not in self.prompts:
            raise ReadError(f"default_prompt {self.default_prompt!r} is not among the prompts")
        for name in (*self.graph_files, "tokenizer.json"):
            if name not in self.files:
                raise ReadError(f"file {name!r} is needed and not listed under 'files'")
        if self.segments and self.task not in (Task.EMBED, Task.CLASSIFY):
            raise ReadError(f"segments belong to 'embed' and 'classify', not {self.task.value!r}")
        check_segments(self.segments, self.graphs.main, self.encoder.layers)
        if self.word_table is not None:
            self.word_table.check(self.encoder.vocabulary, self.files)

    def to_json(self) -> bytes:
        """Write the manifest; the same manifest gives the same bytes."""
        values: dict[str, Any] = {
            "format_version": FORMAT_VERSION,
            "manifest_sha256": UNSIGNED,
            **dataclasses.asdict(self),
        }
        for key in ("alternatives", "segments", "word_table"):
            if not values[key]:  # a bundle that has none says nothing of it
                del values[key]
        return with_own_hash((json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode())


def _alternatives(reader: Reader, key: str) -> dict[EngineName, Alternative]:
    found = {}
    for name, part in reader.entries(key):
        if name not in FURTHER:
            raise ReadError(f"{key} names {name!r}, expected: {', '.join(FURTHER)}")
        found[EngineName(name)] = Alternative.read(part)
    return found


def _segments(reader: Reader, key: str) -> tuple[Segment, ...]:
    segments = tuple(Segment.read(part) for part in reader.parts(key))
    if not segments:
        raise ReadError(f"{key} is empty; it is left out where a bundle has none")
    return segments


def with_own_hash(data: bytes) -> bytes:
    """Put a manifest's hash in the place that holds zeros: taken over the bytes as they are."""
    place = data.index(UNSIGNED.encode())  # the first: the key stands before any free text
    digest = hashlib.sha256(data).hexdigest().encode()
    return data[:place] + digest + data[place + len(digest) :]


def check_own_hash(data: bytes, stated: str) -> None:
    """Check the hash that a manifest states of itself, its own digits taken as zeros.

    Raises:
        ReadError: the manifest was changed after it was written.
    """
    unsigned = data.replace(stated.encode(), UNSIGNED.encode(), 1)
    found = hashlib.sha256(unsigned).hexdigest()
    if len(stated) != len(UNSIGNED) or found != stated:
        raise ReadError(
            f"the manifest is damaged or was edited: its sha256 is {found[:12]}..., it states "
            f"{stated[:12]}...; copy the bundle again"
        )


class NewerFormatError(ReadError):
    """The manifest is of a format that only a newer runtime reads."""
