"""What config.json says of a model that edgebert does not build: task, sizes, limit of positions.

Configurations name the same thing in several ways; the ways are data here.
"""

from collections.abc import Mapping

from edgebert.manifest import Encoder, Task
from edgebert_export.checkpoint import Checkpoint
from edgebert_export.errors import ExportError, UnsupportedModelError
from edgebert_export.families import FAMILIES
from edgebert_export.prepare import Traits

HEADS: Mapping[str, Task] = {  # the ends of transformers' class names
    "ForSequenceClassification": Task.CLASSIFY,
    "ForTokenClassification": Task.TAG,
    "ForQuestionAnswering": Task.ANSWER,
    "ForMaskedLM": Task.FILL,
    "Model": Task.EMBED,
}
SIZE_KEYS: Mapping[str, tuple[str, ...]] = {
    "layers": ("num_hidden_layers", "n_layers"),
    "hidden": ("hidden_size", "dim", "emb_dim"),
    "heads": ("num_attention_heads", "n_heads"),
    "intermediate": ("intermediate_size", "hidden_dim"),
    "vocabulary": ("vocab_size", "n_words"),
}
INTERMEDIATE_TIMES = 4  # of hidden, in configurations that fix it so (Vaswani et al. 2017)
POSITION_KEYS = ("max_position_embeddings", "n_positions")
# besides those of families.py: position ids start after pad_token_id, which takes as many rows
POSITIONS_FOLLOW_PADDING = frozenset(
    {
        "data2vec-text",
        "esm",
        "ibert",
        "longformer",
        "roberta-prelayernorm",
        "xlm-roberta-xl",
        "xmod",
    }
)
NO_TABLE = -1  # what some configurations state where nothing bounds the positions


def read_traits(checkpoint: Checkpoint, *, encoder_only: bool) -> Traits:
    """Read them.

    Args:
        checkpoint: opened.
        encoder_only: the head, if any, is left aside.

    Raises:
        UnsupportedModelError: no class is named, or one with a head that is no task here.
        ExportError: a size is missing.
    """
    architecture = _architecture(checkpoint)
    found = Task.EMBED if encoder_only else task_of(architecture)
    if found is None:
        raise UnsupportedModelError(
            f"{checkpoint.path}: architecture {architecture!r} has no head that is a task here; "
            f"known: names that end in {', '.join(HEADS)}"
        )
    sizes = {name: _size(checkpoint, name, keys) for name, keys in SIZE_KEYS.items()}
    labels = checkpoint.config.get("id2label")
    return Traits(
        task=found,
        family=str(checkpoint.config.get("model_type", "unknown")),
        architecture=architecture,
        encoder=Encoder(**sizes),
        positions=_positions(checkpoint),
        label_count=len(labels) if isinstance(labels, Mapping) else 2,  # transformers' own default
    )


def task_of(architecture: str) -> Task | None:
    """Tell the task of a class by its name."""
    return next((task for end, task in HEADS.items() if architecture.endswith(end)), None)


def _architecture(checkpoint: Checkpoint) -> str:
    stated = checkpoint.config.get("architectures")
    if isinstance(stated, list) and len(stated) == 1 and isinstance(stated[0], str):
        return stated[0]
    raise UnsupportedModelError(
        f"{checkpoint.path}: config.json states architectures {stated!r}; expected exactly one, "
        "as transformers names its classes"
    )


def _size(checkpoint: Checkpoint, name: str, keys: tuple[str, ...]) -> int:
    for key in keys:
        if checkpoint.config.get(key) is not None:
            return checkpoint.count(key, least=1)
    if name == "intermediate":
        return INTERMEDIATE_TIMES * _size(checkpoint, "hidden", SIZE_KEYS["hidden"])
    raise ExportError(f"{checkpoint.path}: config.json has none of {', '.join(keys)}")


def _positions(checkpoint: Checkpoint) -> int | None:
    config = checkpoint.config
    key = next((key for key in POSITION_KEYS if config.get(key) not in (None, NO_TABLE)), None)
    if key is None:
        return None
    rows = checkpoint.count(key, least=1)
    family = config.get("model_type")
    built = FAMILIES.get(family) if isinstance(family, str) else None
    follows = built.positions_follow_padding if built else family in POSITIONS_FOLLOW_PADDING
    if not follows:
        return rows
    padding = checkpoint.count("pad_token_id", least=0, default=1)
    return rows - padding - 1
