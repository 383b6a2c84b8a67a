"""Dagster's pages and daemon, and the dashboard, on loopback until Ctrl-C. `make serve` runs this file."""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType
from zoneinfo import ZoneInfo

from rich.console import Console

from hinet_core.contract import Contract, load_contract, packaged_contracts
from hinet_core.settings import Settings, load_settings
from orchestration.instance import named_contracts, prepare
from orchestration.pending import next_retrain
from orchestration.reporting import EXPECTED

log = logging.getLogger("hinet")
ROOT = Path(__file__).resolve().parents[1]
LOOPBACK = "127.0.0.1"
DAGSTER_PORT, DASHBOARD_PORT = 3000, 8501
HEALTHY_WITHIN_S = 180.0
END_WITHIN_S = 20.0


class ServerError(RuntimeError):
    """A server did not start or ended by itself; the message names its log."""


@dataclass(frozen=True)
class Server:
    """One process group and the address that answers when it is ready."""

    name: str
    url: str
    health: str
    process: subprocess.Popen[bytes]
    log_file: Path

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}{self.health}", timeout=2) as reply:  # noqa: S310  loopback
                return bool(reply.status == 200)
        except OSError:
            return False


def free_port(wanted: int) -> int:
    """The wanted port, or one that the system gives when it is taken."""
    for port in (wanted, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((LOOPBACK, port))
            return int(probe.getsockname()[1])
    raise ServerError(f"no free port on {LOOPBACK}: end some servers and try again")


def url_of(port: int) -> str:
    return f"http://{LOOPBACK}:{port}"


def serve(settings: Settings, contracts: Sequence[Contract], dagster_port: int, console: Console) -> int:
    """Start both, say where they are, and stay until Ctrl-C or SIGTERM; both are ended whatever happens."""
    servers: list[Server] = []
    stop = Stop()
    try:
        servers.append(start_dagster(settings, dagster_port))
        servers.append(start_dashboard(settings, free_port(DASHBOARD_PORT)))
        console.print("starting Dagster and the dashboard …")
        wait_until_healthy(servers, stop)
        if not stop.asked:
            console.print("\n".join(addresses(servers, contracts)), highlight=False)
        while not stop.asked:
            require_alive(servers)
            time.sleep(0.5)
        console.print("ending both servers …")
    finally:
        end(servers)
    return 0


class Stop:
    """Ctrl-C and SIGTERM become a flag, so that the servers are ended in order."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True


def start_dagster(settings: Settings, port: int) -> Server:
    """Web pages, daemon (schedules, queue) and code server in one process group."""
    workspace = str(ROOT / "workspace.yaml")
    command = [sys.executable, "-m", "dagster", "dev", "-w", workspace, "-h", LOOPBACK, "-p", str(port)]
    return start("Dagster", command, settings, url_of(port), "/server_info", {"HINET_DAGSTER_URL": url_of(port)})


def start_dashboard(settings: Settings, port: int) -> Server:
    page = str(ROOT / "dashboards" / "app.py")
    options = {"server.address": LOOPBACK, "server.port": port, "server.headless": "true"}
    command = [sys.executable, "-m", "streamlit", "run", page]
    command += [part for name, value in options.items() for part in (f"--{name}", str(value))]
    return start("Dashboard", command, settings, url_of(port), "/_stcore/health", {})


def start(
    name: str, command: Sequence[str], settings: Settings, url: str, health: str, extra: Mapping[str, str]
) -> Server:
    log_file = settings.dagster_home / f"serve-{name.lower()}.log"
    with log_file.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  our own command
            command,
            cwd=ROOT,
            env={**os.environ, **extra},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # A group of its own: Ctrl-C reaches us alone, and ending the group ends the helpers that it started.
            start_new_session=True,
        )
    return Server(name, url, health, process, log_file)


def wait_until_healthy(servers: Sequence[Server], stop: Stop) -> None:
    deadline = time.monotonic() + HEALTHY_WITHIN_S
    waiting = list(servers)
    while waiting and not stop.asked:
        require_alive(servers)
        if time.monotonic() > deadline:
            raise ServerError(
                f"{waiting[0].name} does not answer on {waiting[0].url} after {HEALTHY_WITHIN_S:.0f} s; "
                f"read {waiting[0].log_file}, then `make serve` again"
            )
        waiting = [one for one in waiting if not one.answers()]
        time.sleep(0.3)


def require_alive(servers: Sequence[Server]) -> None:
    for one in servers:
        if one.process.poll() is not None:
            raise ServerError(
                f"{one.name} ended by itself (status {one.process.returncode}); read {one.log_file}, "
                "then `make serve` again"
            )


def addresses(servers: Sequence[Server], contracts: Sequence[Contract]) -> list[str]:
    lines = [f"{one.name:<10} {one.url}" for one in servers]
    now = datetime.now(ZoneInfo("UTC"))
    for contract in contracts:
        due = next_retrain(contract, now)
        lines.append(f"next retrain of {contract.name}: {due:%Y-%m-%d %H:%M} {contract.time_zone}")
    return [*lines, "Ctrl-C ends both"]


def end(servers: Sequence[Server]) -> None:
    """Ask each group to end, and end what is still there after a while."""
    for signal_number, seconds in ((signal.SIGINT, END_WITHIN_S), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        for one in servers:
            if group_lives(one):
                with suppress(ProcessLookupError):
                    os.killpg(one.process.pid, signal_number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and any(group_lives(one) for one in servers):
            time.sleep(0.1)
        if not any(group_lives(one) for one in servers):
            return


def group_lives(server: Server) -> bool:
    server.process.poll()
    try:
        os.killpg(server.process.pid, 0)
    except ProcessLookupError:
        return False
    return True


def contracts_at_home(settings: Settings) -> list[str]:
    """The packaged contracts that something was run with; a contract of one's own is named by CONTRACT=path."""
    found = [name for name in packaged_contracts() if settings.paths(name).lake.exists()]
    return found or list(settings.contracts)


def main() -> int:
    console = Console()
    try:
        if os.environ.get("CONTRACT"):
            os.environ["HINET_CONTRACTS"] = named_contracts(os.environ["CONTRACT"])
        elif not os.environ.get("HINET_CONTRACTS"):
            os.environ["HINET_CONTRACTS"] = ",".join(contracts_at_home(load_settings()))
        settings = load_settings()
        prepare(settings)
        contracts = [load_contract(name) for name in settings.contracts]
        return serve(settings, contracts, free_port(DAGSTER_PORT), console)
    except (*EXPECTED, ServerError) as error:
        Console(stderr=True).print(str(error), style="bold red", highlight=False, soft_wrap=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
