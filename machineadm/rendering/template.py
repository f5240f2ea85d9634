"""Templates of user data: the part of Go's text/template that they need, and nothing else.

Text, pipelines of functions, string literals, `true` and `false`, parentheses, `if`, `else if`, `else` and `end`,
comments and trim markers mean the same as in Go; everything else is refused with its place. What Go refuses only
at run time (a wrong number of arguments in a branch that is not taken) is refused at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, NoReturn

from msgspec import Struct

from machineadm.rendering.lexer import TemplateError, Token, refuse, shown, tokens

__all__ = ["Function", "Piece", "Template", "TemplateError"]

DEEPEST: Final = 50
"""Levels of parentheses or of `if`, and calls within each other, that are read. Nothing real has more than three."""

LARGEST: Final = 16 * 1024 * 1024
"""Bytes that a template, or a function of it, may give: each `base64` makes a text longer, and whoever may write a
template must not fill the manager's memory."""

MOST_TOKENS: Final = 50_000
"""Words, literals and signs of a template. Nothing real has more than a few hundred."""

# In proportion, because a fixed bound would be too much for a small configuration and too little
# for a large one.
_FACTOR: Final = 8
_ALWAYS: Final = 64 * 1024
"""What the functions of a template may be given in sum: so many times what it is filled in with and its own text, and
that many bytes more. To encode everything twice takes a factor of four; gzip at its slowest makes 200 KB in a second."""

# Go's words, then Go's functions.
_FOREIGN: Final = re.compile(
    "block|break|continue|define|nil|range|template|with"
    "|and|call|eq|ge|gt|html|index|js|le|len|lt|ne|not|or|print|printf|println|slice|urlquery"
)


class Function(Struct, frozen=True):
    """What a template may call.

    Args:
        arity: How many texts it takes, 0 or 1.
        call: Makes a text of them; a ValueError says in a few words why it cannot.
    """

    arity: int
    call: Callable[..., bytes]


class Literal(Struct, frozen=True):
    """A string or a boolean."""

    value: bytes | bool


class Call(Struct, frozen=True):
    """A function with its arguments, the piped one last."""

    at: int
    name: str
    arguments: tuple[Literal | Call, ...]
    depth: int = 1


Expression = Literal | Call


class Text(Struct, frozen=True):
    """What is written as it is."""

    text: bytes


class Emit(Struct, frozen=True):
    """The result of a pipeline."""

    expression: Expression


class Branch(Struct, frozen=True):
    """One of two."""

    condition: Expression
    then: tuple[Text | Emit | Branch, ...]
    otherwise: tuple[Text | Emit | Branch, ...]


Item = Text | Emit | Branch


class Piece(Struct, frozen=True):
    """A part of what comes out.

    Args:
        data: Its bytes.
        names: The functions without arguments that it was made of; none for the template's own text.
    """

    data: bytes
    names: frozenset[str]


class Template:
    """A template that has been read.

    Args:
        text: The template.
        functions: What it may call, by name.

    Raises:
        TemplateError: It is none, or asks for more than there is.
    """

    def __init__(self, text: str, functions: Mapping[str, Function]) -> None:
        self._text = text
        self._functions = functions
        # All of it is parsed before anything is made, branches that are not taken included: whether
        # a template can be read must not depend on a machine.
        self._items = _Parser(text, functions).items()

    def pieces(self) -> Iterator[Piece]:
        """Fill it in, piece by piece.

        Yields:
            The pieces; one behind the other they are what comes out. A TemplateError is raised where a function
            cannot do what it is asked for, or too much would come out.
        """
        # Functions without an argument are what is filled in; calling them costs nothing.
        sources = (one.call() for one in self._functions.values() if not one.arity)
        work = _Work(_ALWAYS + _FACTOR * (sum(map(len, sources)) + len(self._text)))
        total = 0
        for piece in self._pieces(self._items, work):
            total += len(piece.data)
            if total > LARGEST:
                refuse(self._text, 0, "MA1614", f"it gives more than {LARGEST} bytes")
            yield piece

    def render(self) -> bytes:
        """Fill it in; errors as of `pieces`."""
        return b"".join(piece.data for piece in self.pieces())

    def _pieces(self, items: Sequence[Item], work: _Work) -> Iterator[Piece]:
        for item in items:
            if isinstance(item, Text):
                yield Piece(item.text, frozenset())
            elif isinstance(item, Emit):
                value = self._value(item.expression, work)
                # As Go prints a boolean: text/template prints by fmt, so `{{true}}` is "true".
                # (text/template prints by fmt, so `{{true}}` is "true".)
                data = value if isinstance(value, bytes) else str(value).lower().encode()
                yield Piece(data, frozenset(_names(item.expression)))
            else:
                # A text is true where it is not empty, as in Go; that is what `if agent_fetch` in
                # the built-in templates relies on.
                holds = self._value(item.condition, work)
                yield from self._pieces(item.then if holds else item.otherwise, work)

    def _value(self, expression: Expression, work: _Work) -> bytes | bool:
        if isinstance(expression, Literal):
            return expression.value
        arguments = tuple(self._value(argument, work) for argument in expression.arguments)
        # A template that encodes the same configuration twice, for two branches or two readers,
        # pays once.
        known = work.done.get((expression.name, arguments))
        if known is not None:
            return known
        # Charged before the call: the bound is on work, and a refused call must not have done it.
        work.left -= sum(len(one) for one in arguments if isinstance(one, bytes))
        if work.left < 0:
            message = f"up to here the functions process more than {work.most} bytes"
            refuse(self._text, expression.at, "MA1614", message, "encode less, or less often")
        try:
            value = self._functions[expression.name].call(*arguments)
        except ValueError as error:
            # A ValueError's text is written for users by functions.py and holds nothing of its
            # argument.
            refuse(self._text, expression.at, "MA1613", f"{expression.name}: {error}")
        if len(value) > LARGEST:
            message = f"{expression.name} gives more than {LARGEST} bytes"
            refuse(self._text, expression.at, "MA1614", message)
        work.done[expression.name, arguments] = value
        return value


