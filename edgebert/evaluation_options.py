"""How the verbs `eval` and `compare` say what is scored and how: their options in common."""

import argparse
from pathlib import Path

from edgebert.answering import Setting
from edgebert.bundle import Bundle
from edgebert.errors import InputError
from edgebert.jobs.tables import Format, read_rows
from edgebert.labelled import Example, Goal, read_examples, read_names
from edgebert.manifest import Task
from edgebert.metrics import ROUNDS

# what a bundle is scored at unless --task says otherwise; embeddings serve several ends
GOALS = {
    Task.CLASSIFY: Goal.CLASSIFY,
    Task.TAG: Goal.TAG,
    Task.ANSWER: Goal.ANSWER,
    Task.FILL: Goal.FILL,
}


def add_setting(parser: argparse.ArgumentParser) -> None:
    """Declare what says how bundles are asked and scored."""
    parser.add_argument(
        "--task", type=Goal, choices=list(Goal), help="default: the bundle's; needed for embeddings"
    )
    parser.add_argument(
        "--format", type=Format, choices=list(Format), help="of the files; default: by name"
    )
    parser.add_argument(
        "--columns",
        nargs="+",
        default=[],
        metavar="NAME=COLUMN",
        help="where the file names a column otherwise, such as text=sentence_A",
    )
    parser.add_argument(
        "--fit", type=Path, metavar="FILE", help="classify by embeddings: fit a head on these rows"
    )
    parser.add_argument("--tier", default="tiny", help="of that head: tiny (default), small, base")
    parser.add_argument("--prompt", help="embeddings: prefix of texts and queries, by name")
    parser.add_argument("--document-prompt", help="embeddings: prefix of the texts looked for")
    parser.add_argument("--no-answer", action="store_true", help="answer: an empty one may win")
    parser.add_argument("--threads", type=int, help="worker threads; default: the usable cores")
    parser.add_argument(
        "--resamples", type=int, default=ROUNDS, help="of each interval (1000); 0: no intervals"
    )


def read_setting(arguments: argparse.Namespace, first: Path) -> Setting:
    """Put together how bundles are asked.

    Args:
        arguments: as `add_setting` declares them.
        first: the bundle that says what the goal is where no task was given.

    Raises:
        InputError: the first bundle is for embeddings and no task was given, or a file is wrong.
    """
    goal = arguments.task or GOALS.get(Bundle.open(first).manifest.task)
    if goal is None:
        known = ", ".join(goal.value for goal in Goal)
        raise InputError(
            f"{first} is for embeddings, which serve several ends; give --task, one of: {known}"
        )
    if arguments.resamples < 0:
        raise InputError(f"resamples is {arguments.resamples}; it must be 0 or more")
    names = read_names(arguments.columns)
    fit: tuple[Example, ...] = ()
    if arguments.fit:
        fit = tuple(read_examples(read_rows(arguments.fit, arguments.format), Goal.CLASSIFY, names))
    return Setting(
        goal=goal,
        prompt=arguments.prompt,
        document_prompt=arguments.document_prompt,
        fit=fit,
        tier=arguments.tier,
        no_answer=arguments.no_answer,
        threads=arguments.threads,
    )
