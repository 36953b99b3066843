"""Read a checkpoint's tokenizer, whichever files it comes in, into one `tokenizers.Tokenizer`.

`tokenizer.json` is taken as it is but for three things: padding and truncation are switched off,
and what transformers sets on top of it when it loads is set here, so that ids are the same.
Without it, WordPiece is built from `vocab.txt` and byte-level BPE from `vocab.json` and
`merges.txt`, as transformers' converters build them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

from edgebert_export.checkpoint import read_json_object
from edgebert_export.errors import ExportError

NO_LIMIT = 1_000_000  # transformers writes 1e30 for "no limit"; no position table is this long
SPECIAL = ("unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
BERT_SPECIAL = ("[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]")
ROBERTA_SPECIAL = ("<unk>", "</s>", "<pad>", "<s>", "<mask>")
# classes of transformers that set the normalizer anew when they load, and the model types that
# have them where `tokenizer_config.json` names no class
BERT_CLASSES = ("BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "MPNetTokenizer")
BERT_MODEL_TYPES = ("bert", "distilbert", "electra", "mpnet")
ROBERTA_CLASSES, ROBERTA_MODEL_TYPES = ("RobertaTokenizer",), ("roberta",)
FLAGS = ("lstrip", "rstrip", "single_word", "normalized")  # of an added token


@dataclass(frozen=True, slots=True)
class TokenizerFiles:
    """A checkpoint's tokenizer and what its configuration says besides."""

    tokenizer: Tokenizer
    max_tokens: int | None
    unknown_id: int | None
    mask_token: str | None
    special: Mapping[str, str] = field(default_factory=dict)  # by role, as in SPECIAL


def read_tokenizer(folder: Path, vocabulary: int) -> TokenizerFiles:
    """Read the tokenizer of a checkpoint.

    Args:
        folder: the checkpoint.
        vocabulary: rows of the word embedding table.

    Raises:
        ExportError: there is none, it is damaged, or it gives ids that the table has no row for.
    """
    config = read_json_object(folder / "tokenizer_config.json") or {}
    special = read_json_object(folder / "special_tokens_map.json") or {}
    names = {key: _token_text(config.get(key, special.get(key))) for key in SPECIAL}
    try:
        tokenizer = _open(folder, config, names)
        _add_stated(tokenizer, folder, config, special)
    except ExportError:
        raise
    except Exception as error:  # the tokenizers library raises bare Exception
        raise ExportError(f"{folder}: its tokenizer is damaged: {error}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    _check_vocabulary(folder, tokenizer, vocabulary)
    limit = config.get("model_max_length")
    special = {
        key: names[key] or next((token for token in usual if _has(tokenizer, token)), None)
        for key, *usual in zip(SPECIAL, BERT_SPECIAL, ROBERTA_SPECIAL, strict=True)
    }
    unknown = special["unk_token"]
    # a role that is not stated goes to no ordinary piece of the vocabulary: "<mask>" may be one
    known = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
    known |= {token for token in names.values() if token and _has(tokenizer, token)}
    return TokenizerFiles(
        tokenizer=tokenizer,
        max_tokens=int(limit) if isinstance(limit, int | float) and limit < NO_LIMIT else None,
        unknown_id=tokenizer.token_to_id(unknown) if unknown else None,
        mask_token=special["mask_token"],
        special={key: token for key, token in special.items() if token in known},
    )


def set_lower_case(tokenizer: Tokenizer) -> None:
    """Put lower-casing before the normalizer, as sentence-transformers' `do_lower_case` does."""
    own = tokenizer.normalizer
    steps = [] if own is None else list(own) if isinstance(own, normalizers.Sequence) else [own]
    if not any(isinstance(step, normalizers.Lowercase) for step in steps):
        tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), *steps])


def _has(tokenizer: Tokenizer, token: str) -> bool:
    return tokenizer.token_to_id(token) is not None


def _token_text(value: object) -> str | None:
    if isinstance(value, Mapping):
        value = value.get("content")
    return value if isinstance(value, str) else None


def _open(folder: Path, config: Mapping[str, Any], names: Mapping[str, str | None]) -> Tokenizer:
    if (folder / "tokenizer.json").is_file():
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        if _is_class(folder, config, BERT_CLASSES, BERT_MODEL_TYPES):
            _set_normalizer(tokenizer, config)
        if _is_class(folder, config, ROBERTA_CLASSES, ROBERTA_MODEL_TYPES):
            _set_trimming(tokenizer, config)
        _set_prefix_space(tokenizer, config)
        return tokenizer
    if (folder / "vocab.txt").is_file():
        return _wordpiece(folder / "vocab.txt", config, names)
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        return _byte_level(folder, config, names)
    raise ExportError(
        f"{folder}: no tokenizer: expected tokenizer.json, vocab.txt, or vocab.json with merges.txt"
    )


def _is_class(
    folder: Path, config: Mapping[str, Any], classes: Sequence[str], model_types: Sequence[str]
) -> bool:
    stated = config.get("tokenizer_class")
    if isinstance(stated, str):
        return stated.removesuffix("Fast") in classes
    model = read_json_object(folder / "config.json") or {}
    return model.get("model_type") in model_types


