"""The profile beside a bundle: read strictly, void where anything differs, used only when asked."""

import json
import logging
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import edgebert
from edgebert import tuned as module
from edgebert.bundle import Bundle
from edgebert.config import TUNED, RuntimeConfig
from edgebert.engines import Range
from edgebert.errors import EdgebertError
from edgebert.manifest import EngineName
from edgebert.tuned import (
    FILE_BYTES,
    Profile,
    Timing,
    describe_ranges,
    profile_path,
    read_profile,
    stamp_here,
    write_profile,
)
from tests.make_tiny import DATA, WORDS

ORT, OPENVINO = EngineName.ONNXRUNTIME, EngineName.OPENVINO
CORES = 2
FLOAT_ERROR = 1e-6
TEXTS = [" ".join(WORDS[i % 7 : i % 7 + i % 19]) for i in range(60)]


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle.open(shutil.copytree(DATA / "tiny-embed-static", tmp_path / "bundle"))


def profile_of(bundle: Bundle, *ranges: Range) -> Profile:
    timing = Timing(tokens=4, engine=ORT, narrow_ms=1.0, wide_ms=0.8, many_ms=0.5)
    return Profile(
        stamp=stamp_here(bundle, CORES),
        min_cosine=0.99,
        ranges=ranges or (Range(up_to=8, engine=ORT, wide=False),),
        timings=(timing,),
    )


def change(bundle: Bundle, edit: Callable[[dict[str, object]], object]) -> None:
    """Edit the JSON of a bundle's profile."""
    path = write_profile(bundle, profile_of(bundle))
    values = json.loads(path.read_text())
    edit(values)
    path.write_text(json.dumps(values))


def why_void(bundle: Bundle, cores: int = CORES) -> str:
    profile, reason = read_profile(bundle, cores)
    assert profile is None
    return reason


def test_what_was_written_is_read_again(bundle: Bundle) -> None:
    written = profile_of(bundle)
    path = write_profile(bundle, written)
    assert read_profile(bundle, CORES) == (written, "")
    assert path == bundle.path.with_name("bundle.tune.json")


def test_the_bundle_itself_stays_as_it_is(bundle: Bundle) -> None:
    write_profile(bundle, profile_of(bundle))
    assert Bundle.open(bundle.path).fingerprint == bundle.fingerprint


def test_a_bundle_named_by_the_working_folder_has_the_same_place(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bundle.path)
    assert profile_path(Bundle.open(".")) == profile_path(bundle)


def test_without_one_there_is_no_complaint(bundle: Bundle) -> None:
    assert why_void(bundle) == ""


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("bundle", "f" * 64, "it is of bundle ffffffffffff"),
        ("cpu", "another", r"another CPU \(another\)"),
        ("cpu_flags", "0" * 64, "another CPU"),
        ("cores", 3, "it is of 3 cores, here are 2"),
        ("versions", {"edgebert": "0.0.1"}, "it is of edgebert 0.0.1, here is"),
    ],
)
def test_a_profile_of_other_circumstances_is_void(
    bundle: Bundle, name: str, value: object, words: str
) -> None:
    change(bundle, lambda values: values["stamp"].update({name: value}))
    assert re.search(words, why_void(bundle))


@pytest.mark.parametrize("engine", list(EngineName))
def test_another_version_of_an_engine_makes_it_void(
    bundle: Bundle, engine: EngineName, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_profile(bundle, profile_of(bundle))
    version = module.version_of
    monkeypatch.setattr(
        module, "version_of", lambda name: "99" if name is engine else version(name)
    )
    assert why_void(bundle).endswith("here is 99")


def test_an_engine_that_the_bundle_is_not_for_makes_it_void(bundle: Bundle) -> None:
    write_profile(bundle, profile_of(bundle, Range(up_to=9, engine=OPENVINO, wide=True)))
    assert why_void(bundle) == "the bundle has no graph for openvino"


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda values: values.update(more=1), "unknown key 'more'"),
        (lambda values: values["ranges"][0].update(more=1), "unknown key 'ranges[0].more'"),
        (lambda values: values.update(format_version=2), "format 2, this runtime reads 1"),
        (lambda values: values.pop("stamp"), "key 'stamp' is missing"),
        (lambda values: values.update(ranges=[]), "the ranges end at []"),
        (lambda values: values.update(ranges=values["ranges"] * 2), "the ranges end at [8, 8]"),
        (lambda values: values["ranges"][0].update(engine="x"), "expected one of: onnxruntime"),
    ],
)
def test_a_profile_that_is_not_as_the_format_says_is_void(
    bundle: Bundle, edit: Callable[[dict[str, object]], object], words: str
) -> None:
    change(bundle, edit)
    assert words in why_void(bundle)


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"", "is not JSON"), (b"\xff{}", "is not JSON"), (b" " * (FILE_BYTES + 1), "over 65,536")],
)
def test_damage_makes_it_void_and_a_huge_file_is_not_read(
    bundle: Bundle, data: bytes, words: str
) -> None:
    profile_path(bundle).write_bytes(data)
    assert words in why_void(bundle)


