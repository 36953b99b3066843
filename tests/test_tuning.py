"""Tuning: the fastest engine by length, one more only where it pays, nothing that is wrong."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebert import tuning as module
from edgebert.engines import Range
from edgebert.errors import InputError, VerifyError
from edgebert.manifest import Alternative, EngineName, Manifest
from edgebert.tuned import Timing
from edgebert.tuning import ENDS, candidates, choose, ends_of, tune
from tests.damage import put_file
from tests.fakes import read_manifest
from tests.make_tiny import DATA

ORT, OPENVINO = EngineName.ONNXRUNTIME, EngineName.OPENVINO
STATIC = DATA / "tiny-embed-static"
FOUR = (8, 16, 32, 64)


def timings(engine: EngineName, each: Sequence[float], wide: float = 1.0) -> list[Timing]:
    """Give timings of so many ms each; all cores take `wide` times as long as one."""
    return [
        Timing(tokens=end, engine=engine, narrow_ms=ms, wide_ms=ms * wide, many_ms=ms)
        for end, ms in zip(FOUR, each, strict=True)
    ]


def choice(ort: Sequence[float], openvino: Sequence[float], wide: float = 0.9) -> tuple[Range, ...]:
    return choose({ORT: timings(ORT, ort, wide), OPENVINO: timings(OPENVINO, openvino, wide)}, FOUR)


def test_the_engine_that_is_faster_everywhere_runs_everything() -> None:
    assert choice([2, 2, 2, 2], [1, 1, 1, 1]) == (Range(up_to=64, engine=OPENVINO, wide=True),)
    assert choice([1, 1, 1, 1], [2, 2, 2, 2]) == (Range(up_to=64, engine=ORT, wide=True),)


def test_the_engine_changes_where_the_other_becomes_faster() -> None:
    assert choice([1, 1, 2, 3], [2, 2, 1, 1]) == (
        Range(up_to=16, engine=ORT, wide=True),
        Range(up_to=64, engine=OPENVINO, wide=True),
    )


def test_one_odd_figure_makes_no_second_change() -> None:
    found = choice([1, 1, 2, 2], [2, 0.98, 1, 1.01])
    assert len(found) == 2


def test_a_second_engine_within_the_noise_is_not_taken() -> None:
    assert choice([1, 1, 1, 1], [1.1, 1.0, 1.0, 0.97]) == (Range(up_to=64, engine=ORT, wide=True),)
    assert choice([1, 1, 1, 1], [0.99, 0.99, 0.99, 0.99])[0].engine is ORT


def test_a_text_alone_takes_all_cores_from_where_that_pays() -> None:
    slow, fast = timings(ORT, [1, 1, 1, 1], 1.5), timings(ORT, [1, 1, 1, 1], 0.6)
    assert choose({ORT: [*slow[:3], fast[3]]}, FOUR) == (
        Range(up_to=32, engine=ORT, wide=False),
        Range(up_to=64, engine=ORT, wide=True),
    )


@given(
    st.lists(st.floats(0.01, 100), min_size=4, max_size=4),
    st.lists(st.floats(0.01, 100), min_size=4, max_size=4),
)
def test_the_ranges_cover_all_lengths_and_are_no_slower_than_onnxruntime_alone(
    ort: list[float], openvino: list[float]
) -> None:
    found = choice(ort, openvino)
    ends = [each.up_to for each in found]
    assert ends == sorted(set(ends))
    assert ends[-1] == FOUR[-1]
    product = alone = 1.0
    for end, one, other in zip(FOUR, ort, openvino, strict=True):
        engine = next(each.engine for each in found if end <= each.up_to)
        product, alone = product * (one if engine is ORT else other), alone * one
    assert product <= alone * 1.000001


@pytest.mark.parametrize("limit", [3, 8, 9, 100, 512, 514])
def test_ranges_end_at_the_models_limit(limit: int) -> None:
    ends = ends_of(limit)
    assert ends[-1] == limit
    assert list(ends) == sorted(set(ends))
    assert set(ends[:-1]) <= set(ENDS)


def with_openvino(least: float) -> Manifest:
    manifest = read_manifest(STATIC)
    other = Alternative(
        graph=manifest.graphs.masked,
        parity=replace(manifest.parity, cosine_min=least),
        golden_tolerance=0.1,
    )
    return replace(
        manifest,
        alternatives={OPENVINO: other},
        parity=replace(manifest.parity, cosine_min=0.99),
    )


@pytest.mark.parametrize(
    ("asked", "expected"),
    [(None, (ORT, OPENVINO)), (0.99, (ORT,)), (0.98, (ORT, OPENVINO)), (-1, (ORT, OPENVINO))],
)
def test_an_engine_that_is_too_far_from_fp32_is_left_out(
    asked: float | None, expected: tuple[EngineName, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "is_installed", lambda name: True)
    assert candidates(with_openvino(0.985), asked) == expected


def test_where_no_engine_is_near_enough_the_error_says_how_near_they_are() -> None:
    with pytest.raises(InputError, match=r"least cosine of 0\.9999: onnxruntime 0\.99000"):
        candidates(with_openvino(0.985), 0.9999)


def test_an_engine_that_is_not_installed_is_no_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "is_installed", lambda name: False)
    assert candidates(with_openvino(1.0), None) == (ORT,)


@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_no_time_is_refused(value: float) -> None:
    with pytest.raises(InputError, match="seconds is"):
        tune(STATIC, seconds=value)


@pytest.mark.parametrize("value", [1.1, -1.1, float("nan")])
def test_a_cosine_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(InputError, match="min_cosine is"):
        tune(STATIC, min_cosine=value)


def test_a_bundle_of_one_engine_is_timed_at_every_range() -> None:
    profile = tune(STATIC, seconds=0.01, threads=1)
    limit = read_manifest(STATIC).max_tokens
    assert {each.engine for each in profile.ranges} == {ORT}
    assert profile.ranges[-1].up_to == limit
    assert len(profile.timings) == len(ends_of(limit))
    assert all(min(one.narrow_ms, one.wide_ms, one.many_ms) > 0 for one in profile.timings)
    tokens = [one.tokens for one in profile.timings]
    assert tokens == sorted(tokens)


def test_a_bundle_that_is_wrong_here_is_not_tuned(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(STATIC, tmp_path / "bundle"))
    golden = json.loads((folder / "golden.json").read_text())
    for row in golden["rows"]:
        row["output"] = [-value for value in row["output"]]
    put_file(folder, "golden.json", json.dumps(golden).encode())
    with pytest.raises(VerifyError):
        tune(folder, seconds=0.01)


@pytest.mark.export
@pytest.mark.openvino
def test_both_engines_of_a_bundle_are_timed(openvino_bundle: Callable[[str], Path]) -> None:
    profile = tune(openvino_bundle("int8"), seconds=0.01, threads=2)
    assert {one.engine for one in profile.timings} == {ORT, OPENVINO}
    assert profile.stamp.cores == 2
