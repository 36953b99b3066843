"""Random tiny checkpoints of encoders that edgebert does not build itself, as data.

Written by transformers, with a tokenizer of the kind that the family has.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from tests.make_tiny import WORDS, write_tokenizer

SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}
NARROW = {"embedding_size": 32}
DEBERTA: dict[str, Any] = {
    "relative_attention": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_biased_input": False,
    "type_vocab_size": 0,
    "pooler_hidden_size": 32,
}
DEBERTA_V2 = DEBERTA | {
    "position_buckets": 16,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "max_relative_positions": -1,
}
MODERN = {"local_attention": 16, "global_attn_every_n_layers": 2, "cls_token_id": 0}
# model type -> transformers' class prefix, kind of tokenizer, what makes the family itself
FAMILIES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "convbert": ("ConvBert", "bert", NARROW),
    "data2vec-text": ("Data2VecText", "roberta", {"pad_token_id": 1}),
    "deberta": ("Deberta", "roberta", DEBERTA),
    "deberta-v2": ("DebertaV2", "unigram", DEBERTA_V2),
    "megatron-bert": ("MegatronBert", "bert", {}),
    "modernbert": ("ModernBert", "roberta", MODERN | {"pad_token_id": 1}),
    "rembert": ("RemBert", "bert", {"input_embedding_size": 32, "output_embedding_size": 32}),
    "roformer": ("RoFormer", "bert", NARROW),
    "squeezebert": ("SqueezeBert", "bert", NARROW),
}
UNIGRAM_SPECIAL = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]


def write_model(folder: Path, family: str, head: str, *, labels: int = 3) -> Path:
    """Write a checkpoint; weights bigger than usual, so that differences show."""
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    prefix, kind, extra = FAMILIES[family]
    vocabulary = write_unigram(folder) if kind == "unigram" else write_tokenizer(folder, kind)
    labels = 2 if "Question" in head else labels
    configure = getattr(transformers, f"{prefix}Config")
    config = configure(**SHAPE | extra, vocab_size=vocabulary, num_labels=labels)
    model = getattr(transformers, f"{prefix}{head}")(config).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, 0, 0.25)
        else:
            parameter.data.add_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained(folder)
    return folder


def write_unigram(folder: Path) -> int:
    """Write a SentencePiece-like tokenizer, as DeBERTa-v3 has; gives the vocabulary's size."""
    letters = sorted({letter for word in WORDS for letter in word})
    pieces = [f"\u2581{word}" for word in WORDS] + ["\u2581", *letters]
    scores = [(piece, -1.0 - number / 10) for number, piece in enumerate(pieces)]
    tokenizer = Tokenizer(models.Unigram([(p, 0.0) for p in UNIGRAM_SPECIAL] + scores, unk_id=3))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
    )
    tokenizer.add_special_tokens(UNIGRAM_SPECIAL)
    tokenizer.save(str(folder / "tokenizer.json"))
    return int(tokenizer.get_vocab_size())


def torch_outputs(folder: Path, bundle: Path, text: str | tuple[str, str]) -> dict[str, Any]:
    """Run transformers on one text, tokenized by the bundle's file."""
    config = transformers.AutoConfig.from_pretrained(folder)
    model = getattr(transformers, config.architectures[0]).from_pretrained(
        folder, attn_implementation="eager"
    )
    encoded = Tokenizer.from_file(str(bundle / "tokenizer.json")).encode(
        *((text,) if isinstance(text, str) else text)
    )
    feeds = {"input_ids": torch.tensor([encoded.ids])}
    if getattr(config, "type_vocab_size", 0) > 1:
        feeds["token_type_ids"] = torch.tensor([encoded.type_ids])
    with torch.no_grad():
        outputs = model.eval()(**feeds)
    found = {name: value[0].numpy() for name, value in outputs.items() if hasattr(value, "numpy")}
    return found | {"ids": np.array(encoded.ids)}


def run_masked(bundle: Path, rows: list[list[int]], padding: int) -> list[np.ndarray[Any, Any]]:
    """Run the masked graph on padded rows, as another tool would, and give its last output."""
    width = max(map(len, rows))
    ids = np.array([row + [padding] * (width - len(row)) for row in rows])
    mask = np.array([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    session = onnxruntime.InferenceSession(
        bundle / "model_masked.onnx", providers=["CPUExecutionProvider"]
    )
    feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    names = [value.name for value in session.get_inputs()]
    (found,) = session.run([session.get_outputs()[-1].name], {name: feeds[name] for name in names})
    return list(found)
