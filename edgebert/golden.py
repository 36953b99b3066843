"""The golden texts of a bundle: reference outputs that any machine can check itself against.

int8 kernels differ between CPUs (onnxruntime#5849, #6004), so a proof made where the bundle was
exported says little about the device. This one can be run there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgebert.batching import Batch
from edgebert.bundle import Bundle
from edgebert.engine import Engine
from edgebert.errors import BundleFormatError, VerifyError
from edgebert.reader import Reader, ReadError, parse_object
from edgebert.results import Floats
from edgebert.tokens import Text

GOLDEN_NAME = "golden.json"
VALUES = 256  # numbers kept of each output: enough to see a wrong kernel, small enough to ship


@dataclass(frozen=True, slots=True)
class GoldenRow:
    """One text and what the fp32 model gave for it."""

    text: Text
    output: Floats  # (n,) at most VALUES of the raw outputs, evenly spread


@dataclass(frozen=True, slots=True)
class Golden:
    """Texts, reference outputs, and how far a machine may be off."""

    tolerance: float  # relative error: |found - reference| / |reference|, L2, worst row
    rows: tuple[GoldenRow, ...]

    @classmethod
    def read(cls, bundle: Bundle) -> "Golden":
        """Read a bundle's golden texts.

        Raises:
            BundleFormatError: it has none, or they are not as the format says.
        """
        path = bundle.file(GOLDEN_NAME)
        try:
            reader = Reader(parse_object(path.read_bytes(), GOLDEN_NAME))
            rows = tuple(_read_row(part) for part in reader.parts("rows"))
            golden = cls(tolerance=reader.number("tolerance"), rows=rows)
            reader.finish()
        except ReadError as error:
            raise BundleFormatError(path, str(error)) from error
        return golden

    def to_json(self) -> dict[str, object]:
        """Give the JSON object; floats as short as they can be without changing a float32."""
        rows = [
            {
                "texts": [row.text] if isinstance(row.text, str) else list(row.text),
                "output": [float(str(value)) for value in row.output],
            }
            for row in self.rows
        ]
        return {"tolerance": self.tolerance, "rows": rows}


def _read_row(reader: Reader) -> GoldenRow:
    texts = reader.texts("texts")
    if len(texts) not in (1, 2):
        raise ReadError(f"a golden row has {len(texts)} texts, expected one or two")
    output = np.array(reader.numbers("output"), np.float32)
    reader.finish()
    return GoldenRow(texts[0] if len(texts) == 1 else (texts[0], texts[1]), output)


def raw_outputs(engine: Engine, texts: Sequence[Text]) -> list[Floats]:
    """Run texts one by one and give each one's raw outputs as one flat array."""

    def flatten(outputs: tuple[Floats, ...], batch: Batch) -> list[Floats]:
        return [np.concatenate([output.ravel() for output in outputs])]

    return [output for text in texts for (output,) in engine.map([text], flatten)]


def sample(output: Floats) -> Floats:
    """Keep at most VALUES numbers of an output, evenly spread."""
    if len(output) <= VALUES:
        return output
    return output[np.arange(VALUES) * (len(output) - 1) // (VALUES - 1)]


def relative_error(found: Floats, reference: Floats) -> float:
    """Compute |found - reference| / |reference| in the L2 norm."""
    scale = float(np.linalg.norm(reference))
    error = float(np.linalg.norm(found - reference))
    return error / scale if scale else error


def worst_error(engine: Engine, golden: Golden) -> float:
    """Run the golden texts on this machine and give the worst relative error."""
    found = raw_outputs(engine, [row.text for row in golden.rows])
    errors = []
    for output, row in zip(found, golden.rows, strict=True):
        values = sample(output)
        if values.shape != row.output.shape:
            return float("inf")
        errors.append(relative_error(values, row.output))
    return max(errors, default=0.0)


def verify(bundle: Bundle, engine: Engine, tolerance: float | None = None) -> tuple[Golden, float]:
    """Check that this machine computes what the bundle promises.

    Args:
        bundle: with golden texts.
        engine: runs them.
        tolerance: allowed instead of the golden texts' own, which is for onnxruntime.

    Returns:
        The golden texts, with what was allowed, and the worst relative error found.

    Raises:
        VerifyError: the error is over the tolerance.
    """
    golden = Golden.read(bundle)
    if tolerance is not None:
        golden = replace(golden, tolerance=tolerance)
    error = worst_error(engine, golden)
    if not error <= golden.tolerance:
        raise VerifyError(
            bundle.path,
            f"golden texts are off by {error:.3g}, allowed is {golden.tolerance:.3g}: this "
            "machine's int8 products differ from the exporting one's; run `edgebert doctor`, and "
            "export with --target avx2 if it says that they saturate",
        )
    return golden, error