def _set_normalizer(tokenizer: Tokenizer, config: Mapping[str, Any]) -> None:
    """Set what transformers' BertTokenizerFast sets, its defaults where nothing is stated."""
    state = json.loads(tokenizer.to_str()).get("normalizer") or {}
    if state.get("type") == "BertNormalizer":
        tokenizer.normalizer = normalizers.BertNormalizer(
            clean_text=state.get("clean_text", True),
            lowercase=config.get("do_lower_case", True),
            strip_accents=config.get("strip_accents"),
            handle_chinese_chars=config.get("tokenize_chinese_chars", True),
        )


def _set_trimming(tokenizer: Tokenizer, config: Mapping[str, Any]) -> None:
    """Set what transformers' RobertaTokenizerFast sets: how a token's offsets leave out spaces."""
    rule = tokenizer.post_processor
    state = {} if rule is None else json.loads(rule.__getstate__())
    if state.get("type") == "RobertaProcessing":
        tokenizer.post_processor = processors.RobertaProcessing(
            tuple(state["sep"]),
            tuple(state["cls"]),
            trim_offsets=bool(config.get("trim_offsets", True)),
            add_prefix_space=bool(config.get("add_prefix_space", False)),
        )


def _set_prefix_space(tokenizer: Tokenizer, config: Mapping[str, Any]) -> None:
    """Set what every fast tokenizer of transformers sets: a stated or no space at the start."""
    state = json.loads(tokenizer.to_str()).get("pre_tokenizer") or {}
    if state.get("type") == "ByteLevel":
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(
            add_prefix_space=bool(config.get("add_prefix_space", False)),
            use_regex=state.get("use_regex", True),
        )


def _add_stated(
    tokenizer: Tokenizer, folder: Path, config: Mapping[str, Any], special: Mapping[str, Any]
) -> None:
    """Add the tokens that stand beside the vocabulary, as transformers does when it loads."""
    extra = config.get("additional_special_tokens", special.get("additional_special_tokens")) or []
    always = {_token_text(token) for token in extra}
    always |= {_token_text(config.get(key, special.get(key))) for key in SPECIAL}
    stated = config.get("added_tokens_decoder")
    if stated is None:
        older = read_json_object(folder / "added_tokens.json") or {}
        stated = {str(number): {"content": token} for token, number in older.items()}
    for number, entry in sorted(stated.items(), key=lambda pair: int(pair[0])):
        content = str(entry["content"])
        is_special = entry.get("special", False) or content in always
        flags = {"normalized": not is_special} | {key: entry[key] for key in FLAGS if key in entry}
        tokenizer.add_tokens([AddedToken(content, special=is_special, **flags)])
        found = tokenizer.token_to_id(content)
        if found != int(number):
            raise ExportError(
                f"{folder}: its tokenizer gives {content!r} the id {found}, its settings say "
                f"{number}; the two are not of the same model"
            )
    for token in map(_token_text, extra):
        if token is not None and tokenizer.token_to_id(token) is None:
            tokenizer.add_special_tokens([token])


def _named(names: Mapping[str, str | None], defaults: tuple[str, ...]) -> dict[str, str]:
    return {key: names[key] or default for key, default in zip(SPECIAL, defaults, strict=True)}


def _require(tokenizer: Tokenizer, folder: Path, token: str) -> int:
    found = tokenizer.token_to_id(token)
    if found is None:
        raise ExportError(f"{folder}: its vocabulary has no {token!r}, which every row needs")
    return int(found)


def _wordpiece(path: Path, config: Mapping[str, Any], names: Mapping[str, str | None]) -> Tokenizer:
    special = _named(names, BERT_SPECIAL)
    tokenizer = Tokenizer(
        models.WordPiece(models.WordPiece.read_file(str(path)), unk_token=special["unk_token"])
    )
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=config.get("tokenize_chinese_chars", True),
        strip_accents=config.get("strip_accents"),
        lowercase=config.get("do_lower_case", True),
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    cls, sep = special["cls_token"], special["sep_token"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{cls}:0 $A:0 {sep}:0",
        pair=f"{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1",
        special_tokens=[(token, _require(tokenizer, path, token)) for token in (cls, sep)],
    )
    tokenizer.add_special_tokens(
        [token for token in special.values() if tokenizer.token_to_id(token) is not None]
    )
    return tokenizer


def _byte_level(
    folder: Path, config: Mapping[str, Any], names: Mapping[str, str | None]
) -> Tokenizer:
    special = _named(names, ROBERTA_SPECIAL)
    spaced = bool(config.get("add_prefix_space", False))
    bpe = models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt"))
    tokenizer = Tokenizer(bpe)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=spaced)
    tokenizer.decoder = decoders.ByteLevel()
    cls, sep = special["cls_token"], special["sep_token"]
    tokenizer.post_processor = processors.RobertaProcessing(
        (sep, _require(tokenizer, folder, sep)),
        (cls, _require(tokenizer, folder, cls)),
        trim_offsets=True,
        add_prefix_space=spaced,
    )
    # transformers lets <mask> take the space before it, so that "a <mask>" is one word apart
    tokenizer.add_special_tokens(
        [
            AddedToken(token, lstrip=key == "mask_token", special=True, normalized=False)
            for key, token in special.items()
            if tokenizer.token_to_id(token) is not None
        ]
    )
    return tokenizer


def _check_vocabulary(folder: Path, tokenizer: Tokenizer, vocabulary: int) -> None:
    token, highest = max(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    if highest >= vocabulary:
        raise ExportError(
            f"{folder}: the tokenizer gives ids up to {highest} ({token!r}), the embedding table "
            f"has {vocabulary} rows; the two are not of the same model"
        )
