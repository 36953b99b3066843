"""What export measured, as `report.json` in the bundle. No times: the same bytes every time."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from edgebert.bundle import list_files
from edgebert.golden import Golden
from edgebert.manifest import Manifest, Parity, Quantization
from edgebert_export.checkpoint import dump_json

REPORT_NAME = "report.json"


@dataclass(frozen=True, slots=True)
class Report:
    """What export measured."""

    name: str
    task: str
    quantization: Quantization
    parity: Parity
    alternatives: dict[str, Parity]  # by engine
    golden_texts: int
    golden_tolerance: float
    bytes: dict[str, int]  # by file; what comes after the report is not in it
    total_bytes: int


def write_report(folder: Path, manifest: Manifest, golden: Golden) -> Report:
    """Write the report of a bundle whose other files are complete."""
    sizes = {name: entry.bytes for name, entry in list_files(folder).items()}
    report = Report(
        name=manifest.name,
        task=manifest.task,
        quantization=manifest.quantization,
        parity=manifest.parity,
        alternatives={name: other.parity for name, other in manifest.alternatives.items()},
        golden_texts=len(golden.rows),
        golden_tolerance=golden.tolerance,
        bytes=sizes,
        total_bytes=sum(sizes.values()),
    )
    (folder / REPORT_NAME).write_bytes(dump_json(dataclasses.asdict(report)))
    return report
