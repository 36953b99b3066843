"""What sentence-transformers says of a checkpoint is read, and what is not built is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from edgebert.manifest import PoolingMode
from edgebert_export.errors import ExportError, UnsupportedModelError
from edgebert_export.sentence_files import POOLING_FLAGS, SentenceFiles, read_sentence_files
from edgebert_export.sentence_steps import SameStep, UnitStep

pytestmark = pytest.mark.export

PREFIX = "sentence_transformers.models."
STEPS = (("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize"))


def write(folder: Path, name: str, content: Any) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content))


def make(
    folder: Path, steps: Any = STEPS, pooling: str = "pooling_mode_mean_tokens", **more: Any
) -> Path:
    modules = [{"type": f"{PREFIX}{kind}", "path": path} for kind, path in steps]
    write(folder, "modules.json", modules)
    write(folder, "1_Pooling/config.json", {pooling: True, "word_embedding_dimension": 32} | more)
    return folder


def test_a_bare_checkpoint_states_nothing(tmp_path: Path) -> None:
    assert read_sentence_files(tmp_path) == SentenceFiles(encoder=tmp_path)


@pytest.mark.parametrize(("key", "mode"), POOLING_FLAGS.items())
def test_the_pooling_is_the_one_switched_on(key: str, mode: PoolingMode, tmp_path: Path) -> None:
    others = {other: False for other in POOLING_FLAGS if other != key}
    found = read_sentence_files(make(tmp_path, pooling=key, **others))
    assert found.poolings == (mode,)


@pytest.mark.parametrize("mode", POOLING_FLAGS.values())
def test_the_pooling_is_the_one_named(mode: PoolingMode, tmp_path: Path) -> None:
    make(tmp_path)
    write(tmp_path, "1_Pooling/config.json", {"pooling_mode": mode.value, "include_prompt": True})
    assert read_sentence_files(tmp_path).poolings == (mode,)


def test_poolings_switched_on_together_stand_in_sentence_transformers_order(
    tmp_path: Path,
) -> None:
    flags = dict.fromkeys(reversed(POOLING_FLAGS), True)
    assert read_sentence_files(make(tmp_path, **flags)).poolings == (
        PoolingMode.CLS,
        PoolingMode.MAX,
        PoolingMode.MEAN,
        PoolingMode.MEAN_SQRT_LEN,
        PoolingMode.WEIGHTED_MEAN,
        PoolingMode.LAST_TOKEN,
    )


def test_poolings_named_together_stand_in_the_order_given(tmp_path: Path) -> None:
    make(tmp_path)
    write(tmp_path, "1_Pooling/config.json", {"pooling_mode": ["mean", "cls"]})
    assert read_sentence_files(tmp_path).poolings == (PoolingMode.MEAN, PoolingMode.CLS)


@pytest.mark.parametrize("config", [{}, {"pooling_mode_cls_token": False}])
def test_without_a_pooling_the_mean_is_meant(config: Any, tmp_path: Path) -> None:
    make(tmp_path)
    write(tmp_path, "1_Pooling/config.json", config)
    assert read_sentence_files(tmp_path).poolings == (PoolingMode.MEAN,)


@pytest.mark.parametrize(("steps", "normalize"), [(STEPS, True), (STEPS[:2], False)])
def test_vectors_are_normalised_where_the_last_step_says_so(
    steps: Any, normalize: bool, tmp_path: Path
) -> None:
    assert read_sentence_files(make(tmp_path, steps)).normalize is normalize


def test_a_normalisation_before_the_last_step_is_a_step_of_its_own(tmp_path: Path) -> None:
    found = read_sentence_files(make(tmp_path, (*STEPS, ("Dropout", "3_Dropout"))))
    assert (found.steps, found.normalize) == ((UnitStep(), SameStep()), False)


def test_the_encoder_may_stand_in_a_folder_of_its_own(tmp_path: Path) -> None:
    steps = (("Transformer", "0_Transformer"), *STEPS[1:])
    write(tmp_path, "0_Transformer/sentence_bert_config.json", {"max_seq_length": 99})
    found = read_sentence_files(make(tmp_path, steps))
    assert found.encoder == (tmp_path / "0_Transformer").resolve()
    assert found.max_tokens == 99


@pytest.mark.parametrize(
    ("stated", "limit"),
    [({"max_seq_length": 256}, 256), ({}, None), ({"max_seq_length": None}, None)],
)
def test_the_limit_is_max_seq_length(stated: Any, limit: int | None, tmp_path: Path) -> None:
    make(tmp_path)
    write(tmp_path, "sentence_bert_config.json", stated)
    assert read_sentence_files(tmp_path).max_tokens == limit


def test_prompts_and_their_default_are_read(tmp_path: Path) -> None:
    make(tmp_path)
    settings = {"prompts": {"query": "Represent: "}, "default_prompt_name": "query"}
    write(tmp_path, "config_sentence_transformers.json", settings)
    found = read_sentence_files(tmp_path)
    assert (found.prompts, found.default_prompt) == ({"query": "Represent: "}, "query")


@pytest.mark.parametrize("prompts", [None, {}, {"passage": ""}, ["query"]])
def test_a_default_prompt_that_is_not_among_the_prompts_is_refused(
    prompts: Any, tmp_path: Path
) -> None:
    make(tmp_path)
    settings = {"prompts": prompts, "default_prompt_name": "query"}
    write(tmp_path, "config_sentence_transformers.json", settings)
    with pytest.raises(ExportError, match="default prompt 'query' is not among the prompts"):
        read_sentence_files(tmp_path)


def test_a_prompt_that_is_null_is_no_prefix(tmp_path: Path) -> None:
    make(tmp_path)
    write(tmp_path, "config_sentence_transformers.json", {"prompts": {"query": None}})
    assert read_sentence_files(tmp_path).prompts == {"query": ""}


def test_a_prompt_that_is_no_text_is_refused(tmp_path: Path) -> None:
    make(tmp_path)
    write(tmp_path, "config_sentence_transformers.json", {"prompts": {"query": ["a"]}})
    with pytest.raises(ExportError, match=r"prompt 'query' is \['a'\], expected a string"):
        read_sentence_files(tmp_path)


@pytest.mark.parametrize("stated", [True, False])
def test_lower_casing_is_read(stated: bool, tmp_path: Path) -> None:
    make(tmp_path)
    write(tmp_path, "sentence_bert_config.json", {"do_lower_case": stated})
    assert read_sentence_files(tmp_path).lower_case is stated


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("transformer_task", "fill-mask"),
        ("module_output_name", "scores"),
        ("modality_config", {"text": {"method": "get_text_features"}}),
    ],
)
def test_token_vectors_had_in_another_way_are_refused(
    key: str, value: object, tmp_path: Path
) -> None:
    make(tmp_path)
    write(tmp_path, "sentence_bert_config.json", {key: value})
    with pytest.raises(UnsupportedModelError, match=f"{key} is .*; only .* is built"):
        read_sentence_files(tmp_path)


@pytest.mark.parametrize(
    "kinds",
    [["Transformer"], ["Pooling"], ["Transformer", "Normalize"], ["CLIPModel"], []],
)
def test_steps_that_do_not_begin_with_an_encoder_and_a_pooling_are_refused(
    kinds: list[str], tmp_path: Path
) -> None:
    make(tmp_path, [(kind, "") for kind in kinds])
    with pytest.raises(UnsupportedModelError, match="built are Transformer, Pooling") as caught:
        read_sentence_files(tmp_path)
    assert str(kinds) in str(caught.value)


def test_a_step_that_is_not_built_is_refused_by_name(tmp_path: Path) -> None:
    make(tmp_path, (*STEPS, ("WordWeights", "3_WordWeights")))
    with pytest.raises(UnsupportedModelError, match="WordWeights is not built; built are"):
        read_sentence_files(tmp_path)


def test_a_step_of_another_package_is_not_the_one_its_name_suggests(tmp_path: Path) -> None:
    modules = [{"type": f"{PREFIX}{kind}", "path": path} for kind, path in STEPS]
    make(tmp_path)
    write(tmp_path, "modules.json", [*modules, {"type": "mine.Normalize", "path": ""}])
    with pytest.raises(UnsupportedModelError, match=r"mine\.Normalize is not built"):
        read_sentence_files(tmp_path)


@pytest.mark.parametrize("mode", ["median", ["mean", "median"], [], 3])
def test_a_pooling_that_is_not_built_is_refused(mode: object, tmp_path: Path) -> None:
    make(tmp_path)
    write(tmp_path, "1_Pooling/config.json", {"pooling_mode": mode})
    with pytest.raises(UnsupportedModelError, match=r"pooling_mode .* is not built"):
        read_sentence_files(tmp_path)


def test_pooling_that_leaves_the_prompt_out_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="include_prompt is false"):
        read_sentence_files(make(tmp_path, include_prompt=False))


def test_a_pooling_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    (make(tmp_path) / "1_Pooling" / "config.json").unlink()
    with pytest.raises(ExportError, match=r"1_Pooling/config\.json: missing; modules\.json"):
        read_sentence_files(tmp_path)


@pytest.mark.parametrize("path", ["../other", "/etc", "a/../../other"])
def test_a_step_outside_the_folder_is_refused(path: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    make(tmp_path / "model", (("Transformer", path), *STEPS[1:]))
    with pytest.raises(ExportError, match="outside of it"):
        read_sentence_files(tmp_path / "model")


@pytest.mark.parametrize("content", ["", "{}", "[1]", "[", '"text"', "[" * 100_000])
def test_damaged_modules_are_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text(content)
    with pytest.raises(ExportError, match=r"modules\.json: "):
        read_sentence_files(tmp_path)


@pytest.mark.parametrize(
    "name",
    ["sentence_bert_config.json", "config_sentence_transformers.json", "1_Pooling/config.json"],
)
def test_a_damaged_file_is_refused_by_name(name: str, tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / name).write_text("{")
    with pytest.raises(ExportError, match=name.replace(".", r"\.")):
        read_sentence_files(tmp_path)
