"""Which version of an engine is here: others may give other last bits, or be faster."""

from importlib.metadata import PackageNotFoundError, version

from edgebert.engines import is_installed
from edgebert.manifest import EngineName
from edgebert.version import __version__

MISSING = "missing"


def version_of(engine: EngineName) -> str:
    """Give an engine's version, "missing" where it cannot be used here."""
    if engine is EngineName.AMX:  # a part of edgebert
        return __version__ if is_installed(engine) else MISSING
    try:
        return version(engine.value)
    except PackageNotFoundError:
        return MISSING
