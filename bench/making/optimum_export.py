"""A plain ONNX export, as a user of optimum has it."""

from pathlib import Path

from optimum.exporters.onnx import main_export


def make(source: Path, target: Path) -> None:
    """Export the hidden states, tokenizer and configuration beside them."""
    main_export(
        str(source),
        target,
        task="feature-extraction",
        library_name="transformers",
        local_files_only=True,
        device="cpu",
    )
