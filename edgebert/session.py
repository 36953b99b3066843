"""A batch in, arrays out: the narrow seam behind which the inference engine stands.

An engine is a class with this `run`, in a file of its own; `engines.py` chooses.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from edgebert.batching import Batch
from edgebert.errors import InferenceError
from edgebert.results import Floats, Ints


class Session(Protocol):
    """What the engine needs: a batch in, the graph's outputs in the manifest's order."""

    def run(self, batch: Batch) -> tuple[Floats, ...]:
        """Run one batch. Must be safe to call from several threads."""
        ...


def feeds_of(batch: Batch, names: Sequence[str]) -> dict[str, Ints]:
    """Give a batch's arrays by the names of a graph's inputs.

    Raises:
        InferenceError: the graph has an input that this runtime does not know.
    """
    unknown = [name for name in names if name not in FEEDS]
    if unknown:
        raise InferenceError(
            f"the graph wants an input {unknown[0]!r} that this runtime does not know"
        )
    return {name: FEEDS[name](batch) for name in names}


FEEDS: Mapping[str, Callable[[Batch], Ints]] = {
    "input_ids": lambda batch: batch.ids,
    "token_type_ids": lambda batch: batch.type_ids,
    "attention_mask": lambda batch: batch.mask,
}
