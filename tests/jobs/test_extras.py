"""What is not installed is named with the line that installs it."""

import pytest

from edgebert.errors import MissingExtraError
from edgebert.jobs.extras import load_extra


def test_a_missing_extra_names_its_pip_line() -> None:
    with pytest.raises(MissingExtraError, match=r'absent_abc .* `pip install "edgebert\[some\]"`'):
        load_extra("absent_abc.inner", "some")
