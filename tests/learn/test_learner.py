"""A learner as its user sees it: what it learns, forgets, keeps and refuses."""

import random
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebert.errors import InputError, LearnError, TaskError
from edgebert.learn.journal import HEAD, parse_file
from edgebert.learn.learner import Learner
from edgebert.learn.planning import phrase_of
from edgebert.learn.receipts import Receipt, read_receipts
from edgebert.learn.solve import HeadKind
from tests.damage import edit_manifest
from tests.learn.conftest import LABELS, TEXTS
from tests.make_tiny import DATA

BUNDLE = DATA / "tiny-embed"
Copy = Callable[..., Path]


def new(*, names: bool = True, **options: object) -> Learner:
    made = Learner.create(BUNDLE, **options)
    for name in sorted(set(LABELS)) if names else ():
        made.add_class(name)
    return made


def test_it_answers_with_what_it_learnt(learner: Learner) -> None:
    results = learner.predict(TEXTS)
    assert [result.label for result in results] == LABELS


def test_it_answers_by_descriptions_before_any_sample() -> None:
    learner = Learner.create(BUNDLE)
    learner.add_class("trip", describe="the train to paris")
    learner.add_class("pet", describe="a good dog")
    assert [r.label for r in learner.predict(["the train to paris", "a good dog"])] == [
        "trip",
        "pet",
    ]


def test_scores_are_probabilities(learner: Learner) -> None:
    for result in learner.predict(TEXTS[:4], top_k=None):
        scores = [label.score for label in result.labels]
        assert sum(scores) == pytest.approx(1)
        assert scores == sorted(scores, reverse=True)


def test_a_long_text_is_cut_and_says_so(learner: Learner) -> None:
    (result,) = learner.predict(["the cat " * 100])
    assert (result.truncated, result.n_tokens) == (True, 202)


@settings(max_examples=15)
@given(st.permutations(range(len(TEXTS))), st.sampled_from([1, 4, 27]))
def test_any_order_and_blocking_gives_the_same_state(order: list[int], block: int) -> None:
    learner = new(names=False)
    for start in range(0, len(order), block):
        rows = order[start : start + block]
        learner.learn([TEXTS[i] for i in rows], [LABELS[i] for i in rows], new_classes=True)
    assert learner.state.digest() == whole().state.digest()
    assert np.array_equal(learner.head().weights, whole().head().weights)


def whole(tier: str = "tiny", *, names: bool = True) -> Learner:
    made = new(tier=tier, names=names)
    made.learn(TEXTS, LABELS, new_classes=True)
    return made


@settings(max_examples=15)
@given(st.randoms(use_true_random=False))
def test_any_learning_and_forgetting_is_learning_what_is_left(rng: random.Random) -> None:
    learner, held = new(), []
    for row in rng.sample(range(len(TEXTS)), len(TEXTS)):
        held += learner.learn([TEXTS[row]], [LABELS[row]])
        if rng.random() < 0.4:
            learner.forget([held.pop(rng.randrange(len(held)))])
    fresh = new()
    for receipt in held:
        grid = receipt.grid
        row = next(i for i in range(len(TEXTS)) if np.array_equal(grid, GRIDS[i]))
        fresh.learn([TEXTS[row]], [LABELS[row]])
    assert learner.state.digest() == fresh.state.digest()


GRIDS = [receipt.grid for receipt in whole().learn(TEXTS, LABELS)]


@pytest.mark.parametrize("tier", ["tiny", "base"])
def test_forgetting_by_text_is_as_if_never_learnt(tier: str) -> None:
    learner = whole(tier)
    learner.learn(["a new text"], ["dog"])
    learner.forget(texts=["a new text"], labels=["dog"])
    assert learner.state.digest() == whole(tier).state.digest()


def test_all_forgotten_is_a_learner_that_knows_nothing() -> None:
    learner = new()
    learner.forget(learner.learn(TEXTS, LABELS))
    assert learner.state.digest() == new().state.digest()


def test_what_was_forgotten_is_not_forgotten_again(learner: Learner) -> None:
    receipts = learner.learn(["once"], ["cat"])
    learner.forget(texts=["once"], labels=["cat"])
    unchanged(learner, lambda: learner.forget(receipts))


