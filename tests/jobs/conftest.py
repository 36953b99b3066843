"""Jobs on the tiny bundle, of fifty short rows in blocks of eight."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from edgebert.jobs.local import Job
from edgebert.jobs.work import Request
from tests.make_tiny import DATA

WORDS = "the cat sat on a mat and a dog saw 서울 rain today".split()
OUTPUTS = ["out.jsonl", "out.jsonl.gz", "out.jsonl.zst", "out.csv", "out.parquet", "out.npy"]


def make_rows(count: int) -> list[dict[str, Any]]:
    draw = random.Random(7)
    return [
        {"id": number, "text": " ".join(draw.choices(WORDS, k=draw.randint(0, 12)))}
        for number in range(count)
    ]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in make_rows(50)))
    return path


def a_job(source: Path, output: Path, **request: Any) -> Job:
    asked = Request(**{"bundle": DATA / "tiny-embed", "threads": 1} | request)
    return Job(inputs=[source], output=output, request=asked, block_rows=8)


def need(name: str) -> None:
    for end, package in ((".zst", "zstandard"), (".parquet", "pyarrow")):
        if name.endswith(end):
            pytest.importorskip(package)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
