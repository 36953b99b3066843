"""What a caller gives, checked: labels and names."""

from collections.abc import Sequence

from edgebert.errors import InputError

Labels = Sequence[str] | Sequence[Sequence[str]]


def name_labels(texts: Sequence[str], labels: Labels, *, several: bool) -> list[tuple[str, ...]]:
    """Give the names of each text's classes.

    Args:
        texts: N of them.
        labels: N names; with `several`, N sequences of names.
        several: whether a text may have any number of labels.

    Raises:
        InputError: the two differ in number, or a label is not of its kind; names the row.
    """
    if isinstance(texts, str) or isinstance(labels, str):
        raise InputError("a single string; give sequences, such as [text] and [label]")
    if len(texts) != len(labels):
        raise InputError(f"{len(texts):,} texts and {len(labels):,} labels; give one each")
    named = []
    for row, given in enumerate(labels):
        if isinstance(given, str) == several or not isinstance(given, Sequence):
            wanted = "a sequence of names" if several else "a name"
            raise InputError(f"row {row}: label is {given!r:.80}, expected {wanted}")
        names = (given,) if isinstance(given, str) else tuple(given)
        for name in names:
            check_name(name, row)
        if len(set(names)) != len(names):
            raise InputError(f"row {row}: a label stands twice")
        named.append(names)
    return named


def check_name(name: object, row: int | None = None) -> None:
    """Refuse what cannot be a class's name.

    Raises:
        InputError: and why.
    """
    where = "" if row is None else f"row {row}: "
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"{where}label is {name!r:.80}, expected a name that is not empty")
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{where}label is {name!r:.80}, which is not Unicode") from error
