"""`edgebert tune`: find which engine wins for which lengths here, and keep it beside the bundle."""

import argparse
from pathlib import Path

from edgebert.bundle import Bundle
from edgebert.manifest import EngineName
from edgebert.tuned import Profile, describe_ranges, write_profile
from edgebert.tuning import SECONDS, tune

SUMMARY = """Measure on this machine which engine of a bundle wins for texts of which length, and
whether a text alone gains from all cores; write what was found beside the bundle, as
BUNDLE.tune.json. RuntimeConfig(engine="tuned") uses it. It is void on another CPU, with other cores
or versions, or for another bundle. Close what else uses the CPU first."""
EXAMPLE = "edgebert tune minilm-int8 --seconds 5"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("bundle", type=Path, help="the bundle's folder")
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help="about how long to measure (30)"
    )
    parser.add_argument(
        "--min-cosine",
        type=float,
        metavar="X",
        help="leave out engines whose least cosine to fp32 in the manifest is lower",
    )
    parser.add_argument("--threads", type=int, help="cores to use; default: the usable ones")
    parser.add_argument("--json", action="store_true", help="print the profile as it is written")


def run(arguments: argparse.Namespace) -> int:
    """Measure, write and print."""
    profile = tune(
        arguments.bundle,
        seconds=arguments.seconds,
        min_cosine=arguments.min_cosine,
        threads=arguments.threads,
    )
    path = write_profile(Bundle.open(arguments.bundle), profile)
    if arguments.json:
        print(profile.to_json(), end="")
        return 0
    for line in table(profile):
        print(line)
    print(f"{path}: {describe_ranges(profile.ranges)}")
    return 0


def table(profile: Profile) -> list[str]:
    """Lay out what was measured, one line a length, ms a text; * marks what was chosen."""
    engines = [name for name in EngineName if any(t.engine is name for t in profile.timings)]
    titles = "".join(f"{f'{name.value}, ms':>33}" for name in engines)
    columns = f"{'one core':>13}{'all cores':>10}{'of many':>10}" * len(engines)
    lines = [f"{'':8}{titles}".rstrip(), f"{'tokens':8}{columns}"]
    for tokens in sorted({timing.tokens for timing in profile.timings}):
        line = f"{tokens:<8}"
        for timing in profile.timings:
            if timing.tokens == tokens:
                mark = "*" if timing.engine is _chosen(profile, tokens) else " "
                figures = (timing.narrow_ms, timing.wide_ms, timing.many_ms)
                line += f" {mark} " + "".join(f"{figure:>10.2f}" for figure in figures)
        lines.append(line)
    return lines


def _chosen(profile: Profile, tokens: int) -> EngineName:
    for each in profile.ranges:
        if tokens <= each.up_to:
            return each.engine
    return profile.ranges[-1].engine
