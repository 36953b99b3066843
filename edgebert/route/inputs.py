"""What a caller of a cascade gives, checked: texts and labels."""

from collections.abc import Mapping, Sequence

import numpy as np

from edgebert.errors import InputError, RouteError
from edgebert.learn.inputs import name_labels
from edgebert.results import Ints
from edgebert.route.full import FullModel


def check_texts(texts: Sequence[str]) -> list[str]:
    """Refuse one string in place of many.

    Raises:
        InputError: it is one.
    """
    if isinstance(texts, str):
        raise InputError("a single string; give a sequence of texts, such as [text]")
    return list(texts)


def columns_of(full: FullModel, texts: Sequence[str], labels: Sequence[str] | None) -> Ints | None:
    """Give the places of N labels among the full model's; None where there are none.

    Raises:
        InputError: the two differ in number, or a label is none of the full model's.
    """
    if labels is None:
        return None
    places = {name: place for place, name in enumerate(full.labels)}
    found = []
    for row, (name,) in enumerate(name_labels(texts, labels, several=False)):
        if name not in places:
            raise InputError(f"row {row}: label {name!r:.80} is none of the full model's classes")
        found.append(places[name])
    return np.array(found, np.int64)


def require_classes(built: FullModel, now: FullModel) -> None:
    """Refuse a full model whose classes are not those that the stages were fitted to.

    Raises:
        RouteError: they are others.
    """
    if now.labels != built.labels:
        raise RouteError(
            f"the cascade was built for {len(built.labels)} classes, the model now has "
            f"{len(now.labels)}, or others; build it again"
        )


def check_mix(full: FullModel, mix: Mapping[str, float]) -> None:
    """Refuse shares of classes that the full model does not have.

    Raises:
        InputError: names the first.
    """
    unknown = next((name for name in mix if name not in full.labels), None)
    if unknown is not None:
        raise InputError(f"class {unknown!r:.80} of the mix is none of the full model's")
