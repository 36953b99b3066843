"""The canonical encoder: one naming of sizes and tensors for every family.

Reads a checkpoint through its family's table. Linear weights are turned to (in, out), token types
that never vary are folded into the positions, and the rows that a RoBERTa position table keeps for
padding are dropped, so that nothing after this file knows the family.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgebert.manifest import Encoder
from edgebert.results import Floats
from edgebert_export.checkpoint import Checkpoint
from edgebert_export.errors import ExportError, UnsupportedModelError
from edgebert_export.families import FAMILIES, Family, Head, supported_architectures

ACTIVATIONS = {
    "gelu": "gelu",
    "relu": "relu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
}
LINEARS = ("q", "k", "v", "o", "f1", "f2")
NORMS = ("attention_norm", "ffn_norm")


@dataclass(frozen=True, slots=True)
class Linear:
    """y = x @ weight + bias."""

    weight: Floats  # (in, out)
    bias: Floats  # (out,)


@dataclass(frozen=True, slots=True)
class Norm:
    """Layer normalization's two vectors."""

    weight: Floats  # (H,)
    bias: Floats  # (H,)


@dataclass(frozen=True, slots=True)
class HeadWeights:
    """What stands on the encoder."""

    head: Head
    dense: Linear | None
    activation: str | None
    norm: Norm | None
    output: Linear
    tied: bool  # the output's weight is the word embedding


@dataclass(frozen=True, slots=True)
class Model:
    """A checkpoint in canonical form."""

    family: Family
    architecture: str
    encoder: Encoder
    activation: str
    epsilon: float
    positions: int  # rows that real tokens may take
    word: Floats  # (V, E); E is H unless there is a projection
    position: Floats  # (positions, E); row 0 is the first token's
    types: Floats | None  # (S, E); None where the family has no token types
    embedding_norm: Norm
    projection: Linear | None  # E to H
    distances: Floats | None  # (buckets, heads): attention bias by relative position
    stores: tuple[int, ...]  # per layer, the stored layer it uses: its own unless layers share
    linears: Mapping[str, Linear]  # "3.f1" -> stored layer 3's first feed-forward linear
    norms: Mapping[str, Norm]  # "3.ffn_norm"
    pooler: Linear | None
    head: HeadWeights | None


def read_model(checkpoint: Checkpoint, *, encoder_only: bool = False) -> Model:
    """Read a checkpoint of any known family.

    Args:
        checkpoint: the opened checkpoint.
        encoder_only: leave a head aside and take the encoder below it.

    Raises:
        UnsupportedModelError: the architecture, or a setting of it, is not one that is built.
        ExportError: a tensor is missing or disagrees with the configuration.
    """
    architecture, family = identify(checkpoint)
    sizes = _sizes(checkpoint, family)
    encoder = Encoder(**{name: sizes[name] for name in sizes if name != "positions"})
    if encoder.hidden % encoder.heads:
        raise ExportError(
            f"{checkpoint.path}: hidden size {encoder.hidden} is not a multiple of "
            f"{encoder.heads} attention heads"
        )
    first = f"{family.prefix}{family.embeddings['word']}.weight"
    prefix = family.prefix if first in checkpoint.loaders else ""
    reader = _TensorReader(checkpoint, prefix)
    hidden, wide = encoder.hidden, encoder.intermediate
    widths = dict.fromkeys(("q", "k", "v", "o"), (hidden, hidden))
    widths |= {"f1": (hidden, wide), "f2": (wide, hidden)}
    head = None if encoder_only else family.heads.get(architecture)
    width = checkpoint.count(family.embedding_key, least=1) if family.embedding_key else hidden
    word = reader.table(family.embeddings["word"], (encoder.vocabulary, width))
    position = reader.table(family.embeddings["position"], (sizes["positions"], width))
    position = position[_position_offset(checkpoint, family, len(position)) :]
    activation = _activation(checkpoint, family)
    stores = _stores(checkpoint, family, encoder.layers)
    projects = family.projection is not None and reader.has(family.projection)
    return Model(
        family=family,
        architecture=architecture,
        encoder=encoder,
        activation=activation,
        epsilon=_epsilon(checkpoint, family),
        positions=len(position),
        word=word,
        position=position,
        types=_types(checkpoint, family, reader, width),
        embedding_norm=reader.norm(family.embeddings["norm"], width),
        projection=reader.linear(family.projection or "", width, hidden) if projects else None,
        distances=_distances(family, reader, encoder.heads),
        stores=stores,
        linears={
            f"{number}.{name}": reader.linear(family.layer[name].format(number), *widths[name])
            for number in sorted(set(stores))
            for name in LINEARS
        },
        norms={
            f"{number}.{name}": reader.norm(family.layer[name].format(number), hidden)
            for number in sorted(set(stores))
            for name in NORMS
        },
        pooler=_pooler(reader, family, hidden),
        head=_read_head(checkpoint, head, activation, word, hidden) if head else None,
    )


