"""What differs between the families, as data: names of tensors and configuration keys.

Every family here is the same post-norm encoder block (Vaswani et al. 2017; Devlin et al. 2018),
so one canonical encoder serves them all. A table maps its names to the checkpoint's; no code
branches on a family. A linear or norm is named without its `.weight` / `.bias`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from edgebert.manifest import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What stands on the encoder, under the names of the checkpoint."""

    task: Task
    output: str  # the last linear
    dense: str | None = None  # a linear before it
    activation: str | None = None  # after `dense`; None with a `dense`: the encoder's own
    norm: str | None = None  # after the activation
    output_bias: str | None = None  # where the bias stands if not beside the weight
    tied: bool = False  # the output weight may be the word embedding


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One way of naming the canonical encoder."""

    name: str
    prefix: str  # before the encoder's names where a head stands on it
    shape: Mapping[str, str]  # canonical size -> configuration key
    activation_key: str
    embeddings: Mapping[str, str]  # canonical name -> tensor
    layer: Mapping[str, str]  # canonical name -> tensor, {} is the layer's number
    pooler: str | None
    norm_epsilon: float  # where the configuration has no layer_norm_eps
    positions_follow_padding: bool  # position ids start at pad_token_id + 1
    heads: Mapping[str, Head]  # architecture -> head
    encoders: frozenset[str]  # architectures without a head
    required: Mapping[str, object]  # settings that the canonical encoder needs, if present
    embedding_key: str | None = None  # width of the embeddings, where it may differ from `hidden`
    projection: str | None = None  # the linear from that width to `hidden`
    groups_key: str | None = None  # how many layers are stored, where several share one
    distances: str | None = None  # the table of attention biases by relative position
    padding_id: int | None = None  # for positions_follow_padding, where not pad_token_id


_BERT_SHAPE = {
    "layers": "num_hidden_layers",
    "hidden": "hidden_size",
    "heads": "num_attention_heads",
    "intermediate": "intermediate_size",
    "vocabulary": "vocab_size",
    "positions": "max_position_embeddings",
}
_BERT_EMBEDDINGS = {
    "word": "embeddings.word_embeddings",
    "position": "embeddings.position_embeddings",
    "type": "embeddings.token_type_embeddings",
    "norm": "embeddings.LayerNorm",
}
_BERT_LAYER = {
    "q": "encoder.layer.{}.attention.self.query",
    "k": "encoder.layer.{}.attention.self.key",
    "v": "encoder.layer.{}.attention.self.value",
    "o": "encoder.layer.{}.attention.output.dense",
    "attention_norm": "encoder.layer.{}.attention.output.LayerNorm",
    "f1": "encoder.layer.{}.intermediate.dense",
    "f2": "encoder.layer.{}.output.dense",
    "ffn_norm": "encoder.layer.{}.output.LayerNorm",
}
_ABSOLUTE = {
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
}

BERT = Family(
    name="bert",
    prefix="bert.",
    shape=_BERT_SHAPE,
    activation_key="hidden_act",
    embeddings=_BERT_EMBEDDINGS,
    layer=_BERT_LAYER,
    pooler="pooler.dense",
    norm_epsilon=1e-12,
    positions_follow_padding=False,
    heads={
        "BertForSequenceClassification": Head(
            task=Task.CLASSIFY,
            dense="bert.pooler.dense",
            activation="tanh",
            output="classifier",
        ),
        "BertForTokenClassification": Head(task=Task.TAG, output="classifier"),
        "BertForQuestionAnswering": Head(task=Task.ANSWER, output="qa_outputs"),
        "BertForMaskedLM": Head(
            task=Task.FILL,
            dense="cls.predictions.transform.dense",
            norm="cls.predictions.transform.LayerNorm",
            output="cls.predictions.decoder",
            output_bias="cls.predictions.bias",
            tied=True,
        ),
    },
    encoders=frozenset({"BertModel"}),
    required=_ABSOLUTE,
)

ROBERTA = Family(
    name="roberta",
    prefix="roberta.",
    shape=_BERT_SHAPE,
    activation_key="hidden_act",
    embeddings=_BERT_EMBEDDINGS,
    layer=_BERT_LAYER,
    pooler="pooler.dense",
    norm_epsilon=1e-12,  # the default of transformers; published ones state 1e-5
    positions_follow_padding=True,
    heads={
        "RobertaForSequenceClassification": Head(
            task=Task.CLASSIFY,
            dense="classifier.dense",
            activation="tanh",
            output="classifier.out_proj",
        ),
        "RobertaForTokenClassification": Head(task=Task.TAG, output="classifier"),
        "RobertaForQuestionAnswering": Head(task=Task.ANSWER, output="qa_outputs"),
        "RobertaForMaskedLM": Head(
            task=Task.FILL,
            dense="lm_head.dense",
            activation="gelu",  # whatever the encoder has: transformers fixes it
            norm="lm_head.layer_norm",
            output="lm_head.decoder",
            output_bias="lm_head.bias",
            tied=True,
        ),
    },
    encoders=frozenset({"RobertaModel"}),
    required=_ABSOLUTE,
)

DISTILBERT = Family(
    name="distilbert",
    prefix="distilbert.",
    shape={
        "layers": "n_layers",
        "hidden": "dim",
        "heads": "n_heads",
        "intermediate": "hidden_dim",
        "vocabulary": "vocab_size",
        "positions": "max_position_embeddings",
    },
    activation_key="activation",
    embeddings={
        "word": "embeddings.word_embeddings",
        "position": "embeddings.position_embeddings",
        "norm": "embeddings.LayerNorm",
    },
    layer={
        "q": "transformer.layer.{}.attention.q_lin",
        "k": "transformer.layer.{}.attention.k_lin",
        "v": "transformer.layer.{}.attention.v_lin",
        "o": "transformer.layer.{}.attention.out_lin",
        "attention_norm": "transformer.layer.{}.sa_layer_norm",
        "f1": "transformer.layer.{}.ffn.lin1",
        "f2": "transformer.layer.{}.ffn.lin2",
        "ffn_norm": "transformer.layer.{}.output_layer_norm",
    },
    pooler=None,
    norm_epsilon=1e-12,
    positions_follow_padding=False,
    heads={
        "DistilBertForSequenceClassification": Head(
            task=Task.CLASSIFY,
            dense="pre_classifier",
            activation="relu",
            output="classifier",
        ),
        "DistilBertForTokenClassification": Head(task=Task.TAG, output="classifier"),
        "DistilBertForQuestionAnswering": Head(task=Task.ANSWER, output="qa_outputs"),
        "DistilBertForMaskedLM": Head(
            task=Task.FILL,
            dense="vocab_transform",
            norm="vocab_layer_norm",
            output="vocab_projector",
            tied=True,
        ),
    },
    encoders=frozenset({"DistilBertModel"}),
    required={},
)


def _renamed(family: Family, name: str, old: str, new: str) -> Family:
    """Give a family whose checkpoints differ from another's in the names of architectures only."""
    return replace(
        family,
        name=name,
        heads={key.replace(old, new): head for key, head in family.heads.items()},
        encoders=frozenset(key.replace(old, new) for key in family.encoders),
    )