def test_a_text_learnt_twice_is_forgotten_twice_and_no_more(learner: Learner) -> None:
    receipts = learner.learn(["the same", "the same"], ["cat", "cat"])
    unchanged(learner, lambda: learner.forget(receipts * 2))
    learner.forget(receipts)
    assert learner.state.digest() == whole(names=False).state.digest()


def test_a_text_that_was_never_learnt_is_not_forgotten(learner: Learner) -> None:
    unchanged(learner, lambda: learner.forget(texts=["never seen"], labels=["cat"]))


def test_a_text_is_not_forgotten_under_another_label(learner: Learner) -> None:
    unchanged(learner, lambda: learner.forget(texts=TEXTS[:1], labels=["dog"]))


def test_with_one_strange_text_none_is_forgotten(learner: Learner) -> None:
    strange = [*TEXTS[:2], "never seen"]
    unchanged(learner, lambda: learner.forget(texts=strange, labels=LABELS[:3]))


def test_a_receipt_of_another_learner_is_refused(learner: Learner) -> None:
    receipts = whole().learn(["elsewhere"], ["cat"])
    unchanged(learner, lambda: learner.forget(receipts))


@pytest.mark.parametrize("place", [0, 31, 63])
def test_a_receipt_with_another_embedding_is_refused(learner: Learner, place: int) -> None:
    (receipt,) = learner.learn(["mine"], ["cat"])
    altered = bytearray(receipt.embedding)
    altered[place] ^= 1
    unchanged(learner, lambda: learner.forget([Receipt(("cat",), bytes(altered))]))


@pytest.mark.parametrize("embedding", [b"", b"odd", bytes(62), bytes(10**6)])
def test_a_receipt_of_another_size_is_refused(learner: Learner, embedding: bytes) -> None:
    with pytest.raises(LearnError, match="expected 64"):
        learner.forget([Receipt(("cat",), embedding)])


def unchanged(learner: Learner, forget: Callable[[], None]) -> None:
    """Forgetting is refused, and leaves the state as it was."""
    before = learner.state.digest()
    with pytest.raises(LearnError, match="are not known"):
        forget()
    assert learner.state.digest() == before


def test_a_receipt_survives_json(learner: Learner) -> None:
    (receipt,) = learner.learn(["kept"], ["cat"])
    assert Receipt.from_json(receipt.to_json()) == receipt


def test_an_altered_receipt_is_refused(learner: Learner) -> None:
    (receipt,) = learner.learn(["kept"], ["cat"])
    with pytest.raises(LearnError, match="was changed"):
        Receipt.from_json(receipt.to_json().replace('"cat"', '"dog"'))


def test_a_class_is_removed_with_its_samples() -> None:
    learner = whole()
    mine = [i for i, label in enumerate(LABELS) if label == "cat"]
    learner.remove_class("cat", texts=[TEXTS[i] for i in mine])
    rest = [i for i in range(len(TEXTS)) if i not in mine]
    fresh = Learner.create(BUNDLE)
    fresh.learn([TEXTS[i] for i in rest], [LABELS[i] for i in rest], new_classes=True)
    assert learner.state.digest() == fresh.state.digest()


def test_a_class_is_not_removed_with_too_few_samples(learner: Learner) -> None:
    with pytest.raises(LearnError, match="has 9 samples, 1 were given"):
        learner.remove_class("cat", texts=["the cat runs in paris"])


def test_a_class_is_not_removed_with_other_samples(learner: Learner) -> None:
    before = learner.state.digest()
    with pytest.raises(LearnError, match="are not known"):
        learner.remove_class("cat", texts=TEXTS[9:18])
    assert learner.state.digest() == before


def test_a_class_is_not_removed_with_receipts_of_another(learner: Learner) -> None:
    receipts = learner.learn(["a dog"], ["dog"])
    with pytest.raises(LearnError, match=r"a receipt is of \['dog'\], expected of 'cat' alone"):
        learner.remove_class("cat", receipts=receipts)


