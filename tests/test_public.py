"""The public face: what `semsearch` exports, and that every type in a public signature is among it."""

import dataclasses
import inspect
import types
import typing
from collections.abc import Iterator
from functools import cached_property
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

import semsearch
from semsearch.ingest.records import Records
from semsearch.ingest.report import Change

BUILDERS = {"Duplicates.of", "Aligner.__init__", "CrossEncoderWeights.graph"}
"""Methods that the package calls to make a result or a model. Their arguments are internal."""
NAMES = {name: getattr(semsearch, name) for name in semsearch.__all__} | {
    "Change": Change,
    "Records": Records,
}
"""The names in annotations: a module may import the types of its signatures for the type checker only."""
CLASSES = [value for name in sorted(semsearch.__all__) if inspect.isclass(value := getattr(semsearch, name))]


def annotations_of(owner: type) -> Iterator[tuple[str, Any]]:
    """Yield a label and an annotation for each public field, parameter and result of a class."""
    if dataclasses.is_dataclass(owner):
        hints = get_type_hints(owner, localns=NAMES)
        yield from (
            (f"{owner.__name__}.{field.name}", hints[field.name])
            for field in dataclasses.fields(owner)
            if not field.name.startswith("_")
        )
    for name, member in vars(owner).items():
        if name.startswith("_") and (name != "__init__" or dataclasses.is_dataclass(owner)):
            continue
        if isinstance(member, classmethod | staticmethod):
            member = member.__func__
        elif isinstance(member, property):
            member = member.fget
        elif isinstance(member, cached_property):
            member = member.func
        if inspect.isfunction(member) and f"{owner.__name__}.{name}" not in BUILDERS:
            for parameter, hint in get_type_hints(member, localns=NAMES).items():
                yield f"{owner.__name__}.{name}({parameter})", hint


def parts_of(hint: Any) -> Iterator[Any]:
    """Yield the classes within an annotation. A `Literal` has none: its values are plain strings."""
    if get_origin(hint) is Literal:
        return
    if inspect.isclass(hint) and not isinstance(hint, types.GenericAlias):
        yield hint
    for argument in get_args(hint):
        for inner in argument if isinstance(argument, list) else [argument]:
            yield from parts_of(inner)


@pytest.mark.parametrize("owner", CLASSES, ids=lambda owner: owner.__name__)
def test_types_in_public_signatures_are_exported(owner: type) -> None:
    exported = [getattr(semsearch, name) for name in semsearch.__all__]
    missing = set()
    for label, hint in annotations_of(owner):
        for part in parts_of(hint):
            if part.__module__.partition(".")[0] == "semsearch" and part not in exported:
                missing.add(f"{label}: {part}")
    assert sorted(missing) == []


def test_every_public_name_exists_and_is_listed() -> None:
    assert set(semsearch.__all__) <= set(dir(semsearch))
    assert list(semsearch.__all__) == sorted(semsearch.__all__)
    assert [name for name in semsearch.__all__ if not hasattr(semsearch, name)] == []
    assert not hasattr(semsearch, "no_such_name")


def test_every_public_class_and_method_has_a_docstring() -> None:
    bare = [owner.__name__ for owner in CLASSES if not inspect.getdoc(owner)]
    for owner in CLASSES:
        for name, member in vars(owner).items():
            if not name.startswith("_") and callable(getattr(member, "__func__", member)):
                bare += [] if inspect.getdoc(getattr(owner, name)) else [f"{owner.__name__}.{name}"]
    assert bare == []


def test_the_walk_finds_a_type_that_is_not_exported() -> None:
    class Hidden:
        """A type that no public name leads to."""

    Hidden.__module__ = "semsearch.hidden"

    def find(self: Any, where: list[typing.Callable[[Hidden], int]]) -> dict[str, Hidden | None]:
        raise NotImplementedError

    find.__annotations__ = {"where": list[typing.Callable[[Hidden], int]], "return": dict[str, Hidden | None]}
    owner = type("Owner", (), {"find": find})
    found = [part for _, hint in annotations_of(owner) for part in parts_of(hint)]
    assert found.count(Hidden) == 2