XLM_ROBERTA = _renamed(ROBERTA, "xlm-roberta", "Roberta", "XLMRoberta")
CAMEMBERT = _renamed(ROBERTA, "camembert", "Roberta", "Camembert")

ELECTRA = Family(
    name="electra",
    prefix="electra.",
    shape=_BERT_SHAPE,
    activation_key="hidden_act",
    embeddings=_BERT_EMBEDDINGS,
    layer=_BERT_LAYER,
    pooler=None,
    norm_epsilon=1e-12,
    positions_follow_padding=False,
    heads={
        "ElectraForSequenceClassification": Head(
            task=Task.CLASSIFY,
            dense="classifier.dense",
            activation="gelu",  # transformers fixes it
            output="classifier.out_proj",
        ),
        "ElectraForTokenClassification": Head(task=Task.TAG, output="classifier"),
        "ElectraForQuestionAnswering": Head(task=Task.ANSWER, output="qa_outputs"),
        "ElectraForMaskedLM": Head(
            task=Task.FILL,
            dense="generator_predictions.dense",
            activation="gelu",
            norm="generator_predictions.LayerNorm",
            output="generator_lm_head",
            tied=True,
        ),
    },
    encoders=frozenset({"ElectraModel"}),
    required=_ABSOLUTE,
    embedding_key="embedding_size",
    projection="embeddings_project",
)

