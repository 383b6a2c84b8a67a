"""Where everything is written and on which device models train: the one resource of all assets."""

from pathlib import Path

import dagster as dg

from hinet_core.contract import Contract
from hinet_core.lake import Lake
from hinet_core.settings import Paths, Settings


class Home(dg.ConfigurableResource):
    """HINET_HOME, HINET_DEVICE and the address that snapshots name for Dagster's pages."""

    folder: str
    device: str = "auto"
    dagster_url: str = ""

    @classmethod
    def of(cls, settings: Settings, dagster_url: str = "") -> "Home":
        return cls(folder=str(settings.home), device=settings.device, dagster_url=dagster_url)

    def paths(self, contract: Contract) -> Paths:
        return Paths(Path(self.folder) / contract.name)

    def lake(self, contract: Contract) -> Lake:
        return Lake(self.paths(contract).lake)
