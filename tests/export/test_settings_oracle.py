"""Settings of config.json count as in transformers, on checkpoints that it saved itself."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebert.manifest import Pooling, PoolingMode, Task
from edgebert_export.canonical import read_model
from edgebert_export.checkpoint import Checkpoint
from edgebert_export.heads import Outputs
from edgebert_export.plan import Plan
from edgebert_export.write import write_graphs
from tests.export.graphs import (
    ARCHITECTURES,
    FAMILY_NAMES,
    SPECIAL_IDS,
    Rows,
    family_of,
    random_rows,
    relative,
    run_main,
    run_masked,
)

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
oracle = pytest.importorskip("tests.export.oracle")

pytestmark = [pytest.mark.export, pytest.mark.oracle]

HIDDEN_DIFFERENCE = 2e-5  # what issue 2 demands of hidden states
OUTPUT_ERROR = 1e-4  # relative; as the golden texts of a bundle allow
VOCABULARY, POSITIONS = 120, 42
ROWS_OF = {name: random_rows(name, VOCABULARY) for name in ARCHITECTURES}


def save(folder: Path, architecture: str, **settings: Any) -> Path:
    """Save a model of transformers whose every weight is drawn at random."""
    sizes: dict[str, Any] = {"vocab_size": VOCABULARY, "max_position_embeddings": POSITIONS}
    if architecture.startswith("Distil"):
        sizes |= {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64}
    else:
        sizes |= {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
        sizes |= {"intermediate_size": 64}
    kind = getattr(transformers, architecture)
    model = kind(kind.config_class(**sizes | settings))
    torch.manual_seed(0)
    with torch.no_grad():
        for name, value in model.named_parameters():
            value.normal_(1.0 if "norm" in name.lower() and name.endswith("weight") else 0.0, 0.25)
    model.save_pretrained(folder)
    return folder


def change_config(folder: Path, **settings: Any) -> Path:
    """Change settings of a saved checkpoint; None takes a key out."""
    config = json.loads((folder / "config.json").read_text()) | settings
    kept = {key: value for key, value in config.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(kept))
    return folder


def build(folder: Path, checkpoint: Path, architecture: str, task: Task) -> Path:
    model = read_model(Checkpoint.open(checkpoint), encoder_only=task is Task.EMBED)
    pooling = Pooling(mode=PoolingMode.MEAN, normalize=False) if task is Task.EMBED else None
    mask = SPECIAL_IDS[family_of(architecture)][2] if task is Task.FILL else None
    folder.mkdir()
    write_graphs(folder, model, Plan(), Outputs(task, pooling, mask))
    return folder


def hidden_difference(checkpoint: Path, architecture: str, rows: Rows | None = None) -> float:
    """Give the largest difference of hidden states to transformers', rows padded."""
    rows = rows or ROWS_OF[architecture]
    padding = SPECIAL_IDS[family_of(architecture)][3]
    bundle = build(checkpoint.parent / "bundle", checkpoint, architecture, Task.EMBED)
    wanted = oracle.run(oracle.load(checkpoint, architecture), rows, padding)
    found = run_masked(bundle, rows, padding)
    return max(
        float(np.abs(ours["last_hidden_state"] - theirs["last_hidden_state"]).max())
        for ours, theirs in zip(found, wanted, strict=True)
    )


def fill_error(checkpoint: Path, architecture: str) -> float:
    """Give the worst relative error of masked rows against transformers, of either graph."""
    rows = ROWS_OF[architecture]
    _, _, mask, padding = SPECIAL_IDS[family_of(architecture)]
    bundle = build(checkpoint.parent / "bundle", checkpoint, architecture, Task.FILL)
    wanted = oracle.run(oracle.load(checkpoint, architecture), rows, padding)
    main, masked = run_main(bundle, rows), run_masked(bundle, rows, padding)
    errors = []
    for place, theirs in enumerate(wanted):
        at_masks = np.array(rows[place]) == mask
        errors.append(relative(main[place]["logits"], theirs["logits"][at_masks]))
        errors.append(relative(masked[place]["logits"], theirs["logits"]))
    return max(errors)


@pytest.mark.parametrize("activation", ["relu", "gelu_new", "gelu_pytorch_tanh"])
@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_the_activation_is_the_one_stated(family: str, activation: str, tmp_path: Path) -> None:
    key = "activation" if family == "DistilBert" else "hidden_act"
    name = f"{family}Model"
    checkpoint = save(tmp_path / "model", name, **{key: activation})
    assert hidden_difference(checkpoint, name) <= HIDDEN_DIFFERENCE


