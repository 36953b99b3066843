"""Measure which engine and how many cores win for texts of each length on this machine.

An engine is chosen by the length of a text alone, never by what else is in a call: so a text has
one result. Cores may be chosen by the call, since their number changes no bit. Each engine is
timed with no other loaded beside it, in rounds that take turns. Where the file stands and when it
holds is `tuned.py`'s.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise, permutations
from pathlib import Path
from statistics import median

from edgebert.batching import default_budget
from edgebert.bundle import Bundle
from edgebert.config import RuntimeConfig, usable_cores
from edgebert.engine import Engine
from edgebert.engines import Range, is_installed
from edgebert.errors import InputError
from edgebert.golden import verify
from edgebert.manifest import EngineName, Manifest
from edgebert.measure import golden_text, text_of
from edgebert.tuned import Profile, Timing, stamp_here

ENDS = (8, 16, 24, 32, 48, 64, 128, 256, 512)  # of the ranges, in tokens; the middle is timed
SECONDS = 30.0
ROUNDS = 2
WARM_UP, LEAST = 2, 3  # runs of each kind of timing
SHORTEST = 3  # tokens: one word between the two special ones
MANY = 4  # runs of a budget of tokens, for each core, that "many texts" are
# What openvino must win to be used at all, and again to be used beside onnxruntime rather than
# alone: each loads the weights once more. Less is within the noise of two rounds.
PAYS = 1.02


def tune(
    path: Path,
    *,
    seconds: float = SECONDS,
    min_cosine: float | None = None,
    threads: int | None = None,
) -> Profile:
    """Measure a bundle's engines on this machine. Nothing else should use the CPU meanwhile.

    Args:
        path: the bundle's folder.
        seconds: about how long to measure, besides loading and a least number of runs.
        min_cosine: leave out engines whose least cosine to fp32, as the manifest states it, is
            lower; None: the floor that export held it to is enough.
        threads: cores to use; None: all that this process may.

    Returns:
        The profile; `tuned.write_profile` puts it beside the bundle.

    Raises:
        BundleError: the bundle cannot be used; an engine's golden texts come out wrong here.
        InputError: a number is out of range, or no engine comes near enough to fp32.
    """
    if not seconds > 0:
        raise InputError(f"seconds is {seconds}; it must be more than 0")
    if min_cosine is not None and not -1 <= min_cosine <= 1:
        raise InputError(f"min_cosine is {min_cosine}; it must lie between -1 and 1")
    bundle, cores = Bundle.open(path), threads or usable_cores()
    stamp = stamp_here(bundle, cores)
    engines = candidates(bundle.manifest, min_cosine)
    _check(bundle, engines, threads)
    ends = ends_of(bundle.manifest.max_tokens)
    each = seconds / (ROUNDS * len(engines) * len(ends) * 3)
    rounds = [
        {engine: _time_engine(bundle, engine, cores, ends, each) for engine in engines}
        for _ in range(ROUNDS)
    ]
    timings = {engine: _least([one[engine] for one in rounds]) for engine in engines}
    return Profile(
        stamp=stamp,
        min_cosine=min_cosine,
        ranges=choose(timings, ends),
        timings=tuple(timing for engine in engines for timing in timings[engine]),
    )


def candidates(manifest: Manifest, min_cosine: float | None) -> tuple[EngineName, ...]:
    """Name the engines that are installed, that a bundle is for, and that come near enough to fp32.

    Raises:
        InputError: there is none.
    """
    cosines = {EngineName.ONNXRUNTIME: manifest.parity.cosine_min} | {
        name: other.parity.cosine_min
        for name, other in manifest.alternatives.items()
        if is_installed(name)
    }
    near = tuple(
        name for name, cosine in cosines.items() if min_cosine is None or cosine >= min_cosine
    )
    if not near:
        found = ", ".join(f"{name.value} {cosine:.5f}" for name, cosine in cosines.items())
        raise InputError(
            f"no engine comes to a least cosine of {min_cosine}: {found}; export int8-accurate or "
            "fp32, or ask for less"
        )
    return near


def _check(bundle: Bundle, engines: Sequence[EngineName], threads: int | None) -> None:
    """Run the golden texts on each engine: speed is worth nothing where results are wrong."""
    for name in engines:
        other = bundle.manifest.alternatives.get(name)
        config = RuntimeConfig(engine=name, threads=threads)
        engine = Engine.from_parts(bundle.path, bundle.manifest, config)
        verify(bundle, engine, None if other is None else other.golden_tolerance)


def ends_of(limit: int) -> tuple[int, ...]:
    """Give the ends of the ranges of a model that takes so many tokens."""
    return (*(end for end in ENDS if end < limit), limit)


def _time_engine(
    bundle: Bundle, name: EngineName, cores: int, ends: Sequence[int], seconds: float
) -> list[Timing]:
    """Time one engine at the middle of each range, `seconds` for each of three figures."""
    narrow = _time_layout(bundle, name, cores, ends, seconds, wide=False)
    wide = _time_layout(bundle, name, cores, ends, seconds, wide=True)
    return [
        Timing(tokens=tokens, engine=name, narrow_ms=alone, wide_ms=spread, many_ms=many)
        for (tokens, alone, many), (_, spread, _) in zip(narrow, wide, strict=True)
    ]


def _time_layout(
    bundle: Bundle,
    name: EngineName,
    cores: int,
    ends: Sequence[int],
    seconds: float,
    *,
    wide: bool,
) -> list[tuple[int, float, float]]:
    """Give tokens, ms of a text alone and, on one core each, ms of one of many, range by range."""
    manifest, source = bundle.manifest, golden_text(bundle)
    config = RuntimeConfig(threads=cores, engine=name)
    whole = Range(up_to=manifest.max_tokens, engine=name, wide=wide)
    engine = Engine.from_parts(bundle.path, manifest, config, (whole,))

    def run(texts: Sequence[str]) -> None:
        for _ in engine.map(texts, lambda outputs, batch: batch.rows):
            pass

    found = []
    for start, end in pairwise((0, *ends)):
        text = text_of(engine.tokenizer, source, max(SHORTEST, (start + end + 1) // 2))
        tokens = engine.tokenizer.encode([text])[0].n_tokens
        alone, many = time_run(partial(run, [text]), seconds), 0.0
        if not wide:
            count = max(1, MANY * default_budget(manifest.encoder.hidden) // tokens) * cores
            many = time_run(partial(run, [text] * count), seconds) / count
        found.append((tokens, alone, many))
    return found


def time_run(run: Callable[[], None], seconds: float) -> float:
    """Time a run again and again for about so many seconds, and give the median in ms."""
    times: list[float] = []
    for _ in range(WARM_UP):
        run()
    while len(times) < LEAST or sum(times) < seconds:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return median(times) * 1000


def _least(rounds: Sequence[Sequence[Timing]]) -> tuple[Timing, ...]:
    """Take the least of each figure over the rounds: what disturbs a machine only adds."""
    return tuple(
        replace(
            same[0],
            narrow_ms=min(one.narrow_ms for one in same),
            wide_ms=min(one.wide_ms for one in same),
            many_ms=min(one.many_ms for one in same),
        )
        for same in zip(*rounds, strict=True)
    )


def choose(
    timings: Mapping[EngineName, Sequence[Timing]], ends: Sequence[int]
) -> tuple[Range, ...]:
    """Choose the engine of each range, with one change of engine at most, and where cores pay.

    Args:
        timings: of each engine, one a range.
        ends: of the ranges, in tokens.

    Returns:
        The ranges; neighbours that are run alike are one.
    """
    engines = _choose_engines(timings)
    chosen = [timings[engine][place] for place, engine in enumerate(engines)]
    wide_from = min(
        range(len(chosen) + 1),
        key=lambda cut: sum(
            math.log(one.narrow_ms if place < cut else one.wide_ms)
            for place, one in enumerate(chosen)
        ),
    )
    ranges: list[Range] = []
    for place, (engine, end) in enumerate(zip(engines, ends, strict=True)):
        found = Range(up_to=end, engine=engine, wide=place >= wide_from)
        if ranges and replace(ranges[-1], up_to=end) == found:
            ranges.pop()
        ranges.append(found)
    return tuple(ranges)


def _choose_engines(timings: Mapping[EngineName, Sequence[Timing]]) -> list[EngineName]:
    """Find what is fastest over all ranges, each counted alike, one text and many counted alike."""
    count = len(next(iter(timings.values())))

    def cost(engines: Sequence[EngineName]) -> float:
        picked = [timings[engine][place] for place, engine in enumerate(engines)]
        logs = [
            (math.log(min(one.narrow_ms, one.wide_ms)) + math.log(one.many_ms)) / 2
            for one in picked
        ]
        first = next(iter(timings))
        more = len({*engines, first} - {first}) + len(set(engines)) - 1
        return sum(logs) / count + more * math.log(PAYS)

    plans = [[name] * count for name in timings]
    plans += [
        [below] * cut + [above] * (count - cut)
        for below, above in permutations(timings, 2)
        for cut in range(1, count)
    ]
    return min(plans, key=cost)
