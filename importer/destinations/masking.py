"""No token in what is shown of a reply, in whatever form the reply repeats it."""

import functools
import html.entities
import re
from typing import Final

FEW: Final = 4
"""A secret's beginning of so many characters is masked where the text is torn; fewer tell nothing."""

_LONGEST_FORM: Final = 8  # of one character, such as &#x002f;


def masked(text: str, secret: str, *, torn: bool = False) -> str:
    """Put ``***`` for ``secret``, also where it is escaped as in JSON, HTML or an address, or is in UTF-16.

    ``torn`` says that the text went on, so that it may end within the secret.
    """
    if not secret:
        return text
    text = _whole(secret).sub("***", text)
    return _without_beginning(text, secret) if torn else text


def _without_beginning(text: str, secret: str) -> str:
    last = len(text) - FEW
    for start in range(max(0, len(text) - _LONGEST_FORM * len(secret)), last + 1):
        if _ends_within(text, start, _characters(secret)):
            return f"{text[:start]}***"
    return text


def _ends_within(text: str, at: int, characters: tuple[re.Pattern[str], ...]) -> bool:
    for count, character in enumerate(characters):
        found = character.match(text, at)
        if found is None:
            return count >= FEW and _BEGUN_ESCAPE.fullmatch(text, at) is not None
        at = found.end()
    return False  # all of it is masked already


@functools.cache
def _whole(secret: str) -> re.Pattern[str]:
    return re.compile("".join(each.pattern for each in _characters(secret)))


@functools.cache
def _characters(secret: str) -> tuple[re.Pattern[str], ...]:
    forms = [_form(secret[0]), *(rf"\x00?{_form(character)}" for character in secret[1:])]
    return tuple(map(re.compile, forms))


def _form(character: str) -> str:
    code = ord(character)
    named = "".join(f"|{name}" for name in _ENTITIES.get(character, ()))
    numbered = rf"%{code:02x}|\\(?:u00|x){code:02x}|&(?:#0*{code}|#x0*{code:x}{named});"
    return rf"(?:\\?{re.escape(character)}|(?i:{numbered}))"


_ENTITIES: Final[dict[str, list[str]]] = {}
for _name, _character in html.entities.html5.items():
    if _name.endswith(";") and _character.isascii():
        _ENTITIES.setdefault(_character, []).append(_name[:-1])
_BEGUN_ESCAPE: Final = re.compile(
    r"\x00?(?:\\(?:u[0-9a-f]{0,3}|x[0-9a-f]?)?|%[0-9a-f]?|&[#\w]{0,6})?", re.IGNORECASE
)
