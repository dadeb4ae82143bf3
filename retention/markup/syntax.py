"""What the YAML parser objects to, in words of both languages.

The parser's own sentences name tokens; the frequent ones are said here as a person would, the others as they are.
"""

from __future__ import annotations

import re

from retention.markup.text import Text

_NOT_YAML = Text("this is not YAML: {problem}", "ce n'est pas du YAML : {problem}")
_SENTENCES = [
    (
        r"'\\t'",
        Text(
            "a tab cannot indent here, only spaces can",
            "une tabulation ne peut pas indenter ici, seules des espaces",
        ),
    ),
    (
        r"mapping values are not allowed",
        Text(
            "mapping values are not allowed here: a second `: ` in one line, or wrong indentation",
            "un second `: ` dans une ligne, ou une mauvaise indentation",
        ),
    ),
    (
        r"could not find expected ':'",
        Text("could not find the `:` after a key", "il manque le `:` après une clé"),
    ),
    (r"expected ',' or '([}\]])'", Text(r"expected `,` or `\1` here", r"`,` ou `\1` attendu ici")),
    (
        r"expected <block end>",
        Text(
            "this line is not indented as those above it",
            "cette ligne n'est pas indentée comme celles qui précèdent",
        ),
    ),
    (
        r"sequence entries are not allowed",
        Text("a list item (`- `) cannot stand here", "un élément de liste (`- `) ne peut pas se trouver ici"),
    ),
    (
        r"found unexpected end of stream",
        Text("the text ends inside quotes", "le texte se termine à l'intérieur de guillemets"),
    ),
    (r"expected the node content", Text("a value is expected here", "une valeur est attendue ici")),
    (
        r"cannot start any token",
        Text(
            "a value cannot start with this character: put it in quotes",
            "une valeur ne peut pas commencer par ce caractère : mettez-la entre guillemets",
        ),
    ),
    (
        r"unknown escape character",
        Text(
            "unknown escape (`\\\\…`) in double quotes",
            "échappement inconnu (`\\\\…`) entre guillemets doubles",
        ),
    ),
    (
        r"special characters are not allowed|unacceptable character",
        Text("control characters are not allowed", "les caractères de contrôle ne sont pas admis"),
    ),
]


def not_yaml(problem: str) -> Text:
    """Return the sentence for what the parser said."""
    for pattern, text in _SENTENCES:
        if found := re.search(pattern, problem):
            return _NOT_YAML.format(problem=Text(found.expand(text.en), found.expand(text.fr)))
    return _NOT_YAML.format(problem=problem)
