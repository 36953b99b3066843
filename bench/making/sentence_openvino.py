"""sentence-transformers' OpenVINO back end."""

from pathlib import Path

from sentence_transformers import SentenceTransformer


def make(source: Path, target: Path) -> None:
    """Export and save, so that loading does not convert again."""
    model = SentenceTransformer(str(source), backend="openvino", device="cpu")
    model.save_pretrained(str(target))
