"""A line of ssh_config taken apart as OpenSSH does it (misc.c: strdelim, argv_split)."""

import re

BLANK = " \t\r\n"
"""What ssh takes for a blank at both ends of a line."""

_DELIMITER = re.compile(r"[ \t\r\n\"=]")


class Unreadable(ValueError):
    """OpenSSH would not read this; the message has the reason."""


class UnreadableFile(Unreadable):
    """The same, and the message has file and line."""


def first_word(text: str) -> tuple[str, str]:
    """The word up to blanks or one `=`, and what comes after these; quotes may be around it."""
    found = _DELIMITER.search(text)
    if found is None:
        return text, ""
    start = found.start()
    if text[start] == '"':
        end = text.find('"', start + 1)
        if end < 0:
            raise Unreadable("invalid quotes")
        return text[:start] + text[start + 1 : end], text[end + 1 :].lstrip(BLANK)
    rest = text[start + 1 :].lstrip(BLANK)
    if text[start] != "=" and rest.startswith("="):
        rest = rest[1:].lstrip(BLANK)
    return text[:start], rest


def arguments(text: str) -> list[str]:
    """The words of the rest of a line. A `#` where a word would begin ends it."""
    words: list[str] = []
    at = 0
    while at < len(text):
        if text[at] in " \t":
            at += 1
            continue
        if text[at] == "#":
            break
        word, at = _argument(text, at)
        words.append(word)
    return words


def _argument(text: str, at: int) -> tuple[str, int]:
    """One word that begins at `at`, and where it ends."""
    word: list[str] = []
    quote = ""
    while at < len(text):
        char, after = text[at], text[at + 1 : at + 2]
        if char == "\\" and after and (after in "'\"\\" or (after == " " and not quote)):
            word.append(after)
            at += 1
        elif not quote and char in " \t":
            break
        elif not quote and char in "'\"":
            quote = char
        elif char == quote:
            quote = ""
        else:
            word.append(char)
        at += 1
    if quote:
        raise Unreadable("invalid quotes")
    return "".join(word), at
