"""Small random encoders in memory, with the strong channels and neurons that real ones have."""

import numpy as np

from edgebert.manifest import Encoder, Pooling, PoolingMode, Task
from edgebert.results import Floats
from edgebert_export.canonical import HeadWeights, Linear, Model, Norm
from edgebert_export.families import FAMILIES
from edgebert_export.heads import Outputs

LAYERS, HIDDEN, HEADS, WIDE, VOCABULARY, POSITIONS = 2, 32, 4, 96, 60, 40
STRONG = 3  # a channel of the layer norms, and a neuron of every feed-forward layer
MASK_ID = 4
MEAN = Pooling(mode=PoolingMode.MEAN, normalize=True)
EMBED = Outputs(Task.EMBED, MEAN, None)
FILL = Outputs(Task.FILL, None, MASK_ID)


def random_model(seed: int = 0, *, zero_rows: tuple[int, ...] = ()) -> Model:
    """Make a BERT with a masked LM head; the embeddings of some tokens may be all zero."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int, scale: float = 1.0) -> Floats:
        return (rng.standard_normal(shape) * scale).astype(np.float32)

    def linear(inputs: int, outputs: int) -> Linear:
        return Linear(normal(inputs, outputs, scale=inputs**-0.5), normal(outputs, scale=0.1))

    def norm() -> Norm:
        weight = np.ones(HIDDEN, np.float32)
        weight[STRONG] = 12
        return Norm(weight, normal(HIDDEN, scale=0.1))

    linears, norms = {}, {}
    for number in range(LAYERS):
        for name in ("q", "k", "v", "o"):
            linears[f"{number}.{name}"] = linear(HIDDEN, HIDDEN)
        wide, narrow = linear(HIDDEN, WIDE), linear(WIDE, HIDDEN)
        wide.weight[:, STRONG] *= 8
        linears[f"{number}.v"].weight[:, STRONG] *= 30
        linears[f"{number}.o"].weight[STRONG] /= 30
        linears |= {f"{number}.f1": wide, f"{number}.f2": narrow}
        norms |= {f"{number}.{name}": norm() for name in ("attention_norm", "ffn_norm")}
    word = normal(VOCABULARY, HIDDEN)
    word[list(zero_rows)] = 0
    output = Linear(np.ascontiguousarray(word.T), normal(VOCABULARY, scale=0.1))
    return Model(
        family=FAMILIES["bert"],
        architecture="BertForMaskedLM",
        encoder=Encoder(
            layers=LAYERS, hidden=HIDDEN, heads=HEADS, intermediate=WIDE, vocabulary=VOCABULARY
        ),
        activation="gelu",
        epsilon=1e-12,
        positions=POSITIONS,
        word=word,
        position=normal(POSITIONS, HIDDEN),
        types=normal(2, HIDDEN),
        embedding_norm=norm(),
        projection=None,
        distances=None,
        stores=tuple(range(LAYERS)),
        linears=linears,
        norms=norms,
        pooler=None,
        head=HeadWeights(
            head=FAMILIES["bert"].heads["BertForMaskedLM"],
            dense=linear(HIDDEN, HIDDEN),
            activation="gelu",
            norm=norm(),
            output=output,
            tied=True,
        ),
    )


def token_rows(count: int = 12, seed: int = 1) -> list[list[int]]:
    """Draw rows of token ids between a first and a last special token."""
    rng = np.random.default_rng(seed)
    return [
        [2, *rng.integers(5, VOCABULARY, rng.integers(1, 20)).tolist(), 3] for _ in range(count)
    ]
