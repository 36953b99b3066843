"""Record what reaches the linears of a model on sample rows of token ids.

Runs the fp32 graph with the inputs of its linears as outputs, one row of ids at a time, because a
bundle runs its texts unpadded too. Kept of a group's input: a few vectors of each text, chosen
with a fixed seed, and the largest and smallest value of every channel in each text, from which
the range that a dynamically quantized run would see follows exactly for any scaling of channels.
What is done with them is `smooth.py`'s and `quantize.py`'s.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from edgebert.manifest import Task
from edgebert.results import Floats, Ints
from edgebert.session_onnxruntime import SLOW_FUSIONS
from edgebert_export.canonical import Model
from edgebert_export.errors import ExportError
from edgebert_export.heads import Outputs, build_graph
from edgebert_export.onnx_writer import GraphWriter, WeightFile
from edgebert_export.plan import Plan

SEED = 0
# Of a group's vectors, these many: twice as many change the accuracy of MiniLM by less than the
# choice of texts does. Those of bert-base take 260 MB.
MAX_VECTORS = 1024
RANDOM_ROWS = 64  # 16 instead: the worst single cosine falls from 0.9957 to 0.9951
RANDOM_LENGTHS = (4, 64)  # tokens of a random row: from a phrase to a short paragraph
# Every such token of a masked LM's rows is masked: BERT's training masked 15 % (Devlin et al. 2019,
# section 3.1), and the decoder of the main graph sees nothing but masked tokens.
MASK_EVERY = 7


@dataclass(frozen=True, slots=True)
class Samples:
    """What reached the linears of one group."""

    vectors: Floats  # (N, in)
    texts: Ints  # (N,) the run that each vector is of: a text, in a layer that uses the group
    largest: Floats  # (texts, in) per channel, over all vectors of the run
    smallest: Floats  # (texts, in)


Calibration = Mapping[str, Samples]


def calibrate(
    model: Model,
    outputs: Outputs,
    rows: Sequence[Sequence[int]],
    *,
    threads: int,
    max_vectors: int = MAX_VECTORS,
    progress: Callable[[str, float], None] | None = None,
) -> Calibration:
    """Run the fp32 model and record the inputs of its groups of linears.

    Args:
        model: what to run.
        outputs: what the bundle is for; a group that its main graph does not reach is not in it.
        rows: token ids of each text, special tokens included.
        threads: for onnxruntime.
        max_vectors: how many vectors to keep of each group; at least one of each text is.
        progress: told the step's name and the share that is done, 0 to 1.

    Returns:
        The samples of each group: "0.qkv", "0.o", "0.f1", "0.f2", ..., and "decoder" for a masked
        LM. Layers that share weights share their groups' samples.

    Raises:
        ExportError: no rows, an empty one, or one longer than the model's positions.
    """
    _check(model, rows)
    found: dict[str, list[tuple[Floats, Floats, Floats]]] = {}
    with tempfile.TemporaryDirectory(prefix="edgebert-") as folder:
        session, groups, with_types = _open(model, outputs, Path(folder), threads)
        uses = Counter(group for group, _ in groups)  # layers that share weights share a group
        for number, row in enumerate(rows):
            ids = np.array([_masked(row, outputs)], np.int64)
            inputs = {"input_ids": ids}
            if with_types:
                inputs["token_type_ids"] = np.zeros_like(ids)
            values = session.run([value for _, value in groups], inputs)
            for (group, _), value in zip(groups, values, strict=True):
                found.setdefault(group, []).append(
                    reduce_text(value, max(1, max_vectors // (uses[group] * len(rows))), number)
                )
            if progress is not None:
                progress("calibrate", (number + 1) / len(rows))
        del session  # before its folder: a mapped file cannot be deleted on Windows
    return {group: join_texts(parts) for group, parts in found.items()}


def random_rows(
    plain: Sequence[int], ends: tuple[Sequence[int], Sequence[int]], *, most_tokens: int
) -> list[list[int]]:
    """Draw rows of random tokens, to calibrate on beside texts or where there are none.

    Beside texts they keep a quantized model from leaning on the texts' own words: MiniLM,
    calibrated on built-in sentences alone or with these, int8-accurate, cosine on 9 sets of texts,
    worst mean 0.9988 and 0.9987, worst single one 0.9944 and 0.9966.

    Args:
        plain: ids of the vocabulary's ordinary tokens.
        ends: the special tokens before and after a text.
        most_tokens: the longest row that the model takes, special tokens included.
    """
    rng = np.random.default_rng(SEED)
    first, last = (list(end) for end in ends)
    longest = min(RANDOM_LENGTHS[1], most_tokens - len(first) - len(last))
    shortest = min(RANDOM_LENGTHS[0], longest)
    lengths = rng.integers(shortest, longest, RANDOM_ROWS, endpoint=True)
    return [[*first, *rng.choice(plain, length).tolist(), *last] for length in lengths]


def _check(model: Model, rows: Sequence[Sequence[int]]) -> None:
    if not rows:
        raise ExportError("calibration needs at least one row of token ids, got none")
    for number, row in enumerate(rows):
        if not 0 < len(row) <= model.positions:
            raise ExportError(
                f"calibration row {number} has {len(row)} tokens, expected 1 to "
                f"{model.positions}, the model's positions"
            )


def _open(
    model: Model, outputs: Outputs, folder: Path, threads: int
) -> tuple[onnxruntime.InferenceSession, list[tuple[str, str]], bool]:
    """Build the fp32 graph, group inputs exposed, and say which group each value is of."""
    with WeightFile(folder / "model.weights") as weights:
        writer = GraphWriter(weights)
        graph = build_graph(writer, model, Plan(), outputs, masked=False)
        groups = [(group, value) for group, uses in graph.group_inputs.items() for value in uses]
        for _, value in groups:
            writer.expose(value)
        writer.write(folder / "model.onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        folder / "model.onnx",
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=SLOW_FUSIONS,
    )
    with_types = "token_type_ids" in {value.name for value in session.get_inputs()}
    return session, groups, with_types


def _masked(row: Sequence[int], outputs: Outputs) -> list[int]:
    if outputs.task is not Task.FILL or outputs.mask_id is None:
        return list(row)
    middle = len(row) // 2  # so that a row of any length has a mask
    places = {middle, *range(1 + middle % MASK_EVERY, len(row) - 1, MASK_EVERY)}
    return [outputs.mask_id if place in places else token for place, token in enumerate(row)]


def reduce_text(value: Floats, keep: int, number: int) -> tuple[Floats, Floats, Floats]:
    """Choose vectors of one text; the same ones in every group with as many."""
    vectors = value.reshape(-1, value.shape[-1])  # (B, T, in) or, at the decoder, (K, in)
    if len(vectors) > keep:
        chosen = np.random.default_rng((SEED, number)).choice(len(vectors), keep, replace=False)
        kept = vectors[np.sort(chosen)]
    else:
        kept = vectors
    return kept.copy(), vectors.max(axis=0), vectors.min(axis=0)


def join_texts(parts: Sequence[tuple[Floats, Floats, Floats]]) -> Samples:
    """Join what `reduce_text` kept of each text."""
    counts = [len(vectors) for vectors, _, _ in parts]
    return Samples(
        vectors=np.concatenate([vectors for vectors, _, _ in parts]),
        texts=np.repeat(np.arange(len(parts), dtype=np.int64), counts),
        largest=np.stack([largest for _, largest, _ in parts]),
        smallest=np.stack([smallest for _, _, smallest in parts]),
    )
