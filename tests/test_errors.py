"""Errors travel: through a process pool, a copy, and with all that they say."""

import copy
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from edgebert import errors
from edgebert.errors import (
    BundleError,
    BundleFormatError,
    BundleVersionError,
    EdgebertError,
    InferenceError,
    InputError,
    LearnError,
    MissingExtraError,
    ResumeError,
    RouteError,
    StaleCertificateError,
    TaskError,
    VerifyError,
)
from edgebert.manifest import Task

OURS = [
    EdgebertError("m"),
    BundleError(Path("a/b"), "m"),
    BundleError("a/b", "m"),
    BundleFormatError(Path("a"), "m"),
    BundleVersionError(Path("a"), "m"),
    ResumeError("m"),
    VerifyError(Path("a"), "m"),
    TaskError(Task.TAG, Task.EMBED, "m"),
    TaskError("rerank", "classify", "m"),
    InputError("m"),
    InferenceError("m"),
    MissingExtraError("m"),
    LearnError("m"),
    RouteError("m"),
    StaleCertificateError("m"),
]


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("error", OURS, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling(error: EdgebertError, protocol: int) -> None:
    again = pickle.loads(pickle.dumps(error, protocol))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize("error", OURS, ids=lambda error: type(error).__name__)
def test_an_error_can_be_copied(error: EdgebertError) -> None:
    again = copy.copy(error)
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_every_error_is_among_these() -> None:
    classes = {value for value in vars(errors).values() if isinstance(value, type)}
    ours = {value for value in classes if issubclass(value, Exception)}
    assert ours == {type(error) for error in OURS}


def test_a_note_that_was_added_is_handed_on() -> None:
    error = TaskError("tag", "embed", "m")
    error.add_note("while opening two bundles")
    assert pickle.loads(pickle.dumps(error)).__notes__ == ["while opening two bundles"]


def test_a_bundle_error_says_its_path_first() -> None:
    error = BundleFormatError(Path("a/b"), "is damaged")
    assert (str(error), error.path) == (f"{Path('a/b')}: is damaged", Path("a/b"))


def test_the_path_of_a_bundle_error_is_a_path_however_it_was_given() -> None:
    assert BundleError("a/b", "m").path == Path("a/b")


def test_a_task_error_is_its_message() -> None:
    error = TaskError(Task.TAG, Task.EMBED, "is for another task")
    assert (str(error), error.wanted, error.found) == ("is for another task", "tag", "embed")


CAUGHT: list[tuple[type[Exception], type[Exception]]] = [
    (InputError, ValueError),
    (MissingExtraError, ImportError),
    (BundleVersionError, BundleError),
    (VerifyError, BundleError),
    (StaleCertificateError, RouteError),
]


@pytest.mark.parametrize(("error", "parent"), CAUGHT)
def test_an_error_can_be_caught_as_its_parent(
    error: type[Exception], parent: type[Exception]
) -> None:
    assert issubclass(error, parent)
    assert issubclass(error, EdgebertError)


def fail(make: Callable[..., Exception], *arguments: object) -> None:
    raise make(*arguments)


def test_a_process_pool_hands_an_error_on_and_stays_usable() -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        with pytest.raises(BundleFormatError, match="a: is damaged"):
            pool.submit(fail, BundleFormatError, "a", "is damaged").result()
        with pytest.raises(TaskError, match="for another"):
            pool.submit(fail, TaskError, "tag", "embed", "for another").result()
