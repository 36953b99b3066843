"""`edgebert verify`: the proof, repeated on this machine."""

import argparse
from pathlib import Path

from edgebert.bundle import Bundle
from edgebert.config import RuntimeConfig
from edgebert.engine import Engine
from edgebert.engines import is_installed
from edgebert.exits import verify_exits
from edgebert.golden import verify

SUMMARY = """Check every file's hash, run the golden texts here, and compare with the fp32
reference that the bundle carries. Exit 1 if this machine computes something else."""
EXAMPLE = "edgebert verify minilm-int8"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("bundle", type=Path, help="the bundle's folder")


def run(arguments: argparse.Namespace) -> int:
    """Verify and say what was found."""
    bundle = Bundle.open(arguments.bundle)
    print(f"files   ok  {len(bundle.manifest.files)} files, {bundle.total_bytes():,} bytes")
    golden, error = verify(bundle, Engine.open(bundle.path))
    print(
        f"golden  ok  {len(golden.rows)} texts, worst relative error {error:.3g}, "
        f"allowed {golden.tolerance:.3g}"
    )
    if bundle.manifest.segments:
        verify_exits(bundle, golden)
        print(
            f"exits   ok  after layers {', '.join(map(str, bundle.manifest.exits))}, "
            f"{len(golden.rows)} texts with the bits of the main graph"
        )
    for name, alternative in bundle.manifest.alternatives.items():
        if not is_installed(name):
            print(f"{name.value}: not installed, not proven here")
            continue
        engine = Engine.open(bundle.path, RuntimeConfig(engine=name))
        golden, error = verify(bundle, engine, alternative.golden_tolerance)
        print(
            f"{name.value}  ok  {len(golden.rows)} texts, worst relative error {error:.3g}, "
            f"allowed {golden.tolerance:.3g}"
        )
    return 0