class _Work:
    """The work that filling in one template has taken.

    Args:
        most: Bytes that functions may be given in sum. The same call again is free: its result is known.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.left = most
        self.done: dict[tuple[str, tuple[bytes | bool, ...]], bytes] = {}


def _names(expression: Expression) -> Iterator[str]:
    if isinstance(expression, Call):
        # Only those that take nothing are the sources; base64 and gzip say nothing about where
        # bytes came from.
        if not expression.arguments:
            yield expression.name
        for argument in expression.arguments:
            yield from _names(argument)


class _Parser:
    def __init__(self, text: str, functions: Mapping[str, Function]) -> None:
        self._text = text
        self._functions = functions
        # One more than allowed, so that a template of a million actions is cut while reading.
        self._tokens = list(islice(tokens(text), MOST_TOKENS + 1))
        if len(self._tokens) > MOST_TOKENS:
            message = f"more than {MOST_TOKENS} tokens"
            refuse(text, self._tokens[-1].at, "MA1614", message)
        self._at = 0
        # Of parentheses and branches together: both make the parser call itself.
        self._depth = 0

    def items(self) -> tuple[Item, ...]:
        items, closer = self._list(())
        if closer is not None:
            self._refuse(closer, "MA1610", f"{closer.text} without an if")
        return items

    def _list(self, closers: tuple[str, ...]) -> tuple[tuple[Item, ...], Token | None]:
        """Parse items up to and including one of some words; without words, up to the end of the template."""
        items: list[Item] = []
        while self._at < len(self._tokens):
            token = self._next()
            if token.kind == "text":
                # Trim markers leave empty texts, which would be pieces without bytes.
                items += [Text(token.text.encode())] if token.text else []
                continue
            first = self._peek()
            if first.kind != "word" or first.text not in ("if", "else", "end"):
                items.append(Emit(self._pipeline("close")))
            elif first.text == "if":
                items.append(self._branch(self._next()))
            # Without closers any of the words ends the list, and items() tells that it has no if.
            elif not closers or first.text in closers:
                return tuple(items), self._next()
            else:
                self._refuse(first, "MA1610", f"{first.text} where end must follow")
        if closers:
            hint = "end it with {{end}}"
            self._refuse(self._tokens[-1], "MA1610", "an if is not closed", hint)
        return tuple(items), None

    def _branch(self, word: Token) -> Branch:
        self._descend(word)
        condition = self._pipeline("close")
        then, closer = self._list(("else", "end"))
        otherwise: tuple[Item, ...] = ()
        # _otherwise() may give none: the inner if of `else if` has taken the end of the chain.
        if closer is not None and closer.text == "else":
            otherwise, closer = self._otherwise(closer)
        if closer is not None:
            self._close(closer)
        self._depth -= 1
        return Branch(condition, then, otherwise)

    def _otherwise(self, word: Token) -> tuple[tuple[Item, ...], Token | None]:
        """Parse what follows an else, and the word that ends it; none for `else if`: the chain has only one {{end}}."""
        following = self._peek()
        if following.kind == "word" and following.text == "if":
            return (self._branch(self._next()),), None
        self._close(word)
        return self._list(("end",))

    def _close(self, word: Token) -> None:
        token = self._peek()
        if token.kind != "close":
            self._refuse(token, "MA1610", f"nothing may follow {word.text}")
        self._at += 1

    def _pipeline(self, end: str) -> Expression:
        """Parse commands up to the end of an action or a parenthesis."""
        piped: Expression | None = None
        while True:
            token = self._peek()
            if token.kind == end:
                self._at += 1
                if piped is None:
                    self._refuse(token, "MA1610", "a value is missing")
                return piped
            if token.kind not in ("literal", "word", "("):
                self._refuse(token, "MA1610", f"{token.text} is not allowed here")
            # What was there is the last argument of what comes, as in Go: `a | b c` is `b c a`.
            piped = self._command(piped)

    def _command(self, piped: Expression | None) -> Expression:
        first = self._peek()
        name = ""
        if first.kind == "word" and not _is_truth(first):
            name = self._function(self._next())
            self._separated()
        operands = list(self._operands())
        if self._peek().kind == "pipe":
            self._at += 1
            # Asked here, at the bar, so that the message stands where something is missing.
            if self._peek().kind not in ("literal", "word", "("):
                self._refuse(self._peek(), "MA1611", "a function must follow |")
        if name:
            return self._call(first, name, [*operands, *([] if piped is None else [piped])])
        # Go says "non executable command in pipeline" of a literal behind a bar.
        if piped is not None or len(operands) != 1:
            self._refuse(first, "MA1613", "only functions take arguments")
        return operands[0]

    def _operands(self) -> Iterator[Expression]:
        while self._peek().kind in ("literal", "word", "("):
            yield self._operand()
            self._separated()

    def _operand(self) -> Expression:
        token = self._next()
        if token.kind == "literal":
            return Literal(token.value)
        if token.kind == "(":
            self._descend(token)
            inner = self._pipeline(")")
            self._depth -= 1
            return inner
        if _is_truth(token):
            return Literal(token.text == "true")
        return self._call(token, self._function(token), [])

    def _separated(self) -> None:
        following = self._tokens[self._at]
        if following.kind not in ("space", "close", ")", "pipe"):
            self._refuse(following, "MA1610", f"{shown(following.text)} needs a space before it")

    def _function(self, token: Token) -> str:
        if token.text not in self._functions:
            self._unknown(token)
        return token.text

    def _unknown(self, token: Token) -> NoReturn:
        known = ", ".join(sorted(self._functions))
        if _FOREIGN.fullmatch(token.text):
            message = f"{token.text} exists in Go, but not in templates here"
            self._refuse(token, "MA1611", message, f"use if, else, end, {known}")
        if token.text in ("if", "else", "end"):
            self._refuse(token, "MA1610", f"{token.text} must be first in its action")
        self._refuse(token, "MA1612", f"there is no function {shown(token.text)}", f"use {known}")

    def _call(self, token: Token, name: str, arguments: list[Expression]) -> Call:
        arity = self._functions[name].arity
        if len(arguments) != arity:
            takes = "one value" if arity else "no value"
            self._refuse(token, "MA1613", f"{name} takes {takes}, not {len(arguments)}")
        for argument in arguments:
            # Go finds this only when it runs, since the type of an argument is checked at the call.
            if isinstance(argument, Literal) and isinstance(argument.value, bool):
                self._refuse(token, "MA1613", f"{name} expects a string, got a boolean")
        depth = 1 + max([one.depth for one in arguments if isinstance(one, Call)], default=0)
        # Parentheses are not the only nesting: each | wraps the call before it, and evaluation is
        # recursive.
        if depth > DEEPEST:
            self._refuse(token, "MA1611", f"more than {DEEPEST} nested calls")
        return Call(token.at, name, tuple(arguments), depth)

    def _descend(self, token: Token) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            self._refuse(token, "MA1611", f"nested more than {DEEPEST} levels deep")

    def _peek(self) -> Token:
        # No end is looked for: the tokens of an action always end with `close`, or the lexer has
        # refused.
        while self._tokens[self._at].kind == "space":
            self._at += 1
        return self._tokens[self._at]

    def _next(self) -> Token:
        token = self._peek()
        self._at += 1
        return token

    def _refuse(self, token: Token, code: str, message: str, hint: str = "") -> NoReturn:
        refuse(self._text, token.at, code, message, hint)


def _is_truth(token: Token) -> bool:
    return token.text in ("true", "false")
