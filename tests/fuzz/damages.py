"""The list of all kinds of damage: each is planted into a random log and says what must become of every record."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from log_truth import Field, Log, Row
from random_log import Wish

Plant = Callable[[Random, Log], None]


class NotHereError(Exception):
    """This log has nothing that this damage could be done to; another one is drawn."""


@dataclass(frozen=True)
class Damage:
    name: str
    wish: Wish
    plant: Plant


KINDS: dict[str, Damage] = {}


def damage(**wish: object) -> Callable[[Plant], Plant]:
    """Register a function as the kind of damage that has its name."""

    def register(plant: Plant) -> Plant:
        KINDS[plant.__name__] = Damage(plant.__name__, Wish(**wish), plant)  # type: ignore[arg-type]
        return plant

    return register


def clean_row(rng: Random, log: Log) -> Row:
    """A row of the first file that nothing is wrong with yet."""
    return one_of(rng, [row for row in log.files[0].rows if row.fates == ("kept",)])


def one_of(rng: Random, options: list) -> object:  # type: ignore[type-arg]
    if not options:
        raise NotHereError
    return rng.choice(options)


def fields(log: Log, *types: str) -> list[Field]:
    """Columns with cells in the log, of one of these types (or beginnings of types) and not read out of other text."""
    own = [one for one in log.fields if one.source == "log" and one.cell_names and "extract" not in one.kind.keys]
    return [one for one in own if one.kind.type.startswith(types)]
