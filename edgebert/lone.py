"""A run that has the machine to itself, on all cores.

Runs side by side are fastest with one thread each, so the session that workers share has no
threads of its own. A lone text leaves the other cores idle: a second session takes it in parallel,
made when it first pays, since it holds the packed weights once more. Both give the same bits: a
thread takes whole rows or columns of a product and whole heads of an attention, never part of a
sum (`tests/test_lone.py` holds onnxruntime to that).
"""

from collections.abc import Callable
from threading import Lock

from edgebert.batching import Batch
from edgebert.results import Floats
from edgebert.session import Session

# A process that embeds one short text never pays for the second session; one that goes on does.
LONG = 64  # tokens from which even the first lone run is worth it


class Turns:
    """Counts the lone runs of a bundle, on whatever engine: two at once must not take all cores."""

    def __init__(self) -> None:
        self.lock = Lock()  # around the choice, never around a run
        self.active = 0


class LoneSession:
    """Runs a batch on all cores where no other is running. May be shared between threads."""

    def __init__(
        self,
        shared: Session,
        open_wide: Callable[[], Session],
        turns: Turns | None = None,
        least: int = 1,
    ) -> None:
        """Take the session that workers share, and what opens one on all cores.

        Args:
            shared: runs what is not alone.
            open_wide: opens the other one when it is first worth it.
            turns: shared with the lone sessions of the bundle's other engine; None: it has none.
            least: tokens of a row from which all cores are faster than one.
        """
        self._shared = shared
        self._open_wide = open_wide
        self._wide: Session | None = None
        self._turns = turns or Turns()
        self._least = least
        self._seen = False

    def run(self, batch: Batch) -> tuple[Floats, ...]:
        """Run one batch: on all cores if it is alone, else as any other."""
        with self._turns.lock:
            session = self._choose(batch)
            self._turns.active += 1
        try:
            return session.run(batch)
        finally:
            with self._turns.lock:
                self._turns.active -= 1

    def _choose(self, batch: Batch) -> Session:
        tokens = len(batch.tokens[0].ids)
        worth_it = tokens >= (self._least if self._seen else max(self._least, LONG))
        self._seen = True
        if self._turns.active or not worth_it:
            return self._shared
        if self._wide is None:
            self._wide = self._open_wide()
        return self._wide
