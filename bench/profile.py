"""Where a run's time goes: by operator, outside of onnxruntime, and against the peak of int8.

    python -m bench.profile                        # MiniLM
    python -m bench.profile --model bert-base

One thread, one text a run. Writes results/profile-MODEL.json; `python -m bench.performance_report`
puts `table` into docs/performance.md.
onnxruntime's profiler adds some microseconds to each operator: the shares are read off a session
with it, the times off one without.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from bench import machine, markdown
from bench.peers.edgebert_levers import open_session
from bench.rows import MODELS
from bench.runner import FORMAT, RESULTS, rounded
from bench.turn import prepare
from bench.workloads import make_workload
from edgebert import Embedder, RuntimeConfig
from edgebert.batching import Batch
from edgebert.engine import Engine
from edgebert.engines import Opened
from edgebert.manifest import Encoder
from edgebert.results import Floats, Ints
from edgebert.session import Session
from edgebert.session_onnxruntime import OnnxSession

WARM = 3  # runs that are not counted
# sizes of the product that the peak is taken over, (M, K, N): those of the models and larger ones
PRODUCTS = ((128, 384, 1536), (256, 1024, 1024), (128, 768, 3072), (512, 768, 3072))
LINEARS = ("DynamicQuantizeMatMul", "MatMulIntegerToFloat", "DynamicQuantizeLinear")
KINDS: Mapping[str, tuple[str, ...]] = {
    "linears": (*LINEARS, "QuantizeLinear"),
    "attention": ("MultiHeadAttention",),
    "activation": ("Gelu",),
    "norms": ("LayerNormalization",),
    "smoothing, residuals": ("Mul", "Add"),
}
REST = "rest"


def main(arguments: Sequence[str] | None = None) -> int:
    """Profile one model and write it."""
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("--model", choices=list(MODELS), default="minilm")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--output", type=Path, default=None)
    asked = parser.parse_args(arguments)
    output = asked.output or RESULTS / f"profile-{asked.model}.json"
    result: dict[str, Any] = {
        "format": FORMAT,
        "kind": "profile",
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": asked.quick,
        "machine": machine.describe(),
        "model": MODELS[asked.model].label,
    }
    before = machine.Clock.now()
    result |= rounded(measure(asked.model, asked.quick))
    share = machine.foreign_share(before, machine.Clock.now(), result["machine"]["cores"])
    result["foreign"] = round(share, 3)
    output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(table([result]))
    print(f"written: {output}", file=sys.stderr)
    return 0


def measure(name: str, quick: bool) -> dict[str, Any]:
    """Measure the peak, and one text of each length.

    Returns:
        `peak_tops`: 10^12 operations a second of one core; `lengths`: by tokens, `run_us` and what
        a text costs besides, `outside_us` (medians), `shares` of the operators by kind, and `tops`
        of the linears' products over the whole run.
    """
    model = MODELS[name]
    _, folder = prepare("optimum", name, "bundle-int8")
    _, checkpoint = prepare("optimum", name, "checkpoint")
    workload = make_workload(checkpoint / "tokenizer.json", 1)
    engine = Engine.open(folder, RuntimeConfig(threads=1))
    lengths = {}
    for tokens, repeats in model.repeats.items():
        count = 2 if quick else repeats
        text = workload.by_length[tokens][:1]
        found = _one_length(folder, engine, text, count)
        operations = products(engine.manifest.encoder, found.pop("tokens"))
        lengths[str(tokens)] = found | {"tops": operations / found["run_us"] / 1e6}
    return {"peak_tops": peak(2 if quick else 20), "lengths": lengths}


def _one_length(folder: Path, engine: Engine, text: list[str], repeats: int) -> dict[str, Any]:
    main_graph = engine.manifest.graphs.main
    (tokens,) = engine.tokenizer.encode(text)
    ids: Ints = np.array([tokens.ids], np.int64)
    known = {"input_ids": ids, "token_type_ids": np.zeros_like(ids)}
    feeds = {name: known[name] for name in main_graph.inputs}
    watched = Watched(OnnxSession(folder, main_graph))
    embedder = Embedder(
        Engine(
            engine.manifest, engine.tokenizer, Opened(watched, watched), RuntimeConfig(threads=1)
        )
    )
    inside, outside = [], []
    for _ in range(WARM + repeats):
        start = time.perf_counter()
        embedder.embed(text)
        spent = time.perf_counter() - start
        inside.append(watched.took)
        outside.append(spent - watched.took)
    return {
        "tokens": ids.shape[1],
        "run_us": median(inside[WARM:]) * 1e6,
        "outside_us": median(outside[WARM:]) * 1e6,
        "shares": shares(folder, main_graph.file, feeds, repeats),
    }


class Watched:
    """A session that keeps how long its last run took, in seconds.

    What a text costs outside of it is the difference within one call: two calls on a machine that
    changes its speed differ by more.
    """

    def __init__(self, session: Session) -> None:
        """Take what runs."""
        self._session = session
        self.took = 0.0

    def run(self, batch: Batch) -> tuple[Floats, ...]:
        """Run one batch."""
        start = time.perf_counter()
        outputs = self._session.run(batch)
        self.took = time.perf_counter() - start
        return outputs


def timed(call: Callable[[], object], repeats: int) -> float:
    """Give the median time of a call in microseconds."""
    taken = []
    for _ in range(WARM + repeats):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return median(taken[WARM:]) * 1e6


def shares(folder: Path, file: str, feeds: Mapping[str, Ints], repeats: int) -> dict[str, float]:
    """Give each kind of operator's share of the time that all operators take together."""
    with TemporaryDirectory() as written:
        session = open_session(folder, file, {"profile": f"{written}/profile"})
        for _ in range(WARM + repeats):
            session.run(None, feeds)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    starts = sorted(event["ts"] for event in events if event["name"] == "model_run")
    spent: Counter[str] = Counter()
    kinds = {operator: kind for kind, operators in KINDS.items() for operator in operators}
    for event in events:
        if event["name"].endswith("_kernel_time") and event["ts"] >= starts[WARM]:
            spent[kinds.get(event["args"]["op_name"], REST)] += event["dur"]
    total = max(1, spent.total())
    return {kind: spent[kind] / total for kind in (*KINDS, REST)}


