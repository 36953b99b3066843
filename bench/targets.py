"""What edgebert sets itself to reach, by workload, opponent, model and engine. All data.

A ratio says how many times better the best row of edgebert is, of those that are near enough to
fp32 to be counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.rows import BASELINE, MODELS, POPULAR, SMALL

DEFAULT, ANY = "onnxruntime engine (default install)", "best engine installed"
ENGINES = (DEFAULT, ANY)
PEER = "best peer"
MEAN_COSINE, LEAST_COSINE = 0.998, 0.990  # to fp32, on the model whose weights are trained
Pair = tuple[float | None, float | None]  # in the order of ENGINES; None: nothing is aimed at


@dataclass(frozen=True, slots=True)
class Target:
    """Least ratios of one workload against one opponent."""

    measure: str  # key of bench.figures.MEASURES
    against: str  # PEER, or the key of a row
    least: Mapping[str, Pair]  # by model


def _least(minilm: Pair, others: Pair) -> dict[str, Pair]:
    return {name: minilm if name == SMALL else others for name in MODELS}


TARGETS = (
    Target("latency-16", PEER, _least((1.4, 1.4), (1.0, 1.1))),
    Target("latency-128", PEER, _least((0.85, 1.05), (0.8, 1.1))),
    Target("latency-512", PEER, _least((0.75, 1.1), (0.7, 1.1))),
    Target("request", PEER, _least((3.0, 3.0), (2.0, 2.0))),
    Target("throughput", PEER, _least((1.2, 1.3), (1.0, 1.2))),
    Target("throughput", BASELINE, {SMALL: (None, 3.5), "bert-base": (None, 5.0)}),
    *(Target("throughput", key, _least((2.0, 2.0), (2.0, 2.0))) for key in POPULAR),
    Target("start", PEER, _least((1.0, None), (1.0, None))),
    Target("memory", PEER, _least((1.0, None), (1.0, None))),
)