def _stores(checkpoint: Checkpoint, family: Family, layers: int) -> tuple[int, ...]:
    if family.groups_key is None:
        return tuple(range(layers))
    groups = checkpoint.count(family.groups_key, least=1)
    return tuple(number * groups // layers for number in range(layers))


def _distances(family: Family, reader: "_TensorReader", heads: int) -> Floats | None:
    if family.distances is None:
        return None
    buckets = reader.checkpoint.count("relative_attention_num_buckets", least=1, default=32)
    return reader.table(family.distances, (buckets, heads))


def identify(checkpoint: Checkpoint) -> tuple[str, Family]:
    """Find the family and the one architecture that a configuration states."""
    config, path = checkpoint.config, checkpoint.path
    stated = config.get("architectures")
    known = ", ".join(supported_architectures())
    if not isinstance(stated, list) or len(stated) != 1 or not isinstance(stated[0], str):
        raise UnsupportedModelError(
            f"{path}: config.json states architectures {stated!r}; expected exactly one of: {known}"
        )
    architecture = stated[0]
    for family in FAMILIES.values():
        if architecture in family.heads or architecture in family.encoders:
            break
    else:
        raise UnsupportedModelError(
            f"{path}: architecture {architecture!r} is not one that edgebert builds; it builds: "
            f"{known}"
        )
    model_type = config.get("model_type", family.name)
    if model_type != family.name:
        raise UnsupportedModelError(
            f"{path}: config.json says model_type {model_type!r} and architecture "
            f"{architecture!r}; the two are of different families"
        )
    for key, wanted in family.required.items():
        if config.get(key, wanted) != wanted:
            raise UnsupportedModelError(
                f"{path}: config.json says {key} = {config[key]!r}; only {wanted!r} is built"
            )
    return architecture, family


def _sizes(checkpoint: Checkpoint, family: Family) -> dict[str, int]:
    return {name: checkpoint.count(key, least=1) for name, key in family.shape.items()}


def _epsilon(checkpoint: Checkpoint, family: Family) -> float:
    value = checkpoint.config.get("layer_norm_eps", family.norm_epsilon)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ExportError(
            f"{checkpoint.path}: config.json says layer_norm_eps = {value!r}, expected a number "
            "over 0"
        )
    return float(value)


def _activation(checkpoint: Checkpoint, family: Family) -> str:
    stated = checkpoint.config.get(family.activation_key, "gelu")
    if not isinstance(stated, str) or stated not in ACTIVATIONS:
        raise UnsupportedModelError(
            f"{checkpoint.path}: activation {stated!r} is not built; "
            f"known: {', '.join(ACTIVATIONS)}"
        )
    return ACTIVATIONS[stated]


def _position_offset(checkpoint: Checkpoint, family: Family, rows: int) -> int:
    if not family.positions_follow_padding:
        return 0
    padding = checkpoint.count("pad_token_id", least=0, default=1)
    offset = (padding if family.padding_id is None else family.padding_id) + 1
    if offset >= rows:
        raise ExportError(
            f"{checkpoint.path}: config.json says pad_token_id = {offset - 1}, which leaves no "
            f"token any of the {rows} positions"
        )
    return offset


def _types(
    checkpoint: Checkpoint, family: Family, reader: "_TensorReader", hidden: int
) -> Floats | None:
    if "type" not in family.embeddings:
        return None
    kinds = checkpoint.count("type_vocab_size", least=1, default=2)
    return reader.table(family.embeddings["type"], (kinds, hidden))


def _pooler(reader: "_TensorReader", family: Family, hidden: int) -> Linear | None:
    if family.pooler is None or not reader.has(family.pooler):
        return None
    return reader.linear(family.pooler, hidden, hidden)


def _read_head(
    checkpoint: Checkpoint, head: Head, activation: str, word: Floats, hidden: int
) -> HeadWeights:
    reader = _TensorReader(checkpoint, "")
    width = word.shape[1] if head.tied else hidden  # a vocabulary head ends at the embeddings'
    try:
        dense = reader.linear(head.dense, hidden, width) if head.dense else None
        norm = reader.norm(head.norm, width) if head.norm else None
        output, tied = _output(reader, head, word, width)
    except ExportError as error:
        raise ExportError(
            f"{error}. config.json promises a head for {head.task.value!r} that the weights do not "
            "hold: either the checkpoint is of the bare encoder, or its `architectures` is wrong"
        ) from error
    return HeadWeights(
        head=head,
        dense=dense,
        activation=(head.activation or activation) if dense else None,
        norm=norm,
        output=output,
        tied=tied,
    )


def _output(reader: "_TensorReader", head: Head, word: Floats, width: int) -> tuple[Linear, bool]:
    weight_name = f"{head.output}.weight"
    # transformers ties whenever the configuration says so, whatever the file holds beside it
    if head.tied and reader.checkpoint.config.get("tie_word_embeddings", True):
        weight = word
    else:
        weight = reader.checkpoint.tensor(weight_name)
        if weight.ndim != 2 or weight.shape[1] != width:
            raise ExportError(
                f"{reader.checkpoint.path}: tensor {weight_name!r} is {weight.shape}, expected "
                f"(labels, {width})"
            )
    bias_name = head.output_bias or f"{head.output}.bias"
    bias = reader.checkpoint.tensor(bias_name, (weight.shape[0],))
    tied = head.tied and np.array_equal(weight, word)
    return Linear(np.ascontiguousarray(weight.T), bias), tied


@dataclass(frozen=True, slots=True)
class _TensorReader:
    checkpoint: Checkpoint
    prefix: str

    def has(self, name: str) -> bool:
        return f"{self.prefix}{name}.weight" in self.checkpoint.loaders

    def table(self, name: str, shape: tuple[int, int]) -> Floats:
        return self.checkpoint.tensor(f"{self.prefix}{name}.weight", shape)

    def linear(self, name: str, inputs: int, outputs: int) -> Linear:
        full = f"{self.prefix}{name}"
        weight = self.checkpoint.tensor(f"{full}.weight", (outputs, inputs))
        return Linear(
            np.ascontiguousarray(weight.T), self.checkpoint.tensor(f"{full}.bias", (outputs,))
        )

    def norm(self, name: str, hidden: int) -> Norm:
        full = f"{self.prefix}{name}"
        return Norm(
            self.checkpoint.tensor(f"{full}.weight", (hidden,)),
            self.checkpoint.tensor(f"{full}.bias", (hidden,)),
        )


def labels_of(config: Mapping[str, Any], count: int) -> tuple[str, ...]:
    """Read the label names in order of their ids.

    Raises:
        ExportError: `id2label` does not name exactly the head's outputs.
    """
    stated = config.get("id2label") or {str(i): f"LABEL_{i}" for i in range(count)}
    if not isinstance(stated, dict):
        raise ExportError(f"config.json: id2label is {type(stated).__name__}, expected an object")
    names = {str(key): str(value) for key, value in stated.items()}
    if set(names) != {str(i) for i in range(count)}:
        raise ExportError(
            f"config.json: id2label names {len(names)} labels, the head has {count} outputs; "
            "correct id2label"
        )
    ordered = tuple(names[str(i)] for i in range(count))
    double = next((name for name in ordered if ordered.count(name) > 1), None)
    if double is not None:
        raise ExportError(
            f"config.json: id2label gives {double!r} to several outputs; results could not be "
            "told apart, correct id2label"
        )
    return ordered
