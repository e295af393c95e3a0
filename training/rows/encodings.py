"""Which encoding a text that is not UTF-8 may be in: by trial, for an error that helps."""

import re
import unicodedata
from collections.abc import Callable

_HANGUL = re.compile(r"[\uac00-\ud7a3]")
_KANA = re.compile(r"[\u3041-\u30fe]")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_THAI_BESIDE_LATIN = re.compile(r"[A-Za-z][\u0e00-\u0e7f]|[\u0e00-\u0e7f][A-Za-z]")
_WORD = re.compile(r"[^\W\d_]+")
_ESCAPE = re.compile(r"\\[a-z]")
"""As JSON has them: their letter is none of a word."""
_MOST = 0.9
_LEAST = 5  # bytes that say something


def likely_encoding(sample: bytes) -> str | None:
    """The first that decodes `sample`, cut at its end, to letters that go together; or None."""
    for name, plausible in _TRIALS if len(sample) >= _LEAST else ():
        text = _decoded(sample, name)
        if text is not None and plausible(_ESCAPE.sub(" ", text)):
            return name
    return None


def _decoded(sample: bytes, name: str) -> str | None:
    for cut in range(min(4, len(sample))):  # the sample may end inside a character
        try:
            return sample[: len(sample) - cut].decode(name)
        except UnicodeDecodeError as broken:
            if broken.start < len(sample) - cut - 4:
                return None
    return None


def _foreign(text: str) -> str:
    return "".join(c for c in text if not c.isascii() and c.isalpha())


def _mostly(pattern: re.Pattern[str], text: str) -> bool:
    letters = _foreign(text)
    return bool(letters) and len(pattern.findall(letters)) >= _MOST * len(letters)


def _usual(text: str, codec: str, first: range) -> bool:
    """Whether nearly all of its letters are in the part of a standard that common words need."""
    letters = _foreign(text)
    usual = sum(1 for c in letters if (code := c.encode(codec, "ignore")) and code[0] in first)
    return usual >= _MOST * len(letters)


def _korean(text: str) -> bool:
    return _mostly(_HANGUL, text) and _usual(text, "euc_kr", range(0xB0, 0xC9))


def _japanese(text: str) -> bool:
    letters = _foreign(text)
    return len(_KANA.findall(letters)) >= 0.2 * len(letters) > 0 and _mostly(
        re.compile(f"{_KANA.pattern}|{_HAN.pattern}"), text
    )


def _simplified(text: str) -> bool:
    return _mostly(_HAN, text) and _usual(text, "gb2312", range(0xB0, 0xD8))


def _traditional(text: str) -> bool:
    return _mostly(_HAN, text) and _usual(text, "big5", range(0xA4, 0xC7))


def _one_script_a_word(script: str) -> Callable[[str], bool]:
    """Words with letters beyond ASCII are of `script` alone; their capitals come first, or all."""

    def plausible(text: str) -> bool:
        if any(unicodedata.category(c) in ("Cc", "Cn", "Co") and c not in "\t\n\r" for c in text):
            return False
        words = [word for word in _WORD.findall(text) if not word.isascii()]
        whole = [w for w in words if _of(script, w) and (w.isupper() or w[1:] == w[1:].lower())]
        return len(whole) >= _MOST * len(words) > 0

    return plausible


def _of(script: str, word: str) -> bool:
    return all(unicodedata.name(letter, "").startswith(script) for letter in word)


def _hebrew(text: str) -> bool:
    """Without points, as people write it: where points would be, Cyrillic has its capitals."""
    pointed = any(unicodedata.category(c) == "Mn" for c in text)
    return not pointed and _one_script_a_word("HEBREW")(text)


def _thai(text: str) -> bool:
    """Never in one word with Latin letters, where accented ones would be taken for it."""
    return not _THAI_BESIDE_LATIN.search(text) and _one_script_a_word("THAI")(text)


def _typographic(text: str) -> bool:
    """English with quotes and dashes of a word processor."""
    return all(unicodedata.category(c)[0] in "PSZ" for c in text if not c.isascii())


_TRIALS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("utf-8", bool),
    ("cp949", _korean),
    ("shift_jis", _japanese),
    ("cp932", _japanese),
    ("euc_jp", _japanese),
    ("gb18030", _simplified),
    ("big5", _traditional),
    ("cp1255", _hebrew),
    ("cp1251", _one_script_a_word("CYRILLIC")),
    ("koi8_r", _one_script_a_word("CYRILLIC")),
    ("cp1253", _one_script_a_word("GREEK")),
    ("cp1256", _one_script_a_word("ARABIC")),
    ("cp874", _thai),
    ("cp1252", _one_script_a_word("LATIN")),
    ("cp1252", _typographic),
)
