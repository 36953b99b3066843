"""Checkpoints of common shapes with random weights: for speed and memory, never for accuracy.

python -m bench.shapes bert-base FOLDER
"""

import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

SHAPES = {  # layers, hidden, heads, intermediate, vocabulary
    "minilm-l6": (6, 384, 12, 1536, 30522),
    "bert-base": (12, 768, 12, 3072, 30522),
}
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def main() -> int:
    """Write the checkpoint that the command line names."""
    write(sys.argv[1], Path(sys.argv[2]))
    return 0


def write(name: str, folder: Path) -> None:
    """Write a BERT of a shape, its weights drawn as BERT's are before training."""
    layers, hidden, heads, wide, vocabulary = SHAPES[name]
    rng = np.random.default_rng(0)
    arrays = {}

    def draw(key: str, *shape: int) -> None:
        arrays[f"{key}.weight"] = rng.normal(0, 0.02, shape).astype(np.float32)

    def linear(key: str, inputs: int, outputs: int) -> None:
        draw(key, outputs, inputs)
        arrays[f"{key}.bias"] = np.zeros(outputs, np.float32)

    def norm(key: str) -> None:
        arrays[f"{key}.weight"] = np.ones(hidden, np.float32)
        arrays[f"{key}.bias"] = np.zeros(hidden, np.float32)

    draw("embeddings.word_embeddings", vocabulary, hidden)
    draw("embeddings.position_embeddings", 512, hidden)
    draw("embeddings.token_type_embeddings", 2, hidden)
    norm("embeddings.LayerNorm")
    for number in range(layers):
        layer = f"encoder.layer.{number}"
        for part in ("query", "key", "value"):
            linear(f"{layer}.attention.self.{part}", hidden, hidden)
        linear(f"{layer}.attention.output.dense", hidden, hidden)
        norm(f"{layer}.attention.output.LayerNorm")
        linear(f"{layer}.intermediate.dense", hidden, wide)
        linear(f"{layer}.output.dense", wide, hidden)
        norm(f"{layer}.output.LayerNorm")
    folder.mkdir(parents=True, exist_ok=True)
    save_file(arrays, folder / "model.safetensors", metadata={"format": "pt"})
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "intermediate_size": wide,
        "vocab_size": vocabulary,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "hidden_act": "gelu",
    }
    (folder / "config.json").write_text(json.dumps(config))
    write_tokenizer(folder, vocabulary)


def write_tokenizer(folder: Path, vocabulary: int) -> None:
    """Write a tokenizer of letters and made-up words that fills the vocabulary."""
    letters = [*"abcdefghijklmnopqrstuvwxyz0123456789.,!?'-"]
    words = [*SPECIAL, *letters, *(f"##{letter}" for letter in letters)]
    words += [f"w{number}" for number in range(vocabulary - len(words))]
    table = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordPiece(table, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(folder / "tokenizer.json"))


if __name__ == "__main__":
    sys.exit(main())
