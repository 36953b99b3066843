"""Write what lets other tools open a bundle: transformers, optimum and sentence-transformers.

The runtime reads none of these files. All that they say stands in the manifest as well; here it
stands as those tools look for it, so that they tokenize and pool as edgebert does. Left out where
sentence-transformers has no such pooling: `pooler`.
"""

import json
from pathlib import Path
from typing import Any

from edgebert.manifest import Manifest, PoolingMode
from edgebert_export.checkpoint import dump_json
from edgebert_export.tokenizer_files import TokenizerFiles

MODULE = "sentence_transformers.models."
POOLING_FOLDER = "1_Pooling"  # the names of sentence-transformers' own `save`
NORMALIZE_FOLDER = "2_Normalize"
POOLING_KEYS = {  # both spellings: of releases before 5.3 and since
    PoolingMode.CLS: "pooling_mode_cls_token",
    PoolingMode.MEAN: "pooling_mode_mean_tokens",
    PoolingMode.MAX: "pooling_mode_max_tokens",
}


def write_tool_files(folder: Path, manifest: Manifest, tokenizer: TokenizerFiles) -> None:
    """Write them into a bundle's folder; `manifest` has its graphs described."""
    files: dict[str, Any] = {"tokenizer_config.json": _tokenizer_config(manifest, tokenizer)}
    if manifest.pooling is not None and manifest.pooling.mode in POOLING_KEYS:
        files |= _sentence_files(manifest)
        (folder / POOLING_FOLDER).mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(dump_json(content))


def _tokenizer_config(manifest: Manifest, tokenizer: TokenizerFiles) -> dict[str, Any]:
    # the plain class takes tokenizer.json as it is, but for a space that is not stated here as
    # well; those of the families set more of it anew
    splitter = json.loads(tokenizer.tokenizer.to_str())["pre_tokenizer"] or {}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **tokenizer.special,
        "model_max_length": manifest.max_tokens,
        "model_input_names": list(manifest.graphs.masked.inputs),
        "clean_up_tokenization_spaces": False,
        **{key: splitter[key] for key in ("add_prefix_space",) if key in splitter},
    }


def _sentence_files(manifest: Manifest) -> dict[str, Any]:
    pooling = manifest.pooling
    if pooling is None:
        raise TypeError("the files of sentence-transformers need a pooling")
    steps = [("Transformer", ""), ("Pooling", POOLING_FOLDER)]
    if pooling.normalize:
        steps.append(("Normalize", NORMALIZE_FOLDER))
    return {
        "modules.json": [
            {"idx": number, "name": str(number), "path": path, "type": MODULE + kind}
            for number, (kind, path) in enumerate(steps)
        ],
        f"{POOLING_FOLDER}/config.json": {
            "word_embedding_dimension": manifest.encoder.hidden,
            **{key: mode is pooling.mode for mode, key in POOLING_KEYS.items()},
        },
        "sentence_bert_config.json": {"max_seq_length": manifest.max_tokens},
        "config_sentence_transformers.json": {
            "prompts": dict(manifest.prompts),
            "default_prompt_name": manifest.default_prompt,
        },
    }
