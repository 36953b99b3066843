"""A job that is stopped, killed or out of disk goes on to the same bytes, or is refused."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edgebert.device.cpu import Cpu
from edgebert.errors import InputError, ResumeError
from edgebert.jobs import local
from edgebert.jobs.local import Encoded, Job, run_job
from edgebert.jobs.resume import State
from edgebert.jobs.tables import read_rows
from edgebert.jobs.work import OnError
from edgebert.manifest import EngineName
from tests.conftest import ROOT
from tests.jobs.conftest import OUTPUTS, a_job, make_rows, names, need
from tests.make_tiny import DATA

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


class StoppedError(Exception):
    """A run is broken off here."""


def stop_after(read: int) -> Callable[[State], None]:
    def watch(state: State) -> None:
        if state.read >= read:
            raise StoppedError

    return watch


def interrupt(job: Job, read: int = 16) -> None:
    with pytest.raises(StoppedError):
        run_job(job, watch=stop_after(read))


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(rows: Path, name: str) -> None:
    need(name)
    whole, output = a_job(rows, rows.with_name(f"whole-{name}")), rows.with_name(name)
    run_job(whole)
    for read in (8, 24, 40):
        interrupt(a_job(rows, output), read)
        assert not output.exists()
    summary = run_job(a_job(rows, output))
    assert summary.resumed_at == 40
    assert output.read_bytes() == rows.with_name(f"whole-{name}").read_bytes()
    assert names(rows.parent) == sorted(["in.jsonl", name, f"whole-{name}"])


@pytest.mark.parametrize("torn", [b"", b'{"id": 16, "te', b"\0" * 5000])
def test_what_was_written_after_the_last_checkpoint_is_cut_off(rows: Path, torn: bytes) -> None:
    run_job(a_job(rows, rows.with_name("whole.jsonl")))
    interrupt(a_job(rows, rows.with_name("out.jsonl")))
    with rows.with_name(".out.jsonl.part").open("ab") as stream:
        stream.write(torn)
    run_job(a_job(rows, rows.with_name("out.jsonl")))
    assert rows.with_name("out.jsonl").read_bytes() == rows.with_name("whole.jsonl").read_bytes()


def test_who_watches_is_told_where_a_run_begins(rows: Path) -> None:
    seen: list[int] = []
    job = a_job(rows, rows.with_name("out.jsonl"))
    interrupt(job, 24)
    run_job(job, watch=lambda state: seen.append(state.read))
    assert seen == [24, 32, 40, 48, 50]


OTHERS: dict[str, Callable[[Job], Job]] = {
    "bundle": lambda job: replace(
        job, request=replace(job.request, bundle=DATA / "tiny-embed-int8")
    ),
    "options": lambda job: replace(job, request=replace(job.request, options={"dimensions": 7})),
    "precision": lambda job: replace(job, request=replace(job.request, precision="int8")),
    "text column": lambda job: replace(job, request=replace(job.request, text_column="text")),
    "prefix": lambda job: replace(job, request=replace(job.request, prefix="p_")),
    "block": lambda job: replace(job, block_rows=9),
}


@pytest.mark.parametrize("what", OTHERS)
def test_an_unfinished_output_of_another_job_is_refused(rows: Path, what: str) -> None:
    job = a_job(rows, rows.with_name("out.jsonl"))
    interrupt(job)
    before = rows.with_name(".out.jsonl.part").read_bytes()
    with pytest.raises(ResumeError, match=f"another {what}.*--restart"):
        run_job(OTHERS[what](job))
    assert rows.with_name(".out.jsonl.part").read_bytes() == before
    run_job(job)


def test_an_unfinished_output_of_another_input_is_refused(rows: Path) -> None:
    job = a_job(rows, rows.with_name("out.jsonl"))
    interrupt(job)
    rows.write_text(rows.read_text().replace("cat", "dog"))
    with pytest.raises(ResumeError, match=r"another input.*--restart"):
        run_job(job)


def test_an_unfinished_output_of_another_processor_is_refused(
    rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = a_job(rows, rows.with_name("out.jsonl"))
    interrupt(job)
    monkeypatch.setattr(local, "read_cpu", lambda: Cpu("x86_64", "older", frozenset(["avx2"])))
    with pytest.raises(ResumeError, match=r"another processor: .*--restart"):
        run_job(job)


@pytest.mark.export
def test_an_unfinished_output_of_another_engine_is_refused(rows: Path, amx_bundle: Path) -> None:
    job = a_job(rows, rows.with_name("out.jsonl"))
    job = replace(job, request=replace(job.request, bundle=amx_bundle))
    interrupt(job)
    with pytest.raises(ResumeError, match=r"another versions: .*--restart"):
        run_job(replace(job, request=replace(job.request, engine=EngineName.AMX)))


@pytest.mark.parametrize("change", ["append", "replace", "remove"])
def test_an_input_that_is_changed_while_it_is_read_is_refused(rows: Path, change: str) -> None:
    job, text = a_job(rows, rows.with_name("out.jsonl")), rows.read_text()

    def edit(state: State) -> None:
        if state.read == 16 and change == "append":
            rows.write_text(text + '{"text": "late"}\n')
        elif state.read == 16 and change == "replace":
            rows.with_name("new").write_text(text.replace("cat", "dog"))
            rows.with_name("new").replace(rows)
        elif state.read == 16:
            rows.unlink()

    with pytest.raises(InputError, match=r"in\.jsonl: was changed while it was read.*--restart"):
        run_job(job, watch=edit)
    assert not job.output.exists()
    if change != "remove":
        with pytest.raises(ResumeError, match="another input"):
            run_job(job)
        assert run_job(replace(job, restart=True)).resumed_at == 0


def test_an_error_of_the_system_elsewhere_is_not_one_of_the_output(rows: Path) -> None:
    def fail(*rest: object) -> Iterator[Encoded]:
        raise ConnectionError("no cluster")

    with pytest.raises(ConnectionError, match="no cluster"):
        run_job(a_job(rows, rows.with_name("out.jsonl")), spread=fail)
    assert names(rows.parent) == ["in.jsonl"]


def test_a_restart_begins_anew(rows: Path) -> None:
    job = a_job(rows, rows.with_name("out.jsonl"))
    interrupt(job)
    other = replace(OTHERS["options"](job), restart=True)
    assert run_job(other).resumed_at == 0
    (first, *_) = read_rows(rows.with_name("out.jsonl"))
    assert len(first["embedding"]) == 7


def test_a_run_that_failed_at_a_bad_row_may_go_on_without_it(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"text": "a"}\n' * 20 + "{\n" + '{"text": "b"}\n')
    with pytest.raises(InputError, match=r"in\.jsonl: line 21: not JSON"):
        run_job(a_job(source, tmp_path / "out.jsonl"))
    summary = run_job(a_job(source, tmp_path / "out.jsonl", on_error=OnError.SKIP))
    assert (summary.resumed_at, summary.state.bad, summary.state.written) == (16, 1, 21)


def test_bad_rows_that_were_skipped_are_not_then_a_failure(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text("{\n" + '{"text": "a"}\n' * 20)
    interrupt(a_job(source, tmp_path / "out.jsonl", on_error=OnError.SKIP))
    with pytest.raises(ResumeError, match="another treatment of bad rows"):
        run_job(a_job(source, tmp_path / "out.jsonl"))


@pytest.mark.parametrize(
    "told", [b"", b"[]", b"{}", b'{"job": {}, "state": {"read": -1}}', b"\xff", b"{" * 9999]
)
def test_a_damaged_record_of_a_job_is_refused(rows: Path, told: bytes) -> None:
    interrupt(a_job(rows, rows.with_name("out.jsonl")))
    rows.with_name(".out.jsonl.resume").write_bytes(told)
    with pytest.raises(ResumeError, match="--restart"):
        run_job(a_job(rows, rows.with_name("out.jsonl")))


def test_an_output_that_lost_bytes_is_refused(rows: Path) -> None:
    interrupt(a_job(rows, rows.with_name("out.jsonl")))
    rows.with_name(".out.jsonl.part").write_bytes(b"")
    with pytest.raises(ResumeError, match=r"has 0 bytes.*--restart"):
        run_job(a_job(rows, rows.with_name("out.jsonl")))


def test_two_runs_at_once_do_not_mix(rows: Path) -> None:
    job = a_job(rows, rows.with_name("out.jsonl"))

    def second(state: State) -> None:
        with pytest.raises(ResumeError, match="another process is writing it"):
            run_job(job)

    run_job(job, watch=second)
    assert len(list(read_rows(rows.with_name("out.jsonl")))) == 50


def test_a_disk_that_is_full_is_told_and_gone_on_from(rows: Path, small_disk: Run) -> None:
    big = rows.with_name("big.jsonl")
    big.write_text("".join(json.dumps(row) + "\n" for row in make_rows(6000)))
    arguments = ("run", DATA / "tiny-embed", big, "-o", rows.with_name("out.jsonl"))
    failed = small_disk(3_000_000, *arguments)
    assert failed.returncode == 1
    assert b"cannot be written: File too large; " in failed.stderr
    assert b"rows are done, make room and run the same command again" in failed.stderr
    assert failed.stderr.count(b"\n") == 1
    assert small_disk(1 << 30, *arguments).returncode == 0
    small_disk(1 << 30, *arguments[:-1], rows.with_name("whole.jsonl"))
    assert rows.with_name("out.jsonl").read_bytes() == rows.with_name("whole.jsonl").read_bytes()


# Kills its own process at the nth step that Python reports to the system (PEP 578).
KILLED = """
import os, signal, sys
from pathlib import Path
from edgebert.jobs.local import Job, run_job
from edgebert.jobs.work import Request
nth, bundle, source, output = int(sys.argv[1]), *map(Path, sys.argv[2:])
steps = 0
def step(event, arguments):
    global steps
    path = str(arguments[0]) if arguments else ""
    if event in ("open", "os.rename", "os.remove", "os.truncate") and output.name in path:
        steps += 1
        if steps == nth:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(step)
