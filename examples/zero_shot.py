"""Sort texts by labels that no model was trained on, with a classifier of inference (NLI).

    python -m examples.zero_shot heads/nli texts.txt --labels music weather restaurant

Each label makes a sentence, and the text's score is how surely it entails that sentence. A label
that is worded as people speak works better than a code.
"""

import sys
from collections import Counter

from edgebert import ZeroShotClassifier
from edgebert.tasks.zero_shot import TEMPLATE
from examples.lines import arguments_of, read_lines, run


def main(arguments: list[str] | None = None) -> int:
    """Print each line with its best label, then how many each label got."""
    parser = arguments_of(__doc__, "zero_shot")
    parser.add_argument("--labels", nargs="+", required=True)
    parser.add_argument("--template", default=TEMPLATE, help="a sentence, {} where the label goes")
    chosen = parser.parse_args(arguments)

    def example() -> None:
        classifier, texts = ZeroShotClassifier.load(chosen.bundle), read_lines(chosen.file)
        found = classifier.stream(texts, labels=chosen.labels, template=chosen.template)
        counts: Counter[str] = Counter()
        for text, result in zip(texts, found, strict=True):
            counts[result.label] += 1
            print(f"{result.label}\t{result.score:.2f}\t{text}")
        print(", ".join(f"{label}: {count}" for label, count in counts.most_common()))

    return run(example)


if __name__ == "__main__":
    sys.exit(main())