def products(encoder: Encoder, tokens: int) -> float:
    """Count the operations of the linears of one text: two for each weight and token."""
    weights = encoder.hidden * (4 * encoder.hidden + 2 * encoder.intermediate)
    return 2.0 * tokens * encoder.layers * weights


def peak(repeats: int) -> float:
    """Measure the best of PRODUCTS, u8 x s8 per channel, in 10^12 operations a second of a core."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    best = 0.0
    for rows, width, columns in PRODUCTS:
        session = onnxruntime.InferenceSession(
            _product(width, columns), options, providers=["CPUExecutionProvider"]
        )
        values = np.random.default_rng(0).integers(0, 255, (rows, width)).astype(np.uint8)

        def run(session: Any = session, values: Any = values) -> None:
            session.run(None, {"x": values})

        best = max(best, 2e-6 * rows * width * columns / timed(run, repeats))
    return best


def _product(width: int, columns: int) -> bytes:
    """Make a graph of one MatMulIntegerToFloat."""
    rng = np.random.default_rng(1)
    constants = {
        "w": rng.integers(-127, 127, (width, columns)).astype(np.int8),
        "x_scale": np.array(0.01, np.float32),
        "w_scales": np.full(columns, 0.01, np.float32),
        "x_zero": np.array(128, np.uint8),
    }
    node = helper.make_node(
        "MatMulIntegerToFloat",
        ["x", "w", "x_scale", "w_scales", "x_zero"],
        ["y"],
        domain="com.microsoft",
    )
    graph = helper.make_graph(
        [node],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, ["rows", width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", columns])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    made: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()
    return made


def parts(found: Mapping[str, Any], peak_tops: float) -> dict[str, float]:
    """Share out the time of one run.

    Args:
        found: of one length, see `measure`.
        peak_tops: what one core reaches at best.

    Returns:
        What the linears' products would take at the peak, which is the share of the peak that the
        run reaches; what the linears take beyond that; the other operators by kind. Their sum is 1.
    """
    reached = found["tops"] / peak_tops
    others = {kind: share for kind, share in found["shares"].items() if kind != "linears"}
    return {
        "of the peak": reached,
        "linears beyond it": found["shares"]["linears"] - reached,
        **others,
    }


def table(results: Sequence[Mapping[str, Any]]) -> str:
    """Write the page's table: a row for each model and length."""
    lines: list[list[str]] = []
    shared: dict[str, float] = {}
    for result in results:
        for tokens, found in result["lengths"].items():
            shared = parts(found, result["peak_tops"])
            cells = [
                result["model"].split(",")[0],
                tokens,
                f"{found['run_us'] / 1000:.2f}",
                f"{found['tops']:.2f}",
                *(f"{share:.0%}" for share in shared.values()),
                f"{found['outside_us']:.0f}",
            ]
            lines.append(cells)
    heads = ["model", "tokens", "a run, ms", "TOP/s", *shared, "outside, us"]
    return markdown.table(heads, lines)


if __name__ == "__main__":
    sys.exit(main())
