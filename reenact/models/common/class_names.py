"""The class that a checkpoint names. A checkpoint chooses nothing that is imported: a person or a package does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module

from reenact.errors import ReenactError
from reenact.methods.method import Method
from reenact.methods.registry import (
    check_packages,
    describe_error,
    find_method,
    find_method_of_class,
    find_problem,
    list_methods,
)
from reenact.models.common.header import Header, is_zoo_class
from reenact.models.common.portrait_module import PortraitModule
from reenact.packages import OPTION, is_allowed


def find_class(header: Header, name: str) -> type[PortraitModule]:
    """Return the class that a checkpoint was saved by.

    It is the zoo's, one that this process has imported already, an installed method's, or of a package that the user
    has allowed; nothing else is imported.

    Args:
        header: the checkpoint's.
        name: the checkpoint in a message.

    Raises:
        ReenactError: if the class is none of these, does not exist, or its module or a package that the method needs
            can't be imported.
    """
    path = header.class_path
    if path is None or is_zoo_class(path):
        return _zoo_class(header, name)
    module_class = _find_imported(path) or _find_installed(path, name)
    if module_class is not None:
        return module_class
    if is_allowed(path):
        return _import_class(path, name)
    package = path.partition(".")[0]
    if package == "__main__":
        raise ReenactError(f"{name} was saved by {path}, a class of a script: load it in that script")
    problem = find_problem(package)
    if problem is not None:
        raise ReenactError(f"{name} is of the class {path}, and {problem}")
    raise ReenactError(
        f"{name} is of the class {path}, which no file can have imported: if you trust the package, add {OPTION}"
        f" {package}"
    )


def config_class_path(cls: type[PortraitModule]) -> str:
    """Return the class path by which configuration files name a class."""
    method = find_method(getattr(cls, "method", ""))
    path = f"{cls.__module__}.{cls.__qualname__}"
    return method.class_path if method is not None and method.class_path and is_zoo_class(path) else path


def needs_allowing(cls: type[PortraitModule]) -> bool:
    """Tell if another process finds a class by the option alone."""
    path = f"{cls.__module__}.{cls.__qualname__}"
    return not (is_zoo_class(path) or find_method_of_class(path) is not None)


def check_import(class_path: str) -> None:
    """Import the module of a class; one that does not exist is left to whoever looks for the class.

    Raises:
        ReenactError: if the module breaks while it is imported; names the place.
    """
    module = class_path.rpartition(".")[0]
    try:
        import_module(module)
    except Exception as error:  # whatever the user's own module raises
        if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
            return
        raise ReenactError(f"{class_path}: its module can't be imported: {describe_error(error)}") from error


def _zoo_class(header: Header, name: str) -> type[PortraitModule]:
    method = find_method(header.method)
    if method is None or not is_zoo_class(str(method.class_path)):
        names = ", ".join(other.name for other in list_methods())
        raise ReenactError(f"{name} is of the method {header.method!r}, not one of {names}")
    module_class = _load_class(method, name)
    if header.class_path is not None and header.class_path.rpartition(".")[2] != module_class.__name__:
        raise ReenactError(
            f"{name} is of the class {header.class_path}, which this version of reenact has not: use the version that"
            " wrote it"
        )
    return module_class


def _find_imported(path: str) -> type[PortraitModule] | None:
    """Return the newest class of this path that the process has, None where there is none."""
    return next(
        (cls for cls in _iterate_subclasses(PortraitModule) if f"{cls.__module__}.{cls.__qualname__}" == path), None
    )


def _iterate_subclasses(cls: type) -> Iterator[type[PortraitModule]]:
    subclasses: Sequence[type[PortraitModule]] = cls.__subclasses__()
    for subclass in reversed(subclasses):  # a cell of a notebook that is run again defines a newer one
        yield subclass
        yield from _iterate_subclasses(subclass)


def _find_installed(path: str, name: str) -> type[PortraitModule] | None:
    method = find_method_of_class(path)
    if method is None:
        return None
    cls = _load_class(method, name)
    return cls if f"{cls.__module__}.{cls.__qualname__}" == path else None


def _load_class(method: Method, name: str) -> type[PortraitModule]:
    check_packages(method)
    return _import_class(str(method.class_path), name)


def _import_class(path: str, name: str) -> type[PortraitModule]:
    module, _, attribute = path.rpartition(".")
    try:
        module_class = getattr(import_module(module), attribute, None)
    except Exception as error:  # whatever the user's own module raises when it is imported
        raise ReenactError(
            f"{name} is of the class {path}, whose module can't be imported: {describe_error(error)}"
        ) from error
    if not (isinstance(module_class, type) and issubclass(module_class, PortraitModule)):
        raise ReenactError(f"{name} is of the class {path}, and {module} has no method of this name: use its version")
    return module_class
