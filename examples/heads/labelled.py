"""Read labelled sets into rows to train on and rows held out; each set's own files, no download.

Held-out rows are the published test files where there are such, else whole articles (XQuAD) or
every fifth line (sentences of sentiment), never a text that was trained on.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NLI_LABELS = ("entailment", "neutral", "contradiction")
SENTIMENT_LABELS = ("negative", "positive")
NER_TYPES = ("corporation", "creative-work", "group", "location", "person", "product")
NER_LABELS = ("O", *(f"{prefix}-{kind}" for kind in NER_TYPES for prefix in "BI"))
HELD_OUT_ARTICLES = 12  # of XQuAD's 48, the last
NEIGHBOURS = 1  # sentences kept on each side of an answer's: whole paragraphs take too long


@dataclass(frozen=True, slots=True)
class Row:
    """A text, or a pair, and what is to be learnt of it."""

    text: str
    pair: str | None
    target: Any  # a class, a relevance, (start, end, type) of entities, or (start, end) in the pair


Split = tuple[list[Row], list[Row]]  # to train on, held out


def read_nli(data: Path) -> Split:
    """SNLI: its development file to train on, its test file held out."""
    return _snli(data / "snli" / "dev.tsv"), _snli(data / "snli" / "test.tsv")


def _snli(path: Path) -> list[Row]:
    rows = _columns(path)
    return [Row(first, second, NLI_LABELS.index(label)) for first, second, label in rows]


def read_sentiment(data: Path) -> Split:
    """Sentences about films, shops and restaurants: every fifth held out."""
    rows = [
        Row(text.strip(), None, int(label))
        for path in sorted((data / "sentiment_sentences").glob("*_labelled.txt"))
        for text, label in (line.rsplit("\t", 1) for line in _lines(path))
    ]
    held = rows[::5]
    known = {row.text for row in held}  # a few stand in the files twice
    return [row for row in rows if row.text not in known], held


def read_ner(data: Path) -> Split:
    """WNUT 2017, noisy English: its training file, and its test file held out."""
    folder = data / "wnut17"
    return list(_conll(folder / "train.conll")), list(_conll(folder / "test.conll"))


def _conll(path: Path) -> Iterator[Row]:
    """Join the tokens of each sentence by blanks and give its entities in characters."""
    words: list[tuple[str, str]] = []
    for line in [*_lines(path), ""]:
        if line.strip():
            word, tag = line.split("\t")
            words.append((word, tag.strip()))
        elif words:
            text = " ".join(word for word, _ in words)
            yield Row(text, None, entities(words))
            words = []


def entities(words: list[tuple[str, str]]) -> list[tuple[int, int, str]]:
    """Turn words with BIO tags into (start, end, type) in characters of the joined text."""
    found: list[tuple[int, int, str]] = []
    place, before = 0, "O"
    for word, tag in words:
        end = place + len(word)
        if tag[0] == "B" or (tag != "O" and tag[2:] != before[2:]):
            found.append((place, end, tag[2:]))
        elif tag[0] == "I":
            found[-1] = (found[-1][0], end, tag[2:])
        place, before = end + 1, tag
    return found


def read_answers(data: Path) -> Split:
    """XQuAD: questions on some sentences to train on; on whole paragraphs of others held out."""
    train, held = _articles(data)
    near = [
        Row(question, context, (start, start + len(answer)))
        for paragraph in train
        for question, context, answer, start in _near(paragraph)
    ]
    whole = [
        Row(qa["question"], paragraph["context"], _span(qa))
        for paragraph in held
        for qa in paragraph["qas"]
    ]
    return near, whole


def _near(paragraph: dict[str, Any]) -> Iterator[tuple[str, str, str, int]]:
    """Give each question with the sentences around its answer, and the answer's place there."""
    breaks = paragraph["sentence_breaks"]
    for qa in paragraph["qas"]:
        start, end = _span(qa)
        place = _sentence(paragraph, start)
        first = breaks[max(0, place - NEIGHBOURS)][0]
        last = max(end, breaks[min(len(breaks) - 1, place + NEIGHBOURS)][1])
        answer = qa["answers"][0]["text"]
        yield qa["question"], paragraph["context"][first:last], answer, start - first


def read_relevance(data: Path) -> Split:
    """XQuAD: questions with the sentence that answers them (1) and with others (0).

    A wrong sentence of the same paragraph and one of any other for each question. Held out: the
    questions of other articles with their right sentence alone; rank all held-out sentences.
    """
    train, held = _articles(data)
    draw = random.Random(0)
    everything = [sentence for paragraph in train for sentence in paragraph["sentences"]]
    rows = []
    for question, right, others in _questions(train):
        wrong = [*draw.sample(others, min(1, len(others))), draw.choice(everything)]
        rows.append(Row(question, right, 1.0))
        rows += [Row(question, sentence, 0.0) for sentence in wrong if sentence != right]
    return rows, [Row(question, right, 1.0) for question, right, _ in _questions(held)]


def held_out_sentences(data: Path) -> list[str]:
    """Give all sentences of the held-out articles: what questions are to be matched with."""
    _, held = _articles(data)
    return list(dict.fromkeys(s for paragraph in held for s in paragraph["sentences"]))


def _questions(paragraphs: list[dict[str, Any]]) -> Iterator[tuple[str, str, list[str]]]:
    for paragraph in paragraphs:
        for qa in paragraph["qas"]:
            place = _sentence(paragraph, _span(qa)[0])
            others = [s for n, s in enumerate(paragraph["sentences"]) if n != place]
            yield qa["question"], paragraph["sentences"][place], others


def _span(qa: dict[str, Any]) -> tuple[int, int]:
    answer = qa["answers"][0]
    return answer["answer_start"], answer["answer_start"] + len(answer["text"])


def _sentence(paragraph: dict[str, Any], start: int) -> int:
    """Find the sentence in which a character stands."""
    return max(n for n, (first, _) in enumerate(paragraph["sentence_breaks"]) if first <= start)


def _articles(data: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    text = (data / "xquad" / "xquad_r.en.json").read_text(encoding="utf-8")
    articles = [article["paragraphs"] for article in json.loads(text)["data"]]
    train, held = articles[:-HELD_OUT_ARTICLES], articles[-HELD_OUT_ARTICLES:]
    return [p for article in train for p in article], [p for article in held for p in article]


def _columns(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in _lines(path)[1:]]  # the first names the columns


def _lines(path: Path) -> list[str]:
    # not splitlines, which also breaks at characters that stand within a text
    return path.read_text(encoding="utf-8").rstrip("\n").split("\n")
