"""int8 on real weights: the bars that users are promised, through the runtime they run.

Sentences are from the labelled sets; none of them is among those that export calibrates on.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from edgebert.bundle import Bundle
from edgebert.engine import Engine
from edgebert.golden import verify
from edgebert.loading import load
from edgebert.manifest import Level
from edgebert.results import Floats
from edgebert.tasks.classify import Classifier
from edgebert.tasks.embed import Embedder
from edgebert.tasks.fill import MaskFiller
from edgebert.tasks.tag import TokenClassifier
from edgebert_export import Recipe, export
from tests import checkpoints

pytestmark = [pytest.mark.export, pytest.mark.realmodel]

Bundles = Callable[[str, Level], Path]
CALIBRATION_LINES = 200


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    """Give a checkpoint's bundle of a level; made once."""
    folder = tmp_path_factory.mktemp("quantized")

    @cache
    def make(name: str, level: Level) -> Path:
        output = folder / f"{name}-{level}"
        export(Recipe(model=getattr(checkpoints, name)(), output=output, quantize=level))
        return output

    return make


@pytest.fixture(scope="module")
def static_bundle(tmp_path_factory: pytest.TempPathFactory, labelled_data: Path) -> Path:
    """MiniLM with scales fixed on sentences of the SICK training set."""
    folder = tmp_path_factory.mktemp("static")
    texts = column(labelled_data / "sick" / "train.txt", 1)[:CALIBRATION_LINES]
    (folder / "texts.txt").write_text("\n".join(texts), encoding="utf-8")
    recipe = Recipe(
        model=checkpoints.minilm(), output=folder / "bundle", calibrate=folder / "texts.txt"
    )
    export(recipe)
    return folder / "bundle"


def column(path: Path, place: int) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    return list(dict.fromkeys(line.split("\t")[place] for line in lines))


SETS = {
    "sick": ("sick/test.txt", 1),
    "snli": ("snli/dev.tsv", 0),
    "stackoverflow": ("stackoverflow_topics/test.tsv", 0),
}


def sentences(data: Path, name: str, count: int = 300) -> list[str]:
    file, place = SETS[name]
    return column(data / file, place)[:count]


def cosines(one: Path, other: Path, texts: list[str]) -> Floats:
    a, b = (Embedder.load(path).embed(texts) for path in (one, other))
    return (a * b).sum(axis=1)


@pytest.mark.parametrize("name", SETS)
def test_minilm_int8_keeps_its_cosine_to_fp32(
    name: str, bundles: Bundles, labelled_data: Path, record_property: Callable[..., None]
) -> None:
    texts = sentences(labelled_data, name)
    found = cosines(bundles("minilm", Level.FP32), bundles("minilm", Level.INT8), texts)
    record_property("cosine", (float(found.mean()), float(found.min())))
    assert len(texts) == 300
    assert found.mean() >= 0.998
    assert found.min() >= 0.990


@pytest.mark.parametrize("name", SETS)
def test_minilm_int8_accurate_keeps_more_of_its_cosine(
    name: str, bundles: Bundles, labelled_data: Path, record_property: Callable[..., None]
) -> None:
    texts = sentences(labelled_data, name)
    accurate = bundles("minilm", Level.INT8_ACCURATE)
    found = cosines(bundles("minilm", Level.FP32), accurate, texts)
    record_property("cosine", (float(found.mean()), float(found.min())))
    assert found.mean() >= 0.9988
    assert found.min() >= 0.995


@pytest.mark.parametrize("name", SETS)
def test_minilm_with_static_scales_keeps_its_cosine(
    name: str, static_bundle: Path, bundles: Bundles, labelled_data: Path
) -> None:
    found = cosines(bundles("minilm", Level.FP32), static_bundle, sentences(labelled_data, name))
    assert found.mean() >= 0.998
    assert found.min() >= 0.990


def test_texts_share_runs_with_static_scales_and_keep_their_vectors(
    static_bundle: Path, labelled_data: Path
) -> None:
    texts = sentences(labelled_data, "sick", 200)
    embedder = Embedder.load(static_bundle)
    together = embedder.embed(texts)
    alone = np.concatenate([embedder.embed([text]) for text in texts])
    assert np.abs(together - alone).max() <= 1e-6


def test_texts_keep_their_vectors_bit_for_bit_with_dynamic_scales(
    bundles: Bundles, labelled_data: Path
) -> None:
    texts = sentences(labelled_data, "sick", 200)
    embedder = Embedder.load(bundles("minilm", Level.INT8))
    alone = np.concatenate([embedder.embed([text]) for text in texts])
    assert np.array_equal(embedder.embed(texts), alone)


def test_the_rxnfp_classifier_keeps_its_decisions(bundles: Bundles) -> None:
    exact, int8 = (
        Classifier.load(bundles("rxnfp_classifier", level)).classify(checkpoints.REACTIONS)
        for level in (Level.FP32, Level.INT8)
    )
    same = [a.label == b.label for a, b in zip(exact, int8, strict=True)]
    assert np.mean(same) >= 0.99


def test_masked_residues_of_real_chains_are_filled_alike(bundles: Bundles) -> None:
    fillers = [MaskFiller.load(bundles("sapiens", level)) for level in (Level.FP32, Level.INT8)]
    texts = [
        chain[:place] + fillers[0].mask_token + chain[place + 1 :]
        for chain in checkpoints.HEAVY_CHAINS.values()
        for place in range(0, len(chain), 2)
    ]
    best = [[row.masks[0][0].token for row in filler.fill(texts, top_k=1)] for filler in fillers]
    assert np.mean(np.equal(*best)) >= 0.97


def test_quire_tags_real_sentences_alike(bundles: Bundles, labelled_data: Path) -> None:
    texts = sentences(labelled_data, "sick", 100)
    exact, int8 = (
        TokenClassifier.load(bundles("quire", level)).tag(texts, aggregation="none")
        for level in (Level.FP32, Level.INT8)
    )
    pairs = [
        (one.entity, other.entity)
        for a, b in zip(exact, int8, strict=True)
        for one, other in zip(a.entities, b.entities, strict=True)
    ]
    assert np.mean([one == other for one, other in pairs]) >= 0.98


def test_the_golden_texts_pass_on_this_machine(bundles: Bundles) -> None:
    path = bundles("minilm", Level.INT8)
    golden, error = verify(Bundle.open(path), Engine.open(path))
    assert error <= golden.tolerance


def test_an_int8_bundle_is_a_quarter_of_its_fp32(bundles: Bundles) -> None:
    exact, int8 = (
        Bundle.open(bundles("minilm", level)).total_bytes() for level in (Level.FP32, Level.INT8)
    )
    assert int8 < 0.28 * exact


def test_the_same_checkpoint_and_options_give_the_same_bytes(
    bundles: Bundles, tmp_path: Path
) -> None:
    first = bundles("minilm", Level.INT8)
    again = tmp_path / first.name
    export(Recipe(model=checkpoints.minilm(), output=again))
    for name in ("edgebert.json", *Bundle.open(first).manifest.files):
        assert (first / name).read_bytes() == (again / name).read_bytes(), name


def test_a_bundle_opens_as_the_task_it_states(bundles: Bundles) -> None:
    assert isinstance(load(bundles("minilm", Level.INT8)), Embedder)
