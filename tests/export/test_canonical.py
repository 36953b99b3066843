"""A checkpoint becomes the canonical encoder, or one clear error that says what disagrees."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from edgebert_export.canonical import Model, read_model
from edgebert_export.checkpoint import Checkpoint
from edgebert_export.errors import ExportError, UnsupportedModelError
from edgebert_export.families import supported_architectures
from tests.export.graphs import ARCHITECTURES, FAMILY_NAMES
from tests.make_tiny import HEADS, HIDDEN, LAYERS, POSITIONS, WIDE, write_checkpoint

pytestmark = pytest.mark.export

HEADED = [name for name in ARCHITECTURES if not name.endswith("Model")]
PREFIXES = {"Bert": "bert.", "Roberta": "roberta.", "DistilBert": "distilbert."}


def read(folder: Path, **options: Any) -> Model:
    return read_model(Checkpoint.open(folder), **options)


def change_config(folder: Path, **settings: Any) -> None:
    """Change config.json; a setting of `...` takes the key out."""
    path = folder / "config.json"
    config = json.loads(path.read_text()) | settings
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not ...}))


def change_weights(folder: Path, change: Any) -> None:
    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "model")


# What is read


def test_every_head_of_the_three_main_families_is_built() -> None:
    assert set(ARCHITECTURES) <= set(supported_architectures())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_sizes_are_those_of_the_configuration(architecture: str, tmp_path: Path) -> None:
    model = read(write_checkpoint(tmp_path, architecture))
    found = model.encoder
    assert (found.hidden, found.layers, found.heads, found.intermediate) == (
        HIDDEN,
        LAYERS,
        HEADS,
        WIDE,
    )
    assert len(model.linears) == 6 * LAYERS


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_every_family_has_the_positions_that_tokens_may_take(family: str, tmp_path: Path) -> None:
    model = read(write_checkpoint(tmp_path, f"{family}Model"))
    assert model.positions == len(model.position) == POSITIONS


def test_linear_weights_are_turned_to_inputs_by_outputs(folder: Path) -> None:
    stored = load_file(folder / "model.safetensors")["encoder.layer.1.intermediate.dense.weight"]
    assert np.array_equal(read(folder).linears["1.f1"].weight, stored.T)


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_an_encoder_is_read_with_or_without_the_prefix_of_a_headed_model(
    family: str, tmp_path: Path
) -> None:
    plain = read(write_checkpoint(tmp_path, f"{family}Model"))
    prefix = PREFIXES[family]
    change_weights(tmp_path, lambda found: {f"{prefix}{name}": found[name] for name in found})
    prefixed = read(tmp_path)
    assert np.array_equal(plain.word, prefixed.word)
    assert all(
        np.array_equal(plain.linears[name].weight, prefixed.linears[name].weight)
        for name in plain.linears
    )


@pytest.mark.parametrize("architecture", HEADED)
def test_the_encoder_below_a_head_can_be_taken_alone(architecture: str, tmp_path: Path) -> None:
    write_checkpoint(tmp_path, architecture)
    assert read(tmp_path).head is not None
    assert read(tmp_path, encoder_only=True).head is None


def test_the_encoder_below_a_head_is_read_though_the_head_is_missing(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, "BertForTokenClassification")
    change_weights(tmp_path, lambda found: {n: found[n] for n in found if "classifier" not in n})
    assert read(tmp_path, encoder_only=True).head is None


def test_tensors_that_no_one_asks_for_are_left_alone(folder: Path) -> None:
    odd = {"embeddings.position_ids": np.arange(POSITIONS), "cls.other": np.full(3, np.nan)}
    change_weights(folder, lambda found: found | odd)
    assert read(folder).encoder.layers == LAYERS


def test_a_decoder_that_is_the_word_embedding_counts_as_tied(tmp_path: Path) -> None:
    head = read(write_checkpoint(tmp_path, "BertForMaskedLM")).head
    assert head is not None
    assert head.tied


def test_a_decoder_of_its_own_counts_as_untied(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, "BertForMaskedLM", tie_word_embeddings=False)
    own = {"cls.predictions.decoder.weight": np.ones(read_word_shape(tmp_path), np.float32)}
    change_weights(tmp_path, lambda found: found | own)
    head = read(tmp_path).head
    assert head is not None
    assert not head.tied
    assert (head.output.weight == 1).all()


def read_word_shape(folder: Path) -> tuple[int, ...]:
    arrays = load_file(folder / "model.safetensors")
    return next(value.shape for name, value in arrays.items() if "word_embeddings" in name)


def test_an_untied_decoder_that_is_missing_is_refused(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, "BertForMaskedLM", tie_word_embeddings=False)
    with pytest.raises(ExportError, match=r"no tensor 'cls.predictions.decoder.weight'"):
        read(tmp_path)


def test_a_checkpoint_without_a_pooler_has_none(tmp_path: Path) -> None:
    assert read(write_checkpoint(tmp_path, "RobertaModel")).pooler is None


# Architectures


@pytest.mark.parametrize("name", ["GPT2LMHeadModel", "BertForPreTraining", "DebertaV2Model", ""])
def test_an_architecture_that_is_not_built_is_refused_with_all_that_are(
    folder: Path, name: str
) -> None:
    change_config(folder, architectures=[name])
    with pytest.raises(UnsupportedModelError, match="is not one that edgebert builds") as caught:
        read(folder)
    assert all(known in str(caught.value) for known in supported_architectures())


@pytest.mark.parametrize(
    "stated", [..., None, [], ["BertModel", "BertForMaskedLM"], "BertModel", [3]]
)
def test_none_or_several_architectures_are_refused(folder: Path, stated: Any) -> None:
    change_config(folder, architectures=stated)
    with pytest.raises(UnsupportedModelError, match=r"expected exactly one of: .*BertForMaskedLM"):
        read(folder)


@pytest.mark.parametrize("stated", ["roberta", "xlm-roberta", "albert", 3])
def test_a_model_type_of_another_family_is_refused(folder: Path, stated: Any) -> None:
    change_config(folder, model_type=stated)
    with pytest.raises(UnsupportedModelError, match="the two are of different families"):
        read(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("position_embedding_type", "relative_key"),
        ("position_embedding_type", "relative_key_query"),
        ("is_decoder", True),
        ("add_cross_attention", True),
    ],
)
@pytest.mark.parametrize("family", ["Bert", "Roberta"])
def test_a_setting_that_changes_the_encoder_is_refused(
    family: str, key: str, value: Any, tmp_path: Path
) -> None:
    write_checkpoint(tmp_path, f"{family}Model", **{key: value})
    with pytest.raises(UnsupportedModelError, match=f"says {key} = {value!r}; only"):
        read(tmp_path)


@pytest.mark.parametrize("activation", ["silu", "quick_gelu", None, ["gelu"], {}])
def test_an_activation_that_is_not_built_is_refused(folder: Path, activation: Any) -> None:
    change_config(folder, hidden_act=activation)
    with pytest.raises(UnsupportedModelError, match="is not built; known: gelu, relu, gelu_new"):
        read(folder)


# Sizes


@pytest.mark.parametrize("value", [..., None, 0, -1, "32", 32.0, True])
@pytest.mark.parametrize(
    "key", ["hidden_size", "num_hidden_layers", "vocab_size", "max_position_embeddings"]
)
def test_a_size_that_is_no_whole_number_is_refused(folder: Path, key: str, value: Any) -> None:
    change_config(folder, **{key: value})
    with pytest.raises(ExportError, match=f"says {key} = .*, expected a whole number of 1 or more"):
        read(folder)


def test_heads_that_do_not_divide_the_hidden_size_are_refused(folder: Path) -> None:
    change_config(folder, num_attention_heads=5)
    with pytest.raises(ExportError, match="hidden size 32 is not a multiple of 5 attention heads"):
        read(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("vocab_size", 7),
        ("hidden_size", 64),
        ("max_position_embeddings", 512),
        ("intermediate_size", 128),
        ("type_vocab_size", 1),
    ],
)
def test_a_size_that_the_tensors_do_not_have_is_refused(folder: Path, key: str, value: int) -> None:
    change_config(folder, **{key: value})
    with pytest.raises(ExportError, match=r"config\.json says .*; the two are not of the same"):
        read(folder)


def test_more_layers_than_the_tensors_have_are_refused(folder: Path) -> None:
    change_config(folder, num_hidden_layers=3)
    with pytest.raises(ExportError, match=r"no tensor 'encoder\.layer\.2\.attention\.self\.query"):
        read(folder)


@pytest.mark.parametrize("value", [None, "1e-5", 0, -1e-5, True])
def test_a_layer_norm_epsilon_that_is_no_number_over_zero_is_refused(
    folder: Path, value: Any
) -> None:
    change_config(folder, layer_norm_eps=value)
    with pytest.raises(ExportError, match=r"layer_norm_eps = .*, expected a number over 0"):
        read(folder)


@pytest.mark.parametrize("value", [None, -1, "1"])
def test_a_padding_id_that_positions_cannot_follow_is_refused(value: Any, tmp_path: Path) -> None:
    write_checkpoint(tmp_path, "RobertaModel", pad_token_id=value)
    with pytest.raises(ExportError, match=r"pad_token_id = .*, expected a whole number of 0"):
        read(tmp_path)


def test_a_padding_id_that_leaves_no_position_is_refused(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, "RobertaModel", pad_token_id=POSITIONS + 1)
    with pytest.raises(ExportError, match="leaves no token any of the 42 positions"):
        read(tmp_path)
