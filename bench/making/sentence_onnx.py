"""sentence-transformers' ONNX back end with its own int8."""

from pathlib import Path

from sentence_transformers import SentenceTransformer, export_dynamic_quantized_onnx_model


def make(source: Path, target: Path) -> None:
    """Export, quantize as its documentation says, keep the quantized graph alone."""
    model = SentenceTransformer(str(source), backend="onnx", device="cpu")
    model.save_pretrained(str(target))
    export_dynamic_quantized_onnx_model(model, "avx512_vnni", str(target))
    (target / "onnx" / "model.onnx").unlink()
