"""A bundle opens as the task it states, and as no other."""

from pathlib import Path
from typing import Any

import pytest

from edgebert.config import RuntimeConfig, Truncation
from edgebert.errors import BundleFormatError, InputError, TaskError
from edgebert.loading import load
from edgebert.tasks.answer import QuestionAnswerer
from edgebert.tasks.classify import Classifier
from edgebert.tasks.embed import Embedder
from edgebert.tasks.fill import MaskFiller
from edgebert.tasks.tag import TokenClassifier

KINDS: dict[str, Any] = {
    "tiny-embed": Embedder,
    "tiny-embed-int8": Embedder,
    "tiny-embed-static": Embedder,
    "tiny-classify": Classifier,
    "tiny-tag": TokenClassifier,
    "tiny-answer": QuestionAnswerer,
    "tiny-fill": MaskFiller,
}
OTHERS = [
    (name, kind) for name, own in KINDS.items() for kind in set(KINDS.values()) if kind is not own
]


@pytest.mark.parametrize("name", KINDS)
def test_a_bundle_opens_as_the_task_it_states(tiny: Path, name: str) -> None:
    assert type(load(tiny / name)) is KINDS[name]


@pytest.mark.parametrize(("name", "kind"), sorted(OTHERS, key=str))
def test_a_bundle_opens_as_no_other_task(tiny: Path, name: str, kind: Any) -> None:
    with pytest.raises(TaskError, match=f"bundle '{name}' is for '{name.split('-')[1]}', not for"):
        kind.load(tiny / name)


@pytest.mark.parametrize("name", KINDS)
def test_a_path_may_be_text(tiny: Path, name: str) -> None:
    assert type(load(str(tiny / name))) is KINDS[name]


def test_a_config_reaches_the_engine(tiny: Path) -> None:
    embedder = load(tiny / "tiny-embed", RuntimeConfig(truncation=Truncation.ERROR))
    with pytest.raises(InputError, match="allow truncation='cut'"):
        embedder.embed(["the " * 60])


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleFormatError, match="not a bundle"):
        load(tmp_path)


@pytest.mark.parametrize("name", KINDS)
def test_a_single_string_is_refused_by_every_task(tiny: Path, name: str) -> None:
    with pytest.raises(InputError, match="a single string; give a sequence of texts"):
        list(load(tiny / name).stream("the cat"))


@pytest.mark.parametrize("name", KINDS)
def test_no_texts_give_no_results(tiny: Path, name: str) -> None:
    assert list(load(tiny / name).stream([])) == []


@pytest.mark.parametrize("name", sorted(set(KINDS) - {"tiny-answer", "tiny-classify"}))
def test_a_pair_is_refused_where_a_task_takes_single_texts(tiny: Path, name: str) -> None:
    with pytest.raises(InputError, match="row 0: a pair, expected a string"):
        list(load(tiny / name).stream([("the <mask>", "cat")]))


WRONG = [None, 3, b"the", ["the", "cat"], (), ("a", "b", "c"), ("a", None), "\ud800"]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("text", WRONG, ids=ascii)
def test_what_is_not_a_text_is_refused_by_every_task(tiny: Path, name: str, text: Any) -> None:
    with pytest.raises(InputError, match=r"^row 0: "):
        list(load(tiny / name).stream([text]))