@pytest.mark.parametrize("activation", ["relu", "gelu_new"])
@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_the_activation_of_a_masked_lm_head_is_that_of_transformers(
    family: str, activation: str, tmp_path: Path
) -> None:
    key = "activation" if family == "DistilBert" else "hidden_act"
    name = f"{family}ForMaskedLM"
    checkpoint = save(tmp_path / "model", name, **{key: activation})
    assert fill_error(checkpoint, name) <= OUTPUT_ERROR


@pytest.mark.parametrize("epsilon", [1e-5, 1e-2])
@pytest.mark.parametrize("family", ["Bert", "Roberta"])
def test_the_layer_norm_epsilon_is_the_one_stated(
    family: str, epsilon: float, tmp_path: Path
) -> None:
    name = f"{family}Model"
    checkpoint = save(tmp_path / "model", name, layer_norm_eps=epsilon)
    assert hidden_difference(checkpoint, name) <= HIDDEN_DIFFERENCE


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_settings_left_out_are_the_defaults_of_transformers(family: str, tmp_path: Path) -> None:
    name = f"{family}Model"
    checkpoint = save(tmp_path / "model", name)
    defaults = ("layer_norm_eps", "hidden_act", "activation", "type_vocab_size", "pad_token_id")
    change_config(checkpoint, **dict.fromkeys(defaults))
    assert hidden_difference(checkpoint, name) <= HIDDEN_DIFFERENCE


@pytest.mark.parametrize("kinds", [1, 2, 3])
@pytest.mark.parametrize("family", ["Bert", "Roberta"])
def test_any_number_of_token_types_is_read(family: str, kinds: int, tmp_path: Path) -> None:
    name = f"{family}Model"
    checkpoint = save(tmp_path / "model", name, type_vocab_size=kinds)
    assert hidden_difference(checkpoint, name) <= HIDDEN_DIFFERENCE


@pytest.mark.parametrize("padding", [0, 1, 5])
def test_the_positions_of_a_roberta_follow_its_padding_id(padding: int, tmp_path: Path) -> None:
    checkpoint = save(tmp_path / "model", "RobertaModel", pad_token_id=padding)
    rows = random_rows("RobertaModel", VOCABULARY, lengths=(3, POSITIONS - padding - 1))
    rows = [[6 if token == padding else token for token in row] for row in rows]
    bundle = build(tmp_path / "bundle", checkpoint, "RobertaModel", Task.EMBED)
    wanted = oracle.run(oracle.load(checkpoint, "RobertaModel"), rows, padding)
    found = run_masked(bundle, rows, padding)
    for ours, theirs in zip(found, wanted, strict=True):
        difference = np.abs(ours["last_hidden_state"] - theirs["last_hidden_state"])
        assert difference.max() <= HIDDEN_DIFFERENCE


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_a_masked_lm_saved_by_transformers_scores_alike(
    family: str, tied: bool, tmp_path: Path
) -> None:
    name = f"{family}ForMaskedLM"
    checkpoint = save(tmp_path / "model", name, tie_word_embeddings=tied)
    assert fill_error(checkpoint, name) <= OUTPUT_ERROR


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_a_decoder_that_the_settings_tie_is_the_word_embedding_whatever_the_file_holds(
    family: str, tmp_path: Path
) -> None:
    name = f"{family}ForMaskedLM"
    checkpoint = save(tmp_path / "model", name, tie_word_embeddings=False)
    change_config(checkpoint, tie_word_embeddings=True)
    assert fill_error(checkpoint, name) <= OUTPUT_ERROR


@pytest.mark.parametrize("family", ["Bert", "Roberta"])
def test_the_pooler_is_that_of_transformers(family: str, tmp_path: Path) -> None:
    name = f"{family}Model"
    rows, padding = ROWS_OF[name], SPECIAL_IDS[family][3]
    checkpoint = save(tmp_path / "model", name)
    outputs = Outputs(Task.EMBED, Pooling(mode=PoolingMode.POOLER, normalize=False), None)
    (tmp_path / "bundle").mkdir()
    write_graphs(tmp_path / "bundle", read_model(Checkpoint.open(checkpoint)), Plan(), outputs)
    wanted = oracle.run_each(oracle.load(checkpoint, name), rows, padding)
    for ours, theirs in zip(run_main(tmp_path / "bundle", rows), wanted, strict=True):
        assert relative(ours["sentence_embedding"], theirs["pooler_output"]) <= OUTPUT_ERROR


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_that_transformers_saves_is_read(
    architecture: str, tmp_path: Path
) -> None:
    checkpoint = Checkpoint.open(save(tmp_path / "model", architecture))
    assert read_model(checkpoint).architecture == architecture
