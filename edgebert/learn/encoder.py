"""The frozen encoder of a learner: texts to embeddings on the grid.

A text is embedded in a run of its own: in a batch its last bits would move even in float models,
and rounding could make a whole grid step of that. So features are the same bits whatever is
embedded beside them, on one machine and onnxruntime; another may be a step off here and there.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from edgebert.batching import Batch
from edgebert.bundle import Bundle
from edgebert.config import RuntimeConfig
from edgebert.engine import Engine
from edgebert.errors import InputError, LearnError
from edgebert.learn.features import FeatureMap, Grid, snap
from edgebert.learn.state import Setting
from edgebert.manifest import Task
from edgebert.results import Floats
from edgebert.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Embedded:
    """One text on the grid."""

    grid: Grid  # (d,)
    tokens: Tokens


class FrozenEncoder:
    """Embeds texts for a learner, over-long ones cut. May be shared between threads."""

    def __init__(self, bundle: Bundle, setting: Setting) -> None:
        """Open the bundle's engine.

        Raises:
            TaskError: the bundle is not for embeddings.
            LearnError: it is not the one that the learner was made on.
            InputError: it has no such prompt.
        """
        if setting.encoder != bundle.fingerprint:
            raise LearnError(
                f"learnt on encoder {setting.encoder[:12]}..., bundle {bundle.path} is "
                f"{bundle.fingerprint[:12]}...; give the bundle it was made on"
            )
        features, manifest = setting.features, bundle.manifest
        given = (len(manifest.graphs.main.outputs), manifest.dimensions)
        if features.layers > given[0] or features.hidden != given[1]:
            raise LearnError(
                f"learnt on {features.layers} layers of {features.hidden}, the bundle gives "
                f"{given[0]} of {given[1]}; the learner's file is damaged"
            )
        self.bundle = bundle
        self.engine = Engine.from_parts(
            bundle.path, bundle.manifest, RuntimeConfig(max_tokens_per_run=1)
        )
        self.engine.require(Task.EMBED)
        self.prefix = _prefix(bundle, setting.prompt)
        self._features: FeatureMap = setting.features

    def embed(self, texts: Iterable[str]) -> Iterator[Embedded]:
        """Embed texts, one result each in the order given.

        Raises:
            InputError: a text cannot be taken; names the row.
        """
        if isinstance(texts, str):
            raise InputError("a single string; give a sequence of texts, such as [text]")

        # what is not a string goes on as it is, to be refused with its row
        prefixed = (self.prefix + text if isinstance(text, str) else text for text in texts)
        return (only for (only,) in self.engine.map(prefixed, self.read))

    def read(self, outputs: tuple[Floats, ...], batch: Batch) -> list[Embedded]:
        """Read the one text of a run."""
        stacked = np.stack(outputs[: self._features.layers], axis=1)  # (1, layers, H)
        return [Embedded(snap(stacked[0]).reshape(-1), batch.tokens[0])]

    def grids(self, texts: Iterable[str]) -> Grid:
        """Embed texts: (N, d)."""
        return self.stack(each.grid for each in self.embed(texts))

    def stack(self, rows: Iterable[Grid]) -> Grid:
        """Put embeddings, or none, into one array: (N, d)."""
        return np.array(list(rows), np.int16).reshape(-1, self._features.raw_width)


def _prefix(bundle: Bundle, prompt: str | None) -> str:
    prompts = bundle.manifest.prompts
    if prompt is not None and prompt not in prompts:
        known = ", ".join(prompts) or "none"
        raise InputError(f"no prompt {prompt!r}; the bundle has: {known}")
    return "" if prompt is None else prompts[prompt]
