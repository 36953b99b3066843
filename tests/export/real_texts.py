"""Twelve thousand and more real texts of the labelled data, and the oddest strings we know of."""

import csv
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

MOST = 2000  # of each set
# tables with a header: English, then Korean
TABLES = {
    "sick/test.txt": (1, 2),
    "snli/test.tsv": (0, 1),
    "stackoverflow_topics/test.tsv": (0,),
    "klue_sts/dev.tsv": (2, 3),
    "kornli/dev.tsv": (0, 1),
    "nsmc/test.tsv": (1,),
}
MARKS = "\u0300\u0301\u0308\u0323\u030a\u0489\u200b\u200c\u200d\u2060\ufeff\u00ad\ufe0f"
CONTROLS = "\x00\x01\x07\x08\t\n\x0b\x0c\r\x1b\x1f\x7f\x80\x85\x9f\u2028\u2029\u3000\u00a0"
BIDI = "\u200e\u200f\u202a\u202e\u202c\u2066\u2069\u061c"
SYMBOLS = "😀👩🏽👧🇰🇷🏴中文字漢字かなカナ한글조선가각힣İıſßﬁⅧ½\uff21\uff41ﾊﾝÀéñøşžЖя\u03b1Ωאبहไ�￿𐍈𝔘"
LETTERS = "abcXYZ 0129.,!?'\"-_/\\[]<>#@$%&"
FIXED = [
    "",
    " ",
    "\n\t\r",
    " leading",
    "trailing ",
    "  both\u00a0 ",
    "no\u00a0break\u202fspaces\u2007here",
    "cafe\u0301 vs caf\u00e9",
    "e\u0301" * 50,
    "Z\u0351\u0343\u036ca\u0334\u0321lgo\u0321\u0357",
    "a\u200bb\u200cc\u200dd",
    "\u202eright to left\u202c",
    "\u05e9\u05dc\u05d5\u05dd \u2067\u05e2\u05d5\u05dc\u05dd\u2069 \u0645\u0631\u062d\u0628\u0627",
    "한국어와 English가 섞인 中文 文장",
    "\u1112\u1161\u11ab\u1100\u1173\u11af",  # Hangul written as single letters
    "ㅋㅋㅋㅋ ㅠㅠ ㄱㄴㄷ",
    "\ud7b0\u1160\u115f",
    "👩\u200d👩\u200d👧\u200d👦🏳️\u200d🌈",
    "👍🏿 1️⃣ 🇰🇷🇺🇸",
    "\x00null\x00",
    "\ue000private\U000f0000",
    "x" * 300,
    "x" * 5000,
    "한" * 2000,
    "😀" * 500,
    "\uff26\uff35\uff2c\uff2c\u3000\uff37\uff29\uff24\uff34\uff28",
    "##ing ##ed #",
    "[CLS] [SEP][MASK] [PAD]",
    "a[SEP]b [sep] [ SEP ] [UNK]",
    "<s></s> <mask><pad>",
    "a <mask>, <mask> b<mask>c <MASK> < mask > <unk>",
    "https://example.org/a_b?c=d&e=%20#f user@example.org C:\\x\\y",
    "1,234.56 -1e-9 ½ ² ₂ 10⁻³",
]


def real_texts(folder: Path) -> list[str]:
    """Read distinct texts of every set under the folder of labelled data."""
    sources: list[Iterable[str]] = [
        _table(folder / name, columns) for name, columns in TABLES.items()
    ]
    sources += [
        _banking(folder / "banking77" / "test.csv"),
        (text for text, _ in json.loads((folder / "clinc150/data_small.json").read_text())["test"]),
        _abstracts(folder / "pubmedqa" / "pqa_labeled.jsonl"),
        _contexts(folder / "xquad" / "xquad.en.json"),
        _characters(folder / "klue_ner" / "dev.tsv"),
    ]
    distinct = (islice(dict.fromkeys(source), MOST) for source in sources)
    return [text for source in distinct for text in source]


def _table(path: Path, columns: tuple[int, ...]) -> Iterator[str]:
    for line in path.read_text(encoding="utf-8").split("\n")[1:-1]:
        cells = line.split("\t")
        yield from (cells[column] for column in columns)


def _banking(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", newline="") as stream:
        yield from (row["text"] for row in csv.DictReader(stream))


def _abstracts(path: Path) -> Iterator[str]:
    for line in path.read_text(encoding="utf-8").rstrip("\n").split("\n"):
        yield from json.loads(line)["contexts"]


def _contexts(path: Path) -> Iterator[str]:
    for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
        yield from (paragraph["context"] for paragraph in article["paragraphs"])


def _characters(path: Path) -> Iterator[str]:
    """Join the characters of KLUE NER, one a line, into sentences."""
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        rows = (line.split("\t") for line in block.split("\n") if not line.startswith("##"))
        yield "".join(row[0] for row in rows)


def adversarial(count: int) -> list[str]:
    """Draw strings of everything that tokenizers stumble over."""
    rng = np.random.default_rng(0)
    alphabet = list(MARKS + CONTROLS + BIDI + SYMBOLS + LETTERS * 3)
    drawn = ["".join(rng.choice(alphabet, rng.integers(1, 40))) for _ in range(count)]
    return [*FIXED, *drawn]
