"""Texts to calibrate on and to measure parity with, where the user gives none.

Ordinary sentences, written for this purpose, if the tokenizer knows their words; for vocabularies
of molecules, proteins and the like, random strings of the vocabulary's own tokens.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from edgebert.manifest import Task
from edgebert.tokens import Text
from edgebert_export.calibrate import random_rows
from edgebert_export.errors import ExportError
from edgebert_export.tokenizer_files import TokenizerFiles

SEED = 0  # one seed for all that is drawn: the same checkpoint gives the same bytes
QUESTION_CHARACTERS = 24  # of a text that stands for a question
UNKNOWN_SHARE = 0.2  # above this the sentences say little about the model
RANDOM_TEXTS = 128
RANDOM_TOKENS = (4, 48)  # length of a random text, before special tokens
MAX_LINES = 10_000  # of a file of texts: more changes no figure
CALIBRATION_TEXTS = 512  # the first of the user's: more changes neither smoothing nor ranges

SENTENCES = (
    "The train to the coast leaves every hour until midnight.",
    "Please restart the router and wait until the green light stops blinking.",
    "I have been waiting for my refund since the beginning of March.",
    "She plays the cello in a small orchestra on weekends.",
    "How do I change the PIN of my new card?",
    "The committee postponed its decision until further evidence is available.",
    "A man is slicing tomatoes in a narrow kitchen.",
    "Two dogs are running across a muddy field.",
    "Nobody at the counter could tell us when the flight would leave.",
    "The battery lasts about two days, which is more than I expected.",
    "This is by far the worst film I have seen all year.",
    "What a wonderful little restaurant, we will certainly come back!",
    "Set an alarm for half past six tomorrow morning.",
    "Play some quiet jazz in the living room.",
    "The patient reported mild headaches after the second dose.",
    "Water boils at a lower temperature at high altitude.",
    "Sales fell by 3.5 percent in the third quarter, the company said on Tuesday.",
    "Our office moves from Berlin to Lisbon in September.",
    "The function returns None if the key is not in the dictionary.",
    "Why does my program crash when I open a large file?",
    "git rebase rewrites the history of the current branch.",
    "Mount the shelf at least thirty centimetres above the desk.",
    "He did not say that she was wrong.",
    "Children under twelve travel free of charge.",
    "The museum is closed on Mondays and public holidays.",
    "An old woman is feeding pigeons in the park.",
    "There is no boy playing outdoors and there is no man smiling.",
    "A person is riding the bicycle on one wheel.",
    "The invoice was paid twice by mistake.",
    "Could you send me the minutes of yesterday's meeting?",
    "Rain is expected in the north, while the south stays dry.",
    "The bridge was built in 1894 and rebuilt after the war.",
    "Ok.",
    "Thanks a lot, that solved it.",
    "no",
    "My address is 12 Mill Lane, Cambridge CB2 1TN.",
    "Call me at 555-0134 or write to office@example.org.",
    "The enzyme catalyses the hydrolysis of the peptide bond.",
    "Prices start at $19.99 per month, billed annually.",
    "Is it possible to pay with two different cards?",
    "I never received the parcel although it is marked as delivered.",
    "The team won three of its last five games and drew the other two.",
    "Turn left at the church, then follow the river for a mile.",
    "Heavy snow has closed the pass between the two valleys.",
    "According to the study, short walks after meals lower blood sugar in most adults.",
    "The judge ruled that the contract was void because one party had been deceived.",
    "When the lights went out, everybody in the theatre fell silent and waited for the actors to "
    "go on, which they did, after a moment, by candlelight.",
    "The new version keeps the data on the device, needs no account, works without a connection "
    "and uses about half the memory of the old one, but it cannot read files that were made "
    "before 2015.",
    "In the first chapter the author describes how a village of fishermen became, within two "
    "generations, a town of hotels; in the second she asks who gained by it, and who did not.",
    "Der Zug nach Hamburg hat heute leider vierzig Minuten Verspätung.",
    "Wie kann ich mein Passwort zurücksetzen?",
    "Le musée est fermé le lundi et les jours fériés.",
    "Je voudrais réserver une table pour quatre personnes.",
    "El paquete llegó dañado y quiero que me devuelvan el dinero.",
    "Il concerto comincia alle nove di sera.",
    "오늘 서울은 맑고 낮 최고 기온은 이십오 도입니다.",
    "비밀번호를 재설정하려면 어떻게 해야 하나요?",
    "배송이 너무 늦어서 환불을 받고 싶습니다.",
    "明日の会議は午後三時に始まります。",
    "这家餐厅的服务非常好。",
    "Сколько стоит билет до Казани?",
    "The café's naïve résumé cost £5 \u2013 “worth it”, said Zoë.",
    "😀 great job 🎉🎉",
    "WARNING: DO NOT OPEN WHILE THE MACHINE IS RUNNING!!!",
)

BUILT_IN = "built-in sentences"
# Calibrated on besides, never measured on: one or two words move the first tokens' activations
# further than sentences do. Least cosine of MiniLM int8 on 400 requests of up to four words
# 0.9915, without them 0.9895; with static scales 0.9867 and 0.9633.
SHORT_SENTENCES = (
    "Hello!",
    "No, thanks.",
    "OK",
    "Good morning",
    "What?",
    "Help me please",
    "I agree.",
    "Next week",
    "Sure thing",
    "Why not?",
    "Two, please.",
    "See you soon!",
    "Sorry!",
    "Great job!",
    "Maybe later",
    "Tell me more",
)


def default_texts(files: TokenizerFiles, seed: int) -> tuple[list[str], str]:
    """Choose texts that suit a tokenizer, and say what they are."""
    if unknown_share(files, SENTENCES) <= UNKNOWN_SHARE:
        return list(SENTENCES), BUILT_IN
    return random_texts(files, seed), "random strings of the vocabulary"


def unknown_share(files: TokenizerFiles, texts: Sequence[str]) -> float:
    """Compute the share of characters, blanks left out, that no known token stands for.

    Counted in characters because some tokenizers drop what they do not know without a token.
    """
    known = total = 0
    for text in texts:
        encoding = files.tokenizer.encode(text, add_special_tokens=False)
        total += sum(not character.isspace() for character in text)
        for token, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
            if token != files.unknown_id:
                known += sum(not character.isspace() for character in text[start:end])
    return 1 - min(1.0, known / max(1, total))


def random_texts(files: TokenizerFiles, seed: int) -> list[str]:
    """Make strings of random tokens that the tokenizer reads back as such tokens."""
    tokenizer = files.tokenizer
    vocabulary = _plain_tokens(tokenizer)
    if not vocabulary:
        raise ExportError(
            "the tokenizer's vocabulary has no plain token to make test texts of; "
            "give texts of your own with --parity-texts"
        )
    rng = np.random.default_rng(seed)
    candidates = []
    for joint in ("", " "):
        lengths = rng.integers(*RANDOM_TOKENS, RANDOM_TEXTS)
        texts = [joint.join(rng.choice(vocabulary, length)) for length in lengths]
        candidates.append((unknown_share(files, texts), texts))
    return min(candidates, key=lambda pair: pair[0])[1]


def plain_ids(files: TokenizerFiles) -> tuple[list[int], tuple[list[int], list[int]]]:
    """Give the ids of the vocabulary's ordinary tokens, and those before and after a text."""
    tokenizer = files.tokenizer
    ids = [tokenizer.token_to_id(token) for token in _plain_tokens(tokenizer)]
    ends = tokenizer.encode("").ids
    return ids, (ends[:1], ends[1:])


