"""The file survives: cut anywhere it opens as before or after, altered anywhere it does not."""

import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from edgebert.errors import LearnError
from edgebert.learn.journal import Journal, parse_file, read_file, write_snapshot

PAYLOADS = (b"first", b"", b"a third, longer one" * 3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "intents.learn"


@pytest.fixture
def written(path: Path) -> tuple[bytes, list[int]]:
    """A file of a snapshot and three records, and where it ended before each."""
    journal = Journal(path, create=b"snapshot")
    ends = []
    for payload in PAYLOADS:
        ends.append(path.stat().st_size)
        journal.append(payload)
    journal.close()
    return path.read_bytes(), ends


def test_what_was_appended_is_read_back(path: Path, written: tuple[bytes, list[int]]) -> None:
    contents = read_file(path)
    assert (contents.snapshot, contents.records) == (b"snapshot", PAYLOADS)
    assert contents.whole_bytes == len(written[0])


def test_a_file_cut_at_any_byte_holds_the_whole_records_before(
    path: Path, written: tuple[bytes, list[int]]
) -> None:
    data, ends = written
    for cut in range(ends[0], len(data)):
        whole = sum(cut >= end for end in [*ends[1:], len(data)])
        assert parse_file(path, data[:cut]).records == PAYLOADS[:whole]


def test_a_file_cut_within_its_snapshot_is_refused(
    path: Path, written: tuple[bytes, list[int]]
) -> None:
    data, ends = written
    for cut in range(ends[0]):
        with pytest.raises(LearnError, match="restore a copy"):
            parse_file(path, data[:cut])


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_a_file_altered_in_any_byte_is_refused(
    path: Path, written: tuple[bytes, list[int]], mask: int
) -> None:
    data = written[0]
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= mask
        with pytest.raises(LearnError):
            parse_file(path, bytes(damaged))


def test_records_in_another_order_are_refused(path: Path, written: tuple[bytes, list[int]]) -> None:
    data, ends = written
    swapped = data[: ends[0]] + data[ends[1] : ends[2]] + data[ends[0] : ends[1]]
    with pytest.raises(LearnError, match="record 0 at byte"):
        parse_file(path, swapped)


def test_appending_goes_on_where_a_cut_record_began(
    path: Path, written: tuple[bytes, list[int]]
) -> None:
    path.write_bytes(written[0][:-1])
    journal = Journal(path)
    journal.append(b"instead")
    journal.close()
    assert read_file(path).records == (*PAYLOADS[:2], b"instead")


def test_a_tail_of_zeros_is_a_record_that_never_came(
    path: Path, written: tuple[bytes, list[int]]
) -> None:
    for count in (1, 16, 500):
        assert parse_file(path, written[0] + bytes(count)).records == PAYLOADS


def test_a_file_that_became_shorter_is_not_written(path: Path) -> None:
    journal = Journal(path, create=b"snapshot")
    journal.append(b"one")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(LearnError, match="cut or replaced meanwhile"):
        journal.append(b"two")
    journal.close()


FORKED = """
import os, sys
from pathlib import Path
from edgebert.learn.journal import Journal
from edgebert.errors import LearnError
journal = Journal(Path(sys.argv[1]), create=b"s")
child = os.fork()
if not child:
    try:
        journal.append(b"from the child")
    except LearnError:
        os._exit(7)
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
journal.append(b"from the parent")
journal.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_does_not_write(
    path: Path, python: Callable[..., "subprocess.CompletedProcess[bytes]"]
) -> None:
    done = python("-c", FORKED, str(path))
    assert (done.stdout.strip(), done.stderr) == (b"7", b"")
    assert read_file(path).records == (b"from the parent",)


def test_a_second_writer_is_refused_until_the_first_has_closed(path: Path) -> None:
    first = Journal(path, create=b"")
    with pytest.raises(LearnError, match="another process is writing it"):
        Journal(path)
    first.close()
    Journal(path).close()


def test_a_reader_needs_no_lock(path: Path) -> None:
    journal = Journal(path, create=b"")
    journal.append(b"one")
    assert read_file(path).records == (b"one",)
    journal.close()


def test_readers_see_whole_records_while_one_writes(path: Path) -> None:
    journal = Journal(path, create=b"0")
    written = Event()

    def read() -> set[int]:
        seen = set()
        while not written.is_set():
            contents = read_file(path)
            numbers = [int(contents.snapshot), *map(int, contents.records)]
            assert numbers == list(range(numbers[0], numbers[-1] + 1))
            seen.add(numbers[-1])
        return seen

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        for number in range(1, 150):
            journal.append(str(number).encode())
            if number % 20 == 0:
                journal.compact(str(number).encode())
        written.set()
        assert all(len(reader.result()) > 1 for reader in readers)
    journal.close()


def test_an_existing_file_is_not_created_over(path: Path) -> None:
    path.write_bytes(b"something of value")
    with pytest.raises(LearnError, match="exists"):
        Journal(path, create=b"")
    assert path.read_bytes() == b"something of value"


def test_compaction_leaves_the_new_snapshot_alone(path: Path) -> None:
    journal = Journal(path, create=b"old")
    journal.append(b"a secret")
    journal.compact(b"new")
    journal.append(b"next")
    journal.close()
    contents = read_file(path)
    assert (contents.snapshot, contents.records) == (b"new", (b"next",))
    assert b"secret" not in path.read_bytes()


def test_a_journal_larger_than_its_snapshot_wants_compaction(path: Path) -> None:
    journal = Journal(path, create=b"")
    journal.append(bytes(1 << 20))
    assert journal.wants_compaction
    journal.compact(bytes(1 << 20))
    assert not journal.wants_compaction
    journal.close()


@pytest.mark.parametrize("content", [b"", b"EDGELRN1", b"not a learner" * 10])
def test_another_file_is_not_a_learner(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(LearnError, match=path.name):
        read_file(path)


def test_a_missing_file_is_named(path: Path) -> None:
    with pytest.raises(LearnError, match=r"intents\.learn: cannot be read"):
        read_file(path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(LearnError, match="cannot be written"):
        write_snapshot(tmp_path / "none" / "x.learn", b"")


FULL = """
import resource, sys
from pathlib import Path
from edgebert.learn.journal import Journal
from edgebert.errors import LearnError
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = Journal(Path(sys.argv[1]), create=b"s")
journal.append(b"kept")
resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
try:
    journal.append(bytes(1000))
except LearnError as error:
    print("refused")
journal.append(b"next")
journal.close()
"""


@pytest.mark.skipif(os.name == "nt", reason="no limits on file size")
def test_a_full_disk_leaves_the_file_as_it_was(
    path: Path, python: Callable[..., "subprocess.CompletedProcess[bytes]"]
) -> None:
    done = python("-c", FULL, str(path))
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, b"refused", b"")
    assert read_file(path).records == (b"kept", b"next")
