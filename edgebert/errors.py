"""Every error raised on purpose.

A message says what, the value found, what was expected and what to do. Anything else that
escapes is a bug in edgebert.
"""

from pathlib import Path


class EdgebertError(Exception):
    """Root of all errors that edgebert raises on purpose."""


class BundleError(EdgebertError):
    """A bundle cannot be used.

    Attributes:
        path: the folder or file at fault.
    """

    def __init__(self, path: Path | str, message: str) -> None:
        self.path = Path(path)
        super().__init__(path, message)  # as taken, so that a process pool can hand it on

    def __str__(self) -> str:
        path, message = self.args
        return f"{path}: {message}"


class BundleFormatError(BundleError):
    """Not a bundle, damaged, or a key that this format does not have."""


class BundleVersionError(BundleError):
    """Made for a newer runtime."""


class VerifyError(BundleError):
    """The golden texts do not come out as recorded on this machine."""


class TaskError(EdgebertError):
    """The bundle is for another task.

    Attributes:
        wanted: the task asked for.
        found: the task the bundle states.
    """

    def __init__(self, wanted: str, found: str, message: str) -> None:
        self.wanted = wanted
        self.found = found
        super().__init__(wanted, found, message)  # as taken: see BundleError

    def __str__(self) -> str:
        return str(self.args[2])


class InputError(EdgebertError, ValueError):
    """The caller's text or argument; the message names the row."""


class ResumeError(EdgebertError):
    """The unfinished output at hand belongs to another input, bundle or set of options."""


class InferenceError(EdgebertError):
    """The engine failed, or gave a value that is not finite; any cause is chained."""


class MissingExtraError(EdgebertError, ImportError):
    """An optional dependency is not installed; the message names the pip line."""


class LearnError(EdgebertError):
    """A learner cannot do this: unknown label, another encoder, a damaged state file."""


class RouteError(EdgebertError):
    """A cascade cannot do this: another bundle or learner, a damaged file."""


class StaleCertificateError(RouteError):
    """What the full model answers was changed after the cascade was certified."""
