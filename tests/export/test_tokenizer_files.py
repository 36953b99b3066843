"""A tokenizer gives the ids of transformers' fast one, whichever files it comes in."""

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, normalizers

from edgebert_export.errors import ExportError
from edgebert_export.tokenizer_files import read_tokenizer, set_lower_case
from tests.make_tiny import write_tokenizer

pytestmark = pytest.mark.export

TEXTS = [
    "The cat sleeps.",
    "",
    " ",
    "  two  spaces\tand\na line ",
    "안녕 하세요 서울",
    "Café Zürich, naïve RÉSUMÉ",
    "cafe\u0301 a\u0308\u0323 \u0041\u030a",  # combining marks
    "zero\u200bwidth\u200djoin\ufeff\u00ad",
    "中文 text 日本語 かな",
    "😀 family 👩\u200d👩\u200d👧 flag 🇰🇷",
    "control\x00\x01\x1f\x7f\x85 end",
    "a [MASK] b[MASK]c [CLS] [SEP] [PAD] [UNK]",
    "a <mask> b<mask>c <s> </s> <pad> <unk>",
    "NEWTOK and newtok",
    "x" * 200,
    "don't we've I'll 3.14 $5 #tag @me",
    "İstanbul ß ﬁ Ⅷ ½ \uff26\uff35\uff2c\uff2c",
    "עברית العربية हिन्दी ไทย",
    "\u2028line\u2029paragraph\u3000wide",
]


def make(folder: Path, model_type: str, **settings: Any) -> Path:
    """Write a tiny tokenizer; a setting of None takes the key out."""
    folder.mkdir()
    write_tokenizer(folder, model_type)
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    return change(folder, **settings)


def change(folder: Path, **settings: Any) -> Path:
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text()) | settings
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
    return folder


def make_fast(folder: Path, model_type: str, **settings: Any) -> Path:
    """Write a tiny tokenizer as tokenizer.json alone."""
    make(folder, model_type, **settings)
    tokenizer = read_tokenizer(folder, 10**6).tokenizer
    for name in ("vocab.txt", "vocab.json", "merges.txt"):
        (folder / name).unlink(missing_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def ids(folder: Path, texts: list[str] = TEXTS) -> list[list[int]]:
    tokenizer = read_tokenizer(folder, 10**6).tokenizer
    return [encoding.ids for encoding in tokenizer.encode_batch(texts)]


def reference_ids(folder: Path) -> list[list[int]]:
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert tokenizer.is_fast
    return [list(row) for row in tokenizer(TEXTS).input_ids]


NEW = {"content": "NEWTOK", "lstrip": False, "rstrip": False, "single_word": False}
SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("bert", {}),
    "bert cased": ("bert", {"do_lower_case": False}),
    "bert keeping accents": ("bert", {"strip_accents": False}),
    "bert cased, no accents": ("bert", {"do_lower_case": False, "strip_accents": True}),
    "bert joining CJK": ("bert", {"tokenize_chinese_chars": False}),
    "bert stating nothing": ("bert", {"do_lower_case": None, "tokenizer_class": None}),
    "distilbert": ("distilbert", {"tokenizer_class": "DistilBertTokenizer"}),
    "roberta": ("roberta", {}),
    "roberta with a space before": ("roberta", {"add_prefix_space": True}),
    "roberta without a class": ("roberta", {"tokenizer_class": None}),
    "bert with a token more": ("bert", {"additional_special_tokens": ["NEWTOK"]}),
}


@pytest.mark.oracle
@pytest.mark.parametrize("name", SETTINGS)
def test_a_vocabulary_file_gives_the_ids_of_transformers(name: str, tmp_path: Path) -> None:
    model_type, settings = SETTINGS[name]
    folder = make(tmp_path / "model", model_type, **settings)
    assert ids(folder) == reference_ids(folder)


@pytest.mark.oracle
@pytest.mark.parametrize("name", SETTINGS)
def test_a_tokenizer_json_gives_the_ids_of_transformers(name: str, tmp_path: Path) -> None:
    model_type, settings = SETTINGS[name]
    folder = make_fast(tmp_path / "model", model_type, **settings)
    assert ids(folder) == reference_ids(folder)


