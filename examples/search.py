"""Search some thousand texts by meaning: embed them once, then compare each query with all.

    python -m examples.search minilm-int8 texts.txt "my card does not work" "change of address"

Without a query, each line of stdin is one. `--store int8` or `binary` keeps the vectors in a
quarter or a thirty-second of the memory. Binary ones choose candidates by differing bits, and the
query in full orders those (asymmetric rescoring, Yamada et al. 2021, section 2).
"""

import sys
import time
from collections.abc import Callable

import numpy as np

from edgebert import Embedder, embedding_ranges, quantize_embeddings
from edgebert.results import Floats
from examples.lines import arguments_of, read_lines, run

Scorer = Callable[[Floats], Floats]  # a query (H,) -> (N,) scores, larger is nearer
RESCORED = 100  # binary candidates that are looked at again
BITS = np.array([bin(byte).count("1") for byte in range(256)], np.uint8)  # set bits of a byte


def in_full(vectors: Floats) -> Scorer:
    """Compare with the vectors as they are: the cosine, as they have unit length."""
    return lambda query: vectors @ query


def in_int8(vectors: Floats) -> Scorer:
    """Compare with vectors of one byte a dimension: the cosine, to about 0.01."""
    ranges = embedding_ranges(vectors)
    stored = quantize_embeddings(vectors, "int8", ranges=ranges)
    steps = (ranges[1] - ranges[0]) / 255
    zero = ranges[0] + np.float32(128.5) * steps  # the middle of what code 0 stands for
    return lambda query: stored @ (query * steps) + zero @ query


def in_binary(vectors: Floats) -> Scorer:
    """Compare with vectors of one bit a dimension: no cosine, an order."""
    stored = quantize_embeddings(vectors, "ubinary")

    def score(query: Floats) -> Floats:
        differing = BITS[stored ^ np.packbits(query > 0)].sum(axis=1, dtype=np.int64)
        near = np.argsort(differing, kind="stable")[:RESCORED]
        signs = np.unpackbits(stored[near], axis=1, count=len(query)).astype(np.float32) * 2 - 1
        scores = np.full(len(stored), -np.inf, np.float32)
        scores[near] = signs @ query / np.sqrt(np.float32(len(query)))
        return scores

    return score


STORES: dict[str, Callable[[Floats], Scorer]] = {
    "float32": in_full,
    "int8": in_int8,
    "binary": in_binary,
}


def main(arguments: list[str] | None = None) -> int:
    """Embed a file's lines and search them."""
    parser = arguments_of(__doc__, "search")
    parser.add_argument("queries", nargs="*", help="default: the lines of stdin")
    parser.add_argument("--top", type=int, default=3, help="results a query")
    parser.add_argument("--store", choices=list(STORES), default="float32")
    chosen = parser.parse_args(arguments)

    def example() -> None:
        embedder, texts = Embedder.load(chosen.bundle), read_lines(chosen.file)
        start = time.perf_counter()
        score = STORES[chosen.store](embedder.embed(texts))
        print(f"{len(texts):,} texts embedded in {time.perf_counter() - start:.1f} s")
        for query in chosen.queries or map(str.strip, sys.stdin):
            start = time.perf_counter()
            scores = score(embedder.embed([query])[0])
            best = np.argsort(-scores, kind="stable")[: chosen.top]
            print(f"\n{query}  ({(time.perf_counter() - start) * 1000:.1f} ms)")
            for place in best:
                print(f"  {scores[place]:.2f}  {texts[place]}")

    return run(example)


if __name__ == "__main__":
    sys.exit(main())
