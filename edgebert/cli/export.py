"""`edgebert export`: hands over to the export package, the only verb that needs its extra."""

import argparse
from importlib import import_module
from typing import Any

from edgebert.errors import MissingExtraError

SUMMARY = """Turn a checkpoint of a BERT-family encoder, or an ONNX graph of one, into a bundle,
quantized and proven against its own fp32 model. A bundle that misses the floor is not written."""
EXAMPLE = "edgebert export path/to/all-MiniLM-L6-v2 minilm-int8"


def _implementation() -> Any:
    try:
        return import_module("edgebert_export.cli")
    except ImportError as error:
        raise MissingExtraError(
            f'export needs more packages ({error}): `pip install "edgebert[export]"`'
        ) from error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    _implementation().add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Export, and print what was measured."""
    code: int = _implementation().run(arguments)
    return code
