"""Text to rows of token ids, with the way back: offsets into the caller's text.

The only user of `tokenizers`. Nothing is padded. The library's own truncation stays off, because
it would hide how long a text really was: texts over the limit are cut or split into overlapping
windows here, and say so.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import tokenizers

from edgebert.config import Truncation
from edgebert.errors import BundleFormatError, InputError

Text = str | tuple[str, str]

OVERLAP = 128  # tokens that neighbouring windows share, as transformers' doc_stride


@dataclass(frozen=True, slots=True)
class Tokens:
    """One row as the model takes it: a whole text, its beginning, or a window of it."""

    row: int  # the caller's number of the text
    text: Text  # as the caller gave it
    ids: list[int]  # (T,) special tokens included
    n_tokens: int  # of the whole text, before any cut
    truncated: bool  # whether the model sees less than the whole text, all windows together
    encoding: tokenizers.Encoding

    @property
    def pieces(self) -> list[str]:
        """(T,) each token as the vocabulary spells it."""
        values: list[str] = self.encoding.tokens
        return values

    @property
    def type_ids(self) -> list[int]:
        """(T,) 0 for the first text of a pair and 1 for the second."""
        values: list[int] = self.encoding.type_ids
        return values

    @property
    def offsets(self) -> list[tuple[int, int]]:
        """(T,) start and end of each token in characters of its own text."""
        values: list[tuple[int, int]] = self.encoding.offsets
        return values

    @property
    def sequence_ids(self) -> list[int | None]:
        """(T,) which text of a pair a token is from; None for a special token."""
        values: list[int | None] = self.encoding.sequence_ids
        return values

    @property
    def word_ids(self) -> list[int | None]:
        """(T,) which word of its text a token is from; None for a special token."""
        values: list[int | None] = self.encoding.word_ids
        return values


class Tokenizer:
    """A bundle's tokenizer and its one limit. May be shared between threads."""

    def __init__(
        self,
        tokenizer: tokenizers.Tokenizer,
        *,
        max_tokens: int,
        pairs: bool,
        cut_second_only: bool,
        needs_offsets: bool,
    ) -> None:
        """Take a tokenizer whose own padding and truncation are off.

        Args:
            tokenizer: of the tokenizers library.
            max_tokens: limit on a row, special tokens included.
            pairs: whether the task takes pairs of texts; where not, one is refused.
            cut_second_only: keep the first text of a pair whole (a question) and cut the other.
            needs_offsets: whether results point back into the text; skipping them is faster.
        """
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._kinds = (str, tuple) if pairs else (str,)
        self._cut_second_only = cut_second_only
        self._join = open_joiner(tokenizer)
        self._encode = tokenizer.encode_batch if needs_offsets else tokenizer.encode_batch_fast

    def encode(
        self,
        texts: Sequence[Text],
        first_row: int = 0,
        truncation: Truncation = Truncation.CUT,
    ) -> list[Tokens]:
        """Turn texts, or pairs of texts, into rows.

        Args:
            texts: what to encode.
            first_row: the caller's number of the first one.
            truncation: what to do with a text over the limit.

        Returns:
            One row a text, in order; with `window` as many in a row as a long text has windows.

        Raises:
            InputError: a text is not a string, is not Unicode, or is too long under policy
                `error`; the message names the row.
        """
        try:
            # the library takes a pair wherever it takes a text, and a list of two for a pair
            if not all(isinstance(text, self._kinds) for text in texts):
                raise TypeError("not all are texts")
            encodings = [self._encode_one(*texts)] if len(texts) == 1 else self._encode(list(texts))
        except (TypeError, UnicodeEncodeError, OverflowError, ValueError) as error:
            self._find_culprit(texts, first_row)
            raise InputError(f"rows from {first_row}: cannot be tokenized: {error}") from error
        rows = []
        for number, (text, encoding) in enumerate(zip(texts, encodings, strict=True), first_row):
            ids = encoding.ids
            full = len(ids)
            if full <= self._max_tokens:
                rows.append(Tokens(number, text, ids, full, False, encoding))
                continue
            if truncation is Truncation.ERROR:
                raise InputError(
                    f"row {number}: {full:,} tokens, the model takes {self._max_tokens}; "
                    "shorten it, or allow truncation='cut'"
                )
            windows, lossy = self._windows(text, number)
            if truncation is Truncation.CUT:
                windows, lossy = islice(windows, 1), True
            rows += [Tokens(number, text, each.ids, full, lossy, each) for each in windows]
        return rows

    def _encode_one(self, text: Text) -> tokenizers.Encoding:
        """Encode one text on this thread: even a batch of one waits for the library's pool."""
        if isinstance(text, str):
            return self._tokenizer.encode(text)
        first, second = text
        if second is None:  # the library would take it for a single text
            raise TypeError("half of a pair")
        return self._tokenizer.encode(first, second)

    def token_id(self, token: str) -> int | None:
        """Look up a token's id."""
        found: int | None = self._tokenizer.token_to_id(token)
        return found

    def single_id(self, word: str) -> int | None:
        """Look up a word that is one token of its own; None where it is not."""
        found = self.token_id(word)
        if found is not None:
            return found
        ids: list[int] = self._tokenizer.encode(word, add_special_tokens=False).ids
        return ids[0] if len(ids) == 1 else None

    def unknown_id(self) -> int | None:
        """Give the id that stands for what the vocabulary does not know."""
        token = getattr(self._tokenizer.model, "unk_token", None)
        return None if token is None else self.token_id(token)

    def joins_words(self) -> bool:
        """Whether pieces that continue a word are marked so in the vocabulary (WordPiece)."""
        return bool(getattr(self._tokenizer.model, "continuing_subword_prefix", None))

    def token(self, token_id: int) -> str:
        """Give the text of one token."""
        return str(self._tokenizer.decode([token_id], skip_special_tokens=False))

    def _windows(self, text: Text, row: int) -> tuple[Iterator[tokenizers.Encoding], bool]:
        """Split a text over the limit into windows that fit; the first is what a cut keeps.

        Tells as well whether they leave something out, as they do of a pair's first text where
        that is too long to stand in each of them.
        """
        join = self._join.post_process
        first, second = (text, None) if isinstance(text, str) else text
        budget = self._max_tokens - self._tokenizer.num_special_tokens_to_add(second is not None)
        one = self._tokenizer.encode(first, add_special_tokens=False)
        if second is None:
            return map(join, _split(one, budget)), False
        two = self._tokenizer.encode(second, add_special_tokens=False)
        keep_one, keep_two = self._share(budget, len(one), len(two), row)
        lossy = len(one) > keep_one
        first_part = _split(one, keep_one)[0]
        # each window is joined by itself: the library gives windows of a pair wrong type ids
        return (join(first_part, part) for part in _split(two, keep_two)), lossy

    def _find_culprit(self, texts: Sequence[object], first_row: int) -> None:
        expected = "a string or a pair of strings" if tuple in self._kinds else "a string"
        for row, text in enumerate(texts, first_row):
            if not isinstance(text, self._kinds):
                found = "a pair" if isinstance(text, tuple) else type(text).__name__
                raise InputError(f"row {row}: {found}, expected {expected}")
            parts = text if isinstance(text, tuple) else (text,)
            if isinstance(text, tuple) and len(parts) != 2:
                raise InputError(f"row {row}: a tuple of {len(parts)}; a pair has two texts")
            for part in parts:
                check_text(part, row)

    def _share(self, budget: int, first: int, second: int, row: int) -> tuple[int, int]:
        """Split the budget between a pair: transformers' `only_second` or `longest_first`."""
        if self._cut_second_only:
            if first >= budget:
                raise InputError(
                    f"row {row}: the first text alone has {first:,} tokens and leaves no room "
                    f"for the second; the model takes {self._max_tokens} together"
                )
            return first, budget - first
        shorter, longer = sorted((first, second))
        if shorter + max(shorter, budget - shorter) > budget:
            shorter, longer = budget // 2, budget - budget // 2
        else:
            longer = budget - shorter
        return (shorter, longer) if first <= second else (longer, shorter)


