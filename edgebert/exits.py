"""Prove that the segments of a bundle are its main graph: the same bits, on one thread."""

from collections.abc import Sequence

import numpy as np

from edgebert.bundle import Bundle
from edgebert.config import RuntimeConfig
from edgebert.engine import Engine
from edgebert.engines import Opened
from edgebert.errors import VerifyError
from edgebert.golden import Golden, raw_outputs
from edgebert.segments import CutSession, Segments
from edgebert.tokens import Text


def differing_texts(engine: Engine, segments: Segments, texts: Sequence[Text]) -> list[Text]:
    """Run texts one by one through the main graph and through its segments.

    Args:
        engine: with the main graph on one thread.
        segments: of the same bundle.
        texts: what to run.

    Returns:
        The texts whose raw outputs are not the same bits.
    """
    cut = CutSession(segments, engine.manifest.graphs.main)
    config = RuntimeConfig(threads=1)
    in_parts = Engine(engine.manifest, engine.tokenizer, Opened(cut, cut), config)
    wanted, found = raw_outputs(engine, texts), raw_outputs(in_parts, texts)
    return [
        text
        for text, one, other in zip(texts, wanted, found, strict=True)
        if not np.array_equal(one.view(np.int32), other.view(np.int32))
    ]


def verify_exits(bundle: Bundle, golden: Golden) -> None:
    """Check on this machine that the golden texts come out of the segments as of the main graph.

    Raises:
        VerifyError: they do not.
        BundleError: a segment cannot be loaded, or there is none.
    """
    engine = Engine.from_parts(bundle.path, bundle.manifest, RuntimeConfig(threads=1))
    segments = Segments(bundle.path, bundle.manifest)
    texts = [row.text for row in golden.rows]
    differing = differing_texts(engine, segments, texts)
    if differing:
        raise VerifyError(
            bundle.path,
            f"{len(differing)} of {len(texts)} golden texts come out of the segments with other "
            "bits than of the main graph; use the bundle without its exits, and report this "
            "onnxruntime's version",
        )
