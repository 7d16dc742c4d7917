"""Rich dependencies as canonical trees (rpm manual, "Boolean Dependencies")."""

from __future__ import annotations

import re

from buildfarm.errors import InputError

_COMMUTATIVE = frozenset({"and", "or", "with"})
_OPERATORS = _COMMUTATIVE | {"if", "else", "unless", "without"}
_WORD = re.compile(r"\s+|[()]|[^\s()]+(?:\([^()]*\))*")
_MAX_DEPTH = 100
_MAX_CHARACTERS = 1 << 15


def is_rich(name: str) -> bool:
    """Return whether a dependency's name is a boolean expression.

    >>> is_rich("(a or b)"), is_rich("perl(Foo)")
    (True, False)
    """
    return name.startswith("(")


def canonical(text: str) -> str:
    """The expression with the operands of ``and``, ``or`` and ``with`` sorted and white space made
    even.

    What cannot be parsed comes back as it is: then only equal text is equal.

    >>> canonical("(b and  (d or c) and a)")
    '((c or d) and a and b)'
    >>> canonical("(x if (b or a) else y)")
    '(x if (a or b) else y)'
    >>> canonical("(broken")
    '(broken'
    """
    if len(text) > _MAX_CHARACTERS:
        return text
    words = [word for word in _WORD.findall(text) if not word.isspace()]
    try:
        tree, rest = _parse(words, 0)
    except (InputError, IndexError):
        return text
    return tree if not rest else text


def _parse(words: list[str], depth: int) -> tuple[str, list[str]]:
    """One operand (a leaf or a bracket) and the words after it."""
    if depth > _MAX_DEPTH:
        raise InputError("a rich dependency nested too deeply")
    if words[0] != "(":
        leaf = []
        while words and words[0] not in _OPERATORS and words[0] not in "()":
            leaf.append(words[0])
            words = words[1:]
        if not leaf:
            raise InputError("an operand is missing")
        return " ".join(leaf), words
    operand, words = _parse(words[1:], depth + 1)
    operands, operators = [operand], []
    while words[0] != ")":
        operators.append(words[0])
        operand, words = _parse(words[1:], depth + 1)
        operands.append(operand)
    if not operators:
        return f"({operand})", words[1:]
    if len(set(operators)) == 1 and operators[0] in _COMMUTATIVE:
        return f"({f' {operators[0]} '.join(sorted(operands))})", words[1:]
    joined = operands[0] + "".join(
        f" {operator} {operand}" for operator, operand in zip(operators, operands[1:], strict=True)
    )
    return f"({joined})", words[1:]