def open_tokenizer(path: Path) -> tokenizers.Tokenizer:
    """Read a `tokenizer.json`, its padding and truncation switched off.

    Raises:
        BundleFormatError: the tokenizers library cannot read it.
    """
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise BundleFormatError(path, f"is not a tokenizer: {error}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def open_joiner(tokenizer: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    """Make what puts special tokens around windows: the tokenizer's own rule and no vocabulary.

    Byte-level rules trim the space off each token's offsets, and would do it a second time to a
    window of a text that was encoded already.
    """
    rule = tokenizer.post_processor
    state = None if rule is None else json.loads(rule.__getstate__())
    for part in [] if state is None else [state, *state.get("processors", [])]:
        if "trim_offsets" in part:
            part["trim_offsets"] = False
    empty = {"type": "BPE", "vocab": {}, "merges": []}
    return tokenizers.Tokenizer.from_str(json.dumps({"model": empty, "post_processor": state}))


def _split(encoding: tokenizers.Encoding, width: int) -> list[tokenizers.Encoding]:
    """Split an encoding without special tokens into overlapping windows of one width."""
    if len(encoding) <= width:
        return [encoding]
    stride = min(OVERLAP, width // 2)
    # The library hangs all windows on the first, and joins two such texts each with each: minutes
    # and gigabytes for two long ones. Padding makes a first window to drop; the others hang free.
    encoding.pad(len(encoding) + width - stride, direction="left")
    encoding.truncate(width, stride=stride)
    windows: list[tokenizers.Encoding] = encoding.overflowing
    return windows


def check_text(part: object, row: int) -> None:
    """Refuse what is not a string or not Unicode, by its row."""
    if not isinstance(part, str):
        raise InputError(f"row {row}: {type(part).__name__}, expected a string")
    try:
        part.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"row {row}: not Unicode text, character {error.start} is a lone surrogate "
            f"(U+{ord(part[error.start]):04X}); read the source with the right encoding"
        ) from error
