"""Masked language modelling: candidates for every mask, in reading order."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebert.batching import Batch
from edgebert.errors import BundleFormatError, InputError
from edgebert.results import Filling
from edgebert.tasks.fill import MaskFiller, join_masks, read_masks
from tests.damage import edit_manifest
from tests.fakes import make_tokenizer
from tests.make_tiny import DATA

TOKENIZER = make_tokenizer(DATA / "tiny-fill")
TINY = MaskFiller.load(DATA / "tiny-fill")
MASK = "<mask>"
MASK_ID = TOKENIZER.token_id(MASK)
VOCABULARY = 268


def read(texts: list[str], best: list[list[int]], top_k: int = 2) -> list[Filling]:
    """Decode logits in which the nth mask's candidates are the nth list, best first."""
    rows = TOKENIZER.encode(texts)
    logits = np.zeros((len(best), VOCABULARY), np.float32)
    for place, ids in enumerate(best):
        for rank, token in enumerate(ids):
            logits[place, token] = 9 - rank
    windows = read_masks(
        (logits,),
        Batch(tuple(rows)),
        mask_id=MASK_ID,
        top_k=top_k,
        candidates=None,
        tokenizer=TOKENIZER,
    )
    return [join_masks([window], mask_token=MASK) for window in windows]


def ids(filling: Filling) -> list[list[int]]:
    return [[fill.token for fill in fills] for fills in filling.masks]


def test_candidates_are_ranked_by_score() -> None:
    (filling,) = read([f"a {MASK}"], [[50, 60]])
    assert ids(filling) == [[50, 60]]
    assert filling.masks[0][0].score > filling.masks[0][1].score


def test_masks_of_a_text_come_in_reading_order() -> None:
    (filling,) = read([f"{MASK} a {MASK}"], [[50, 60], [70, 80]])
    assert ids(filling) == [[50, 60], [70, 80]]


def test_masks_are_dealt_out_to_their_rows() -> None:
    texts = [f"{MASK} a {MASK}", f"a {MASK}", f"{MASK}{MASK}{MASK}"]
    found = read(texts, [[place] for place in range(40, 46)], top_k=1)
    assert [ids(filling) for filling in found] == [[[40], [41]], [[42]], [[43], [44], [45]]]


def test_a_candidate_has_its_text() -> None:
    token = TOKENIZER.token_id("Ġthe") or 0
    (filling,) = read([MASK], [[token]], top_k=1)
    assert filling.masks[0][0].token_str == " the"


def test_a_score_is_a_probability_over_the_whole_vocabulary() -> None:
    (filling,) = read([MASK], [[50]], top_k=VOCABULARY)
    assert sum(fill.score for fill in filling.masks[0]) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("top_k", "count"), [(1, 1), (5, 5), (10**6, VOCABULARY)])
def test_a_mask_has_as_many_candidates_as_asked_for(
    filler: MaskFiller, top_k: int, count: int
) -> None:
    (filling,) = filler.fill([f"the {MASK}"], top_k=top_k)
    assert [len(fills) for fills in filling.masks] == [count]


def test_five_candidates_are_given_unasked(filler: MaskFiller) -> None:
    (filling,) = filler.fill([f"the {MASK}"])
    assert len(filling.masks[0]) == 5


@given(st.lists(st.integers(1, 4), max_size=8))
def test_every_mask_of_every_text_is_filled(counts: list[int]) -> None:
    texts = [" the ".join([MASK] * count) for count in counts]
    assert [len(filling.masks) for filling in TINY.fill(texts)] == counts


def test_a_texts_candidates_do_not_depend_on_its_neighbours(filler: MaskFiller) -> None:
    texts = [f"the {MASK}", f"{MASK} in {MASK}", f"a {MASK}"]
    together, alone = filler.fill(texts), [filler.fill([text])[0] for text in texts]
    for one, other in zip(together, alone, strict=True):
        scores = [[fill.score for fills in f.masks for fill in fills] for f in (one, other)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-6)
        assert ids(one) == ids(other)


@pytest.mark.parametrize("text", ["", "the cat", "< mask >"])
def test_a_text_without_a_mask_is_refused_by_its_row(filler: MaskFiller, text: str) -> None:
    with pytest.raises(InputError, match=f"row 1: no mask token '{MASK}'$"):
        filler.fill([f"the {MASK}", text, f"a {MASK}"])


def test_a_mask_that_was_cut_off_is_refused_and_said_to_be(filler: MaskFiller) -> None:
    with pytest.raises(
        InputError, match=r"row 0: no mask token .* in the part that the model sees"
    ):
        filler.fill(["a " * 60 + MASK])


def test_a_mask_before_the_cut_is_filled(filler: MaskFiller) -> None:
    (filling,) = filler.fill([MASK + " a" * 60 + MASK])
    assert (len(filling.masks), filling.truncated) == (1, True)


@pytest.mark.parametrize("top_k", [0, -1])
def test_fewer_than_one_candidate_is_refused_before_the_first_text(
    filler: MaskFiller, top_k: int
) -> None:
    with pytest.raises(InputError, match=f"top_k is {top_k}; it must be 1 or more"):
        filler.stream([MASK], top_k=top_k)


def test_the_mask_token_is_the_bundles(filler: MaskFiller) -> None:
    assert filler.mask_token == filler.manifest.mask_token == MASK


def test_a_mask_token_that_the_vocabulary_lacks_is_refused(copied: Callable[..., Path]) -> None:
    folder = edit_manifest(copied("tiny-fill"), lambda values: values.update(mask_token="[MASK]"))
    with pytest.raises(BundleFormatError, match=r"mask token '\[MASK\]' is not in its vocabulary"):
        MaskFiller.load(folder)
