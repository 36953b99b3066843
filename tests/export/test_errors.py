"""The errors of export travel through a process pool as those of the runtime do."""

import pickle

import pytest

from edgebert.errors import EdgebertError
from edgebert.manifest import Parity
from edgebert_export.errors import ExportError, ParityError, UnsupportedModelError
from tests.fakes import read_manifest
from tests.make_tiny import DATA


@pytest.fixture
def parity() -> Parity:
    return read_manifest(DATA / "tiny-embed").parity


def test_a_parity_error_survives_pickling_with_its_figures(parity: Parity) -> None:
    again = pickle.loads(pickle.dumps(ParityError("too far off", parity)))
    assert (type(again), str(again), again.parity) == (ParityError, "too far off", parity)


@pytest.mark.parametrize("kind", [ExportError, UnsupportedModelError])
def test_the_other_errors_of_export_survive_pickling(kind: type[EdgebertError]) -> None:
    again = pickle.loads(pickle.dumps(kind("m")))
    assert (type(again), str(again)) == (kind, "m")
