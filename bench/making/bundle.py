"""edgebert's own bundles."""

from pathlib import Path

from bench.workloads import CALIBRATION
from edgebert.manifest import EngineName, Level
from edgebert_export import Recipe, export

LOOSE = 0.5  # a floor for random weights, which have nothing to lose; MiniLM keeps the level's


def make(
    source: Path, target: Path, level: str, scales: str = "dynamic", engine: str = "onnxruntime"
) -> None:
    """Export a bundle; with static scales, calibrated on what all peers calibrate on."""
    target.rmdir()  # export makes its own folder, and replaces none that is not a bundle
    floor = None if source.parent.name == "minilm" else LOOSE
    recipe = Recipe(
        model=source,
        output=target,
        quantize=Level(level),
        calibrate=source / CALIBRATION if scales == "static" else None,
        min_cosine_mean=floor,
        min_cosine=floor,
        engine=EngineName(engine),
    )
    export(recipe)
