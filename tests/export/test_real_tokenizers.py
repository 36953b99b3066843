"""Tokenizers of real checkpoints give transformers' ids on real and on adversarial text."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from edgebert_export.tokenizer_files import read_tokenizer
from tests import checkpoints

transformers = pytest.importorskip("transformers")

pytestmark = [pytest.mark.export, pytest.mark.oracle, pytest.mark.realmodel]

MODELS: dict[str, Callable[[], Path]] = {
    "minilm": checkpoints.minilm,
    "minilm_as_distilbert": checkpoints.minilm_as_distilbert,
    "minilm_as_roberta": checkpoints.minilm_as_roberta,
    "rxnfp_classifier": checkpoints.rxnfp_classifier,
    "rxnfp_mlm": checkpoints.rxnfp_mlm,
    "quire": checkpoints.quire,
    "sapiens": checkpoints.sapiens,
}
MARKS = "\u0300\u0301\u0308\u0323\u030a\u0489\u200b\u200c\u200d\u2060\ufeff\u00ad\ufe0f"
CONTROLS = "\x00\x01\x07\x08\t\n\x0b\x0c\r\x1b\x1f\x7f\x80\x85\x9f\u2028\u2029\u3000\u00a0"
SYMBOLS = "😀👩🏽👧🇰🇷🏴中文字漢字かなカナ한글조선가각힣İıſßﬁⅧ½\uff21\uff41ﾊﾝÀéñøşžЖя\u03b1Ωאبहไ�￿𐍈𝔘"
LETTERS = "abcXYZ 0129.,!?'\"-_/\\[]<>#@$%&"
FIXED = [
    "",
    " ",
    "\n\t\r",
    "cafe\u0301 vs caf\u00e9",
    "e\u0301" * 50,
    "a\u200bb\u200cc\u200dd",
    "\u202eright to left\u202c",
    "한국어와 English가 섞인 中文 文장",
    "\u1112\u1161\u11ab\u1100\u1173\u11af",  # Hangul written as single letters
    "👩\u200d👩\u200d👧\u200d👦🏳️\u200d🌈",
    "\x00null\x00",
    "[CLS] [SEP][MASK] [PAD]",
    "<s></s> <mask><pad>",
    "x" * 300,
    "\uff26\uff35\uff2c\uff2c\u3000\uff37\uff29\uff24\uff34\uff28",
    "\ud7b0\u1160\u115f",
    "##ing ##ed #",
]


def adversarial(count: int) -> list[str]:
    """Draw strings of everything that tokenizers stumble over."""
    rng = np.random.default_rng(0)
    alphabet = list(MARKS + CONTROLS + SYMBOLS + LETTERS * 3)
    drawn = ["".join(rng.choice(alphabet, rng.integers(1, 40))) for _ in range(count)]
    return [*FIXED, *drawn]


def differing(name: str, texts: Sequence[str]) -> list[str]:
    """Give the texts whose ids or token types are not those of transformers."""
    folder = MODELS[name]()
    reference: Any = transformers.AutoTokenizer.from_pretrained(folder)
    assert reference.is_fast
    ours: Tokenizer = read_tokenizer(folder, 10**6).tokenizer
    wanted = reference(list(texts)).input_ids
    found = ours.encode_batch(list(texts))
    return [text for text, a, b in zip(texts, wanted, found, strict=True) if list(a) != b.ids]


@pytest.mark.parametrize("name", MODELS)
def test_ids_of_1500_english_and_korean_sentences_are_those_of_transformers(
    name: str, english: list[str], korean: list[str]
) -> None:
    assert len(english) + len(korean) == 1500
    assert differing(name, [*english, *korean]) == []


@pytest.mark.parametrize("name", MODELS)
def test_ids_of_adversarial_strings_are_those_of_transformers(name: str) -> None:
    assert differing(name, adversarial(1000)) == []


@pytest.mark.parametrize("name", ["rxnfp_classifier", "rxnfp_mlm", "sapiens"])
def test_ids_of_molecules_and_antibodies_are_those_of_transformers(name: str) -> None:
    texts = [*checkpoints.REACTIONS, *checkpoints.HEAVY_CHAINS.values()]
    assert differing(name, texts) == []


@pytest.mark.parametrize("name", MODELS)
def test_ids_and_types_of_pairs_are_those_of_transformers(name: str, english: list[str]) -> None:
    folder = MODELS[name]()
    reference = transformers.AutoTokenizer.from_pretrained(folder)
    pairs = list(zip(english[:100], english[100:200], strict=True))
    wanted = reference(pairs, return_token_type_ids=True)
    found = read_tokenizer(folder, 10**6).tokenizer.encode_batch(pairs)
    assert [row.ids for row in found] == [list(row) for row in wanted.input_ids]
    assert [row.type_ids for row in found] == [list(row) for row in wanted.token_type_ids]
