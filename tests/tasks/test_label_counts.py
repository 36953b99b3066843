"""A manifest that names other labels than the graph has outputs is an error that says so."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edgebert.errors import InferenceError
from edgebert.loading import load
from edgebert.tasks.rerank import Reranker
from edgebert.tasks.zero_shot import ZeroShotClassifier
from tests.damage import edit_manifest

Copied = Callable[..., Path]
FOUR = ["entailment", "neutral", "contradiction", "odd"]


def relabelled(copied: Copied, name: str, labels: list[str]) -> Path:
    return edit_manifest(copied(name), lambda values: values.update(labels=labels))


@pytest.mark.parametrize("name", ["tiny-classify", "tiny-tag"])
@pytest.mark.parametrize("change", [-1, 1])
def test_a_label_too_few_or_too_many_is_told(copied: Copied, name: str, change: int) -> None:
    outputs = {"tiny-classify": 3, "tiny-tag": 5}[name]
    labels = [f"label {number}" for number in range(outputs + change)]
    task = load(relabelled(copied, name, labels))
    expected = f"gives {outputs} scores, the manifest names {outputs + change} labels"
    with pytest.raises(InferenceError, match=expected):
        list(task.stream(["anna lives in seoul"]))


@pytest.mark.parametrize("count", [2, 4])
def test_zero_shot_classification_tells_it_too(copied: Copied, count: int) -> None:
    labels = [FOUR[0], FOUR[2], FOUR[1], FOUR[3]][:count]
    task = ZeroShotClassifier.load(relabelled(copied, "tiny-classify", labels))
    with pytest.raises(InferenceError, match=f"the manifest names {count} labels"):
        task.classify(["the cat"], labels=["x"])


def test_reranking_tells_it_too(copied: Copied) -> None:
    reranker = Reranker.load(relabelled(copied, "tiny-classify", ["relevance"]))
    with pytest.raises(InferenceError, match="gives 3 scores, the manifest names 1 labels"):
        reranker.rank("the cat", ["a dog"])