request = Request(bundle=bundle, threads=1)
run_job(Job(inputs=[source], output=output, request=request, block_rows=20))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.parametrize(
    ("name", "stride"),
    [
        ("out.jsonl", 1),
        ("out.parquet", 3),
        ("out.npy", 3),
        ("out.csv", 4),
        ("out.tsv.gz", 4),
        ("out.jsonl.zst", 4),
    ],
)
def test_a_kill_at_any_step_costs_no_byte(rows: Path, name: str, stride: int) -> None:
    need(name)
    whole = replace(a_job(rows, rows.with_name(f"whole-{name}")), block_rows=20)
    run_job(whole)
    expected = rows.with_name(f"whole-{name}").read_bytes()
    nth = 1 - stride
    while True:
        nth += stride
        output = rows.parent / str(nth) / name
        output.parent.mkdir()
        command = [sys.executable, "-c", KILLED, str(nth), str(DATA / "tiny-embed")]
        done = subprocess.run(
            [*command, str(rows), str(output)], cwd=ROOT, check=False, capture_output=True
        )
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        assert not output.exists() or output.read_bytes() == expected
        run_job(replace(whole, output=output))
        assert output.read_bytes() == expected
        assert names(output.parent) == [name]
        if done.returncode == 0:
            break
    assert nth > 12


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet", "out.csv.gz", "out.npy"])
def test_kills_at_random_moments_cost_no_byte(tmp_path: Path, name: str) -> None:
    need(name)
    source, output = tmp_path / "in.jsonl", tmp_path / name
    source.write_text("".join(json.dumps(row) + "\n" for row in make_rows(12_000)))
    command = [sys.executable, "-m", "edgebert", "run", str(DATA / "tiny-embed"), str(source)]
    whole, sidecar = tmp_path / f"whole-{name}", output.with_name(f".{name}.resume")
    start = time.monotonic()
    subprocess.run([*command, "-o", whole], cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    took = time.monotonic() - start
    draw, midway = random.Random(11), 0
    for _ in range(60):
        process = subprocess.Popen([*command, "-o", output], cwd=ROOT, stderr=subprocess.DEVNULL)
        time.sleep(draw.uniform(0, took))
        process.kill()
        if process.wait() == 0 and midway >= 3:
            break
        if sidecar.exists():
            midway += 1
        elif output.exists():  # it was through: too late
            output.unlink()
            took *= 0.9
        else:  # too early
            took *= 1.1
    assert midway >= 3
    assert output.read_bytes() == whole.read_bytes()
    assert names(tmp_path) == sorted(["in.jsonl", name, f"whole-{name}"])
