"""A bundle with the profile that tuning made on this machine."""

import shutil
from pathlib import Path

from edgebert.bundle import Bundle
from edgebert.tuned import write_profile
from edgebert.tuning import tune

NAME = "bundle"  # of its folder in the target, the profile beside it


def make(source: Path, target: Path) -> None:
    """Copy a bundle and tune it here, with the defaults of the command."""
    folder = target / NAME
    shutil.copytree(source, folder)
    write_profile(Bundle.open(folder), tune(folder))
