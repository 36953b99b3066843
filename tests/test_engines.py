"""The choice of what runs a bundle: plain errors where it cannot, padding where the engine asks."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgebert
from edgebert.batching import Batch, round_up
from edgebert.config import RuntimeConfig
from edgebert.engine import Engine
from edgebert.engines import OPENERS, Opened, Range, open_ranges, open_sessions
from edgebert.errors import BundleError, InputError, MissingExtraError
from edgebert.manifest import EngineName
from tests.conftest import count_threads
from tests.fakes import FakeSession, make_tokenizer, read_manifest
from tests.make_tiny import DATA

Run = Callable[..., "CompletedProcess[bytes]"]
EMBED = DATA / "tiny-embed"
TEXTS = ["the cat " * (i % 12) for i in range(40)]


def padded_engine(session: FakeSession, step: int = 8) -> Engine:
    manifest = read_manifest(EMBED)
    tokenizer = make_tokenizer(EMBED, max_tokens=manifest.max_tokens)
    return Engine(manifest, tokenizer, Opened(session, session, step), RuntimeConfig(threads=1))


def masked_sums(batch: Batch) -> tuple[np.ndarray, ...]:
    """Give (B, 2): the sum of a row's tokens and the length it was padded to."""
    kept = (batch.ids * batch.mask).sum(axis=1)
    return (np.stack([kept, np.full(len(kept), batch.ids.shape[1])], 1).astype(np.float32),)


def run(engine: Engine, texts: list[str]) -> list[tuple[float, float]]:
    def read(outputs: tuple[np.ndarray, ...], batch: Batch) -> list[tuple[float, float]]:
        return [(float(total), float(width)) for total, width in outputs[0]]

    return [result for (result,) in engine.map(texts, read)]


def test_rows_of_near_lengths_share_a_run() -> None:
    session = FakeSession(masked_sums)
    run(padded_engine(session), TEXTS)
    lengths = [{len(row.ids) for row in batch.tokens} for batch in session.batches]
    assert any(len(found) > 1 for found in lengths)


def test_a_text_is_padded_alike_whatever_its_neighbours() -> None:
    engine = padded_engine(FakeSession(masked_sums))
    assert run(engine, TEXTS) == [run(engine, [text])[0] for text in TEXTS]


def test_padding_is_masked_and_tokens_are_not() -> None:
    session = FakeSession(masked_sums)
    run(padded_engine(session), TEXTS)
    for batch in session.batches:
        assert batch.mask.sum(axis=1).tolist() == [len(row.ids) for row in batch.tokens]
        assert not (batch.ids * (1 - batch.mask)).any()


def split_engine(below: FakeSession, above: FakeSession, steps: tuple[int, int] = (1, 8)) -> Engine:
    """Give an engine that runs rows of up to 6 tokens on one session and longer ones on another."""
    manifest = read_manifest(EMBED)
    tokenizer = make_tokenizer(EMBED, max_tokens=manifest.max_tokens)
    longer = Opened(above, above, steps[1])
    opened = Opened(below, below, steps[0], (6, longer))
    return Engine(manifest, tokenizer, opened, RuntimeConfig(threads=1))


@pytest.mark.parametrize("steps", [(1, 8), (8, 1)])
def test_a_rows_own_length_decides_which_engine_runs_it(steps: tuple[int, int]) -> None:
    below, above = FakeSession(masked_sums), FakeSession(masked_sums)
    run(split_engine(below, above, steps), TEXTS)
    short = [len(row.ids) for batch in below.batches for row in batch.tokens]
    long = [len(row.ids) for batch in above.batches for row in batch.tokens]
    assert len(short) + len(long) == len(TEXTS)
    assert max(short) <= 6 < min(long)


@pytest.mark.parametrize("steps", [(1, 8), (8, 1)])
def test_a_text_gets_the_same_engine_and_padding_alone_and_among_others(
    steps: tuple[int, int],
) -> None:
    def marked(batch: Batch) -> tuple[np.ndarray, ...]:
        return (-masked_sums(batch)[0],)

    engine = split_engine(FakeSession(masked_sums), FakeSession(marked), steps)
    assert run(engine, TEXTS) == [run(engine, [text])[0] for text in TEXTS]


def test_ranges_of_one_engine_share_its_session() -> None:
    ranges = [
        Range(up_to=4, engine=EngineName.ONNXRUNTIME, wide=False),
        Range(up_to=9, engine=EngineName.ONNXRUNTIME, wide=True),
    ]
    opened = open_ranges(EMBED, read_manifest(EMBED), ranges, 2)
    short, long = opened.of(4), opened.of(5)
    assert short.shared is long.shared
    assert short.lone is short.shared
    assert long.lone is not long.shared
    assert opened.of(10_000) is long


