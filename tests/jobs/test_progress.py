"""A long job's line says how far, how fast and how long still, on a terminal alone."""

import io

from edgebert.jobs.progress import ProgressLine, Summary
from edgebert.jobs.resume import State


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(stream: io.StringIO, total: int | None, *states: tuple[float, State]) -> list[str]:
    times = iter([when for when, _ in states])
    line = ProgressLine(stream, total, clock=lambda: next(times))
    for _, state in states:
        line(state)
    return stream.getvalue().split("\r\x1b[K")[1:]


def test_the_line_says_rows_speed_time_left_and_what_was_cut() -> None:
    states = (10.0, State(read=1000)), (12.0, State(read=3000, cut=5, bad=2))
    assert shown(Terminal(), 8_000_000, *states) == [
        "1,000 of 8,000,000 rows, 0 cut",
        "3,000 of 8,000,000 rows, 1,000 rows/s, 2:13:17 left, 5 cut, 2 bad",
    ]


def test_without_a_total_no_time_left_is_made_up() -> None:
    states = (0.0, State()), (1.0, State(read=10))
    assert shown(Terminal(), None, *states)[-1] == "10 rows, 10 rows/s, 0 cut"


def test_rows_of_an_earlier_run_do_not_count_as_speed() -> None:
    states = (0.0, State(read=5000)), (1.0, State(read=5010))
    assert "10 rows/s" in shown(Terminal(), None, *states)[-1]


def test_the_line_is_not_written_oftener_than_it_can_be_read() -> None:
    states = [(number / 100, State(read=number)) for number in range(100)]
    assert len(shown(Terminal(), None, *states)) == 2


def test_nothing_is_written_where_there_is_no_terminal() -> None:
    line = ProgressLine(stream := io.StringIO(), 10)
    line(State(read=5))
    line.close()
    assert stream.getvalue() == ""


def test_the_line_is_taken_away_at_the_end() -> None:
    line = ProgressLine(stream := Terminal(), 10)
    line(State(read=5))
    line.close()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_the_summary_counts_bad_rows_and_what_was_done_before() -> None:
    state = State(read=1000, written=998, bad=2, cut=3)
    summary = Summary(state=state, resumed_at=400, seconds=2.0)
    assert summary.to_text(512) == (
        "998 texts, 3 cut at 512 tokens, 2 bad rows; 400 rows were done before"
    )
    assert summary.to_json()["rows_per_second"] == 300
