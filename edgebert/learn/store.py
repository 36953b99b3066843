"""A state and the file it lives in, changed together."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from edgebert.errors import LearnError
from edgebert.learn.encoding import encode_change, encode_state, replay
from edgebert.learn.journal import Journal, read_file
from edgebert.learn.state import Change, State
from edgebert.reader import ReadError


class Store:
    """Holds a state; with a journal, every change is on the disk before it is made here."""

    def __init__(self, state: State, journal: Journal | None, *, read_only: bool = False) -> None:
        self.state = state
        self._journal = journal
        self._read_only = read_only

    @classmethod
    def create(cls, state: State, path: Path | None) -> Self:
        """Keep a new state, in a file that must not exist or, without a path, in memory."""
        journal = None if path is None else Journal(path, create=encode_state(state))
        return cls(state, journal)

    @classmethod
    def open(cls, path: Path, *, read_only: bool) -> Self:
        """Open a file.

        Raises:
            LearnError: there is none, it is damaged, or another process writes it.
        """
        if not path.is_file():
            raise LearnError(f"{path}: no such file; `Learner.create` makes one")
        if read_only:
            contents = read_file(path)
            return cls(read_state(path, contents.snapshot, contents.records), None, read_only=True)
        journal = Journal(path)
        try:
            contents = journal.contents
            return cls(read_state(path, contents.snapshot, contents.records), journal)
        except BaseException:
            journal.close()
            raise

    def change(self, change: Change) -> None:
        """Make a change.

        Raises:
            LearnError: it cannot be made or not be written; nothing was changed.
        """
        self.require_writable()
        self.state.check(change)
        if self._journal is not None:
            self._journal.append(encode_change(change))
        self.state.apply(change)
        if self._journal is not None and self._journal.wants_compaction:
            self.compact()

    def replace(self, state: State) -> None:
        """Put another state in place of this one.

        Raises:
            LearnError: it cannot be written; nothing was changed.
        """
        self.require_writable()
        if self._journal is not None:
            self._journal.compact(encode_state(state))
        self.state = state

    def compact(self) -> None:
        """Fold the journal into the snapshot."""
        self.replace(self.state)

    def require_writable(self) -> None:
        """Refuse changes to what was closed or opened to be read."""
        if self._read_only:
            raise LearnError("this learner was closed, or opened read-only; open it for writing")

    def close(self) -> None:
        """Let other processes write the file."""
        if self._journal is not None:
            self._journal.close()
            self._journal, self._read_only = None, True


def read_state(path: Path, snapshot: bytes, records: Sequence[bytes]) -> State:
    """Read a state and do again what was done since.

    Raises:
        LearnError: it makes no sense.
    """
    try:
        return replay(snapshot, records)
    except ReadError as error:
        raise LearnError(f"{path}: {error}") from error
