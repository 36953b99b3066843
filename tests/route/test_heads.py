"""Heads of whole numbers: exact, and as good as the real ones."""

import numpy as np
import pytest

from edgebert.errors import RouteError
from edgebert.results import Floats, Ints
from edgebert.route.hadamard import Hadamard
from edgebert.route.heads import EXACT, PlaceHead, fit_head, plan_features, round_head


def draw(count: int = 120, classes: int = 4, seed: int = 0) -> tuple[Floats, Ints]:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(9).normal(size=(classes, 24))
    answers = np.arange(count) % classes
    vectors = centres[answers] + 0.4 * rng.normal(size=(count, 24)) + 5
    return vectors.astype(np.float32), answers


@pytest.fixture(scope="module")
def head() -> PlaceHead:
    return fit_head(*draw(), classes=4, seed=0)


def test_a_head_learns_its_classes(head: PlaceHead) -> None:
    vectors, answers = draw(seed=1)
    found = head.scores(head.grid(vectors)).argmax(axis=1)
    assert np.mean(found == answers) > 0.97


def test_scores_are_the_same_bits_alone_and_in_any_batch(head: PlaceHead) -> None:
    grid = head.grid(draw(300, seed=1)[0])
    together = head.scores(grid)
    assert np.array_equal(together, np.concatenate([head.scores(row[None]) for row in grid]))
    assert np.array_equal(together, head.scores(grid[::-1])[::-1])


def test_scores_are_exact(head: PlaceHead) -> None:
    grid = head.grid(draw(seed=1)[0])
    exact = head.features.apply(grid).astype(np.int64) @ head.weights.astype(np.int64)
    assert np.array_equal(head.scores(grid), exact + head.bias.astype(np.int64))


def test_whole_numbers_are_fine_enough() -> None:
    rng = np.random.default_rng(0)
    features = Hadamard(24, 4, 0)
    weights, bias = 0.1 * rng.normal(size=(features.width, 3)), rng.normal(size=3)
    head = round_head(weights, bias, features, np.zeros(24, np.float32))
    grid = head.grid(rng.normal(size=(100, 24)).astype(np.float32))
    wanted = features.apply(grid) / features.scale @ weights + bias
    assert np.abs(head.scores(grid) / head.unit - wanted).max() < 0.002
    most = np.sqrt((head.weights.astype(np.float64) ** 2).sum(axis=0)) * features.longest
    assert (most + np.abs(head.bias)).max() < EXACT
    assert np.array_equal(head.weights, np.rint(head.weights))


def test_a_class_without_texts_is_never_answered() -> None:
    vectors, answers = draw()
    head = fit_head(vectors, answers, classes=6, seed=0)
    assert head.scores(head.grid(vectors)).argmax(axis=1).max() < 4


@pytest.mark.parametrize("count", [0, 1, 5])
def test_texts_of_one_class_fit_nothing(count: int) -> None:
    with pytest.raises(RouteError, match="a head needs texts of two classes"):
        fit_head(np.zeros((count, 24), np.float32), np.zeros(count, np.int64), 3, 0)


@pytest.mark.parametrize(("texts", "wanted"), [(2, 512), (300, 1024), (100_000, 2048)])
def test_few_texts_get_few_features(texts: int, wanted: int) -> None:
    assert plan_features(384, texts, 0).width == wanted
