"""The checkpoint that everything starts from, and the texts that peers calibrate on."""

from pathlib import Path

from bench.shapes import write
from bench.workloads import CALIBRATION, calibration_texts
from edgebert_export.texts import SENTENCES


def make(source: Path, target: Path) -> None:
    """Write the checkpoint that `source` names."""
    write(source.name, target)
    texts = [*SENTENCES, *calibration_texts(target / "tokenizer.json")]
    (target / CALIBRATION).write_text("\n".join(texts) + "\n", encoding="utf-8")
