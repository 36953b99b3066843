"""Texts at the edges of length: none, one token, just at the limit, one over, and a megabyte."""

import os
import subprocess
from collections.abc import Callable

import pytest

from edgebert.loading import load
from tests.fakes import read_manifest
from tests.make_tiny import DATA

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
TASKS = ("tiny-embed", "tiny-embed-int8", "tiny-classify", "tiny-tag", "tiny-answer", "tiny-fill")
LIMIT = 40
WORD = {"tiny-fill": " the"}  # one token of the byte-level vocabulary
# what stands in a row besides the words: special tokens, and here a question and a mask
AROUND = {"tiny-answer": 4, "tiny-fill": 3}


def make_text(name: str, words: int) -> object:
    """Give an input of a task with so many words of one token each."""
    text = WORD.get(name, "the ") * words
    return {"tiny-answer": ("cat", text), "tiny-fill": f"<mask>{text}"}.get(name, text)


@pytest.mark.parametrize("name", TASKS)
def test_the_limit_of_the_tiny_bundles_is_as_taken_here(name: str) -> None:
    assert read_manifest(DATA / name).max_tokens == LIMIT


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("policy", ["cut", "error", "window"])
@pytest.mark.parametrize("words", [0, 1])
def test_an_empty_text_and_one_of_a_token_have_results(name: str, policy: str, words: int) -> None:
    (result,) = load(DATA / name).stream([make_text(name, words)], truncation=policy)
    assert (result.n_tokens, result.truncated) == (AROUND.get(name, 2) + words, False)


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("policy", ["cut", "error", "window"])
def test_a_text_exactly_at_the_limit_is_whole(name: str, policy: str) -> None:
    text = make_text(name, LIMIT - AROUND.get(name, 2))
    (result,) = load(DATA / name).stream([text], truncation=policy)
    assert (result.n_tokens, result.truncated) == (LIMIT, False)


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize(("policy", "truncated"), [("cut", True), ("window", False)])
def test_a_text_one_over_the_limit_says_what_became_of_it(
    name: str, policy: str, truncated: bool
) -> None:
    text = make_text(name, LIMIT + 1 - AROUND.get(name, 2))
    (result,) = load(DATA / name).stream([text], truncation=policy)
    assert (result.n_tokens, result.truncated) == (LIMIT + 1, truncated)


@pytest.mark.parametrize("name", TASKS)
def test_a_text_one_over_the_limit_is_refused_under_policy_error(name: str) -> None:
    text = make_text(name, LIMIT + 1 - AROUND.get(name, 2))
    with pytest.raises(ValueError, match="row 0: 41 tokens, the model takes 40"):
        list(load(DATA / name).stream([text], truncation="error"))


PEAK = """
import resource, sys
from edgebert.errors import InputError
from edgebert.loading import load
from tests.test_engine_limits import make_text
def peak_megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
def one(text, policy):
    try:
        (result,) = task.stream([text], truncation=policy)
    except InputError:
        return "refused"
    return "cut" if result.truncated else "whole"
name, task = sys.argv[2], load(sys.argv[1])
one(make_text(name, 5000), "window")
before = peak_megabytes()
text = make_text(name, 2**18)
print(*(one(text, policy) for policy in ("cut", "error", "window")))
print(round(peak_megabytes() - before))
"""


@pytest.mark.skipif(os.name != "posix", reason="this system does not tell a process's peak memory")
@pytest.mark.parametrize("name", TASKS)
def test_a_megabyte_is_run_or_refused_in_bounded_memory_under_every_policy(
    name: str, python: Run
) -> None:
    result = python("-c", PEAK, str(DATA / name), name, timeout=300)
    assert result.returncode == 0, result.stderr
    became, megabytes = result.stdout.splitlines()
    assert became == b"cut refused whole"
    assert int(megabytes) < 600  # found: 1 to 2 kB a token, most of it the tokenizer's
