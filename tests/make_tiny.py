"""Make the tiny models of the tests: real files of every kind, random weights, under 200 KB each.

`python -m tests.make_tiny` writes the bundles under tests/data, which the runtime's tests run
without the export extra. `write_checkpoint` makes a checkpoint as `save_pretrained` would, for the
tests of export. Numpy and safetensors only.
"""

import json
import string
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

DATA = Path(__file__).parent / "data"
HIDDEN, LAYERS, HEADS, WIDE, POSITIONS = 32, 2, 4, 64, 40
WORDS = (
    "the an and or not no of to in on is are was be it this that with for from by at as "
    "good bad great awful film food train bank card dog cat city river house green red blue "
    "runs eats sleeps lives paris berlin seoul anna peter monday 안녕 하세요 서울 날씨"
).split()
PIECES = [*string.ascii_lowercase, *string.digits, *".,!?'-"]
CONTINUED = [f"##{piece}" for piece in [*string.ascii_lowercase, *string.digits, "ing", "ed"]]
BERT_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
MODEL_TYPES = {"Bert": "bert", "Roberta": "roberta", "DistilBert": "distilbert"}

Arrays = dict[str, np.ndarray[Any, Any]]


def write_checkpoint(
    folder: Path, architecture: str = "BertModel", *, labels: int = 3, seed: int = 0, **config: Any
) -> Path:
    """Write a tiny checkpoint of any architecture that the native road builds.

    Args:
        folder: where; made if absent.
        architecture: as transformers names it.
        labels: outputs of a classifier; a token classifier has TAGS.
        seed: of the random weights.
        **config: settings to add to config.json, or to replace there.
    """
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    kind = next(name for name in MODEL_TYPES if architecture.startswith(name))
    vocabulary = write_tokenizer(folder, MODEL_TYPES[kind])
    names = TAGS if "Token" in architecture else [f"label-{i}" for i in range(labels)]
    if "Question" in architecture:
        names = ["LABEL_0", "LABEL_1"]
    settings = tiny_config(kind, architecture, vocabulary, names) | config
    (folder / "config.json").write_text(json.dumps(settings, indent=1))
    layers = settings.get("num_hidden_layers") or settings["n_layers"]
    arrays = tiny_arrays(kind, architecture, vocabulary, len(names), seed, layers)
    save_file(arrays, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def tiny_config(kind: str, architecture: str, vocabulary: int, names: list[str]) -> dict[str, Any]:
    """Make the settings of a tiny model, as transformers writes them."""
    shared = {
        "architectures": [architecture],
        "model_type": MODEL_TYPES[kind],
        "vocab_size": vocabulary,
        "max_position_embeddings": POSITIONS + (2 if kind == "Roberta" else 0),
        "id2label": {str(i): name for i, name in enumerate(names)},
        "label2id": {name: i for i, name in enumerate(names)},
        "pad_token_id": 1 if kind == "Roberta" else 0,
    }
    if kind == "DistilBert":
        sizes = {"dim": HIDDEN, "n_layers": LAYERS, "n_heads": HEADS, "hidden_dim": WIDE}
        return {**shared, **sizes, "activation": "gelu"}
    return {
        **shared,
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": WIDE,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-5 if kind == "Roberta" else 1e-12,
        "type_vocab_size": 1 if kind == "Roberta" else 2,
    }


def tiny_arrays(
    kind: str, architecture: str, vocabulary: int, labels: int, seed: int, layers: int
) -> Arrays:
    """Draw the weights of a tiny model under the checkpoint's own names."""
    rng = np.random.default_rng(seed)
    arrays: Arrays = {}

    def linear(name: str, inputs: int, outputs: int) -> None:
        scale = 1.5 / np.sqrt(inputs)
        arrays[f"{name}.weight"] = rng.normal(0, scale, (outputs, inputs)).astype(np.float32)
        arrays[f"{name}.bias"] = rng.normal(0, 0.1, outputs).astype(np.float32)

    def norm(name: str) -> None:
        arrays[f"{name}.weight"] = rng.normal(1, 0.1, HIDDEN).astype(np.float32)
        arrays[f"{name}.bias"] = rng.normal(0, 0.1, HIDDEN).astype(np.float32)

    def table(name: str, rows: int) -> None:
        arrays[f"{name}.weight"] = rng.normal(0, 1, (rows, HIDDEN)).astype(np.float32)

    prefix = "" if architecture.endswith("Model") else f"{MODEL_TYPES[kind]}."
    table(f"{prefix}embeddings.word_embeddings", vocabulary)
    table(f"{prefix}embeddings.position_embeddings", POSITIONS + 2 * (kind == "Roberta"))
    if kind != "DistilBert":
        table(f"{prefix}embeddings.token_type_embeddings", 1 if kind == "Roberta" else 2)
    norm(f"{prefix}embeddings.LayerNorm")
    block = _draw_distilbert_layer if kind == "DistilBert" else _draw_bert_layer
    for number in range(layers):
        block(prefix, number, linear, norm)
    if kind == "Bert" and architecture in ("BertModel", "BertForSequenceClassification"):
        linear(f"{prefix}pooler.dense", HIDDEN, HIDDEN)
    _draw_head(kind, architecture, labels, linear, norm)
    if "MaskedLM" in architecture:
        bias = {"Bert": "cls.predictions.bias", "Roberta": "lm_head.bias"}
        name = bias.get(kind, "vocab_projector.bias")
        arrays[name] = rng.normal(0, 0.1, vocabulary).astype(np.float32)
    return arrays


def _draw_distilbert_layer(prefix: str, number: int, linear: Any, norm: Any) -> None:
    layer = f"{prefix}transformer.layer.{number}"
    for name in ("q_lin", "k_lin", "v_lin", "out_lin"):
        linear(f"{layer}.attention.{name}", HIDDEN, HIDDEN)
    norm(f"{layer}.sa_layer_norm")
    linear(f"{layer}.ffn.lin1", HIDDEN, WIDE)
    linear(f"{layer}.ffn.lin2", WIDE, HIDDEN)
    norm(f"{layer}.output_layer_norm")


def _draw_bert_layer(prefix: str, number: int, linear: Any, norm: Any) -> None:
    layer = f"{prefix}encoder.layer.{number}"
    for name in ("query", "key", "value"):
        linear(f"{layer}.attention.self.{name}", HIDDEN, HIDDEN)
    linear(f"{layer}.attention.output.dense", HIDDEN, HIDDEN)
    norm(f"{layer}.attention.output.LayerNorm")
    linear(f"{layer}.intermediate.dense", HIDDEN, WIDE)
    linear(f"{layer}.output.dense", WIDE, HIDDEN)
    norm(f"{layer}.output.LayerNorm")


def _draw_head(kind: str, architecture: str, labels: int, linear: Any, norm: Any) -> None:
    if "SequenceClassification" in architecture:
        if kind == "Roberta":
            linear("classifier.dense", HIDDEN, HIDDEN)
            linear("classifier.out_proj", HIDDEN, labels)
            return
        if kind == "DistilBert":
            linear("pre_classifier", HIDDEN, HIDDEN)
        linear("classifier", HIDDEN, labels)
    elif "TokenClassification" in architecture:
        linear("classifier", HIDDEN, labels)
    elif "QuestionAnswering" in architecture:
        linear("qa_outputs", HIDDEN, 2)
    elif "MaskedLM" in architecture:
        dense, vector = {
            "Bert": ("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm"),
            "Roberta": ("lm_head.dense", "lm_head.layer_norm"),
            "DistilBert": ("vocab_transform", "vocab_layer_norm"),
        }[kind]
        linear(dense, HIDDEN, HIDDEN)
        norm(vector)


def write_tokenizer(folder: Path, model_type: str) -> int:
    """Write a tiny tokenizer and return the size of its vocabulary."""
    if model_type == "roberta":
        return _write_byte_level(folder)
    entries = [*BERT_SPECIAL, *PIECES, *CONTINUED, *WORDS]
    (folder / "vocab.txt").write_text("\n".join(entries) + "\n", encoding="utf-8")
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    settings = dict(zip(names, BERT_SPECIAL, strict=True))
    settings |= {"do_lower_case": True, "model_max_length": 512, "tokenizer_class": "BertTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return len(entries)


def _write_byte_level(folder: Path) -> int:
    from tokenizers import pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("Ġ", "t"), ("h", "e"), ("Ġt", "he"), ("i", "n"), ("Ġ", "a"), ("o", "o"), ("Ġ", "g")]
    entries = [*ROBERTA_SPECIAL, *alphabet, *("".join(pair) for pair in merges)]
    vocabulary = {entry: number for number, entry in enumerate(entries)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    names = ("bos_token", "pad_token", "eos_token", "unk_token", "mask_token")
    settings = dict(zip(names, ROBERTA_SPECIAL, strict=True))
    settings |= {"cls_token": "<s>", "sep_token": "</s>", "model_max_length": 512}
    settings["tokenizer_class"] = "RobertaTokenizer"
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return len(entries)


def write_bundles(target: Path) -> None:
    """Write the bundles that the runtime's tests run."""
    from edgebert.manifest import Level, PoolingMode
    from edgebert_export import Recipe, export

    kinds = {
        "tiny-embed": ("BertModel", Level.FP32, False),
        "tiny-embed-int8": ("BertModel", Level.INT8, False),
        "tiny-embed-static": ("BertModel", Level.INT8, True),
        "tiny-classify": ("BertForSequenceClassification", Level.FP32, False),
        "tiny-exits": ("BertModel", Level.INT8, True),
        "tiny-tag": ("DistilBertForTokenClassification", Level.FP32, False),
        "tiny-answer": ("BertForQuestionAnswering", Level.FP32, False),
        "tiny-fill": ("RobertaForMaskedLM", Level.FP32, False),
    }
    with tempfile.TemporaryDirectory() as folder:
        texts = Path(folder) / "texts.txt"
        texts.write_text("the train to seoul\na good film and bad food\nanna lives in paris\n")
        for name, (architecture, level, static) in kinds.items():
            embeds, exits = architecture.endswith("Model"), (1, 2) if name == "tiny-exits" else ()
            layers = {"num_hidden_layers": 3} if exits else {}
            recipe = Recipe(
                model=write_checkpoint(Path(folder) / name, architecture, **layers),
                output=target / name,
                quantize=level,
                calibrate=texts if static else None,
                pooling=PoolingMode.MEAN if embeds else None,
                normalize=True if embeds else None,
                layers_out=3 if exits else 1,
                exits=exits,
                # random weights of width 32 leave int8 little to average over
                min_cosine_mean=0.9,
                min_cosine=0.8,
                overwrite=True,
            )
            export(recipe)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    write_bundles(DATA)