_ALBERT_LAYER = "encoder.albert_layer_groups.{}.albert_layers.0."
ALBERT = Family(
    name="albert",
    prefix="albert.",
    shape=_BERT_SHAPE,
    activation_key="hidden_act",
    embeddings=_BERT_EMBEDDINGS,
    layer={
        "q": f"{_ALBERT_LAYER}attention.query",
        "k": f"{_ALBERT_LAYER}attention.key",
        "v": f"{_ALBERT_LAYER}attention.value",
        "o": f"{_ALBERT_LAYER}attention.dense",
        "attention_norm": f"{_ALBERT_LAYER}attention.LayerNorm",
        "f1": f"{_ALBERT_LAYER}ffn",
        "f2": f"{_ALBERT_LAYER}ffn_output",
        "ffn_norm": f"{_ALBERT_LAYER}full_layer_layer_norm",
    },
    pooler="pooler",
    norm_epsilon=1e-12,
    positions_follow_padding=False,
    heads={
        "AlbertForSequenceClassification": Head(
            task=Task.CLASSIFY, dense="albert.pooler", activation="tanh", output="classifier"
        ),
        "AlbertForTokenClassification": Head(task=Task.TAG, output="classifier"),
        "AlbertForQuestionAnswering": Head(task=Task.ANSWER, output="qa_outputs"),
        "AlbertForMaskedLM": Head(
            task=Task.FILL,
            dense="predictions.dense",
            norm="predictions.LayerNorm",
            output="predictions.decoder",
            output_bias="predictions.bias",
            tied=True,
        ),
    },
    encoders=frozenset({"AlbertModel"}),
    required={**_ABSOLUTE, "inner_group_num": 1},
    embedding_key="embedding_size",
    projection="encoder.embedding_hidden_mapping_in",
    groups_key="num_hidden_groups",
)

MPNET = Family(
    name="mpnet",
    prefix="mpnet.",
    shape=_BERT_SHAPE,
    activation_key="hidden_act",
    embeddings={key: name for key, name in _BERT_EMBEDDINGS.items() if key != "type"},
    layer={
        "q": "encoder.layer.{}.attention.attn.q",
        "k": "encoder.layer.{}.attention.attn.k",
        "v": "encoder.layer.{}.attention.attn.v",
        "o": "encoder.layer.{}.attention.attn.o",
        "attention_norm": "encoder.layer.{}.attention.LayerNorm",
        "f1": "encoder.layer.{}.intermediate.dense",
        "f2": "encoder.layer.{}.output.dense",
        "ffn_norm": "encoder.layer.{}.output.LayerNorm",
    },
    pooler="pooler.dense",
    norm_epsilon=1e-12,
    positions_follow_padding=True,
    heads={
        "MPNetForSequenceClassification": Head(
            task=Task.CLASSIFY,
            dense="classifier.dense",
            activation="tanh",
            output="classifier.out_proj",
        ),
        "MPNetForTokenClassification": Head(task=Task.TAG, output="classifier"),
        "MPNetForQuestionAnswering": Head(task=Task.ANSWER, output="qa_outputs"),
        "MPNetForMaskedLM": Head(
            task=Task.FILL,
            dense="lm_head.dense",
            activation="gelu",
            norm="lm_head.layer_norm",
            output="lm_head.decoder",
            output_bias="lm_head.bias",
            tied=True,
        ),
    },
    encoders=frozenset({"MPNetModel"}),
    required={"is_decoder": False},
    distances="encoder.relative_attention_bias",
    padding_id=1,  # transformers fixes it, whatever pad_token_id says
)

FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (BERT, ROBERTA, DISTILBERT, XLM_ROBERTA, CAMEMBERT, ELECTRA, ALBERT, MPNET)
}


def supported_architectures() -> list[str]:
    """List every architecture that the native road builds."""
    return sorted(
        name for family in FAMILIES.values() for name in (*family.encoders, *family.heads)
    )