@pytest.mark.oracle
@pytest.mark.parametrize(
    "settings",
    [
        {"do_lower_case": True},
        {"do_lower_case": None},  # transformers' default is true, whatever tokenizer.json says
        {"do_lower_case": None, "tokenizer_class": "PreTrainedTokenizerFast"},
        {"do_lower_case": True, "tokenizer_class": "PreTrainedTokenizerFast"},
        {"strip_accents": True},
        {"tokenize_chinese_chars": False},
    ],
)
def test_settings_that_contradict_a_tokenizer_json_count_as_in_transformers(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    folder = make_fast(tmp_path / "model", "bert", do_lower_case=False)
    change(folder, **settings)
    assert ids(folder) == reference_ids(folder)


@pytest.mark.oracle
@pytest.mark.parametrize("stated", [None, False])
def test_a_prefix_space_counts_only_where_the_settings_state_it(
    stated: bool | None, tmp_path: Path
) -> None:
    folder = make_fast(tmp_path / "model", "roberta", add_prefix_space=True)
    change(folder, add_prefix_space=stated)
    assert ids(folder) == reference_ids(folder)


@pytest.mark.oracle
@pytest.mark.parametrize("kind", ["bert", "roberta"])
@pytest.mark.parametrize("special", [True, False])
def test_added_tokens_of_the_settings_are_added(kind: str, special: bool, tmp_path: Path) -> None:
    size = write_tokenizer(tmp_path, kind)
    entry = NEW | {"special": special, "normalized": not special}
    folder = make(tmp_path / "model", kind, added_tokens_decoder={str(size): entry})
    assert ids(folder) == reference_ids(folder)
    assert [size] == read_tokenizer(folder, size + 1).tokenizer.encode("NEWTOK").ids[1:-1]


@pytest.mark.oracle
def test_added_tokens_of_the_older_file_are_added(tmp_path: Path) -> None:
    size = write_tokenizer(tmp_path, "bert")
    folder = make(tmp_path / "model", "bert")
    (folder / "added_tokens.json").write_text(json.dumps({"NEWTOK": size}))
    assert ids(folder) == reference_ids(folder)


def test_an_added_token_whose_id_does_not_follow_the_vocabulary_is_refused(tmp_path: Path) -> None:
    folder = make(tmp_path / "model", "bert")
    (folder / "added_tokens.json").write_text(json.dumps({"NEWTOK": 4000}))
    with pytest.raises(ExportError, match=r"'NEWTOK' the id .* its settings say 4000"):
        read_tokenizer(folder, 5000)


def test_lower_case_stated_in_the_settings_overrides_the_tokenizer_json(tmp_path: Path) -> None:
    folder = make_fast(tmp_path / "model", "bert", do_lower_case=False)
    change(folder, do_lower_case=True)
    assert ids(folder, ["The CAT"]) == ids(folder, ["the cat"])


@pytest.mark.parametrize(
    "own",
    [None, normalizers.NFC(), normalizers.Sequence([normalizers.NFC(), normalizers.Strip()])],
    ids=["none", "one", "several"],
)
def test_lower_casing_stands_before_what_a_tokenizer_has_of_its_own(
    own: normalizers.Normalizer | None,
) -> None:
    tokenizer = Tokenizer(models.BPE())
    if own is not None:
        tokenizer.normalizer = own
    set_lower_case(tokenizer)
    assert tokenizer.normalizer.normalize_str("ÀÉ X") == "àé x"
    assert isinstance(tokenizer.normalizer[0], normalizers.Lowercase)


def test_lower_casing_that_is_there_is_not_put_twice() -> None:
    tokenizer = Tokenizer(models.BPE())
    set_lower_case(tokenizer)
    once = tokenizer.to_str()
    set_lower_case(tokenizer)
    assert tokenizer.to_str() == once


def test_padding_and_truncation_of_a_tokenizer_json_are_switched_off(tmp_path: Path) -> None:
    folder = make_fast(tmp_path / "model", "bert")
    plain = ids(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_padding(length=64)
    tokenizer.enable_truncation(max_length=4)
    tokenizer.save(str(folder / "tokenizer.json"))
    assert ids(folder) == plain


def test_the_limit_is_the_one_that_the_settings_state(tmp_path: Path) -> None:
    folder = make(tmp_path / "model", "bert", model_max_length=77)
    assert read_tokenizer(folder, 10**6).max_tokens == 77


def test_the_huge_number_that_stands_for_no_limit_is_none(tmp_path: Path) -> None:
    folder = make(tmp_path / "model", "bert", model_max_length=int(1e30))
    assert read_tokenizer(folder, 10**6).max_tokens is None


def test_the_mask_token_may_be_written_as_an_object(tmp_path: Path) -> None:
    folder = make(tmp_path / "model", "bert", mask_token={"content": "[MASK]", "lstrip": False})
    assert read_tokenizer(folder, 10**6).mask_token == "[MASK]"


def test_special_tokens_are_also_read_from_their_own_file(tmp_path: Path) -> None:
    folder = make(tmp_path / "model", "bert", cls_token=None, sep_token=None)
    (folder / "special_tokens_map.json").write_text('{"cls_token": "[MASK]", "sep_token": "[UNK]"}')
    tokenizer = read_tokenizer(folder, 10**6).tokenizer
    assert tokenizer.encode("").tokens == ["[MASK]", "[UNK]"]


def test_a_tokenizer_with_more_ids_than_the_table_is_refused(tmp_path: Path) -> None:
    size = write_tokenizer(tmp_path, "bert")
    folder = make(tmp_path / "model", "bert")
    with pytest.raises(ExportError, match=f"ids up to {size - 1} .* has {size - 1} rows"):
        read_tokenizer(folder, size - 1)


def test_a_tokenizer_with_fewer_ids_than_the_table_is_taken(tmp_path: Path) -> None:
    size = write_tokenizer(tmp_path, "bert")
    assert read_tokenizer(tmp_path, size + 64).tokenizer.get_vocab_size() == size


@pytest.mark.parametrize("content", ["", "{}", "not json", '{"version": "1.0", "model": {}}'])
def test_a_damaged_tokenizer_json_is_refused(content: str, tmp_path: Path) -> None:
    folder = make(tmp_path / "model", "bert")
    (folder / "tokenizer.json").write_text(content)
    with pytest.raises(ExportError, match="its tokenizer is damaged"):
        read_tokenizer(folder, 10**6)


def test_damaged_merges_are_refused(tmp_path: Path) -> None:
    folder = make(tmp_path / "model", "roberta")
    (folder / "merges.txt").write_text("#version: 0.2\nonly-one-part\n")
    with pytest.raises(ExportError, match="its tokenizer is damaged"):
        read_tokenizer(folder, 10**6)


def test_added_tokens_that_are_no_object_are_refused(tmp_path: Path) -> None:
    folder = make(tmp_path / "model", "bert", added_tokens_decoder=["NEWTOK"])
    with pytest.raises(ExportError, match="its tokenizer is damaged"):
        read_tokenizer(folder, 10**6)


def test_a_vocabulary_without_the_token_that_opens_every_row_is_refused(tmp_path: Path) -> None:
    folder = make(tmp_path / "model", "bert")
    (folder / "vocab.txt").write_text("[UNK]\n[SEP]\nthe\n")
    with pytest.raises(ExportError, match=r"has no '\[CLS\]', which every row needs"):
        read_tokenizer(folder, 10**6)


def test_a_folder_without_a_tokenizer_is_refused_with_the_files_that_would_do(
    tmp_path: Path,
) -> None:
    with pytest.raises(ExportError, match=r"tokenizer\.json, vocab\.txt, or vocab\.json with"):
        read_tokenizer(tmp_path, 10**6)


def test_merges_without_a_vocabulary_are_no_tokenizer(tmp_path: Path) -> None:
    folder = make(tmp_path / "model", "roberta")
    (folder / "vocab.json").unlink()
    with pytest.raises(ExportError, match="no tokenizer"):
        read_tokenizer(folder, 10**6)
