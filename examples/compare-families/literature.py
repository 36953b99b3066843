"""What others reported of the three families; nothing here was measured by us."""

from dataclasses import dataclass

# one table has all three: development sets of GLUE, single models fine-tuned on each task
SOURCE = (
    "huggingface/transformers, examples/research_projects/distillation/README.md, its table of "
    "GLUE's development sets; RoBERTa's row there is that of facebookresearch/fairseq, "
    "examples/roberta/README.md"
)
TASKS = ("CoLA", "MNLI", "MRPC", "QNLI", "QQP", "RTE", "SST-2", "STS-B")


@dataclass(frozen=True, slots=True)
class Reported:
    """One model as others describe it."""

    model: str
    paper: str
    parameters_m: int
    glue: tuple[float, ...]  # in the order of TASKS
    field: str  # what it is mostly taken for

    @property
    def mean(self) -> float:
        """The mean over TASKS; WNLI is left out, as is usual."""
        return sum(self.glue) / len(self.glue)


REPORTED = {
    "bert-base": Reported(
        "BERT-base-uncased",
        "Devlin et al. 2019, arXiv:1810.04805",
        110,
        (56.3, 84.7, 88.6, 91.8, 89.6, 69.3, 92.7, 89.0),
        "the plain choice: most checkpoints, most languages",
    ),
    "roberta-base": Reported(
        "RoBERTa-base",
        "Liu et al. 2019, arXiv:1907.11692",
        125,
        (63.6, 87.6, 90.2, 92.8, 91.9, 78.7, 94.8, 91.2),
        "where accuracy counts most; cased, bytes, no unknown token",
    ),
    "distilbert-base": Reported(
        "DistilBERT-base-uncased",
        "Sanh et al. 2019, arXiv:1910.01108",
        66,
        (51.3, 82.1, 87.5, 89.2, 88.5, 59.9, 91.3, 86.9),
        "where time and memory count most: half the layers",
    ),
}
