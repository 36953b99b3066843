"""Load what an optional extra brings, or say which pip line brings it."""

from importlib import import_module
from typing import Any

from edgebert.errors import MissingExtraError


def load_extra(module: str, extra: str) -> Any:
    """Import a module that the base install does not have.

    Raises:
        MissingExtraError: it is not installed; the message names the pip line.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingExtraError(
            f'{package} is not installed; run `pip install "edgebert[{extra}]"`'
        ) from error
