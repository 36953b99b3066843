"""A frozen learner is an ordinary classifier that decides and scores as the learner does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import edgebert
from edgebert.bundle import Bundle
from edgebert.engine import Engine
from edgebert.golden import verify
from edgebert.learn.learner import Learner
from edgebert.manifest import Level, PoolingMode, Task
from edgebert_export import ExportError, Recipe, as_bundle, export
from tests.damage import file_names
from tests.learn.conftest import LABELS, TEXTS

pytestmark = pytest.mark.export

Folders = Callable[[str], Path]


@pytest.fixture(scope="module")
def encoder(tiny_checkpoint: Folders, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny encoder, fp32, both layers out."""
    output = tmp_path_factory.mktemp("frozen") / "encoder"
    model = tiny_checkpoint("BertModel")
    export(
        Recipe(
            model=model,
            output=output,
            quantize=Level.FP32,
            pooling=PoolingMode.MEAN,
            normalize=True,
            layers_out=2,
        )
    )
    return output


def learnt(encoder: Path, **options: Any) -> Learner:
    learner = Learner.create(encoder, **options)
    learner.learn(TEXTS, LABELS, new_classes=True)
    return learner


@pytest.mark.parametrize("tier", ["tiny", "base"])
@pytest.mark.parametrize("head", ["lda", "lda-gcv", "mean"])
def test_it_scores_as_the_learner_does(encoder: Path, tmp_path: Path, tier: str, head: str) -> None:
    learner = learnt(encoder, tier=tier, head=head)
    as_bundle(learner, tmp_path / "animals", TEXTS)
    classifier = edgebert.load(tmp_path / "animals")
    assert isinstance(classifier, edgebert.Classifier)
    for found, wanted in zip(
        classifier.classify(TEXTS, top_k=None), learner.predict(TEXTS, top_k=None), strict=True
    ):
        scores = {label.label: label.score for label in wanted.labels}
        assert {label.label: label.score for label in found.labels} == pytest.approx(
            scores, abs=2e-2
        )


def test_it_is_a_whole_bundle(encoder: Path, tmp_path: Path) -> None:
    as_bundle(learnt(encoder), tmp_path / "animals", TEXTS)
    bundle = Bundle.open(tmp_path / "animals")
    verify(bundle, Engine.open(bundle.path))
    manifest = bundle.manifest
    assert (manifest.task, manifest.labels) == (Task.CLASSIFY, ("bird", "cat", "dog"))


def test_the_encoder_is_left_as_it_was(encoder: Path, tmp_path: Path) -> None:
    before = {name: (encoder / name).read_bytes() for name in file_names(encoder)}
    as_bundle(learnt(encoder), tmp_path / "animals", TEXTS)
    assert {name: (encoder / name).read_bytes() for name in file_names(encoder)} == before


def test_a_ridge_head_is_refused(encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="ridge head gives no softmax scores"):
        as_bundle(learnt(encoder, head="ridge"), tmp_path / "animals", TEXTS)


def test_without_texts_there_is_no_proof(encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no texts to prove the bundle on"):
        as_bundle(learnt(encoder), tmp_path / "animals", [])
    assert not (tmp_path / "animals").exists()


def test_the_same_learner_gives_the_same_bytes(encoder: Path, tmp_path: Path) -> None:
    learner = learnt(encoder, tier="base")
    for name in ("one", "two"):
        as_bundle(learner, tmp_path / name / "animals", TEXTS)
    one, two = (
        {file: (folder / file).read_bytes() for file in file_names(folder)}
        for folder in (tmp_path / "one" / "animals", tmp_path / "two" / "animals")
    )
    assert one == two
