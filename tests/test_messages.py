"""Messages in one voice: what is wrong and what to do are whole sentences."""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from slrcli import errors

PACKAGE = Path(errors.__file__).parent
KINDS = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.SlrError)}
HOLE = "{}"  # stands for a placeholder
SENTENCE = re.compile(r"([A-Z0-9'\"`\[]|--|\{\}).*([.?]( ?\{\})?|: \{\})|(\{\} ?)+", re.DOTALL)
COMMAND = re.compile(r"([A-Z{].*: )?(pip install |slr |use --).*")  # on its own, or after a colon


@cache
def modules() -> dict[Path, ast.Module]:
    """All source of the package, read once, and by the test: every worker collects this file."""
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}


def texts(node: ast.expr | None, named: dict[str, list[ast.expr]]) -> Iterator[tuple[int, str]]:
    """The texts that an argument can be: literals, both sides of a condition, variables that hold such, and functions
    that return them."""
    match node:
        case ast.Constant(value=str(text)):
            yield node.lineno, text
        case ast.JoinedStr(values=parts):
            yield node.lineno, "".join(part.value if isinstance(part, ast.Constant) else HOLE for part in parts)
        case ast.IfExp(body=one, orelse=other):
            yield from texts(one, named)
            yield from texts(other, named)
        case ast.Call(func=ast.Attribute(value=ast.Constant() as inner, attr="format")):
            yield from texts(inner, named)
        case ast.Call(func=ast.Name(id=name)):
            for value in returns().get(name, ()):
                yield from texts(value, {})
        case ast.Name(id=name):
            for value in named.get(name, ()):
                yield from texts(value, {})


def assigned(tree: ast.AST) -> dict[str, list[ast.expr]]:
    """The values of every variable that is assigned within a piece of source."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found.setdefault(node.targets[0].id, []).append(node.value)
    return found


def returned(tree: ast.AST) -> dict[str, list[ast.expr]]:
    """What every function of a piece of source returns, apart from what other functions return."""
    found: dict[str, list[ast.expr]] = {}
    for scope in ast.walk(tree):
        if isinstance(scope, ast.FunctionDef):
            values = [node.value for node in ast.walk(scope) if isinstance(node, ast.Return)]
            found.setdefault(scope.name, []).extend(value for value in values if not isinstance(value, ast.Call))
    return found


def together(found: Iterable[dict[str, list[ast.expr]]]) -> dict[str, list[ast.expr]]:
    """The values of all pieces of source, by name."""
    joined: dict[str, list[ast.expr]] = {}
    for values in found:
        for name, own in values.items():
            joined.setdefault(name, []).extend(own)
    return joined


@cache
def returns() -> dict[str, list[ast.expr]]:
    """What every function of the package returns."""
    return together(map(returned, modules().values()))


@cache
def constants() -> dict[str, list[ast.expr]]:
    """The values of every constant of the package."""
    return {name: values for name, values in together(map(assigned, modules().values())).items() if name.isupper()}


def raised(path: Path) -> Iterator[tuple[str, int, str]]:
    """Every literal `what` and `fix` of an error made in a module, with its line."""
    tree = modules()[path]
    known = constants() | {name: values for name, values in assigned(tree).items() if name.isupper()}
    kinds = KINDS | {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name) and base.id in KINDS for base in node.bases)
    }
    for scope in ast.walk(tree):
        if not isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        named = known | assigned(scope)
        for node in ast.walk(scope):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds:
                given = dict(zip(("what", "where", "fix"), node.args, strict=False))
                given |= {keyword.arg: keyword.value for keyword in node.keywords}
                for name in ("what", "fix"):
                    yield from ((name, line, text) for line, text in texts(given.get(name), named) if text)


def is_sentence(text: str) -> bool:
    return bool(SENTENCE.fullmatch(text.strip()) or COMMAND.fullmatch(text))


def test_what_is_wrong_and_what_to_do_are_whole_sentences():
    found = [(path.relative_to(PACKAGE).as_posix(), *item) for path in modules() for item in raised(path)]
    assert len(found) > 500
    assert [item for item in found if not is_sentence(item[3])] == []
