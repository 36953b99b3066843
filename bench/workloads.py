"""The texts of the benchmark: a fixed seed and the tokenizer's own vocabulary, no data set.

A text of n tokens is n - 2 words that are one token each, so its length is exact and the same for
every peer. Meaning plays no part in speed; what is compared for accuracy is `sentences.txt`,
written for this purpose and never used to calibrate or to tune.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np

SENTENCES = Path(__file__).with_name("sentences.txt")
CALIBRATION = "calibration.txt"  # in a checkpoint's folder: the same texts for every peer
SEED = 20_240_501
LENGTHS = (16, 128, 512)  # tokens of one text, special tokens included
VARIANTS = 8  # different texts of one length, so that nothing is timed on one input alone
LONGEST = 256  # of the mixed texts: the limit MiniLM is published with
# log-normal: median 32 tokens, mean 45 after the cut, 1-2 % of the texts at LONGEST
MEDIAN, SIGMA = 32.0, 0.85
SHORTEST = 4
REQUEST = 32  # texts of one request
SPECIAL = 2  # [CLS] and [SEP]
MIN_LETTERS = 3


@dataclass(frozen=True, slots=True)
class Workload:
    """All texts of one run of the benchmark."""

    by_length: dict[int, list[str]]  # tokens -> VARIANTS texts
    mixed: list[str]
    request: list[str]


def words_of(tokenizer_file: Path) -> list[str]:
    """List the plain lower-case words of a WordPiece vocabulary, in the order of their ids."""
    content = json.loads(tokenizer_file.read_text(encoding="utf-8"))
    vocabulary: dict[str, int] = content["model"]["vocab"]
    plain = (word for word in vocabulary if word.isascii() and word.isalpha() and word.islower())
    return sorted((word for word in plain if len(word) >= MIN_LETTERS), key=vocabulary.__getitem__)


def mixed_lengths(count: int, seed: int = SEED) -> list[int]:
    """Draw token counts as people's texts have them: many short ones, a few long ones."""
    rng = np.random.default_rng(seed)
    drawn = rng.lognormal(np.log(MEDIAN), SIGMA, count)
    lengths: list[int] = np.clip(np.rint(drawn), SHORTEST, LONGEST).astype(int).tolist()
    return lengths


def even_lengths(count: int, seed: int = SEED) -> list[int]:
    """Take the token counts of such texts at even steps of their distribution, in mixed order.

    So lists of any size are alike: what they cost by the token can be compared.
    """
    steps = [NormalDist().inv_cdf((place + 0.5) / count) for place in range(count)]
    spread = np.exp(np.log(MEDIAN) + SIGMA * np.array(steps))
    lengths = np.clip(np.rint(spread), SHORTEST, LONGEST).astype(int)
    mixed: list[int] = np.random.default_rng(seed).permutation(lengths).tolist()
    return mixed


def make_texts(words: list[str], lengths: list[int], seed: int = SEED) -> list[str]:
    """Make one text for each token count."""
    rng = np.random.default_rng(seed)
    return [
        " ".join(words[number] for number in rng.integers(0, len(words), length - SPECIAL))
        for length in lengths
    ]


def make_workload(tokenizer_file: Path, mixed: int) -> Workload:
    """Make the texts of one model.

    Args:
        tokenizer_file: the model's `tokenizer.json`.
        mixed: how many texts the throughput is measured over.
    """
    words = words_of(tokenizer_file)
    return Workload(
        by_length={n: make_texts(words, [n] * VARIANTS, SEED + n) for n in LENGTHS},
        mixed=make_texts(words, mixed_lengths(mixed)),
        request=make_texts(words, mixed_lengths(REQUEST, SEED + 1), SEED + 1),
    )


def calibration_texts(tokenizer_file: Path, count: int = 128) -> list[str]:
    """Make texts of random words that static quantization is calibrated on, besides sentences."""
    words = words_of(tokenizer_file)
    return make_texts(words, mixed_lengths(count, SEED + 2), SEED + 2)


def read_sentences() -> list[str]:
    """Read the sentences that accuracy is measured on."""
    return SENTENCES.read_text(encoding="utf-8").splitlines()


def blocks_of(texts: list[str], count: int, size: int = 32) -> list[str]:
    """Take runs of neighbours out of the texts sorted by length.

    A random sample would be padded more than the whole list is, and favour small batches.
    """
    ordered = sorted(texts, key=len)
    if len(ordered) <= size * count:
        return ordered
    starts = ((np.arange(count) + 0.5) / count * (len(ordered) - size)).astype(int)
    return [text for start in starts for text in ordered[start : start + size]]