def _plain_tokens(tokenizer: Tokenizer) -> list[str]:
    added = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    return [
        token
        for token, _ in vocabulary
        if token not in added and not token.startswith("##") and not token.startswith("[")
    ] or [token for token, _ in vocabulary if token not in added]


def read_texts(path: Path) -> list[str]:
    """Read a file of texts, one a line; blank lines are left out.

    Raises:
        ExportError: it cannot be read, or holds no text.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ExportError(f"{path}: cannot be read as UTF-8 text: {error}") from error
    texts = [line.strip() for line in lines if line.strip()][:MAX_LINES]
    if not texts:
        raise ExportError(f"{path}: holds no text; expected one text a line")
    return texts


def choose_texts(path: Path | None, files: TokenizerFiles) -> tuple[list[str], str]:
    """Give the user's texts or ours, and say where they are from."""
    if path is None:
        return default_texts(files, SEED)
    return read_texts(path), path.name


def calibration_rows(files: TokenizerFiles, path: Path | None, limit: int) -> list[list[int]]:
    """Give rows of token ids to calibrate on: ours, the user's if any, and random ones.

    Ours besides the user's: ranges fixed on one domain alone clip every other (least cosine on our
    sentences 0.940 with SICK's texts only, 0.995 with both, no loss on SICK).

    Args:
        files: the tokenizer.
        path: the user's texts, one a line.
        limit: the bundle's, in tokens.
    """
    texts, origin = choose_texts(None, files)
    if origin == BUILT_IN:
        texts += SHORT_SENTENCES
    if path is not None:
        texts += choose_texts(path, files)[0][:CALIBRATION_TEXTS]
    rows = [row.ids[:limit] for row in files.tokenizer.encode_batch_fast(texts)]
    return rows + random_rows(*plain_ids(files), most_tokens=limit)


def as_inputs(task: Task, files: TokenizerFiles, texts: Sequence[str], limit: int) -> list[Text]:
    """Shape plain texts into what a task takes: pairs for questions, a mask to be filled.

    Args:
        task: of the bundle.
        files: the tokenizer.
        texts: ordinary texts.
        limit: the bundle's, in tokens.
    """
    match task:
        case Task.ANSWER:
            return _with_contexts(files, texts, limit)
        case Task.FILL:
            return _with_masks(files, texts, limit)
        case _:
            return list(texts)


def _with_contexts(files: TokenizerFiles, texts: Sequence[str], limit: int) -> list[Text]:
    """Ask each text's beginning, few enough tokens to leave room, of a context that holds it."""
    pairs: list[Text] = []
    for text, other in zip(texts, [*texts[1:], texts[0]], strict=True):
        spans = files.tokenizer.encode(text, add_special_tokens=False).offsets
        end = spans[: max(1, limit // 3)][-1][1] if spans else 0
        pairs.append((text[: min(end, QUESTION_CHARACTERS)], f"{other} {text}"))
    return pairs


def _with_masks(files: TokenizerFiles, texts: Sequence[str], limit: int) -> list[Text]:
    rng = np.random.default_rng(SEED)
    masked: list[Text] = []
    for text in texts:
        spans = files.tokenizer.encode(text, add_special_tokens=False).offsets
        spans = spans[: max(1, limit // 2)]  # a mask beyond the cut would be lost
        start, end = spans[int(rng.integers(len(spans)))] if spans else (0, 0)
        masked.append(f"{text[:start]}{files.mask_token}{text[end:]}")
    return masked
