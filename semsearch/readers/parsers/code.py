"""Find the functions, methods and classes of source code, by the grammars of tree-sitter."""

import time
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

from semsearch.errors import extra
from semsearch.readers.parsed import Parsed
from semsearch.types import Definition

if TYPE_CHECKING:
    from tree_sitter import Node

_LARGEST = 2_000_000
"""The most bytes of code that is parsed: a tree takes 250 times as much memory in the worst case."""
_SECONDS = 10.0
_MOST, _DEEPEST, _LONGEST_NAME = 20_000, 12, 80
"""The most definitions of a file, the most that lie in each other, and the most characters of a name."""


class _Language(NamedTuple):
    """A grammar and its kinds of nodes.

    `parts` hold definitions, such as classes. `functions` stay whole. A node of `bound` is a function if its value is
    one of `values`. `wrappers` begin before the definition in them.
    """

    grammar: str
    parts: str
    functions: str
    bound: str = ""
    values: str = ""
    wrappers: str = ""


_SCRIPT = _Language(
    "tree_sitter_javascript.language",
    "class_declaration class abstract_class_declaration interface_declaration enum_declaration internal_module module "
    "type_alias_declaration",
    "function_declaration generator_function_declaration method_definition",
    "variable_declarator pair assignment_expression field_definition public_field_definition",
    "arrow_function function_expression generator_function class",
    "export_statement lexical_declaration variable_declaration expression_statement ambient_declaration",
)
_PLUS = _Language(
    "tree_sitter_cpp.language",
    "class_specifier struct_specifier union_specifier enum_specifier namespace_definition concept_definition "
    "type_definition",
    "function_definition",
    wrappers="template_declaration",
)
_LANGUAGES = {
    ".c": _PLUS._replace(grammar="tree_sitter_c.language"),
    **dict.fromkeys((".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".hxx"), _PLUS),
    ".cs": _Language(
        "tree_sitter_c_sharp.language",
        "class_declaration struct_declaration interface_declaration enum_declaration record_declaration "
        "namespace_declaration",
        "method_declaration constructor_declaration destructor_declaration property_declaration operator_declaration "
        "indexer_declaration local_function_statement delegate_declaration",
    ),
    ".go": _Language(
        "tree_sitter_go.language",
        "type_spec",
        "function_declaration method_declaration",
        wrappers="type_declaration",
    ),
    ".java": _Language(
        "tree_sitter_java.language",
        "class_declaration interface_declaration enum_declaration record_declaration annotation_type_declaration",
        "method_declaration constructor_declaration compact_constructor_declaration",
    ),
    **dict.fromkeys((".cjs", ".js", ".jsx", ".mjs"), _SCRIPT),
    ".php": _Language(
        "tree_sitter_php.language_php",
        "class_declaration interface_declaration trait_declaration enum_declaration",
        "function_definition method_declaration",
    ),
    **dict.fromkeys(
        (".py", ".pyi"),
        _Language(
            "tree_sitter_python.language",
            "class_definition",
            "function_definition",
            wrappers="decorated_definition",
        ),
    ),
    ".rb": _Language("tree_sitter_ruby.language", "class module", "method singleton_method"),
    ".rs": _Language(
        "tree_sitter_rust.language",
        "struct_item enum_item union_item trait_item impl_item mod_item",
        "function_item macro_definition",
    ),
    **dict.fromkeys(
        (".bash", ".sh", ".zsh"), _Language("tree_sitter_bash.language", "", "function_definition")
    ),
    **dict.fromkeys(
        (".cts", ".mts", ".ts"), _SCRIPT._replace(grammar="tree_sitter_typescript.language_typescript")
    ),
    ".tsx": _SCRIPT._replace(grammar="tree_sitter_typescript.language_tsx"),
}
PARSED_CODE = frozenset(_LANGUAGES)
"""The suffixes of source code whose functions are found."""
_NEED_A_BODY = frozenset({"class_specifier", "enum_specifier", "struct_specifier", "union_specifier"})
"""Kinds that also name a type where it is used."""
_BEFORE = ("attribute", "comment", "decorator")
"""Nodes whose kind has one of these words belong to the definition that they stand on."""


_WHOLE_NAMES = frozenset({
    "member_expression", "nested_namespace_specifier", "operator_cast", "qualified_identifier",
})  # fmt: skip
"""Names of several parts."""


def can_parse_code() -> bool:
    """Return whether the extra `code` is installed."""
    return find_spec("tree_sitter") is not None and find_spec("tree_sitter_python") is not None


def parse_code(suffix: str, content: bytes) -> Iterator[Parsed]:
    """Yield a `Parsed` with the definitions of some code in UTF-8, and without its text.

    Code with errors of syntax has the definitions that are found around them. Code that is too large, or takes too long
    to parse, has none. Raises `MissingExtra` if the grammar is not installed.
    """
    yield Parsed("", "line", (), outline=tuple(_definitions(suffix, content)))


def _definitions(suffix: str, content: bytes) -> list[Definition]:
    language = _LANGUAGES[suffix]
    module, _, function = language.grammar.partition(".")
    with extra("code", "cutting source code at its functions"):
        import tree_sitter

        grammar = tree_sitter.Language(getattr(import_module(module), function)())
    if len(content) > _LARGEST:
        return []
    ends = time.monotonic() + _SECONDS
    try:
        tree = tree_sitter.Parser(grammar).parse(
            lambda at, _: content[at : at + (1 << 16)],
            progress_callback=lambda *_: time.monotonic() > ends,
        )
    except ValueError:  # it takes too long
        return []
    return _found(tree.root_node, language) if tree is not None else []


def _found(root: "Node", language: _Language) -> list[Definition]:
    """Return the definitions below a node, in order. Each has lines that are only its own and of those inside it.

    So a definition is left out that begins and ends on a line on which another one begins or ends.
    """
    parts, functions, bound, values, wrappers = (frozenset(kinds.split()) for kinds in language[1:])
    found: list[Definition] = []
    taken = {-1: 0}
    """The last line that is taken in a definition, by its position in `found`; -1 is for the file."""
    around = [-1]
    """The definitions that the present node lies in."""
    cursor = root.walk()
    while len(found) < _MOST:
        node, inside = cursor.node, around[-1]
        assert node is not None
        is_function = node.type in functions or (node.type in bound and _value(node) in values)
        if node.is_named and (is_function or node.type in parts) and len(around) <= _DEEPEST * 8:
            first, last = _lines(node, wrappers)
            first = max(first, taken[inside] + 1)
            if first <= last and (name := _name(node)):
                path = (*found[inside].path, *name) if inside >= 0 else name
                taken[inside] = last
                inside = len(found)
                taken[inside] = first
                found.append(Definition(first, last, path[:_DEEPEST], is_function))
        if cursor.goto_first_child():
            around.append(inside)
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return found
            around.pop()
    return found


def _value(node: "Node") -> str:
    value = node.child_by_field_name("right" if node.type == "assignment_expression" else "value")
    return value.type if value is not None else ""


def _lines(node: "Node", wrappers: frozenset[str]) -> tuple[int, int]:
    """Return the first and last line of a definition, with the comments and attributes right above it."""
    end = node
    while node.parent is not None and node.parent.type in wrappers:
        node = node.parent
        end = node if node.end_point.row == end.end_point.row else end
    first = node.start_point.row
    while (above := _above(node)) is not None and any(kind in above.type for kind in _BEFORE):
        before = above.prev_sibling
        trails = before is not None and before.end_point.row == above.start_point.row
        if _last(above) < first - 1 or (trails and before is not None and before.end_point.column):
            break
        node, first = above, above.start_point.row
    return first + 1, _last(end) + 1


def _above(node: "Node") -> "Node | None":
    """Return the node before another one, which may be before what the other one is the first part of."""
    while node.prev_sibling is None and node.parent is not None:
        node = node.parent
    return node.prev_sibling


def _last(node: "Node") -> int:
    """Return the last line of a node, from 0. Some comments end where the next line begins."""
    row, column = node.end_point
    return row - 1 if row > node.start_point.row and not column else row


def _name(node: "Node") -> tuple[str, ...]:
    """Return the names of a definition, outermost first; none where it has no name."""
    if node.type in _NEED_A_BODY and node.child_by_field_name("body") is None:
        return ()
    if node.type == "impl_item":  # `impl Display for Point`
        named = [_text(node.child_by_field_name(field)) for field in ("trait", "type")]
        return (" for ".join(filter(None, named)),)
    owner = node.child_by_field_name("receiver")  # `func (s *Server) Start()`
    inner: Node | None = node
    while inner is not None and inner.child_count:
        for field in ("name", "declarator", "left", "key", "property"):
            if (child := inner.child_by_field_name(field)) is not None:
                break
        else:
            break
        inner = child
        if inner.type in _WHOLE_NAMES:
            break
    if inner is None or inner is node:
        return ()
    name = _text(inner).strip("\"'")
    name = name.partition("(")[0] if inner.type == "operator_cast" else name
    names = name.split("::") if inner.type.startswith(("qualified", "nested")) else [name]
    if owner is not None:
        receiver = _text(owner).strip("()").replace("*", " ").partition("[")[0].split()
        names = [*receiver[-1:], *names]
    return tuple(one for one in names if one)


def _text(node: "Node | None") -> str:
    text = node.text if node is not None else None
    return " ".join((text or b"")[: 4 * _LONGEST_NAME].decode(errors="replace").split())[:_LONGEST_NAME]
