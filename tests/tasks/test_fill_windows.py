"""Filling: targets, the sequence that comes out, and masks anywhere in a long text."""

from collections.abc import Callable

import numpy as np
import pytest

from edgebert.batching import Batch
from edgebert.config import RuntimeConfig
from edgebert.errors import InputError
from edgebert.results import Fill
from edgebert.tasks.fill import Mask, MaskFiller, best_tokens, join_masks
from edgebert.tokens import Truncation
from tests.fakes import FakeSession, Outputs, make_engine, make_tokenizer
from tests.make_tiny import DATA

FILL = DATA / "tiny-fill"
TOKENIZER = make_tokenizer(FILL)
MASK, VOCABULARY = "<mask>", 268
MASK_ID = TOKENIZER.token_id(MASK)
THE = TOKENIZER.token_id("Ġthe") or 0


def test_candidates_may_be_limited_and_keep_their_scores() -> None:
    logits = np.log(np.float32([1, 2, 4, 1]))
    found = best_tokens(logits, 9, np.array([3, 1]))
    assert [token for token, _ in found] == [1, 3]
    assert [score for _, score in found] == pytest.approx([2 / 8, 1 / 8])


def test_targets_are_scored_over_the_whole_vocabulary(filler: MaskFiller) -> None:
    text = f"the {MASK}"
    (every,) = filler.fill([text], top_k=VOCABULARY)
    (some,) = filler.fill([text], targets=["x", "Ġthe"])
    scores = {fill.token: fill.score for fill in every.masks[0]}
    assert {fill.token: fill.score for fill in some.masks[0]} == {
        fill.token: scores[fill.token] for fill in some.masks[0]
    }
    assert {fill.token_str for fill in some.masks[0]} == {"x", " the"}


def test_targets_come_best_first_and_no_more_than_asked_for(filler: MaskFiller) -> None:
    targets = ["x", "y", "z", "q"]
    (every,) = filler.fill([MASK], targets=targets)
    (two,) = filler.fill([MASK], targets=targets, top_k=2)
    scores = [fill.score for fill in every.masks[0]]
    assert scores == sorted(scores, reverse=True)
    assert two.masks[0] == every.masks[0][:2]


def test_a_target_given_twice_comes_once(filler: MaskFiller) -> None:
    (filling,) = filler.fill([MASK], targets=["x", "y", "x"])
    assert sorted(fill.token_str for fill in filling.masks[0]) == ["x", "y"]


def test_a_target_of_several_tokens_is_refused(filler: MaskFiller) -> None:
    with pytest.raises(InputError, match="target 'train' is not one token of the vocabulary"):
        filler.stream([MASK], targets=["x", "train"])


@pytest.mark.parametrize("targets", ["x", [], ()])
def test_targets_are_a_sequence_of_words(filler: MaskFiller, targets: object) -> None:
    with pytest.raises(InputError, match="give a sequence of words"):
        filler.stream([MASK], targets=targets)


def the_everywhere(batch: Batch) -> Outputs:
    """Fill every mask with " the"."""
    logits = np.zeros((int((batch.ids == MASK_ID).sum()), VOCABULARY), np.float32)
    logits[:, THE] = 9
    return (logits,)


def make_filler(
    compute: Callable[[Batch], Outputs] = the_everywhere, **config: object
) -> MaskFiller:
    session = FakeSession(compute)
    return MaskFiller(make_engine(FILL, session, config=RuntimeConfig(threads=1, **config)))


@pytest.mark.parametrize(
    ("text", "sequence"),
    [
        (f"a {MASK} b", "a the b"),
        (f"a{MASK} b", "a the b"),
        (MASK, " the"),
        (f"Ánna 😀 {MASK}!", "Ánna 😀 the!"),
    ],
)
def test_a_sequence_is_the_callers_text_with_the_mask_filled(text: str, sequence: str) -> None:
    (filling,) = make_filler().fill([text], top_k=1)
    assert filling.masks[0][0].sequence == sequence


def test_a_sequence_has_one_mask_filled_and_leaves_the_others() -> None:
    (filling,) = make_filler().fill([f"a {MASK} b {MASK}"], top_k=1)
    found = [fills[0].sequence for fills in filling.masks]
    assert found == [f"a the b {MASK}", f"a {MASK} b the"]


def test_candidates_share_their_text_and_do_not_copy_it() -> None:
    text = f"a {MASK} b {MASK}"
    (filling,) = make_filler().fill([text], top_k=5)
    assert all(fill.text is text for fills in filling.masks for fill in fills)


def by_room(batch: Batch) -> Outputs:
    """Fill each mask with the token whose number is the mask's distance to its window's end."""
    rows = []
    for ids in batch.ids.tolist():
        for place, token in enumerate(ids):
            if token == MASK_ID:
                logits = np.zeros(VOCABULARY, np.float32)
                logits[min(place, len(ids) - 1 - place)] = 9
                rows.append(logits)
    return (np.array(rows, np.float32).reshape(-1, VOCABULARY),)


@pytest.mark.parametrize("place", range(0, 90, 4))
def test_a_mask_anywhere_in_a_long_text_is_filled_once(place: int) -> None:
    text = "a" * place + MASK + "a" * (90 - place)
    (filling,) = make_filler().fill([text], truncation="window")
    assert len(filling.masks) == 1
    assert filling.masks[0][0].sequence == "a" * place + " the" + "a" * (90 - place)


def test_masks_in_overlapping_windows_come_once_and_in_reading_order() -> None:
    text = "".join(f"{letter}{MASK}" for letter in "abcdefghijklmnopqrstuvwxyz" * 3)
    (filling,) = make_filler().fill([text], top_k=1, truncation="window")
    places = [fills[0].sequence.index(" the") for fills in filling.masks]
    assert places == [7 * number + 1 for number in range(78)]


def test_a_mask_is_filled_in_the_window_that_shows_most_around_it() -> None:
    # 38 tokens a window, 19 of them new: any mask but one near the text's ends can have 10 around
    (filling,) = make_filler(by_room).fill([f"a{MASK}" * 57], top_k=1, truncation="window")
    rooms = [fills[0].token for fills in filling.masks]
    assert len(rooms) == 57
    assert min(rooms[5:-5]) >= 10


def test_the_larger_context_wins_in_either_order() -> None:
    (tokens,) = TOKENIZER.encode([MASK])
    masks = [Mask(7, room, (Fill(room, "x", 0.5, MASK, 0, 6),)) for room in (3, 5)]
    for order in (masks, masks[::-1]):
        windows = [([mask], tokens) for mask in order]
        assert join_masks(windows, mask_token=MASK).masks[0][0].token == 5


def test_a_window_without_a_mask_is_no_error() -> None:
    (filling,) = make_filler().fill(["a" * 100 + MASK], truncation="window")
    assert (len(filling.masks), filling.truncated, filling.n_tokens) == (1, False, 103)


def test_a_long_text_without_any_mask_is_refused() -> None:
    with pytest.raises(InputError, match=f"row 0: no mask token '{MASK}'$"):
        make_filler().fill(["a" * 100], truncation="window")


def test_a_filler_cuts_unasked() -> None:
    with pytest.raises(InputError, match="in the part that the model sees"):
        make_filler().fill(["a" * 100 + MASK])


def test_the_configurations_policy_is_taken_and_the_calls_wins() -> None:
    filler = make_filler(truncation=Truncation.WINDOW)
    assert len(filler.fill(["a" * 100 + MASK])) == 1
    with pytest.raises(InputError, match="103 tokens, the model takes 40"):
        filler.fill(["a" * 100 + MASK], truncation="error")
