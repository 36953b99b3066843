"""The tasks of the tiny bundles, opened once."""

from pathlib import Path

import pytest

from edgebert.tasks.answer import QuestionAnswerer
from edgebert.tasks.classify import Classifier
from edgebert.tasks.embed import Embedder
from edgebert.tasks.fill import MaskFiller
from edgebert.tasks.tag import TokenClassifier


@pytest.fixture(scope="session")
def embedder(tiny: Path) -> Embedder:
    return Embedder.load(tiny / "tiny-embed")


@pytest.fixture(scope="session")
def classifier(tiny: Path) -> Classifier:
    return Classifier.load(tiny / "tiny-classify")


@pytest.fixture(scope="session")
def tagger(tiny: Path) -> TokenClassifier:
    return TokenClassifier.load(tiny / "tiny-tag")


@pytest.fixture(scope="session")
def answerer(tiny: Path) -> QuestionAnswerer:
    return QuestionAnswerer.load(tiny / "tiny-answer")


@pytest.fixture(scope="session")
def filler(tiny: Path) -> MaskFiller:
    return MaskFiller.load(tiny / "tiny-fill")