@given(st.integers(1, 512), st.integers(1, 64))
def test_a_length_is_rounded_up_by_less_than_a_step_and_not_over_the_limit(
    length: int, step: int
) -> None:
    found = round_up(length, step, 512)
    assert length <= found < length + step
    assert found % step == 0 or found == 512


def test_onnxruntime_pads_nothing() -> None:
    assert Engine.open(EMBED)._opened.length_step == 1


@pytest.mark.parametrize(
    ("name", "hidden", "cores"),
    [("tiny-embed-int8", 384, 1), ("tiny-embed-int8", 768, 4), ("tiny-embed", 384, 4)],
)
def test_a_short_lone_text_stays_on_one_core_in_narrow_int8_models_alone(
    name: str, hidden: int, cores: int
) -> None:
    manifest = read_manifest(DATA / name)
    manifest = replace(manifest, encoder=replace(manifest.encoder, hidden=hidden))
    opened = open_sessions(DATA / name, manifest, EngineName.ONNXRUNTIME, 4)
    assert cores_taken(opened) == cores


def test_where_a_range_was_measured_it_decides() -> None:
    whole = Range(up_to=32, engine=EngineName.ONNXRUNTIME, wide=True)
    folder = DATA / "tiny-embed-int8"
    assert cores_taken(open_ranges(folder, read_manifest(folder), [whole], 4)) == 4


def cores_taken(opened: Opened) -> int:
    """Run two short texts, each alone, and see how many threads onnxruntime then has for one."""
    (row,) = make_tokenizer(EMBED, max_tokens=32).encode(["the cat"])
    before = count_threads()
    for _ in range(2):
        opened.of(3).lone.run(Batch((row,)))
    return count_threads() - before + 1


def test_a_bundle_that_was_not_exported_for_an_engine_says_how_to() -> None:
    with pytest.raises(BundleError, match="has no graph for openvino; export it with --engine"):
        edgebert.load(EMBED, RuntimeConfig(engine=EngineName.OPENVINO))


def test_an_engine_that_is_not_installed_names_the_pip_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "edgebert.session_openvino", raising=False)
    with pytest.raises(MissingExtraError, match=r'`pip install "edgebert\[openvino\]"`'):
        OPENERS[EngineName.OPENVINO]()


@pytest.mark.parametrize("value", ["tensorrt", "", None, 1])
def test_an_unknown_engine_is_refused_with_the_known_ones(value: object) -> None:
    with pytest.raises(InputError, match=r"RuntimeConfig\.engine is .* onnxruntime, openvino"):
        RuntimeConfig(engine=value)


def test_the_default_waits_for_no_import_of_tuning(python: Run, tiny: Path) -> None:
    code = "import sys, edgebert; edgebert.load(sys.argv[1]); print(*sys.modules)"
    loaded = python("-c", code, str(tiny / "tiny-embed")).stdout.decode().split()
    assert "edgebert.engine" in loaded
    assert not {"edgebert.tuned", "importlib.metadata"} & set(loaded)


def test_the_default_never_loads_another_engine(python: Run, tiny: Path) -> None:
    code = "import sys, edgebert; edgebert.load(sys.argv[1]); print('openvino' in sys.modules)"
    assert python("-c", code, str(tiny / "tiny-embed")).stdout == b"False\n"


def test_rows_of_any_lengths_share_a_run_where_the_engine_mixes() -> None:
    session = FakeSession(masked_sums)
    manifest = read_manifest(EMBED)
    tokenizer = make_tokenizer(EMBED, max_tokens=manifest.max_tokens)
    config = RuntimeConfig(threads=1, max_tokens_per_run=64)
    engine = Engine(manifest, tokenizer, Opened(session, session, mixes=True), config)
    sums: list[int] = []

    def read(outputs: tuple[np.ndarray, ...], batch: Batch) -> list[int]:
        sums.append(sum(len(row.ids) for row in batch.tokens))
        return [len(row.ids) for row in batch.tokens]

    session.compute = lambda batch: (np.zeros((len(batch.tokens), 1), np.float32),)
    found = [length for (length,) in engine.map(TEXTS, read)]
    assert found == [len(row.ids) for row in engine.tokenize(TEXTS)]
    assert max(sums) <= 64
    assert len(sums) < len(set(found)) + len(TEXTS) // 2  # far fewer than one a text
