"""What stands on the disk is a whole bundle or none: floors, targets, full disks, kills."""

import errno
import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgebert.bundle import Bundle
from edgebert.errors import BundleError
from edgebert.manifest import Level, PoolingMode
from edgebert_export import ParityError, Recipe, export, pipeline
from edgebert_export.onnx_writer import WeightFile
from edgebert_export.parity import Floor
from tests.make_tiny import write_checkpoint

pytestmark = pytest.mark.export

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
KILLED_AT = """
import os, signal, sys
from pathlib import Path
from edgebert.manifest import Level, PoolingMode
from edgebert_export import Recipe, export

def tell(step, share):
    if step == sys.argv[3]:
        os.kill(os.getpid(), signal.SIGKILL)

export(
    Recipe(
        model=Path(sys.argv[1]), output=Path(sys.argv[2]), quantize=Level.INT8,
        pooling=PoolingMode.MEAN, overwrite=True, min_cosine=0, min_cosine_mean=0,
    ),
    tell,
)
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "model")


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """An empty folder for outputs, so that anything left behind shows."""
    folder = tmp_path / "beside"
    folder.mkdir()
    return folder


def run(model: Path, output: Path, progress: Any = None, **options: Any) -> None:
    options = {"quantize": Level.FP32, "pooling": PoolingMode.MEAN} | options
    export(Recipe(model=model, output=output, **options), progress)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def raise_full(*arguments: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


# Repeatable


@pytest.mark.parametrize(
    ("architecture", "options"),
    [
        ("BertModel", ["--pooling", "mean"]),
        ("BertForQuestionAnswering", []),
        ("RobertaForMaskedLM", []),  # masks are put at random places
    ],
)
def test_the_same_checkpoint_and_options_give_the_same_bytes(
    architecture: str, options: list[str], tmp_path: Path, python: Run
) -> None:
    model = write_checkpoint(tmp_path / "model", architecture)
    for name in ("first", "second"):  # a process each, so that its hash seed would show
        output = tmp_path / name / "out"
        arguments = ["export", str(model), str(output), "--quantize", "fp32", *options]
        assert python("-m", "edgebert", *arguments).returncode == 0
    first = contents(tmp_path / "first" / "out")
    listed = json.loads(first["edgebert.json"])["files"]
    assert first.keys() == {"edgebert.json", *listed}
    assert first == contents(tmp_path / "second" / "out")


def test_other_weights_give_another_fingerprint(model: Path, tmp_path: Path) -> None:
    run(model, tmp_path / "first" / "out")
    run(write_checkpoint(tmp_path / "other", seed=1), tmp_path / "second" / "out")
    first, second = (Bundle.open(tmp_path / name / "out") for name in ("first", "second"))
    assert first.fingerprint != second.fingerprint


# Progress


def test_progress_only_grows_and_ends_at_one(model: Path, beside: Path) -> None:
    told: list[tuple[str, float]] = []
    run(model, beside / "out", lambda step, share: told.append((step, share)))
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert (shares[0], told[-1]) == (0.0, ("done", 1.0))


def test_an_export_that_fails_never_says_done(
    model: Path, beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[float] = []
    monkeypatch.setattr(pipeline, "floor_of", lambda recipe, task: Floor(1.5, None, None))
    with pytest.raises(ParityError):
        run(model, beside / "out", lambda step, share: told.append(share))
    assert max(told) < 1


# Floors


def test_a_miss_writes_no_bundle_and_leaves_nothing_beside(
    model: Path, beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "floor_of", lambda recipe, task: Floor(1.5, None, None))
    with pytest.raises(ParityError) as caught:
        run(model, beside / "out")
    assert caught.value.parity.floor_cosine_mean == 1.5
    assert list(beside.iterdir()) == []


def test_a_miss_leaves_the_old_bundle_as_it_was(
    model: Path, beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(model, beside / "out")
    before = contents(beside / "out")
    monkeypatch.setattr(pipeline, "floor_of", lambda recipe, task: Floor(1.5, None, None))
    with pytest.raises(ParityError):
        run(model, beside / "out", overwrite=True)
    assert contents(beside / "out") == before


# Targets


@pytest.mark.parametrize("kind", ["bundle", "folder", "file"])
def test_a_target_that_exists_is_refused(kind: str, model: Path, beside: Path) -> None:
    match kind:
        case "bundle":
            run(model, beside / "out")
        case "folder":
            (beside / "out").mkdir()
        case "file":
            (beside / "out").write_text("mine")
    with pytest.raises(BundleError, match=r"exists; name another folder, or .* --overwrite"):
        run(model, beside / "out")


def test_overwrite_replaces_a_bundle(model: Path, beside: Path) -> None:
    run(model, beside / "out", name="old")
    run(model, beside / "out", name="new", overwrite=True)
    assert Bundle.open(beside / "out").manifest.name == "new"
    assert [path.name for path in beside.iterdir()] == ["out"]


def test_overwrite_never_replaces_another_folder(model: Path, beside: Path) -> None:
    (beside / "out").mkdir()
    (beside / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(BundleError, match="is not a bundle; it is not replaced"):
        run(model, beside / "out", overwrite=True)
    assert contents(beside / "out") == {"thesis.txt": b"mine"}


def test_overwrite_never_replaces_the_checkpoint_itself(model: Path) -> None:
    before = contents(model)
    with pytest.raises(BundleError, match="is not a bundle; it is not replaced"):
        run(model, model, overwrite=True)
    assert contents(model) == before


def test_folders_above_the_target_are_made(model: Path, beside: Path) -> None:
    run(model, beside / "a" / "b" / "out")
    assert Bundle.open(beside / "a" / "b" / "out").manifest.name == "out"


def test_a_target_below_a_file_is_one_clear_error(model: Path, beside: Path) -> None:
    (beside / "file").write_text("mine")
    with pytest.raises(BundleError, match="out: cannot be written"):
        run(model, beside / "file" / "out")


# Full disks


@pytest.mark.parametrize("call", [1, 2, 3])  # the fp32 reference, calibration, then the bundle
def test_a_disk_that_fills_up_while_weights_are_written_leaves_nothing(
    call: int, model: Path, beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    add = WeightFile.add

    def fill_up(self: WeightFile, name: str, array: Any) -> tuple[int, int]:
        if self.path not in opened:
            opened.append(self.path)
        if len(opened) == call and len(self._places) > 3:
            raise_full()
        return add(self, name, array)

    monkeypatch.setattr(WeightFile, "add", fill_up)
    with pytest.raises(BundleError, match="out: cannot be written: No space left on device"):
        run(model, beside / "out", quantize=Level.INT8)
    assert list(beside.iterdir()) == []


@pytest.mark.parametrize("step", ["write_texts", "write_report", "seal"])
def test_a_disk_that_fills_up_later_leaves_the_old_bundle_whole(
    step: str, model: Path, beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(model, beside / "out")
    before = contents(beside / "out")
    monkeypatch.setattr(pipeline, step, raise_full)
    with pytest.raises(BundleError, match="No space left on device"):
        run(model, beside / "out", overwrite=True)
    assert contents(beside / "out") == before
    assert [path.name for path in beside.iterdir()] == ["out"]


# Kills


STEPS = ["write the fp32 reference", "write the bundle", "measure parity", "seal the bundle"]


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_leaves_no_bundle_under_the_targets_name(
    step: str, model: Path, beside: Path, python: Run
) -> None:
    done = python("-c", KILLED_AT, str(model), str(beside / "out"), step)
    assert done.returncode == -signal.SIGKILL
    assert not (beside / "out").exists()


def test_a_kill_just_before_the_end_leaves_the_old_bundle_whole(
    model: Path, beside: Path, python: Run
) -> None:
    run(model, beside / "out")
    before = contents(beside / "out")
    done = python("-c", KILLED_AT, str(model), str(beside / "out"), "seal the bundle")
    assert done.returncode == -signal.SIGKILL
    assert contents(beside / "out") == before


def test_what_a_kill_left_does_not_hinder_the_next_export(
    model: Path, beside: Path, python: Run
) -> None:
    python("-c", KILLED_AT, str(model), str(beside / "out"), "seal the bundle")
    run(model, beside / "out")
    assert Bundle.open(beside / "out").manifest.name == "out"


def test_an_export_that_is_interrupted_leaves_nothing(model: Path, beside: Path) -> None:
    def interrupt(step: str, share: float) -> None:
        if step == "measure parity":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(model, beside / "out", interrupt)
    assert list(beside.iterdir()) == []
