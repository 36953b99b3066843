"""Make the bundles of all heads and print what each reaches on held-out data.

python -m examples.heads DATA FOLDER

DATA holds labelled sets (snli, sentiment_sentences, wnut17, xquad), FOLDER receives one int8
bundle a head, for the examples to run.
"""

import argparse
import sys
from pathlib import Path

from edgebert import EdgebertError
from edgebert.manifest import Level
from edgebert_export import Recipe, export
from examples.heads.cache import checkpoints
from examples.heads.held_out import MEASURES, held_out, measure
from examples.heads.recipes import HEADS
from examples.weights import WeightsError

ROWS = 300  # held-out rows of the figure that is printed


def main(arguments: list[str] | None = None) -> int:
    """Train what is missing, export, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m examples.heads", description=__doc__)
    parser.add_argument("data", type=Path, help="the folder of the labelled sets")
    parser.add_argument("folder", type=Path, help="where the bundles go")
    parser.add_argument("--only", nargs="+", choices=list(HEADS), default=list(HEADS))
    chosen = parser.parse_args(arguments)
    try:
        for name, checkpoint in checkpoints(chosen.data, chosen.only).items():
            print(make(name, checkpoint, chosen.data, chosen.folder / name))
    except (EdgebertError, WeightsError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def make(name: str, checkpoint: Path, data: Path, bundle: Path) -> str:
    """Export a head and say in a line what its int8 bundle reaches."""
    export(Recipe(model=checkpoint, output=bundle, quantize=Level.INT8, overwrite=True))
    rows = held_out(name, data, ROWS)
    metric = measure(name, bundle, rows).metric
    return f"{bundle}: held-out {MEASURES[name][1]} {metric:.2f} on {len(rows)} rows"


if __name__ == "__main__":
    sys.exit(main())
