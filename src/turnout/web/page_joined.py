"""The page's modules as one file, and its styles as another: a browser asks for two instead of some fifty.

The sources are plain modules and styles that a browser could load as they are. What `page.js` imports becomes one
module, in which each of them is a function that is called once, in the order of the imports. What is imported later, by
`import()`, stays a file, and is given by that one what both import. The styles that `page.css` imports stand where it
imports them.

That is done by patterns and not by a parser, so modules keep to few forms: imports stand first, and name what they
import, or take all of it `* as` a name; exported are constants, functions and classes where they are declared, or names
in braces at the end. None imports itself by way of others. All else raises `ValueError`, and is not served.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCRIPT: Final = "page.js"
STYLE: Final = "page.css"
REFERENCE: Final = re.compile(r"""(?P<before>["']|url\()(?P<path>\.{1,2}/[\w./-]+)(?P<after>["')])""")
"""How the page's files refer to each other."""

_IMPORT: Final = re.compile(
    r"""(?:\s|//[^\n]*|/\*.*?\*/)*"""
    r"""(?P<statement>(?:import|(?P<again>export))\b\s*"""
    r"""(?:(?:\{(?P<names>[^{}]*)\}|\*\s*as\s+(?P<all>\w+))\s*from\s*)?"""
    r"""["'](?P<path>\.{1,2}/[\w./-]+)["'];?)""",
    re.DOTALL,
)
_DECLARED: Final = re.compile(r"^export (?=(?:const|class|function|async function) (\w+)\b)", re.MULTILINE)
_LISTED: Final = re.compile(r"\bexport\s*\{([^{}]*)\};?\s*\Z")
_LEFT: Final = re.compile(r"^(?:export\b|import\b(?!\s*\()).*", re.MULTILINE)
_SOURCE_MAP: Final = re.compile(r"^//# sourceMappingURL=.*\n?", re.MULTILINE)
_STYLE_IMPORT: Final = re.compile(r'^@import "(?P<path>\.{1,2}/[\w./-]+)"(?: (?P<media>\w+))?;$', re.MULTILINE)


def joined(raw: Mapping[str, bytes]) -> dict[str, bytes]:
    """The page's files by their paths, where `SCRIPT` and `STYLE` hold what they import."""
    texts = {path: body.decode() for path, body in raw.items() if path.endswith((".js", ".css"))}
    modules = _in_order(texts)
    gone = {*modules, *(target_of(STYLE, match) for match in _STYLE_IMPORT.finditer(texts[STYLE]))}
    kept = {path: body for path, body in raw.items() if path not in gone}
    made = {path: _late(path, texts[path], modules) for path in kept if path.endswith(".js")}
    made[SCRIPT] = "".join(_function(path, texts[path]) for path in modules) + _shared(modules)
    made[STYLE] = _STYLE_IMPORT.sub(lambda match: _style(match, texts), texts[STYLE])
    return kept | {path: text.encode() for path, text in made.items()}


def _in_order(texts: Mapping[str, str]) -> list[str]:
    """The paths of `SCRIPT` and of all that it imports, each after what it imports itself."""
    done: list[str] = []

    def visit(path: str, above: tuple[str, ...]) -> None:
        if path in above:
            raise ValueError(f"modules import themselves: {' -> '.join([*above, path])}")
        if path not in done:
            for match in _head(texts[path])[0]:
                visit(target_of(path, match), (*above, path))
            done.append(path)

    visit(SCRIPT, ())
    return done


def _head(text: str) -> tuple[list[re.Match[str]], str]:
    """A module's imports, and the rest of its text."""
    found: list[re.Match[str]] = []
    end = 0
    while match := _IMPORT.match(text, end):
        found.append(match)
        end = match.end()
    return found, text[end:]


def _function(path: str, text: str) -> str:
    """A module as a constant: an object of what it exports. `SCRIPT`, the last, is but a block, and may wait."""
    imports, body = _head(text)
    exports = {name: name for match in imports if match["again"] for name in _pairs(match["names"] or "")}
    body = _SOURCE_MAP.sub("", body)
    exports |= {name: name for name in _DECLARED.findall(body)}
    body = _DECLARED.sub("", body)
    if listed := _LISTED.search(body):
        exports |= _pairs(listed[1])
        body = body[: listed.start()]
    if left := _LEFT.search(body):
        raise ValueError(f"{path} has a form that cannot be joined: {left[0][:80]}")
    inside = "".join(_taken(path, match) for match in imports) + _rebased(path, body)
    if path == SCRIPT:
        return f"{{\n{inside}}}\n"
    given = ", ".join(f"{name}: {local}" for name, local in exports.items())
    return f"const {_name(path)} = (() => {{\n{inside}\nreturn {{ {given} }};\n}})();\n"


def _shared(modules: Sequence[str]) -> str:
    """What the joined module gives to those that come later."""
    return f"export {{ {', '.join(map(_name, modules[:-1]))} }};\n"


def _late(path: str, text: str, modules: Sequence[str]) -> str:
    """A module that comes later, which has of the joined one what it imports of those."""
    imports, body = _head(text)
    whole = posixpath.relpath(SCRIPT, posixpath.dirname(path) or ".")
    head = (
        f'import {{ {_name(target_of(path, match))} }} from "./{whole}";\n{_taken(path, match)}'
        if target_of(path, match) in modules
        else f"{match['statement']}\n"
        for match in imports
    )
    return "".join(head) + body if imports else text


def _taken(path: str, match: re.Match[str]) -> str:
    """An import out of the object of a module's exports."""
    names = match["all"] or (match["names"] and f"{{{match['names'].replace(' as ', ': ')}}}")
    return f"const {names} = {_name(target_of(path, match))};\n" if names else ""


def _pairs(names: str) -> dict[str, str]:
    """The names inside the braces of an export: what others know, and what it is called in the module."""
    pairs = (name.split(" as ") for name in map(str.strip, names.split(",")) if name)
    return {parts[-1].strip(): parts[0].strip() for parts in pairs}


def _style(match: re.Match[str], texts: Mapping[str, str]) -> str:
    path = target_of(STYLE, match)
    text = _rebased(path, texts[path])
    return f"@media {match['media']} {{\n{text}}}\n" if match["media"] else text


def _rebased(path: str, text: str) -> str:
    """A text of one file as it stands in one beside `SCRIPT`."""
    return REFERENCE.sub(lambda match: f"{match['before']}./{target_of(path, match)}{match['after']}", text)


def target_of(path: str, match: re.Match[str]) -> str:
    """The path that a reference in a file leads to."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), match["path"]))


def _name(path: str) -> str:
    """What a module is called in the joined one; none has names of its own that begin so."""
    return "$" + re.sub(r"\W", "_", path.removesuffix(".js"))
