"""optimum's optimized and quantized graphs."""

import shutil
from pathlib import Path

from optimum.onnxruntime import ORTModelForFeatureExtraction, ORTOptimizer, ORTQuantizer
from optimum.onnxruntime.configuration import AutoOptimizationConfig, AutoQuantizationConfig


def make(source: Path, target: Path, level: str) -> None:
    """Write the graph of one of optimum's levels as `model.onnx`."""
    model = ORTModelForFeatureExtraction.from_pretrained(source)
    if level == "int8":
        config = AutoQuantizationConfig.avx512_vnni(is_static=False, per_channel=True)
        ORTQuantizer.from_pretrained(model).quantize(config, save_dir=target)
    else:
        config = getattr(AutoOptimizationConfig, level)()
        ORTOptimizer.from_pretrained(model).optimize(config, save_dir=target)
    for path in target.glob("model_*.onnx"):
        path.rename(target / "model.onnx")
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(source / name, target / name)
