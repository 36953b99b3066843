"""onnxruntime's own dynamic quantization of the plain export, at its best setting."""

import shutil
from pathlib import Path

from onnxruntime.quantization import QuantType, quantize_dynamic

TOKENIZER = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


def make(source: Path, target: Path) -> None:
    """Quantize; weights s8 per channel, which is more exact than the default and as fast."""
    quantize_dynamic(
        source / "model.onnx",
        target / "model.onnx",
        per_channel=True,
        weight_type=QuantType.QInt8,
    )
    for name in TOKENIZER:
        shutil.copyfile(source / name, target / name)
