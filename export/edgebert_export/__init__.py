"""Export: a BERT-family checkpoint becomes an edgebert bundle."""

from edgebert_export.errors import ExportError, ParityError, UnsupportedModelError
from edgebert_export.frozen import as_bundle
from edgebert_export.pipeline import export
from edgebert_export.recipe import Recipe, Road, Target
from edgebert_export.report import Report

__all__ = [
    "ExportError",
    "ParityError",
    "Recipe",
    "Report",
    "Road",
    "Target",
    "UnsupportedModelError",
    "as_bundle",
    "export",
]
