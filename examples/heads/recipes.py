"""What each head is: its labels, its data and how long it trains. Data only."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from examples.heads.labelled import (
    NER_LABELS,
    NLI_LABELS,
    SENTIMENT_LABELS,
    Split,
    read_answers,
    read_ner,
    read_nli,
    read_relevance,
    read_sentiment,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """One head and its training; the encoder's lower layers stay as they are."""

    architecture: str  # of transformers
    labels: tuple[str, ...]
    read: Callable[[Path], Split]
    max_tokens: int  # longer rows are left out of training
    rows: int  # how many of the training rows, from the first
    frozen: int = 3  # of 6 layers, from below; the embeddings as well
    rate: float = 3e-4


HEADS = {
    "nli": Head(
        architecture="BertForSequenceClassification",
        labels=NLI_LABELS,
        read=read_nli,
        max_tokens=64,
        rows=2400,
    ),
    "sentiment": Head(
        architecture="BertForSequenceClassification",
        labels=SENTIMENT_LABELS,
        read=read_sentiment,
        max_tokens=64,
        rows=2400,
    ),
    "ner": Head(
        architecture="BertForTokenClassification",
        labels=NER_LABELS,
        read=read_ner,
        max_tokens=64,
        rows=2000,
    ),
    "answers": Head(
        architecture="BertForQuestionAnswering",
        labels=("start", "end"),
        read=read_answers,
        max_tokens=128,
        rows=900,
    ),
    "relevance": Head(
        architecture="BertForSequenceClassification",
        labels=("relevance",),
        read=read_relevance,
        max_tokens=96,
        rows=1800,
    ),
}
