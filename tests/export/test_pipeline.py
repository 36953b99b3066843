"""From a checkpoint's folder to a sealed bundle: what the steps settle and what they record."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

import edgebert
from edgebert.bundle import Bundle, hash_file
from edgebert.golden import verify
from edgebert.manifest import Activation, Level, PoolingMode
from edgebert_export import Recipe, Report, export
from tests.export.graphs import ARCHITECTURES
from tests.make_tiny import TAGS, write_checkpoint

pytestmark = pytest.mark.export

Folders = Callable[[str], Path]


def run(model: Path, output: Path, **options: Any) -> Report:
    """Export fp32, a bare encoder with mean pooling."""
    if (
        '"BertModel"' in (model / "config.json").read_text()
        and not (model / "modules.json").exists()
    ):
        options = {"pooling": PoolingMode.MEAN, **options}
    return export(Recipe(model=model, output=output, quantize=Level.FP32, **options))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_bundle_of_every_architecture_opens_as_its_task_and_verifies(
    architecture: str, tiny_bundle: Folders
) -> None:
    bundle = Bundle.open(tiny_bundle(architecture))
    task = edgebert.load(bundle.path)
    golden, error = verify(bundle, task._engine)
    assert bundle.manifest.architecture == architecture
    assert error <= golden.tolerance <= 1e-3


def test_nothing_but_the_bundles_files_is_written(tiny_bundle: Folders) -> None:
    folder = tiny_bundle("BertForTokenClassification")
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "edgebert.json",
        "golden.json",
        "model.onnx",
        "model.weights",
        "model_masked.onnx",
        "report.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]


def test_both_graphs_share_one_file_of_weights(tiny_bundle: Folders) -> None:
    folder = tiny_bundle("BertForTokenClassification")
    stored = (folder / "model.weights").stat().st_size
    floats = sum(array.nbytes for array in load_file(source_of(folder)).values())
    assert stored < 1.5 * floats  # page alignment costs a tiny model a lot; twice would be more


def source_of(folder: Path) -> Path:
    """Give the weights that a tiny bundle was made of."""
    checkpoint = write_checkpoint(folder.parent / "again", folder.name)
    return checkpoint / "model.safetensors"


def test_labels_stand_in_the_manifest_in_the_order_of_their_ids(tiny_bundle: Folders) -> None:
    manifest = Bundle.open(tiny_bundle("RobertaForTokenClassification")).manifest
    assert manifest.labels == tuple(TAGS)


@pytest.mark.parametrize(
    ("problem", "labels", "activation"),
    [
        ("single_label_classification", 3, Activation.SOFTMAX),
        ("multi_label_classification", 3, Activation.SIGMOID),
        ("regression", 1, Activation.NONE),
        (None, 2, Activation.SOFTMAX),
        (None, 1, Activation.SIGMOID),
    ],
)
def test_the_activation_follows_the_problem_type(
    problem: str | None, labels: int, activation: Activation, tmp_path: Path
) -> None:
    name = "BertForSequenceClassification"
    model = write_checkpoint(tmp_path / "model", name, labels=labels, problem_type=problem)
    run(model, tmp_path / "out")
    assert Bundle.open(tmp_path / "out").manifest.activation is activation


def test_the_source_is_recorded_by_its_hashes(tiny_checkpoint: Folders, tmp_path: Path) -> None:
    model = tiny_checkpoint("BertModel")
    run(model, tmp_path / "out")
    source = Bundle.open(tmp_path / "out").manifest.source
    assert source.weights_sha256 == hash_file(model / "model.safetensors")
    assert source.config_sha256 == hash_file(model / "config.json")


def test_the_licence_is_that_of_the_model_card(tmp_path: Path) -> None:
    model = write_checkpoint(tmp_path / "model")
    (model / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    run(model, tmp_path / "out")
    assert Bundle.open(tmp_path / "out").manifest.source.licence == "apache-2.0"


@pytest.mark.parametrize(("given", "name"), [(None, "out"), ("my model", "my model")])
def test_a_bundle_is_named_as_asked_or_after_its_folder(
    given: str | None, name: str, tiny_checkpoint: Folders, tmp_path: Path
) -> None:
    report = run(tiny_checkpoint("BertModel"), tmp_path / "out", name=given)
    assert (report.name, Bundle.open(tmp_path / "out").manifest.name) == (name, name)


def test_the_returned_report_is_the_one_in_the_bundle(
    tiny_checkpoint: Folders, tmp_path: Path
) -> None:
    report = run(tiny_checkpoint("BertModel"), tmp_path / "out")
    returned = json.loads(json.dumps(dataclasses.asdict(report)))
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == returned


def test_the_report_counts_the_bytes_of_every_file_before_it(tiny_bundle: Folders) -> None:
    folder = tiny_bundle("BertModel")
    sizes = json.loads((folder / "report.json").read_text())["bytes"]
    others = Bundle.open(folder).manifest.files.keys() - {"report.json"}
    assert sizes == {name: (folder / name).stat().st_size for name in others}


def test_parity_names_the_file_that_it_was_measured_on(
    tiny_checkpoint: Folders, tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("the cat\n\n  \nthe dog runs\n")
    report = run(tiny_checkpoint("BertModel"), tmp_path / "out", parity_texts=tmp_path / "mine.txt")
    assert (report.parity.texts, report.parity.source) == (2, "mine.txt")


def test_an_fp32_bundle_is_measured_against_its_own_masked_graph(
    tiny_checkpoint: Folders, tmp_path: Path
) -> None:
    parity = run(tiny_checkpoint("BertForQuestionAnswering"), tmp_path / "out").parity
    assert parity.agreement == 1.0
    assert 0 < parity.max_abs_diff < 1e-4  # another path: not the same graph twice


@pytest.mark.parametrize("limit", [12, 20, 40])
@pytest.mark.parametrize("family", ["Bert", "Roberta"])
def test_a_question_answerer_of_few_tokens_is_exported(
    family: str, limit: int, tiny_checkpoint: Folders, tmp_path: Path
) -> None:
    model = tiny_checkpoint(f"{family}ForQuestionAnswering")
    run(model, tmp_path / "out", max_tokens=limit)
    assert Bundle.open(tmp_path / "out").manifest.max_tokens == limit


def test_a_classifier_with_one_output_opens_as_a_reranker(tmp_path: Path) -> None:
    model = write_checkpoint(tmp_path / "model", "BertForSequenceClassification", labels=1)
    run(model, tmp_path / "out")
    ranked = edgebert.Reranker.load(tmp_path / "out").rank("the cat", ["a dog", "good food"])
    assert sorted(document.index for document in ranked) == [0, 1]
