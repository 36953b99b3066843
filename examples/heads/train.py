"""Train a head on MiniLM with torch: one thread, a fixed seed, no dropout.

AdamW (Loshchilov & Hutter 2019), the rate rising over the first tenth and falling to zero, rows of
like length together. The same machine gives the same weights.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from typing import Any

import torch
import transformers
from tokenizers import Encoding, Tokenizer
from torch.nn import functional

from examples.heads.labelled import Row
from examples.heads.recipes import Head

IGNORED = -100  # what torch's cross entropy leaves out
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
BATCH_TOKENS = 768
WARM_UP = 0.1  # of the steps
NEW_RATE = 5.0  # times the rate, for what starts from nothing


@dataclass(frozen=True, slots=True)
class Item:
    """A row as the model takes it."""

    ids: list[int]
    types: list[int]
    target: Any  # a number, a pair of places, or one class a token


def train(head: Head, source: Path, rows: Sequence[Row], folder: Path) -> None:
    """Train a head and write it as `save_pretrained` does, with its tokenizer.

    Args:
        head: what to train.
        source: the encoder's checkpoint.
        rows: what to learn from.
        folder: an empty folder for the result.
    """
    torch.manual_seed(0)
    torch.set_num_threads(1)  # the order of sums is then fixed
    model = _model(head, source)
    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    items = encode(head, tokenizer, rows)
    _fit(model, _batches([item for item in items if len(item.ids) <= head.max_tokens]), head)
    model.save_pretrained(folder)
    for name in TOKENIZER_FILES:
        copyfile(source / name, folder / name)


def _model(head: Head, source: Path) -> Any:
    kind = getattr(transformers, head.architecture)
    model = kind.from_pretrained(
        source,
        id2label=dict(enumerate(head.labels)),
        label2id={label: number for number, label in enumerate(head.labels)},
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    body = model.base_model
    for part in (body.embeddings, *body.encoder.layer[: head.frozen]):
        part.requires_grad_(False)
    return model.train()


def _fit(model: Any, batches: Sequence[Sequence[Item]], head: Head) -> None:
    old = [p for p in model.base_model.encoder.parameters() if p.requires_grad]
    known = {id(p) for p in model.base_model.parameters()}
    new = [p for p in model.parameters() if id(p) not in known]
    if model.base_model.pooler is not None:
        old += model.base_model.pooler.parameters()
    groups = [{"params": old}, {"params": new, "lr": head.rate * NEW_RATE}]
    optimizer = torch.optim.AdamW(groups, lr=head.rate, fused=True)
    warm = max(1, int(WARM_UP * len(batches)))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min((step + 1) / warm, (len(batches) - step) / (len(batches) - warm + 1)),
    )
    loss_of = LOSSES[head.architecture]
    for batch in batches:
        ids, mask, types = _pad(batch)
        outputs = model(input_ids=ids, attention_mask=mask, token_type_ids=types)
        loss = loss_of(outputs, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()


def _batches(items: Sequence[Item]) -> list[list[Item]]:
    """Cut rows into batches of like length and about as many tokens, in random order."""
    batches: list[list[Item]] = [[]]
    for item in sorted(items, key=lambda item: len(item.ids)):
        if len(batches[-1]) * len(item.ids) >= BATCH_TOKENS:
            batches.append([])
        batches[-1].append(item)
    random.Random(0).shuffle(batches)
    return batches


def _pad(batch: Sequence[Item]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    width = max(len(item.ids) for item in batch)
    ids = torch.zeros(len(batch), width, dtype=torch.int64)  # 0 is [PAD]
    mask, types = torch.zeros_like(ids), torch.zeros_like(ids)
    for row, item in enumerate(batch):
        ids[row, : len(item.ids)] = torch.tensor(item.ids)
        types[row, : len(item.ids)] = torch.tensor(item.types)
        mask[row, : len(item.ids)] = 1
    return ids, mask, types


def encode(head: Head, tokenizer: Tokenizer, rows: Sequence[Row]) -> list[Item]:
    """Turn rows into ids and targets that stand by token."""
    texts = [row.text if row.pair is None else (row.text, row.pair) for row in rows]
    target_of = TARGETS[head.architecture]
    return [
        Item(encoding.ids, encoding.type_ids, target_of(encoding, row.target, head.labels))
        for encoding, row in zip(tokenizer.encode_batch(texts), rows, strict=True)
    ]


def _class(encoding: Encoding, target: float, labels: Sequence[str]) -> float:
    return target


def _tags(encoding: Encoding, target: Any, labels: Sequence[str]) -> list[int]:
    """Tag the tokens of every entity, its first one with B-; special tokens count for nothing."""
    tags = [IGNORED if special else 0 for special in encoding.special_tokens_mask]
    for start, end, kind in target:
        prefix = "B"
        for place, (first, last) in enumerate(encoding.offsets):
            if start <= first < last <= end and tags[place] != IGNORED:
                tags[place] = labels.index(f"{prefix}-{kind}")
                prefix = "I"
    return tags


def _places(encoding: Encoding, target: Any, labels: Sequence[str]) -> tuple[int, int]:
    """Find the first and the last token of an answer in the second text."""
    start, end = target
    inside = [
        place
        for place, (first, last) in enumerate(encoding.offsets)
        if encoding.sequence_ids[place] == 1 and first < end and last > start
    ]
    return inside[0], inside[-1]


def _class_loss(outputs: Any, batch: Sequence[Item]) -> torch.Tensor:
    targets = torch.tensor([item.target for item in batch])
    if outputs.logits.shape[1] == 1:
        return functional.binary_cross_entropy_with_logits(outputs.logits[:, 0], targets)
    return functional.cross_entropy(outputs.logits, targets)


def _tag_loss(outputs: Any, batch: Sequence[Item]) -> torch.Tensor:
    width = outputs.logits.shape[1]
    rows = [item.target + [IGNORED] * (width - len(item.target)) for item in batch]
    return functional.cross_entropy(outputs.logits.flatten(0, 1), torch.tensor(rows).flatten())


def _span_loss(outputs: Any, batch: Sequence[Item]) -> torch.Tensor:
    places = torch.tensor([item.target for item in batch])  # (B, 2)
    starts = functional.cross_entropy(outputs.start_logits, places[:, 0])
    return starts + functional.cross_entropy(outputs.end_logits, places[:, 1])


TARGETS: dict[str, Callable[[Encoding, Any, Sequence[str]], Any]] = {
    "BertForSequenceClassification": _class,
    "BertForTokenClassification": _tags,
    "BertForQuestionAnswering": _places,
}
LOSSES: dict[str, Callable[[Any, Sequence[Item]], torch.Tensor]] = {
    "BertForSequenceClassification": _class_loss,
    "BertForTokenClassification": _tag_loss,
    "BertForQuestionAnswering": _span_loss,
}
