"""The labelled sets of docs/choosing.md as files that `edgebert eval` and `compare` read.

    python -m bench.choosing_data DATA FOLDER      # writes all of them

DATA holds the published files, a folder each. What is written has the columns of its task, so that
each figure can be taken by the command alone as well.
"""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgebert.labelled import Goal

Row = Mapping[str, str | float]
Read = Callable[[Path], Iterable[Row]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A set: what it is called, what is scored on it, where its rows come from."""

    title: str
    goal: Goal
    read: Read
    fit: Read | None = None  # rows that a head is fitted on
    prompts: tuple[str, str] = ("query", "query")  # of text and pair, for models that have prompts


def write_set(one: Labelled, name: str, data: Path, folder: Path) -> tuple[Path, Path | None]:
    """Write a set's rows, and those that a head is fitted on, as JSONL."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for part, read in (("test", one.read), ("train", one.fit)):
        path = folder / f"{name}-{part}.jsonl"
        if read is not None:
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in read(data))
            path.write_text("".join(lines), encoding="utf-8")
        paths.append(path if read is not None else None)
    return paths[0] or folder, paths[1]


def _sick(data: Path) -> Iterator[Row]:
    for row in _table(data / "sick" / "test.txt"):
        score = float(row["relatedness_score"])
        yield {"text": row["sentence_A"], "text_pair": row["sentence_B"], "score": score}


def _klue_sts(data: Path) -> Iterator[Row]:
    for row in _table(data / "klue_sts" / "dev.tsv"):
        score = float(row["score"])
        yield {"text": row["sentence1"], "text_pair": row["sentence2"], "score": score}


def _xquad(data: Path) -> Iterator[Row]:
    """A question and the sentence that its answer begins in; sentences that none asks for."""
    articles = json.loads((data / "xquad" / "xquad_r.en.json").read_text(encoding="utf-8"))["data"]
    for paragraph in (one for article in articles for one in article["paragraphs"]):
        asked = set()
        for question in paragraph["qas"]:
            begin = question["answers"][0]["answer_start"]
            ends = [end for _, end in paragraph["sentence_breaks"]]
            place = next(place for place, end in enumerate(ends) if begin < end)
            asked.add(place)
            yield {"query": question["question"], "text": paragraph["sentences"][place]}
        for place, sentence in enumerate(paragraph["sentences"]):
            if place not in asked:
                yield {"query": "", "text": sentence}


def _pubmedqa(data: Path) -> Iterator[Row]:
    """The questions of the test ids, and all abstracts."""
    with (data / "pubmedqa" / "pqa_labeled.jsonl").open(encoding="utf-8") as stream:
        for row in map(json.loads, stream):
            query = row["question"] if row["split"] == "test" else ""
            yield {"query": query, "text": " ".join(row["contexts"])}


def _banking77(part: str) -> Read:
    def read(data: Path) -> Iterator[Row]:
        with (data / "banking77" / f"{part}.csv").open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                yield {"text": row["text"], "label": row["category"]}

    return read


def _clinc150(part: str) -> Read:
    def read(data: Path) -> Iterator[Row]:
        parts = json.loads((data / "clinc150" / "data_small.json").read_text(encoding="utf-8"))
        return ({"text": text, "label": label} for text, label in parts[part])

    return read


def _table(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)


SETS: Mapping[str, Labelled] = {
    "sick": Labelled(title="SICK test", goal=Goal.STS, read=_sick),
    "klue_sts": Labelled(title="KLUE-STS dev (Korean)", goal=Goal.STS, read=_klue_sts),
    "pubmedqa": Labelled(
        title="PubMedQA", goal=Goal.RETRIEVE, read=_pubmedqa, prompts=("query", "passage")
    ),
    "xquad": Labelled(
        title="XQuAD-R", goal=Goal.RETRIEVE, read=_xquad, prompts=("query", "passage")
    ),
    "banking77": Labelled(
        title="Banking77",
        goal=Goal.CLASSIFY,
        read=_banking77("test"),
        fit=_banking77("train"),
    ),
    "clinc150": Labelled(
        title="CLINC150", goal=Goal.CLASSIFY, read=_clinc150("test"), fit=_clinc150("train")
    ),
}


def main() -> int:
    """Write every set."""
    data, folder = map(Path, sys.argv[1:])
    for name, one in SETS.items():
        print(*write_set(one, name, data, folder))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
