"""What a caller asks of a learner, checked and embedded: the change that it comes to.

Changes are values (`state.py`); whether one can be made is the state's to say when it is made.
"""

import re
from collections.abc import Collection, Sequence
from secrets import token_hex

import numpy as np

from edgebert.bundle import Bundle
from edgebert.errors import InputError, LearnError
from edgebert.learn.encoder import FrozenEncoder
from edgebert.learn.features import Tier, plan_features
from edgebert.learn.inputs import check_name
from edgebert.learn.receipts import Receipt, join_grids
from edgebert.learn.state import AddClass, Forget, Learn, RemoveClass, Setting

# "card_lost", "cardLost": on SNIPS, whose names are of the second kind, splitting them is worth 20
# points before the first sample. Templates about it ("This is about ...") lost 1 to 3 points on
# the validation part of CLINC150; on SNIPS one of them gained (docs/learning.md).
WORD_ENDS = re.compile(r"_+|(?<=[a-z])(?=[A-Z])")


def plan_setting(
    bundle: Bundle, tier: Tier | str, prompt: str | None, *, multi_label: bool, seed: int
) -> Setting:
    """Settle what never changes of a new learner; its arguments are `Learner.create`'s.

    Raises:
        InputError: there is no such tier, or the seed is negative.
        LearnError: the bundle lacks layers that the tier needs.
    """
    if tier not in set(Tier):
        raise InputError(f"tier is {tier!r}; it must be one of: {', '.join(Tier)}")
    if seed < 0:
        raise InputError(f"seed is {seed}; it must be 0 or more")
    return Setting(
        learner=token_hex(8),
        encoder=bundle.fingerprint,
        features=plan_features(bundle.manifest, Tier(tier), seed),
        prompt=bundle.manifest.default_prompt if prompt is None else prompt,
        multi_label=multi_label,
    )


def plan_class(encoder: FrozenEncoder, name: str, describe: str | None) -> AddClass:
    """Plan to add a class.

    Args:
        encoder: embeds the description.
        name: the class's.
        describe: None: the words of its name; "": no description.

    Raises:
        InputError: the name or the description cannot be taken.
    """
    check_name(name)
    phrase = phrase_of(name) if describe is None else describe
    check_phrase(phrase)
    grid = encoder.grids([phrase])[0]
    return AddClass(name, phrase, grid if phrase else np.zeros_like(grid))


def phrase_of(name: str) -> str:
    """Give the words of a name."""
    return WORD_ENDS.sub(" ", name)


def check_phrase(phrase: object) -> None:
    """Refuse what cannot be a description.

    Raises:
        InputError: and why.
    """
    if not isinstance(phrase, str):
        raise InputError(f"description is {phrase!r:.80}, expected a string")


def plan_learning(
    encoder: FrozenEncoder,
    known: Collection[str],
    texts: Sequence[str],
    labels: Sequence[tuple[str, ...]],
    *,
    new_classes: bool,
) -> Learn:
    """Plan to learn texts.

    Args:
        encoder: embeds them.
        known: names of the classes that are there.
        texts: N of them.
        labels: the names of each.
        new_classes: add the classes that are not there.

    Raises:
        LearnError: a label is unknown, and new classes are not allowed.
    """
    unknown = sorted({name for names in labels for name in names}.difference(known))
    if unknown and not new_classes:
        raise LearnError(
            f"no class {unknown[0]!r:.80}; add it with `add_class`, or allow `new_classes`"
        )
    new = tuple(plan_class(encoder, name, None) for name in unknown)
    return Learn(tuple(labels), encoder.grids(texts), new)


def plan_forgetting(
    encoder: FrozenEncoder,
    receipts: Sequence[Receipt],
    texts: Sequence[str],
    labels: Sequence[tuple[str, ...]],
) -> Forget:
    """Plan to forget what receipts stand for, and texts with the names of each.

    Raises:
        InputError: a text cannot be taken.
        LearnError: a receipt is of a learner of another tier.
    """
    grid = join_grids(receipts, encoder.grids(texts))
    return Forget((*(each.labels for each in receipts), *labels), grid)


def plan_removal(
    encoder: FrozenEncoder, name: str, receipts: Sequence[Receipt], texts: Sequence[str]
) -> RemoveClass:
    """Plan to remove a class with all its samples.

    Raises:
        LearnError: a receipt is not of this class alone.
    """
    strange = next((each for each in receipts if each.labels != (name,)), None)
    if strange is not None:
        raise LearnError(
            f"a receipt is of {list(strange.labels)!r:.80}, expected of {name!r:.80} alone; forget "
            "texts of several classes first"
        )
    return RemoveClass(name, join_grids(receipts, encoder.grids(texts)))
