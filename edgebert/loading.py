"""Open a bundle as the task it states."""

from pathlib import Path

from edgebert.config import RuntimeConfig
from edgebert.engine import Engine
from edgebert.manifest import Task
from edgebert.tasks.answer import QuestionAnswerer
from edgebert.tasks.classify import Classifier
from edgebert.tasks.embed import Embedder
from edgebert.tasks.fill import MaskFiller
from edgebert.tasks.tag import TokenClassifier

AnyTask = Embedder | Classifier | TokenClassifier | QuestionAnswerer | MaskFiller


def load(path: Path | str, config: RuntimeConfig | None = None) -> AnyTask:
    """Open a bundle's folder as the task object that its manifest states.

    Args:
        path: the folder.
        config: how to run it on this machine.

    Raises:
        BundleError: it cannot be used.
    """
    engine = Engine.open(path, config)
    match engine.manifest.task:
        case Task.EMBED:
            return Embedder(engine)
        case Task.CLASSIFY:
            return Classifier(engine)
        case Task.TAG:
            return TokenClassifier(engine)
        case Task.ANSWER:
            return QuestionAnswerer(engine)
        case Task.FILL:
            return MaskFiller(engine)
