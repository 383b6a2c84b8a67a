"""Public logs that a contract alone cannot describe: one file each, named like the contract of what it writes.

Such a file offers `convert(files, landing, rows)`: the publisher's files by their names, the folder for the files that
the contract reads, and how many rows of each are enough (None: all). It returns a sentence on each thing worth knowing.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from hinet_core.contract import Contract

Converter = Callable[[Mapping[str, Path], Path, int | None], list[str]]


def converter(contract: Contract) -> Converter | None:
    """The importer of a contract, or of the one that it extends, where there is one."""
    files = {module.name for module in iter_modules(__path__)} - {"archives"}
    named = [name for name in (contract.name, contract.extend) if name in files]
    return import_module(f"{__name__}.{named[0]}").convert if named else None
