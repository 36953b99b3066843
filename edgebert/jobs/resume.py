"""An output that is appended to block by block, and found again after a kill at any moment.

Beside the output `NAME` stand, until it is whole, `.NAME.part` with its bytes so far and
`.NAME.resume`, which says how many of these bytes are good, how many rows they came from, and what
job they belong to. Bytes are on the disk before the sidecar says so, and the sidecar is replaced,
never changed: whatever is killed, what it says is true. Bytes after that are cut off.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Any

from edgebert.bundle import sync_folder, write_synced
from edgebert.errors import EdgebertError, ResumeError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

BAD_ROWS = "treatment of bad rows"  # the part of a job that may change until there was one
AGAIN = "to begin anew, --restart"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How far a job is."""

    read: int = 0  # rows of the input, bad ones too
    written: int = 0  # records of the output
    bad: int = 0  # rows that could not be run
    cut: int = 0  # texts cut at the limit
    bytes: int = 0  # of the output, known to be on the disk
    complete: bool = False  # no row is left


class Part:
    """The output while it is made. One process has it at a time."""

    def __init__(self, output: Path, job: Mapping[str, Any], *, restart: bool = False) -> None:
        """Begin, or find what an earlier run of the same job has left.

        Args:
            output: the file that shall stand in the end.
            job: what identifies the job; JSON values.
            restart: leave what was there.

        Raises:
            ResumeError: what was left belongs to another job, is damaged, or is being written.
            EdgebertError: it cannot be written.
        """
        self.output = output
        self.path = output.with_name(f".{output.name}.part")
        self._sidecar = output.with_name(f".{output.name}.resume")
        self._job = json.loads(json.dumps(job))
        self._stream: IO[bytes] | None = None
        try:
            if restart:
                self._sidecar.unlink(missing_ok=True)
            self.state = self._recall()
            if not self.is_in_place:
                self._open()
        except OSError as error:
            self.close()
            raise self._broken(error) from error
        except ResumeError:
            self.close()
            raise

    @property
    def is_in_place(self) -> bool:
        """Whether an earlier run did all but to remove its sidecar."""
        return self.state.complete and not self.path.exists() and self.output.exists()

    def append(self, data: bytes, state: State) -> None:
        """Write a block; when this returns, a kill costs none of it.

        Args:
            data: its bytes.
            state: of the job with this block; its count of bytes is filled in here.

        Raises:
            EdgebertError: the disk does not take it; what was there before is kept.
        """
        stream = self._opened()
        counts = asdict(state) | {"bytes": self.state.bytes + len(data)}
        try:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
            self._remember(State(**counts))
        except OSError as error:
            raise self._broken(error) from error

    def finish(self, finish: Callable[[Path], Path]) -> None:
        """Give the output its name, now that no row is left.

        Args:
            finish: makes the whole of the blocks and says where it stands.

        Raises:
            EdgebertError: the disk does not take it; all rows are kept.
        """
        try:
            self._finish(finish)
        except OSError as error:
            raise self._broken(error) from error

    def _finish(self, finish: Callable[[Path], Path]) -> None:
        if not self.is_in_place:
            if not self.state.complete:
                self._remember(State(**(asdict(self.state) | {"complete": True})))
            whole = finish(self.path)
            with whole.open("r+b") as stream:
                os.fsync(stream.fileno())
            self.close()  # Windows renames no open file
            whole.replace(self.output)
            sync_folder(self.output.parent)
            self.path.unlink(missing_ok=True)
        self._sidecar.unlink(missing_ok=True)

    def discard(self) -> None:
        """Leave nothing behind, where a job cannot be gone on with."""
        self.close()
        for path in (self._sidecar, self.path):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let another process have it."""
        if self._stream is not None:
            with suppress(OSError):  # bytes that a full disk does not take: they count for nothing
                self._stream.close()

    def _broken(self, error: OSError) -> EdgebertError:
        """Make an error of the disk one that says what to do."""
        reason = error.strerror or error
        again = "make room and run the same command again: it goes on"
        kept = f"; {self.state.read:,} rows are done, {again}" if self.state.read else ""
        return EdgebertError(f"{self.output}: cannot be written: {reason}{kept}")

    def _opened(self) -> IO[bytes]:
        if self._stream is None:
            raise ResumeError(f"{self.output}: is finished and cannot be appended to")
        return self._stream

    def _open(self) -> None:
        self._stream = self.path.open("r+b" if self.path.exists() else "w+b")
        _lock(self._stream, self.output)
        size = self.path.stat().st_size
        if size < self.state.bytes:
            raise ResumeError(
                f"{self.path}: has {size:,} bytes, {self.state.bytes:,} were written; {AGAIN}"
            )
        self._stream.truncate(self.state.bytes)
        self._stream.seek(self.state.bytes)

    def _remember(self, state: State) -> None:
        fresh = self._sidecar.with_name(f"{self._sidecar.name}.new")
        told = {"job": self._job, "state": asdict(state)}
        write_synced(fresh, json.dumps(told, indent=1).encode())
        fresh.replace(self._sidecar)
        sync_folder(self._sidecar.parent)
        self.state = state

    def _recall(self) -> State:
        try:
            told = json.loads(self._sidecar.read_bytes())
        except FileNotFoundError:
            return State()
        except ValueError as error:
            raise ResumeError(f"{self._sidecar}: is damaged: {error}; {AGAIN}") from error
        if not _is_told(told):
            raise ResumeError(f"{self._sidecar}: is no record of a job; {AGAIN}")
        loose = set() if told["state"]["bad"] else {BAD_ROWS}
        for name in sorted((self._job.keys() | told["job"].keys()) - loose):
            wanted, found = self._job.get(name), told["job"].get(name)
            if wanted != found:
                raise ResumeError(
                    f"{self.output}: what is unfinished there has another {name}: "
                    f"{json.dumps(found)[:200]}, now it is {json.dumps(wanted)[:200]}; "
                    f"to go on, run the same command as then; {AGAIN}"
                )
        return State(**told["state"])


def _is_told(told: Any) -> bool:
    if not isinstance(told, dict) or told.keys() != {"job", "state"}:
        return False
    state, kinds = told["state"], {each.name: each.type for each in fields(State)}
    return (
        isinstance(told["job"], dict)
        and isinstance(state, dict)
        and state.keys() == kinds.keys()
        and all(type(state[name]) is kind and state[name] >= 0 for name, kind in kinds.items())
    )


def _lock(stream: IO[bytes], output: Path) -> None:
    try:
        if sys.platform == "win32":
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise ResumeError(f"{output}: another process is writing it; wait for it to end") from error
