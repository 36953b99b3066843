"""Tokenizers of kinds that no package carries, trained on real text at test time.

Settings are fixed; the vocabulary may differ from one release of tokenizers to the next, which
changes no test: both sides read the same files.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from tokenizers import (
    AddedToken,
    Tokenizer,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from tokenizers.implementations import ByteLevelBPETokenizer

BERT = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
ROBERTA = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
VOCABULARY = 8000


def write_klue_style(folder: Path, texts: Sequence[str]) -> Path:
    """Write what klue/roberta-base has: a RoBERTa whose tokenizer is a cased BERT WordPiece."""
    folder.mkdir()
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=VOCABULARY, special_tokens=list(BERT), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.model.save(str(folder))
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": False}
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    _write(folder, settings | dict(zip(names, BERT, strict=True)), "roberta")
    return folder


def write_byte_level(folder: Path, texts: Sequence[str], *, spaced: bool = False) -> Path:
    """Write what roberta-base has: byte-level BPE in vocab.json and merges.txt."""
    folder.mkdir()
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(
        texts, vocab_size=VOCABULARY, special_tokens=list(ROBERTA), show_progress=False
    )
    tokenizer.save_model(str(folder))
    settings = {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": spaced}
    _write(folder, settings, "roberta")
    return folder


def write_byte_level_json(folder: Path, texts: Sequence[str]) -> Path:
    """Write byte-level BPE as tokenizer.json, its mask token taking the space before it."""
    write_byte_level(folder, texts)
    bpe = models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt"))
    tokenizer = Tokenizer(bpe)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    tokenizer.add_special_tokens([*ROBERTA[:4], AddedToken("<mask>", lstrip=True)])
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def _write(folder: Path, settings: Mapping[str, object], model_type: str) -> None:
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
