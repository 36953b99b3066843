"""What sentence-transformers saves comes out as sentence-transformers encodes it.

Tiny random checkpoints, written by its own `save`, through export to fp32 bundles.
"""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebert import Embedder
from edgebert.bundle import hash_file
from edgebert.config import Truncation
from edgebert.manifest import PoolingMode
from edgebert_export.checkpoint import hash_all
from edgebert_export.sentence_steps import DENSE_ACTIVATIONS
from tests.export.conftest import export_fp32
from tests.export.graphs import run_masked
from tests.fakes import make_tokenizer
from tests.make_tiny import HIDDEN, POSITIONS, write_checkpoint

pytest.importorskip("torch")
pytest.importorskip("sentence_transformers")

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules as st
from sentence_transformers.sentence_transformer.modules.layer_norm import LayerNorm

pytestmark = [pytest.mark.export, pytest.mark.oracle]

DIFFERENCE = 1e-5  # of fp32 vectors, absolute
FAMILIES = ("Bert", "Roberta", "DistilBert", "XLMRoberta")
MODES = [mode.value for mode in PoolingMode if mode is not PoolingMode.POOLER]
PADDING = {"Bert": 0, "DistilBert": 0, "Roberta": 1, "XLMRoberta": 1}
LONG = "anna lives in paris and peter in seoul " * 9  # over the limit: cut
TEXTS = ["the cat sleeps", "", "Anna lives in PARIS", LONG, "안녕 서울!", "a"]


def write_family(folder: Path, family: str) -> Path:
    """Write a tiny checkpoint; XLM-R has RoBERTa's layers under a name of its own."""
    write_checkpoint(folder, "RobertaModel" if family == "XLMRoberta" else f"{family}Model")
    if family == "XLMRoberta":
        change(folder / "config.json", architectures=["XLMRobertaModel"], model_type="xlm-roberta")
    if family == "DistilBert":  # whose tokenizer, unlike BERT's, gives no token types
        change(folder / "tokenizer_config.json", tokenizer_class="DistilBertTokenizer")
    return folder


def change(path: Path, **settings: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


class Saved:
    """A model as sentence-transformers holds it, the folder it saved, and our bundle of that."""

    def __init__(self, folder: Path, family: str, *modules: Any, **settings: Any) -> None:
        torch.manual_seed(0)
        safe = settings.pop("safe_serialization", True)
        lower = settings.pop("do_lower_case", False)
        encoder = st.Transformer(
            str(write_family(folder / "encoder", family)),
            max_seq_length=POSITIONS,
            do_lower_case=lower,
        )
        model = SentenceTransformer(modules=[encoder, *modules], device="cpu", **settings)
        self.folder = folder / "model"
        model.save(str(self.folder), create_model_card=False, safe_serialization=safe)
        self.theirs = SentenceTransformer(str(self.folder), device="cpu")
        self.bundle = export_fp32(self.folder, folder / "bundle")
        self.ours = Embedder.load(self.bundle)
        self.padding = PADDING[family]

    def worst(self, texts: list[str] = TEXTS) -> float:
        """Give the largest difference: theirs padded, ours together, ours one by one."""
        theirs = self.theirs.encode(texts)
        alone = np.concatenate([self.ours.embed([text]) for text in texts])
        return max(distance(theirs, self.ours.embed(texts)), distance(theirs, alone))

    def masked(self) -> Any:
        """Run our masked graph on all TEXTS at once, padded."""
        tokens = make_tokenizer(self.bundle).encode(TEXTS, truncation=Truncation.CUT)
        rows = run_masked(self.bundle, [row.ids for row in tokens], self.padding)
        return np.stack([row["sentence_embedding"] for row in rows])


def distance(a: Any, b: Any) -> float:
    assert a.shape == b.shape
    return float(np.abs(a - b).max())


@pytest.fixture(scope="module")
def pooled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Saved]:
    """Give a model with one pooling; made once."""

    @cache
    def make(family: str, mode: str) -> Saved:
        return Saved(tmp_path_factory.mktemp("pooled"), family, st.Pooling(HIDDEN, mode))

    return make


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_pooling_is_that_of_sentence_transformers(
    family: str, mode: str, pooled: Callable[[str, str], Saved]
) -> None:
    assert pooled(family, mode).worst() <= DIFFERENCE


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("family", FAMILIES)
def test_padding_does_not_reach_a_pooling_of_the_masked_graph(
    family: str, mode: str, pooled: Callable[[str, str], Saved]
) -> None:
    saved = pooled(family, mode)
    assert distance(saved.theirs.encode(TEXTS), saved.masked()) <= DIFFERENCE


@pytest.mark.parametrize(
    "modes", [("mean", "cls"), ("cls", "max", "mean", "lasttoken"), tuple(MODES)]
)
def test_several_poolings_are_laid_end_to_end(modes: tuple[str, ...], tmp_path: Path) -> None:
    saved = Saved(tmp_path, "Bert", st.Pooling(HIDDEN, modes), st.Normalize())
    assert saved.ours.dimensions == HIDDEN * len(modes)
    assert saved.worst() <= DIFFERENCE


