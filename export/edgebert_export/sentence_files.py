"""Read what sentence-transformers says of a checkpoint: pooling, layers, prompts, limit, case.

Its `modules.json` lists the steps from tokens to vector. A step or a setting that is not built is
an error: leaving it out would give other vectors under the same name. Both spellings are read, that
of version 5.7 and the older one with a flag for each pooling.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgebert.manifest import PoolingMode
from edgebert_export.checkpoint import check_folder, read_json_object
from edgebert_export.errors import ExportError, UnsupportedModelError
from edgebert_export.sentence_steps import READERS, Step, StepFile, UnitStep

# in the order in which sentence-transformers lays several end to end
POOLING_FLAGS: Mapping[str, PoolingMode] = {
    "pooling_mode_cls_token": PoolingMode.CLS,
    "pooling_mode_max_tokens": PoolingMode.MAX,
    "pooling_mode_mean_tokens": PoolingMode.MEAN,
    "pooling_mode_mean_sqrt_len_tokens": PoolingMode.MEAN_SQRT_LEN,
    "pooling_mode_weightedmean_tokens": PoolingMode.WEIGHTED_MEAN,
    "pooling_mode_lasttoken": PoolingMode.LAST_TOKEN,
}
OURS = "sentence_transformers."  # a step of another package is not the one its name suggests
# settings of the Transformer step that say how token vectors are had: only this way is built
TRANSFORMER_SETTINGS: Mapping[str, object] = {
    "transformer_task": "feature-extraction",
    "module_output_name": "token_embeddings",
    "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
}


@dataclass(frozen=True, slots=True)
class SentenceFiles:
    """What the files beside a checkpoint state; a bare checkpoint states nothing."""

    encoder: Path  # the folder of the encoder itself
    poolings: tuple[PoolingMode, ...] | None = None  # several are laid end to end
    steps: tuple[Step, ...] = ()  # after the pooling, before the vectors are normalized
    normalize: bool = False  # the last step
    step_hashes: tuple[str, ...] = ()  # of the steps' weights
    max_tokens: int | None = None
    lower_case: bool = False  # before the tokenizer's own normalizer
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str | None = None


def read_sentence_files(folder: Path) -> SentenceFiles:
    """Read them.

    Raises:
        UnsupportedModelError: a step, pooling or setting that is not built.
        ExportError: a file is missing or damaged.
    """
    check_folder(folder)
    modules = _read_modules(folder / "modules.json")
    if modules is None:
        return SentenceFiles(encoder=folder)
    kinds = _kinds(folder / "modules.json", modules)
    paths = [_inside(folder, step) for step in modules]
    files = [READERS[kind](path) for kind, path in zip(kinds[2:], paths[2:], strict=True)]
    prompts, default = _read_prompts(folder / "config_sentence_transformers.json")
    settings = _read_transformer(paths[0] / "sentence_bert_config.json")
    limit = settings.get("max_seq_length")
    normalize = bool(files) and isinstance(files[-1].step, UnitStep)
    return SentenceFiles(
        encoder=paths[0],
        poolings=_read_pooling(paths[1] / "config.json"),
        steps=tuple(file.step for file in (files[:-1] if normalize else files)),
        normalize=normalize,
        step_hashes=_hashes(files),
        max_tokens=limit if isinstance(limit, int) else None,
        lower_case=bool(settings.get("do_lower_case")),
        prompts=prompts,
        default_prompt=default,
    )


def _hashes(files: list[StepFile]) -> tuple[str, ...]:
    return tuple(file.weights_sha256 for file in files if file.weights_sha256 is not None)


def _read_modules(path: Path) -> list[dict[str, Any]] | None:
    try:
        modules = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, OSError, RecursionError) as error:
        raise ExportError(f"{path}: {error}") from error
    if not isinstance(modules, list) or not all(isinstance(step, dict) for step in modules):
        raise ExportError(f"{path}: expected a list of objects")
    return modules


def _kinds(path: Path, modules: list[dict[str, Any]]) -> list[str]:
    """Give the steps' class names, all of them built."""
    types = [str(step.get("type", "")) for step in modules]
    kinds = [
        kind.rpartition(".")[2] if kind.startswith(OURS) else kind or "a step without a type"
        for kind in types
    ]
    unknown = [kind for kind in kinds[2:] if kind not in READERS]
    if kinds[:2] != ["Transformer", "Pooling"] or unknown:
        named = f"{', '.join(unknown)} is not built" if unknown else f"the steps are {kinds}"
        raise UnsupportedModelError(
            f"{path}: {named}; built are Transformer, Pooling and, after them, any of "
            f"{', '.join(READERS)}, as sentence-transformers defines them"
        )
    return kinds


def _inside(folder: Path, step: Mapping[str, Any]) -> Path:
    path = (folder / str(step.get("path", ""))).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ExportError(f"{folder / 'modules.json'}: names {step.get('path')!r}, outside of it")
    return path


def _read_transformer(path: Path) -> dict[str, Any]:
    settings = read_json_object(path) or {}
    for key, built in TRANSFORMER_SETTINGS.items():
        if settings.get(key, built) != built:
            raise UnsupportedModelError(
                f"{path}: {key} is {settings[key]!r:.200}; only {built!r} is built"
            )
    return settings


def _read_prompts(path: Path) -> tuple[dict[str, str], str | None]:
    settings = read_json_object(path) or {}
    stated = settings.get("prompts") or {}
    default = settings.get("default_prompt_name")
    if not isinstance(stated, dict) or (default is not None and default not in stated):
        raise ExportError(f"{path}: default prompt {default!r} is not among the prompts")
    prompts = {name: "" if prompt is None else prompt for name, prompt in stated.items()}
    for name, prompt in prompts.items():
        if not isinstance(prompt, str):
            raise ExportError(f"{path}: prompt {name!r} is {prompt!r:.80}, expected a string")
    return prompts, default


def _read_pooling(path: Path) -> tuple[PoolingMode, ...]:
    config = read_json_object(path)
    if config is None:
        raise ExportError(f"{path}: missing; modules.json promises it")
    if not config.get("include_prompt", True):
        raise UnsupportedModelError(
            f"{path}: include_prompt is false: a pooling that leaves the prompt's tokens out is "
            "not built"
        )
    stated = config.get("pooling_mode")
    if stated is None:
        modes = [mode for flag, mode in POOLING_FLAGS.items() if config.get(flag)]
        # where flags stand and none is on, sentence-transformers takes the mean
        return tuple(modes) or (PoolingMode.MEAN,)
    names = stated if isinstance(stated, list) else [stated]
    built = [str(mode) for mode in POOLING_FLAGS.values()]
    if not names or any(name not in built for name in names):
        raise UnsupportedModelError(
            f"{path}: pooling_mode {stated!r:.200} is not built; built are {', '.join(built)}"
        )
    return tuple(PoolingMode(name) for name in names)
