"""Retrieve by embeddings, then let a cross-encoder order the best few; say what that changed.

    python -m examples.rerank minilm-int8 questions.tsv heads/relevance

Each line of the file is a question, a tab, and the text that answers it; the texts of all lines
are what is searched. Prints the mean reciprocal rank (MRR) of the right texts by embeddings, by the
cross-encoder, and by both ranks together (Cormack et al. 2009, reciprocal rank fusion). A weak
cross-encoder makes good embeddings worse: measure on your own questions before you add one.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgebert import Embedder, Reranker
from edgebert.errors import InputError
from examples.lines import arguments_of, read_lines, run

FUSION = 60  # the paper's constant: how little the first ranks stand out


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """Read lines of a question, a tab and its answer."""
    rows = [line.split("\t") for line in read_lines(path)]
    for number, row in enumerate(rows, 1):
        if len(row) != 2:
            raise InputError(f"{path}: text {number} has {len(row) - 1} tabs; one is expected")
    return [(question, answer) for question, answer in rows]


def fuse(first: Sequence[int], second: Sequence[int]) -> list[int]:
    """Order what two rankings hold by the sum of 1 / (FUSION + rank)."""
    votes = {
        each: 1 / (FUSION + first.index(each)) + 1 / (FUSION + second.index(each)) for each in first
    }
    return sorted(first, key=lambda each: -votes[each])


def reciprocal(order: Sequence[int], right: int) -> float:
    """Give 1 / the right one's rank, 0 where it is not among them."""
    return 1 / (1 + list(order).index(right)) if right in order else 0.0


def main(arguments: list[str] | None = None) -> int:
    """Search and rerank for each question of a file."""
    parser = arguments_of(__doc__, "rerank")
    parser.add_argument("reranker", type=Path, help="a cross-encoder's bundle")
    parser.add_argument("--candidates", type=int, default=10, help="texts that are reranked")
    chosen = parser.parse_args(arguments)

    def example() -> None:
        pairs = read_pairs(chosen.file)
        embedder, reranker = Embedder.load(chosen.bundle), Reranker.load(chosen.reranker)
        texts = list(dict.fromkeys(answer for _, answer in pairs))
        cosines = embedder.embed([question for question, _ in pairs]) @ embedder.embed(texts).T
        ranks: dict[str, list[float]] = {"embeddings": [], "cross-encoder": [], "both": []}
        for (question, answer), row in zip(pairs, cosines, strict=True):
            found: list[int] = np.argsort(-row, kind="stable")[: chosen.candidates].tolist()
            ranked = reranker.rank(question, [texts[place] for place in found])
            again = [found[each.index] for each in ranked]
            for name, order in zip(ranks, (found, again, fuse(found, again)), strict=True):
                ranks[name].append(reciprocal(order, texts.index(answer)))
        print(f"{len(pairs):,} questions, {len(texts):,} texts, {chosen.candidates} reranked each")
        for name, values in ranks.items():
            print(f"MRR by {name}: {np.mean(values):.3f}")

    return run(example)


if __name__ == "__main__":
    sys.exit(main())
