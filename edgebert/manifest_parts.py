"""The parts of a bundle's manifest, each read from its JSON object and checked; no files.

The whole is `manifest.py`'s, from which other modules import these names too.
"""

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from edgebert.reader import Reader


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
    """What can run a bundle."""

    ONNXRUNTIME = "onnxruntime"  # the package; every bundle
    OPENVINO = "openvino"  # the package; bundles that were exported for it as well
    AMX = "amx"  # our own kernels for CPUs that have it; bundles that were exported for them


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
