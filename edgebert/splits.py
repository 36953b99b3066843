"""Labelled rows into parts: stratified, seeded, and no text in two of them.

Which part a text belongs to is decided by a hash of the seed and the text, so it does not depend
on the order of rows, and rows with the same text (case and blanks aside) stay together.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

from edgebert.errors import InputError

REST = "train"  # the part that takes what the others leave


def key_of(texts: Iterable[str], salt: str = "") -> bytes:
    """Give a short hash that equal texts share; case, width and blanks do not count."""
    joined = "\0".join(
        " ".join(unicodedata.normalize("NFKC", text).casefold().split()) for text in texts
    )
    return blake2b(f"{salt}\0{joined}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def assign_parts(
    rows: Sequence[tuple[Sequence[str], str]], shares: Mapping[str, float], seed: int
) -> list[str]:
    """Say which part each row belongs to.

    Args:
        rows: N times the texts of a row that must not stand in two parts, and its label.
        shares: of the parts beside "train", such as {"test": 0.2}; of each label alike.
        seed: the same gives the same parts.

    Returns:
        N names of parts.

    Raises:
        InputError: shares are not above 0 or leave nothing for "train", or a part stays empty.
    """
    if not shares or min(shares.values()) <= 0 or sum(shares.values()) >= 1 or REST in shares:
        raise InputError(
            f"shares are {dict(shares)}; each must be above 0 and their sum below 1, the rest is "
            f"{REST!r}"
        )
    keys = [key_of(texts, str(seed)) for texts, _ in rows]
    strata: dict[str, dict[bytes, int]] = defaultdict(dict)
    labels: dict[bytes, str] = {}
    for key, (_, label) in zip(keys, rows, strict=True):
        stratum = strata[labels.setdefault(key, label)]  # a text that has two goes with its first
        stratum[key] = stratum.get(key, 0) + 1
    parts: dict[bytes, str] = {}
    for _, stratum in sorted(strata.items()):
        parts |= _divide(stratum, shares)
    found = [parts[key] for key in keys]
    for name in (REST, *shares):
        if name not in found:
            raise InputError(
                f"{len(rows):,} rows leave part {name!r} empty; give it a larger share"
            )
    return found


def _divide(sizes: Mapping[bytes, int], shares: Mapping[str, float]) -> dict[bytes, str]:
    """Give each part its share of one label's rows; whole texts, in the order of their hashes."""
    total, taken, begin = sum(sizes.values()), 0, 0.0
    bounds = []
    for name, share in shares.items():
        begin += share * total
        bounds.append((begin, name))
    parts = {}
    for key in sorted(sizes):
        middle = taken + sizes[key] / 2
        parts[key] = next((name for bound, name in bounds if middle < bound), REST)
        taken += sizes[key]
    return parts