def test_parts_merged_are_the_whole() -> None:
    first, second, third = new(), new(), Learner.create(BUNDLE)
    first.learn(TEXTS[:5], LABELS[:5])
    second.learn(TEXTS[5:20], LABELS[5:20])
    third.learn(TEXTS[20:], LABELS[20:], new_classes=True)
    second.merge(third)
    first.merge(second)
    assert first.state.digest() == whole().state.digest()


def test_merging_twice_is_refused() -> None:
    first, second = whole(), new()
    second.learn(["another"], ["cat"])
    first.merge(second)
    with pytest.raises(LearnError, match="would count twice"):
        first.merge(second)


def test_receipts_of_a_merged_learner_are_good() -> None:
    first, second = whole(), new()
    receipts = second.learn(["another"], ["cat"])
    first.merge(second)
    first.forget(receipts)
    assert first.state.digest() == whole().state.digest()


def test_learners_of_other_tiers_do_not_merge() -> None:
    with pytest.raises(LearnError, match="only like learners"):
        whole().merge(whole("base"))


def test_new_classes_are_learnt_with_their_samples_or_not_at_all(path: Path) -> None:
    with Learner.create(BUNDLE, path) as learner:
        learner.learn(TEXTS, LABELS, new_classes=True)
    assert len(parse_file(path, path.read_bytes()).records) == 1


def test_the_words_of_a_name_are_its_description() -> None:
    names = ("card_lost", "cardLost", "CardLost", "card__lost")
    assert {phrase_of(name).lower() for name in names} == {"card lost"}


def test_many_classes_are_learnt_at_once() -> None:
    learner = Learner.create(BUNDLE)
    labels = [f"class {number:05}" for number in range(3000)]
    learner.learn([f"text {number % 7}" for number in range(3000)], labels, new_classes=True)
    assert learner.predict(["text 3"], top_k=None)[0].labels[0].score > 0
    assert len(learner.report().nearest) == 10


@pytest.mark.parametrize("name", ["고양이", "🐈", "a\u2028b", "a\nb", "x" * 10_000])
def test_any_name_of_a_class_comes_back(path: Path, name: str) -> None:
    with Learner.create(BUNDLE, path) as learner:
        receipts = learner.learn(["the cat"], [name], new_classes=True)
    lines = path.with_name("receipts")
    lines.write_text("".join(f"{each.to_json()}\n" for each in receipts), encoding="utf-8")
    with Learner.open(path, BUNDLE) as again:
        assert again.predict(["the cat"])[0].label == name
        again.forget(read_receipts(lines))
        assert again.state.statistics.total == 0


@pytest.mark.parametrize("text", ["", " ", "\0", "\ud7ff", "a" * 1_000_000])
def test_any_text_is_learnt_and_forgotten(learner: Learner, text: str) -> None:
    before = learner.state.digest()
    receipts = learner.learn([text], ["cat"])
    learner.forget(receipts)
    assert learner.state.digest() == before


def test_threads_learn_and_ask_at_once() -> None:
    learner = Learner.create(BUNDLE)

    def teach(start: int) -> None:
        for row in range(start, len(TEXTS), 3):
            learner.learn([TEXTS[row]], [LABELS[row]], new_classes=True)
            learner.predict(["the cat"])
            learner.report()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(teach, range(3)))
    assert learner.state.digest() == whole(names=False).state.digest()


def test_an_unknown_label_is_refused_and_nothing_learnt(learner: Learner) -> None:
    before = learner.state.digest()
    with pytest.raises(LearnError, match="no class 'fish'"):
        learner.learn(["a", "b"], ["cat", "fish"])
    assert learner.state.digest() == before


