"""edgebert: BERT-family encoders, small and fast on machines without a GPU.

Names are imported when first used, so that `import edgebert` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from edgebert.version import __version__

if TYPE_CHECKING:
    from edgebert.bundle import Bundle
    from edgebert.config import RuntimeConfig
    from edgebert.errors import EdgebertError
    from edgebert.learn.learner import Learner
    from edgebert.loading import load
    from edgebert.manifest import Manifest
    from edgebert.route.cascade import Cascade
    from edgebert.tasks.answer import QuestionAnswerer
    from edgebert.tasks.classify import Classifier
    from edgebert.tasks.embed import Embedder
    from edgebert.tasks.fill import MaskFiller
    from edgebert.tasks.rerank import Reranker
    from edgebert.tasks.tag import TokenClassifier
    from edgebert.tasks.zero_shot import ZeroShotClassifier
    from edgebert.vectors import (
        embedding_ranges,
        quantize_embeddings,
        similarity,
        unit_ranges,
    )

_HOMES = {
    "Bundle": "edgebert.bundle",
    "Cascade": "edgebert.route.cascade",
    "Classifier": "edgebert.tasks.classify",
    "EdgebertError": "edgebert.errors",
    "Embedder": "edgebert.tasks.embed",
    "Learner": "edgebert.learn.learner",
    "Manifest": "edgebert.manifest",
    "MaskFiller": "edgebert.tasks.fill",
    "QuestionAnswerer": "edgebert.tasks.answer",
    "Reranker": "edgebert.tasks.rerank",
    "RuntimeConfig": "edgebert.config",
    "TokenClassifier": "edgebert.tasks.tag",
    "ZeroShotClassifier": "edgebert.tasks.zero_shot",
    "embedding_ranges": "edgebert.vectors",
    "load": "edgebert.loading",
    "quantize_embeddings": "edgebert.vectors",
    "similarity": "edgebert.vectors",
    "unit_ranges": "edgebert.vectors",
}

__all__ = [
    "Bundle",
    "Cascade",
    "Classifier",
    "EdgebertError",
    "Embedder",
    "Learner",
    "Manifest",
    "MaskFiller",
    "QuestionAnswerer",
    "Reranker",
    "RuntimeConfig",
    "TokenClassifier",
    "ZeroShotClassifier",
    "__version__",
    "embedding_ranges",
    "load",
    "quantize_embeddings",
    "similarity",
    "unit_ranges",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'edgebert' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
