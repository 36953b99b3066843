"""Read what sentence-transformers says of a checkpoint: pooling, normalization, prompts, limit.

Its `modules.json` lists the steps from tokens to vector. A step that is not built is an error:
leaving it out would give other vectors under the same name.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgebert.manifest import Pooling, PoolingMode
from edgebert_export.checkpoint import check_folder, read_json_object
from edgebert_export.errors import ExportError, UnsupportedModelError

POOLING_KEYS: Mapping[str, PoolingMode | None] = {  # None: known and not built
    "pooling_mode_cls_token": PoolingMode.CLS,
    "pooling_mode_mean_tokens": PoolingMode.MEAN,
    "pooling_mode_max_tokens": PoolingMode.MAX,
    "pooling_mode_mean_sqrt_len_tokens": None,
    "pooling_mode_weightedmean_tokens": None,
    "pooling_mode_lasttoken": None,
}


@dataclass(frozen=True, slots=True)
class SentenceFiles:
    """What the files beside a checkpoint state; a bare checkpoint states nothing."""

    encoder: Path  # the folder of the encoder itself
    pooling: Pooling | None = None
    max_tokens: int | None = None
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str | None = None


def read_sentence_files(folder: Path) -> SentenceFiles:
    """Read them.

    Raises:
        UnsupportedModelError: a step or pooling that is not built.
        ExportError: a file is damaged.
    """
    check_folder(folder)
    modules = _read_modules(folder / "modules.json")
    if modules is None:
        return SentenceFiles(encoder=folder)
    steps = [(str(step.get("type", "")).rsplit(".", 1)[-1], step) for step in modules]
    kinds = [kind for kind, _ in steps]
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise UnsupportedModelError(
            f"{folder / 'modules.json'}: the steps are {kinds}; built are Transformer, Pooling "
            "and, after them, Normalize"
        )
    encoder = _inside(folder, steps[0][1])
    mode = _read_pooling(_inside(folder, steps[1][1]) / "config.json")
    limits = read_json_object(encoder / "sentence_bert_config.json") or {}
    settings = read_json_object(folder / "config_sentence_transformers.json") or {}
    prompts = settings.get("prompts") or {}
    default = settings.get("default_prompt_name")
    if not isinstance(prompts, dict) or (default is not None and default not in prompts):
        raise ExportError(
            f"{folder / 'config_sentence_transformers.json'}: default prompt {default!r} is not "
            "among the prompts"
        )
    limit = limits.get("max_seq_length")
    return SentenceFiles(
        encoder=encoder,
        pooling=Pooling(mode=mode, normalize=len(steps) == 3),
        max_tokens=limit if isinstance(limit, int) else None,
        prompts={str(key): str(value) for key, value in prompts.items()},
        default_prompt=default,
    )


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


def _inside(folder: Path, step: Mapping[str, Any]) -> Path:
    path = (folder / str(step.get("path", ""))).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ExportError(f"{folder / 'modules.json'}: names {step.get('path')!r}, outside of it")
    return path


def _read_pooling(path: Path) -> PoolingMode:
    config = read_json_object(path)
    if config is None:
        raise ExportError(f"{path}: missing; modules.json promises it")
    chosen = [key for key in POOLING_KEYS if config.get(key)]
    mode = POOLING_KEYS[chosen[0]] if len(chosen) == 1 else None
    if mode is None or not config.get("include_prompt", True):
        raise UnsupportedModelError(
            f"{path}: pooling {chosen or 'none'} is not built; built is one of "
            f"{[key for key, value in POOLING_KEYS.items() if value]}, prompt included"
        )
    return mode