def dense(name: str, *, bias: bool = True, takes: int = HIDDEN, gives: int = 12) -> Any:
    return st.Dense(takes, gives, bias=bias, activation_function=getattr(torch.nn, name)())


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", DENSE_ACTIVATIONS)
def test_a_dense_layer_is_that_of_sentence_transformers(
    name: str, bias: bool, tmp_path: Path
) -> None:
    saved = Saved(tmp_path, "Bert", st.Pooling(HIDDEN, "mean"), dense(name, bias=bias))
    assert saved.ours.dimensions == 12
    assert saved.worst() <= DIFFERENCE


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_are_run_in_the_order_of_modules_json(family: str, tmp_path: Path) -> None:
    norm = LayerNorm(12)
    torch.nn.init.uniform_(norm.norm.weight)
    torch.nn.init.uniform_(norm.norm.bias)
    layers = [
        st.Normalize(),
        dense("GELU"),
        norm,
        st.Dropout(0.5),
        dense("Tanh", takes=12, gives=5),
    ]
    saved = Saved(tmp_path, family, st.Pooling(HIDDEN, "cls"), *layers, st.Normalize())
    assert saved.ours.dimensions == 5
    assert saved.worst() <= DIFFERENCE


def test_the_masked_graph_has_the_layers_too(tmp_path: Path) -> None:
    saved = Saved(tmp_path, "Bert", st.Pooling(HIDDEN, "max"), dense("Tanh"), st.Normalize())
    assert distance(saved.theirs.encode(TEXTS), saved.masked()) <= DIFFERENCE


def test_the_weights_of_the_layers_count_in_the_hash_of_the_source(tmp_path: Path) -> None:
    saved = Saved(tmp_path, "Bert", st.Pooling(HIDDEN, "mean"), dense("Tanh"))
    files = [saved.folder / name / "model.safetensors" for name in ("", "2_Dense")]
    wanted = hash_all(*map(hash_file, files))
    assert saved.ours.manifest.source.weights_sha256 == wanted


def test_layers_in_a_pickle_are_read(tmp_path: Path) -> None:
    saved = Saved(
        tmp_path, "Bert", st.Pooling(HIDDEN, "mean"), dense("Tanh"), safe_serialization=False
    )
    assert (saved.folder / "2_Dense" / "pytorch_model.bin").is_file()
    assert saved.worst() <= DIFFERENCE


@pytest.mark.parametrize("family", FAMILIES)
def test_lower_casing_is_that_of_sentence_transformers(family: str, tmp_path: Path) -> None:
    saved = Saved(tmp_path, family, st.Pooling(HIDDEN, "mean"), do_lower_case=True)
    # as the versions before 5 wrote it; version 5.7 puts it into the tokenizer and drops the key
    change(saved.folder / "sentence_bert_config.json", do_lower_case=True)
    saved.theirs = SentenceTransformer(str(saved.folder), device="cpu")
    saved.ours = Embedder.load(export_fp32(saved.folder, tmp_path / "again"))
    assert saved.worst(["ANNA lives in PARIS", "ÀÉ", "<MASK> [MASK]"]) <= DIFFERENCE


PROMPTS = {"query": "Question: ", "passage": "the "}


@pytest.mark.parametrize("default", [None, "passage"])
def test_prompts_are_those_of_sentence_transformers(default: str | None, tmp_path: Path) -> None:
    pooling = st.Pooling(HIDDEN, "mean")
    saved = Saved(tmp_path, "Bert", pooling, prompts=PROMPTS, default_prompt_name=default)
    assert saved.worst() <= DIFFERENCE
    for name in PROMPTS:
        theirs = saved.theirs.encode(TEXTS, prompt_name=name)
        assert distance(theirs, saved.ours.embed(TEXTS, prompt=name)) <= DIFFERENCE
    query, document = saved.theirs.encode_query(TEXTS), saved.theirs.encode_document(TEXTS)
    assert distance(query, saved.ours.embed(TEXTS, prompt="query")) <= DIFFERENCE
    # "document" stands among the prompts as well, empty, and is the first that is looked for
    assert distance(document, saved.ours.embed(TEXTS, prompt="document")) <= DIFFERENCE


@pytest.mark.parametrize("dimensions", [1, 7, HIDDEN])
def test_fewer_dimensions_are_those_of_sentence_transformers(
    dimensions: int, tmp_path: Path
) -> None:
    saved = Saved(tmp_path, "Bert", st.Pooling(HIDDEN, "mean"), st.Normalize())
    theirs = saved.theirs.encode(TEXTS, truncate_dim=dimensions, normalize_embeddings=True)
    assert distance(theirs, saved.ours.embed(TEXTS, dimensions=dimensions)) <= DIFFERENCE
