"""What the environment says, read once: where to write, how many threads, how much memory, which device."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

DEVICES = ("auto", "cpu", "cuda")
MEMORY = re.compile(r"(\d+(?:\.\d+)?) ?([KMGT])(i?)B", re.IGNORECASE)


class SettingsError(ValueError):
    """An environment variable holds a value we cannot use."""


@dataclass(frozen=True)
class Paths:
    """The folders of one contract inside HINET_HOME."""

    root: Path

    @property
    def landing(self) -> Path:
        return self.root / "landing"

    @property
    def lake(self) -> Path:
        return self.root / "lake"

    @property
    def catalog(self) -> Path:
        return self.root / "catalog.duckdb"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def experiments(self) -> Path:
        return self.root / "experiments"

    @property
    def published(self) -> Path:
        return self.root / "published"

    @property
    def docs(self) -> Path:
        return self.root / "docs"


@dataclass(frozen=True)
class Settings:
    """HINET_HOME, HINET_THREADS, HINET_MEMORY, HINET_DEVICE, HINET_CONTRACTS and HINET_DATA_DOCS as values."""

    home: Path
    threads: int
    memory_limit: str
    device: str
    contracts: tuple[str, ...]
    data_docs: bool

    @property
    def dagster_home(self) -> Path:
        return self.home / "dagster"

    @property
    def memory_bytes(self) -> int:
        """The memory limit as DuckDB counts it: 1 GB is 1000^3 bytes, 1 GiB 1024^3."""
        size, unit, binary = MEMORY.fullmatch(self.memory_limit).groups()  # type: ignore[union-attr]
        return int(float(size) * (1024 if binary else 1000) ** (1 + "KMGT".index(unit.upper())))

    def paths(self, contract_name: str) -> Paths:
        return Paths(self.home / contract_name)


def load_settings() -> Settings:
    """Read the environment; an unusable value is named with what is allowed."""
    device = os.environ.get("HINET_DEVICE") or "auto"
    if device not in DEVICES:
        raise SettingsError(f"HINET_DEVICE: found {device!r}, allowed: {', '.join(DEVICES)}")
    threads = os.environ.get("HINET_THREADS") or str(os.cpu_count() or 1)
    if not threads.isdigit() or int(threads) < 1:
        raise SettingsError(f"HINET_THREADS: found {threads!r}, allowed: a whole number from 1")
    memory = os.environ.get("HINET_MEMORY") or "4GB"
    if not MEMORY.fullmatch(memory):
        raise SettingsError(f"HINET_MEMORY: found {memory!r}, allowed: a size such as 500MB, 4GB or 2GiB")
    data_docs = os.environ.get("HINET_DATA_DOCS") or "1"
    if data_docs not in ("0", "1"):
        raise SettingsError(f"HINET_DATA_DOCS: found {data_docs!r}, allowed: 0 or 1")
    named = os.environ.get("HINET_CONTRACTS") or "meishi"
    contracts = tuple(part.strip() for part in named.split(",") if part.strip())
    return Settings(
        home=Path(os.environ.get("HINET_HOME") or "var").expanduser().resolve(),
        threads=int(threads),
        memory_limit=memory,
        device=device,
        contracts=contracts,
        data_docs=data_docs == "1",
    )