@pytest.mark.parametrize(
    ("texts", "labels", "complaint"),
    [
        ("one", ["cat"], "a single string"),
        (["one"], "cat", "a single string"),
        (["one", "two"], ["cat"], "2 texts and 1 labels"),
        (["one"], [["cat"]], "row 0: label is .*, expected a name"),
        (["one"], [3], "row 0: label is 3, expected a name"),
        (["one"], [""], "expected a name that is not empty"),
        (["one"], ["\ud800"], "not Unicode"),
        ([7], ["cat"], "row 0"),
    ],
)
def test_what_cannot_be_learnt_is_refused(
    learner: Learner, texts: object, labels: object, complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        learner.learn(texts, labels)  # type: ignore[arg-type]


def test_without_a_class_there_is_no_answer() -> None:
    with pytest.raises(LearnError, match="no class yet"):
        Learner.create(BUNDLE).predict(["the"])


def test_one_class_is_always_the_answer() -> None:
    learner = Learner.create(BUNDLE)
    learner.learn(["the cat", "a dog", "paris"], ["all"] * 3, new_classes=True)
    assert learner.predict(["whatever"])[0].labels[0].score == 1


@pytest.mark.parametrize("kind", list(HeadKind))
def test_every_head_answers(kind: HeadKind) -> None:
    learner = new(head=kind)
    learner.learn(TEXTS, LABELS)
    assert learner.head().kind is kind
    assert [result.label for result in learner.predict(TEXTS)] == LABELS


def test_few_samples_a_class_shrink_by_gcv_and_many_by_oas() -> None:
    learner = whole()
    assert learner.report().head == "lda-gcv"
    for _ in range(2):
        learner.learn(TEXTS, LABELS)
    assert learner.report().head == "lda"


def test_a_text_may_have_several_labels() -> None:
    learner = Learner.create(BUNDLE, multi_label=True)
    labels = [[text.split()[1], text.split()[-1]] for text in TEXTS]
    learner.learn(TEXTS, labels, new_classes=True)
    for result, wanted in zip(learner.predict(TEXTS, top_k=2), labels, strict=True):
        assert {label.label for label in result.labels} == set(wanted)


def test_several_labels_are_independent_columns() -> None:
    both = Learner.create(BUNDLE, multi_label=True)
    both.learn(TEXTS, [[text.split()[1], text.split()[-1]] for text in TEXTS], new_classes=True)
    one = Learner.create(BUNDLE, multi_label=True)
    one.learn(TEXTS, [[text.split()[-1]] for text in TEXTS], new_classes=True)
    wanted = one.state.statistics.sums
    found = both.state.statistics.sums[:, [both.classes.index(name) for name in one.classes]]
    assert np.array_equal(found, wanted)


def test_the_report_says_what_is_known() -> None:
    learner = new()
    report = learner.report(learner.learn(TEXTS, LABELS))
    assert report.samples == 27
    assert report.classes == {"bird": 9, "cat": 9, "dog": 9}
    assert report.left_out is not None
    assert report.left_out.accuracy > 0.9
    assert {report.nearest[0].first, report.nearest[0].second} <= set(LABELS)


def test_no_report_leaves_out_what_was_forgotten(learner: Learner) -> None:
    receipts = learner.learn(["for a while"], ["cat"])
    learner.forget(receipts)
    with pytest.raises(LearnError, match="1 of 1 samples are not known"):
        learner.report(receipts)


def test_suggestions_are_distinct_places(learner: Learner) -> None:
    texts = ["the cat", "the cat", "seoul", "anna eats", "a red train"]
    chosen = learner.suggest(texts, 4)
    assert len(set(chosen)) == 4
    assert not {0, 1} <= set(chosen[:3])  # equal texts are worth labelling once


def test_a_bundle_for_another_task_is_refused() -> None:
    with pytest.raises((TaskError, LearnError)):
        Learner.create(DATA / "tiny-classify")


@pytest.mark.parametrize("options", [{"tier": "huge"}, {"head": "svm"}, {"prompt": "query"}])
def test_an_unknown_choice_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(InputError, match=r"must be one of|no prompt"):
        Learner.create(BUNDLE, **options)  # type: ignore[arg-type]


# ---- the file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "animals.learn"


def test_what_was_learnt_is_there_when_opened_again(path: Path) -> None:
    with Learner.create(BUNDLE, path) as learner:
        learner.learn(TEXTS, LABELS, new_classes=True)
    again = Learner.open(path, BUNDLE)
    assert again.state.digest() == learner.state.digest()
    assert np.array_equal(again.head().weights, learner.head().weights)
    again.close()


def test_cut_at_any_byte_it_opens_as_before_or_after(path: Path) -> None:
    digests = []
    with Learner.create(BUNDLE, path) as learner:
        for change in (
            lambda: learner.add_class("cat"),
            lambda: learner.learn(["the cat", "a cat"], ["cat", "cat"]),
            lambda: learner.forget(texts=["a cat"], labels=["cat"]),
        ):
            digests.append(learner.state.digest())
            change()
        digests.append(learner.state.digest())
    data = path.read_bytes()
    least = HEAD.size + len(parse_file(path, data).snapshot)
    found = []
    for cut in range(least, len(data) + 1):
        contents = parse_file(path, data[:cut])
        found.append(len(contents.records))
    assert found == sorted(found)
    for records in range(4):
        path.write_bytes(data[: least + found.index(records)])
        with Learner.open(path, BUNDLE) as again:
            assert again.state.digest() == digests[records]


KILLED = """
import sys
from edgebert import Learner
learner = Learner.create(sys.argv[1], sys.argv[2])
learner.add_class("cat")
while True:
    receipts = learner.learn(["the cat"], ["cat"])
    print(len(receipts), learner.state.digest(), flush=True)
"""


def test_a_killed_process_loses_nothing_it_was_told_is_kept(path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(BUNDLE), str(path)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(5)]
    process.kill()
    rest = process.stdout.read()
    process.wait()
    process.stdout.close()
    kept = len(told) + rest.count(b"\n")
    with Learner.open(path, BUNDLE) as learner:
        assert learner.state.statistics.total in (kept, kept + 1)


def test_another_encoder_is_refused(path: Path, copied: Copy) -> None:
    Learner.create(BUNDLE, path).close()
    other = copied()
    edit_manifest(other, lambda values: values.update(name="other"))
    with pytest.raises(LearnError, match="give the bundle it was made on"):
        Learner.open(path, other)


def test_a_writer_shuts_out_another_but_no_reader(path: Path) -> None:
    with Learner.create(BUNDLE, path) as learner:
        learner.add_class("cat")
        with pytest.raises(LearnError, match="another process is writing"):
            Learner.open(path, BUNDLE)
        assert Learner.open(path, BUNDLE, read_only=True).classes == ("cat",)


def test_a_reader_changes_nothing(path: Path) -> None:
    Learner.create(BUNDLE, path).close()
    before = path.read_bytes()
    with pytest.raises(LearnError, match="read-only"):
        Learner.open(path, BUNDLE, read_only=True).add_class("cat")
    assert path.read_bytes() == before


def test_compaction_changes_no_bit_of_what_is_known(path: Path) -> None:
    with Learner.create(BUNDLE, path) as learner:
        learner.learn(TEXTS, LABELS, new_classes=True)
        learner.compact()
        assert not parse_file(path, path.read_bytes()).records
        before = learner.state.digest()
    assert Learner.open(path, BUNDLE, read_only=True).state.digest() == before


def test_no_file_is_saved_over(path: Path) -> None:
    with Learner.create(BUNDLE, path) as learner:
        for target in (path, path.with_name("other")):
            target.touch()
            with pytest.raises(LearnError, match=r"exists|is writing"):
                learner.save(target)
        learner.add_class("cat")
    assert Learner.open(path, BUNDLE, read_only=True).classes == ("cat",)


def test_a_saved_copy_takes_receipts_and_gives_its_own(path: Path) -> None:
    learner = new()
    receipts = learner.learn(TEXTS, LABELS)
    learner.save(path)
    with Learner.open(path, BUNDLE) as copy:
        mine = copy.learn(["its own"], ["cat"])
        copy.forget(receipts)
        with pytest.raises(LearnError, match="are not known"):
            learner.forget(mine)
        with pytest.raises(LearnError, match="would count twice"):
            learner.merge(copy)


def test_a_sample_takes_eight_bytes_of_the_state(path: Path) -> None:
    with Learner.create(BUNDLE, path) as learner:
        learner.learn(TEXTS, LABELS, new_classes=True)
        learner.compact()
        once = path.stat().st_size
        for _ in range(20):
            learner.learn(TEXTS, LABELS)
        learner.compact()
        ledger = 8 * 20 * len(TEXTS)
        assert path.stat().st_size - ledger <= once * 1.3  # numbers grow by a byte


def test_there_is_no_pickle_in_a_learner() -> None:
    for source in (Path(__file__).parents[2] / "edgebert" / "learn").glob("*.py"):
        assert "import pickle" not in source.read_text()