def test_what_cannot_be_read_is_an_error_that_names_it(bundle: Bundle) -> None:
    profile_path(bundle).mkdir()
    with pytest.raises(EdgebertError, match=r"bundle\.tune\.json: cannot be read: "):
        edgebert.load(bundle.path, RuntimeConfig(engine=TUNED))


def test_what_cannot_be_written_is_an_error_that_names_it(bundle: Bundle) -> None:
    profile_path(bundle).mkdir()
    with pytest.raises(EdgebertError, match=r"bundle\.tune\.json: cannot be written: "):
        write_profile(bundle, profile_of(bundle))


def opened(bundle: Bundle, engine: str = TUNED) -> edgebert.Embedder:
    return edgebert.Embedder.load(bundle.path, RuntimeConfig(threads=CORES, engine=engine))


def test_a_void_profile_is_told_in_the_log_and_onnxruntime_runs(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    change(bundle, lambda values: values["stamp"].update(cores=9))
    with caplog.at_level(logging.WARNING, "edgebert"):
        found = opened(bundle).embed(TEXTS)
    assert "its profile is void: it is of 9 cores, here are 2; onnxruntime runs it" in caplog.text
    assert np.array_equal(found, opened(bundle, "onnxruntime").embed(TEXTS))


def test_without_a_profile_the_log_says_how_to_get_one(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    opened(bundle)
    assert "it was not tuned here; onnxruntime runs it, `edgebert tune` measures" in caplog.text


def test_who_does_not_ask_for_it_gets_no_profile(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    profile_path(bundle).mkdir()  # would be an error if it were looked at
    assert edgebert.load(bundle.path).embed(["the cat"]).shape == (1, 32)
    assert caplog.text == ""


def test_a_valid_profile_is_used_without_a_word(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    write_profile(bundle, profile_of(bundle))
    found = opened(bundle).embed(TEXTS)
    assert caplog.text == ""
    assert np.array_equal(found, opened(bundle, "onnxruntime").embed(TEXTS))


def test_ranges_are_described_by_where_the_engine_changes() -> None:
    ranges = (
        Range(up_to=8, engine=ORT, wide=False),
        Range(up_to=24, engine=ORT, wide=True),
        Range(up_to=512, engine=OPENVINO, wide=True),
    )
    assert describe_ranges(ranges) == "onnxruntime up to 24 tokens, then openvino"
    assert describe_ranges(ranges[:1]) == "onnxruntime"


SPLIT = (Range(up_to=8, engine=ORT, wide=False), Range(up_to=512, engine=OPENVINO, wide=True))


@pytest.mark.export
@pytest.mark.openvino
@pytest.mark.parametrize("level", ["fp32", "int8"])
def test_on_two_engines_each_text_has_the_bits_of_its_own_engine(
    openvino_bundle: Callable[[str], Path], level: str, tmp_path: Path
) -> None:
    bundle = Bundle.open(shutil.copytree(openvino_bundle(level), tmp_path / "bundle"))
    write_profile(bundle, replace(profile_of(bundle), ranges=SPLIT))
    embedder = opened(bundle)
    found = embedder.embed(TEXTS)
    one, other = (opened(bundle, name).embed(TEXTS) for name in ("onnxruntime", "openvino"))
    counts = [row.n_tokens for row in embedder._engine.tokenizer.encode(TEXTS)]
    short = np.array([count <= 8 for count in counts])
    assert 5 < short.sum() < 55
    assert not np.array_equal(one, other)
    assert np.array_equal(found, np.where(short[:, None], one, other))


@pytest.mark.export
@pytest.mark.openvino
@pytest.mark.parametrize("level", ["fp32", "int8"])
def test_on_two_engines_neighbours_never_change_the_engine_of_a_text(
    openvino_bundle: Callable[[str], Path], level: str, tmp_path: Path
) -> None:
    bundle = Bundle.open(shutil.copytree(openvino_bundle(level), tmp_path / "bundle"))
    write_profile(bundle, replace(profile_of(bundle), ranges=SPLIT))
    embedder = opened(bundle)
    whole = embedder.embed(TEXTS)
    assert np.array_equal(embedder.embed(TEXTS[::-1])[::-1], whole)
    alone = np.concatenate([embedder.embed([text]) for text in TEXTS])
    assert np.abs(alone - whole).max() < FLOAT_ERROR  # onnxruntime's share: test_engine_invariants
    others = opened(bundle, "openvino").embed(TEXTS)
    assert np.abs(others - whole).max() > 10 * FLOAT_ERROR  # so the line above can tell engines
