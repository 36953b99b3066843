"""The page on scale says what the recorded measurements give, and the reckoning is right."""

from dataclasses import replace

import pytest

from bench.bulk import TENTHS
from bench.bulk import recorded as recorded_memory
from bench.scale import PAGE, Measured, estimate, most_cores, recorded, render

MEASURED = Measured(model="m", rows=1, worker_ms=3.6, driver_ms=0.036, bytes_per_row=1536)
ROOM = 1.1  # of memory: what an allocator keeps or gives back
FLAT = recorded_memory()


def test_the_page_holds_the_tables_of_what_was_measured() -> None:
    page = PAGE.read_text("utf-8")
    assert render(page) == page, "run `python -m bench.scale --page`"
    assert page.count("<!-- made: ") == 2
    assert recorded()


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
def test_memory_did_not_grow_over_a_million_rows(name: str) -> None:
    found = FLAT[name]
    assert found["rows"] == 1_000_000
    assert len(found["rss_mb"]) == len(TENTHS)
    assert max(found["rss_mb"]) < ROOM * found["rss_mb"][1]


def test_one_core_takes_its_time_for_every_text() -> None:
    found = estimate(MEASURED, 1_000_000, 1)
    assert found.hours == pytest.approx(1.0)
    assert found.core_hours == pytest.approx(1.01)
    assert found.bottleneck == "workers"


def test_cores_shorten_a_job_until_the_driver_is_what_is_slow() -> None:
    hours = [estimate(MEASURED, 1_000_000, cores).hours for cores in (1, 10, 100, 1000)]
    assert hours == pytest.approx([1.0, 0.1, 0.01, 0.01])
    assert estimate(MEASURED, 1_000_000, 1000).bottleneck == "driver"


def test_core_hours_do_not_depend_on_how_many_share_them() -> None:
    assert estimate(MEASURED, 10, 1).core_hours == estimate(MEASURED, 10, 64).core_hours


def test_a_slower_driver_feeds_fewer_cores() -> None:
    assert most_cores(MEASURED) == 100
    assert most_cores(replace(MEASURED, driver_ms=0.36)) == 10


def test_the_output_is_as_large_as_its_rows() -> None:
    assert estimate(MEASURED, 1_000_000_000, 1).terabytes == pytest.approx(1.536)
