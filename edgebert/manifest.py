"""The manifest of a bundle (`edgebert.json`): what the model is, how to run it, and its proof.

Pure data: read from JSON, checked, written back. Files and hashes are `bundle.py`'s. The format
is described in docs/bundle.md; a new key there raises FORMAT_VERSION here.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any

from edgebert.reader import Reader, ReadError, parse_object

FORMAT_VERSION = 1
UNSIGNED = "0" * 64  # stands for the manifest's own hash while it is computed


class Task(StrEnum):
    """What a bundle answers."""

    EMBED = "embed"
    CLASSIFY = "classify"
    TAG = "tag"
    ANSWER = "answer"
    FILL = "fill"


class PoolingMode(StrEnum):
    """How token vectors become one text vector; names as sentence-transformers writes them."""

    CLS = "cls"
    MEAN = "mean"
    MAX = "max"
    MEAN_SQRT_LEN = "mean_sqrt_len_tokens"  # the sum over the root of the length
    WEIGHTED_MEAN = "weightedmean"  # the first token weighs 1, the second 2, ...
    LAST_TOKEN = "lasttoken"
    POOLER = "pooler"  # the checkpoint's own tanh layer over [CLS]


class Activation(StrEnum):
    """What turns logits into scores."""

    NONE = "none"  # regression: the logit is the answer
    SOFTMAX = "softmax"  # one class holds
    SIGMOID = "sigmoid"  # each class holds or not


class Level(StrEnum):
    """How far the weights and activations are quantized."""

    FP32 = "fp32"
    INT8 = "int8"
    INT8_ACCURATE = "int8-accurate"


class EngineName(StrEnum):
    """What can run a bundle: the name of a package."""

    ONNXRUNTIME = "onnxruntime"  # every bundle
    OPENVINO = "openvino"  # bundles that were exported for it as well


class Scales(StrEnum):
    """Where the scales of quantized activations come from."""

    NONE = "none"  # nothing is quantized
    DYNAMIC = "dynamic"  # taken from each run: a run holds one text, or neighbours would matter
    STATIC = "static"  # fixed at export from calibration texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """The encoder's shape."""

    layers: int
    hidden: int
    heads: int
    intermediate: int
    vocabulary: int

    @classmethod
    def read(cls, reader: Reader) -> "Encoder":
        """Read the JSON object."""
        shape = {field.name: reader.count(field.name, least=1) for field in dataclasses.fields(cls)}
        reader.finish()
        return cls(**shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooling:
    """How token vectors become one text vector."""

    mode: PoolingMode
    normalize: bool  # L2, so that a dot product is the cosine
    more_modes: tuple[PoolingMode, ...] = ()  # their vectors are laid after that of `mode`
    dimensions: int | None = None  # of the text vector; None: as wide as the encoder

    @property
    def modes(self) -> tuple[PoolingMode, ...]:
        """All poolings, in the order of their vectors."""
        return (self.mode, *self.more_modes)

    @classmethod
    def read(cls, reader: Reader) -> "Pooling":
        """Read the JSON object; the first bundles lack the last two keys."""
        width = partial(reader.count, least=1)
        pooling = cls(
            mode=reader.choice("mode", PoolingMode),
            normalize=reader.flag("normalize"),
            more_modes=reader.stated(
                "more_modes", lambda key: reader.choices(key, PoolingMode), ()
            ),
            dimensions=reader.stated("dimensions", lambda key: reader.optional(key, width), None),
        )
        reader.finish()
        return pooling


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """One ONNX file and its signature."""

    file: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @classmethod
    def read(cls, reader: Reader) -> "Graph":
        """Read the JSON object."""
        graph = cls(
            file=reader.text("file"),
            inputs=reader.texts("inputs"),
            outputs=reader.texts("outputs"),
        )
        reader.finish()
        return graph


@dataclass(frozen=True, slots=True, kw_only=True)
class Graphs:
    """The two graphs over one weights file."""

    main: Graph  # rows of equal length, no attention mask
    masked: Graph  # the standard signature, for other tools

    @classmethod
    def read(cls, reader: Reader) -> "Graphs":
        """Read the JSON object."""
        graphs = cls(main=Graph.read(reader.part("main")), masked=Graph.read(reader.part("masked")))
        reader.finish()
        return graphs


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    """What is int8 in this bundle and where its scales come from."""

    level: Level
    scales: Scales
    weight_bits: int  # 8; 7 for CPUs whose int8 products saturate; 32 for fp32
    kept_fp32: tuple[str, ...]  # linears left in float because int8 cost too much there

    @classmethod
    def read(cls, reader: Reader) -> "Quantization":
        """Read the JSON object."""
        quantization = cls(
            level=reader.choice("level", Level),
            scales=reader.choice("scales", Scales),
            weight_bits=reader.count("weight_bits", least=2),
            kept_fp32=reader.texts("kept_fp32"),
        )
        reader.finish()
        return quantization


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How near this bundle comes to the fp32 graph of its checkpoint, as export measured it."""

    texts: int  # how many
    source: str  # where they are from
    cosine_mean: float  # of the raw outputs, one cosine a text
    cosine_min: float
    max_abs_diff: float  # of the raw outputs
    agreement: float | None  # share of equal decisions; null for embeddings and regression
    floor_cosine_mean: float | None  # what export demanded of the three figures above
    floor_cosine_min: float | None
    floor_agreement: float | None
    cpu: str  # the int8 path of the machine that measured

    @classmethod
    def read(cls, reader: Reader) -> "Parity":
        """Read the JSON object."""
        parity = cls(
            texts=reader.count("texts"),
            source=reader.text("source"),
            cosine_mean=reader.number("cosine_mean"),
            cosine_min=reader.number("cosine_min"),
            max_abs_diff=reader.number("max_abs_diff"),
            agreement=reader.optional("agreement", reader.number),
            floor_cosine_mean=reader.optional("floor_cosine_mean", reader.number),
            floor_cosine_min=reader.optional("floor_cosine_min", reader.number),
            floor_agreement=reader.optional("floor_agreement", reader.number),
            cpu=reader.text("cpu"),
        )
        reader.finish()
        return parity


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """What a second engine runs in place of the main graph, and its own proof."""

    graph: Graph  # over the same weights file, with an attention mask
    parity: Parity
    golden_tolerance: float  # in place of the one in golden.json

    @classmethod
    def read(cls, reader: Reader) -> "Alternative":
        """Read the JSON object."""
        alternative = cls(
            graph=Graph.read(reader.part("graph")),
            parity=Parity.read(reader.part("parity")),
            golden_tolerance=reader.number("golden_tolerance"),
        )
        reader.finish()
        return alternative


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The checkpoint this bundle was made from."""

    weights_sha256: str
    config_sha256: str
    licence: str | None  # as the checkpoint states it; null where it states none

    @classmethod
    def read(cls, reader: Reader) -> "Source":
        """Read the JSON object."""
        source = cls(
            weights_sha256=reader.text("weights_sha256"),
            config_sha256=reader.text("config_sha256"),
            licence=reader.optional("licence", reader.text),
        )
        reader.finish()
        return source


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """The size and hash of one file."""

    bytes: int
    sha256: str

    @classmethod
    def read(cls, reader: Reader) -> "FileEntry":
        """Read the JSON object."""
        entry = cls(bytes=reader.count("bytes"), sha256=reader.text("sha256"))
        reader.finish()
        return entry


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

    @property
    def dimensions(self) -> int:
        """The length of a text vector."""
        stated = self.pooling.dimensions if self.pooling is not None else None
        return self.encoder.hidden if stated is None else stated

    @property
    def graph_files(self) -> tuple[str, ...]:
        """The names of all graphs' files."""
        others = (alternative.graph.file for alternative in self.alternatives.values())
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

    def to_json(self) -> bytes:
        """Write the manifest; the same manifest gives the same bytes."""
        values: dict[str, Any] = {
            "format_version": FORMAT_VERSION,
            "manifest_sha256": UNSIGNED,
            **dataclasses.asdict(self),
        }
        if not self.alternatives:  # most bundles have none and say nothing of them
            del values["alternatives"]
        return with_own_hash((json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode())


def _alternatives(reader: Reader, key: str) -> dict[EngineName, Alternative]:
    found = {}
    for name, part in reader.entries(key):
        if name != EngineName.OPENVINO:
            raise ReadError(f"{key} names {name!r}, expected: {EngineName.OPENVINO.value}")
        found[EngineName(name)] = Alternative.read(part)
    return found


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
