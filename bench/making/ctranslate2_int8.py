"""CTranslate2's int8."""

import shutil
from pathlib import Path

from ctranslate2.converters import TransformersConverter


def make(source: Path, target: Path) -> None:
    """Convert and quantize."""
    TransformersConverter(str(source)).convert(str(target), quantization="int8", force=True)
    shutil.copyfile(source / "tokenizer.json", target / "tokenizer.json")
