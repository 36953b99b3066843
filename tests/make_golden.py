"""Record what torch gives for the tiny checkpoints, so that tests can do without torch.

`python -m tests.make_golden` rewrites tests/golden, one file per family; review the difference.
Each case is an architecture, a row of token ids (and token types, for a pair), and the outputs of
transformers for it: hidden states of an encoder, logits of a head. A masked LM's logits are kept
at its masks alone, as the main graph gives them.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.export.graphs import (
    ARCHITECTURES,
    FAMILY_NAMES,
    SPECIAL_IDS,
    family_of,
    pair_types,
    random_rows,
)
from tests.make_tiny import write_checkpoint

GOLDEN = Path(__file__).parent / "golden"
LENGTHS = (3, 8, 15)
PAIRED = ("BertForSequenceClassification", "BertForQuestionAnswering")
DIGITS = 8  # a float32 has seven and a bit
TOLERANCE = {
    "hidden_max_abs_diff": 2e-5,  # what issue 2 demands
    "output_relative_error": 1e-4,  # as the golden texts of a bundle allow
}


def record(folder: Path, architecture: str) -> list[dict[str, Any]]:
    """Run transformers on a few rows of one tiny checkpoint."""
    from tests.export import oracle

    checkpoint = write_checkpoint(folder / architecture, architecture)
    _, _, mask, padding = SPECIAL_IDS[family_of(architecture)]
    rows = random_rows(architecture, lengths=LENGTHS)
    types = pair_types(rows) if architecture in PAIRED else None
    model = oracle.load(checkpoint, architecture)
    cases = []
    for place, outputs in enumerate(oracle.run_each(model, rows, padding, types)):
        row = rows[place]
        outputs.pop("pooler_output", None)  # RoBERTa's is drawn anew by transformers
        if architecture.endswith("MaskedLM"):
            outputs["logits"] = outputs["logits"][np.array(row) == mask]
        kinds = {"types": types[place]} if types else {}
        values = {name: shorten(value) for name, value in outputs.items()}
        cases.append({"architecture": architecture, "ids": row, **kinds, "outputs": values})
    return cases


def shorten(value: NDArray[Any]) -> Any:
    """Give nested lists of numbers with as many digits as a float32 has."""
    if value.ndim:
        return [shorten(part) for part in value]
    return float(f"{value:.{DIGITS}g}")


def write_golden(target: Path) -> None:
    """Write one file per family."""
    import torch
    import transformers

    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    target.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for family in FAMILY_NAMES:
            names = [name for name in ARCHITECTURES if family_of(name) == family]
            cases = [case for name in names for case in record(Path(folder), name)]
            head = {"versions": versions, "tolerance": TOLERANCE}
            lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
            text = f'{json.dumps(head)[:-1]}, "cases": [\n{lines}\n]}}\n'
            (target / f"{family.lower()}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    write_golden(GOLDEN)
