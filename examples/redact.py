"""Blank out names: each entity that a tagger finds becomes its type, all else stays as it was.

    python -m examples.redact heads/ner letters.txt > letters-redacted.txt

A tagger misses some entities: what a bundle's own held-out figures leave open stays in the text.
Have somebody read what must not leak. Offsets are in characters of the text given, so blanks,
case and signs outside of entities are untouched.
"""

import sys
from collections.abc import Collection, Sequence

from edgebert import TokenClassifier
from edgebert.results import Entity
from examples.lines import arguments_of, read_lines, run


def redact(text: str, entities: Sequence[Entity], kinds: Collection[str] | None = None) -> str:
    """Replace the entities of a text, in reading order, by their types in brackets.

    Args:
        text: as it was tagged.
        entities: of the whole text, none overlapping.
        kinds: the types to replace; None: all.
    """
    parts, place = [], 0
    for entity in entities:
        if kinds is None or entity.entity in kinds:
            parts += [text[place : entity.start], f"[{entity.entity.upper()}]"]
            place = entity.end
    return "".join([*parts, text[place:]])


def main(arguments: list[str] | None = None) -> int:
    """Redact a file's lines to stdout, and count on stderr."""
    parser = arguments_of(__doc__, "redact")
    parser.add_argument("--kinds", nargs="+", help="types to replace; default: all")
    parser.add_argument("--least", type=float, default=0.0, help="leave surer ones only, 0 to 1")
    chosen = parser.parse_args(arguments)

    def example() -> None:
        tagger, texts = TokenClassifier.load(chosen.bundle), read_lines(chosen.file)
        known = sorted({label[2:] for label in tagger.manifest.labels if label[1:2] == "-"})
        count = 0
        # "first": a word is replaced whole, never a piece of it
        for text, tagging in zip(texts, tagger.stream(texts, aggregation="first"), strict=True):
            entities = [each for each in tagging.entities if each.score >= chosen.least]
            count += len(entities)
            print(redact(text, entities, chosen.kinds))
        print(
            f"{count:,} entities; {chosen.bundle.name} knows: {', '.join(known)}", file=sys.stderr
        )

    return run(example)


if __name__ == "__main__":
    sys.exit(main())
