"""What a person sees of a long job: one line that is written over, and the summary at its end."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TextIO

from edgebert.jobs.resume import State

INTERVAL_S = 0.5  # between two lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a job came to."""

    state: State  # of the whole job
    resumed_at: int  # rows that earlier runs had done
    seconds: float  # of this run

    @property
    def rows_per_second(self) -> float:
        """The speed of this run."""
        return (self.state.read - self.resumed_at) / max(self.seconds, 1e-9)

    def to_json(self) -> dict[str, Any]:
        """Give JSON values."""
        return {
            "rows": self.state.read,
            "written": self.state.written,
            "bad": self.state.bad,
            "truncated": self.state.cut,
            "resumed_at": self.resumed_at,
            "seconds": round(self.seconds, 3),
            "rows_per_second": round(self.rows_per_second, 1),
        }

    def to_text(self, max_tokens: int) -> str:
        """Give a sentence."""
        bad = f", {self.state.bad:,} bad rows" if self.state.bad else ""
        before = f"; {self.resumed_at:,} rows were done before" if self.resumed_at else ""
        texts = self.state.read - self.state.bad
        return f"{texts:,} texts, {self.state.cut:,} cut at {max_tokens} tokens{bad}{before}"


class ProgressLine:
    """A line on a terminal, written over; nothing elsewhere."""

    def __init__(
        self, stream: TextIO, total: int | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin.

        Args:
            stream: where the line is written, if it is a terminal.
            total: rows of the input; None: not known, and no time left is shown.
            clock: seconds.
        """
        self._stream, self._total, self._clock = stream, total, clock
        self._began: tuple[float, int] | None = None
        self._shown = -INTERVAL_S
        self._is_terminal = stream.isatty()

    def __call__(self, state: State) -> None:
        """Show how far the job is, if some time has passed."""
        if not self._is_terminal:
            return
        now = self._clock()
        if self._began is None:
            self._began = now, state.read
        if now - self._shown >= INTERVAL_S:
            self._shown = now
            self._stream.write(f"\r\x1b[K{self.describe(state, now)}")
            self._stream.flush()

    def describe(self, state: State, now: float) -> str:
        """Say how far, how fast, and how long still."""
        start, first = self._began or (now, state.read)
        total = "" if self._total is None else f" of {self._total:,}"
        parts = [f"{state.read:,}{total} rows"]
        if now > start and state.read > first:
            speed = (state.read - first) / (now - start)
            parts.append(f"{speed:,.0f} rows/s")
            if self._total is not None:
                left = round(max(0, self._total - state.read) / speed)
                parts.append(f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02} left")
        parts.append(f"{state.cut:,} cut")
        if state.bad:
            parts.append(f"{state.bad:,} bad")
        return ", ".join(parts)

    def close(self) -> None:
        """Take the line away."""
        if self._is_terminal and self._began is not None:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
