"""Text of others in Markdown as GitHub renders it: to the letter, without links, mentions or markup of its own."""

import re

_CODE = re.compile(r"`[^`\n]+`")
_MORE = " … ({} characters more)"


def prose(text: str) -> str:
    """Sentences, whose `code` stays code and whose lines stay lines; of one line in a table's cell."""
    pieces: list[str] = []
    position = 0
    for code in _CODE.finditer(text):
        pieces += [_escaped(text[position : code.start()]), code.group().replace("|", "\\|")]
        position = code.end()
    pieces.append(_escaped(text[position:]))
    return "<br>".join("".join(pieces).splitlines())


def code(text: str) -> str:
    """A name as code, in a table's cell too."""
    inline = " ".join(text.split()).replace("|", "\\|")
    fence = "``" if "`" in inline else "`"
    pad = " " if inline.startswith("`") or inline.endswith("`") else ""
    return f"{fence}{pad}{inline}{pad}{fence}" if inline else ""


def shortened(text: str, longest: int) -> str:
    """At most so many characters of it, and how many are left out."""
    if len(text) <= longest:
        return text
    kept = longest - len(_MORE) - 8
    return text[:kept] + _MORE.format(len(text) - kept)


_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "`": "&#96;", "@": "&#64;", "#": "&#35;"}
"""As entities, what a backslash would not take the effect of: mentions, numbers of issues, markup."""

_ACTIVE = re.compile(r"[&<>`@#\\*_\[\]~|!]|(?<=:)//|(?<=www)\.", re.IGNORECASE)
"""What has an effect, the parts of an address that GitHub would make a link of among it."""


def _escaped(text: str) -> str:
    return _ACTIVE.sub(lambda found: _inert(found.group()), text)


def _inert(active: str) -> str:
    if active in ("//", "."):
        return "".join(f"&#{ord(character)};" for character in active)
    return _ENTITIES.get(active, f"\\{active}")
