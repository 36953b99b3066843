"""The errors of export, below `EdgebertError`."""

from edgebert.errors import EdgebertError
from edgebert.manifest import Parity


class ExportError(EdgebertError):
    """A checkpoint cannot be turned into a bundle; the message says why and what to do."""


class UnsupportedModelError(ExportError):
    """The architecture or a setting of it is not one that edgebert builds."""


class ParityError(ExportError):
    """The bundle came out too far from the fp32 model; it was not written.

    Attributes:
        parity: the figures measured and the floors they missed.
    """

    def __init__(self, message: str, parity: Parity) -> None:
        self.parity = parity
        super().__init__(message, parity)  # as taken, so that a process pool can hand it on

    def __str__(self) -> str:
        return str(self.args[0])
