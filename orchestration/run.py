"""`make run`: land logs, materialize what is missing through Dagster, print the results, serve both pages.

Options come from the environment: CONTRACT, DATA, SERVE, FRESH, PRESET and those of hinet_core/settings.py.
Exit status: 0 done, 1 something did not work, 2 the command cannot be carried out at all, 130 Ctrl-C.
"""

import logging
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from rich.console import Console
from rich.logging import RichHandler
from sqlalchemy.exc import DatabaseError

from hinet_core.contract import Contract, ContractError, load_contract
from hinet_core.ingest.delivery import land
from hinet_core.lock import BusyError, exclusive
from hinet_core.settings import Paths, Settings, SettingsError, load_settings
from orchestration import serve as servers
from orchestration.graph import assets_of
from orchestration.instance import adopt_commits, end_orphans, forget, named_contracts, prepare
from orchestration.reporting import EXPECTED
from orchestration.resources import Home

log = logging.getLogger("hinet")
# A pipe has no width of its own; the tables need this much.
console = Console(width=None if sys.stdout.isatty() else 120)
LOG_FILE = "hinet.log"
INTERRUPTED = 130
PRESETS = ("quick", "paper")


@dataclass(frozen=True)
class Options:
    """What this run was asked for."""

    contract: str
    data: Path | None
    serve: bool
    fresh: bool
    preset: str


def options_of(environment: Mapping[str, str]) -> Options:
    """Read the environment; an unusable value is named with what is allowed."""
    flags = {}
    for name, default in (("SERVE", "1"), ("FRESH", "0")):
        value = environment.get(name) or default
        if value not in ("0", "1"):
            raise SettingsError(f"{name}: found {value!r}, allowed: 0 or 1")
        flags[name] = value == "1"
    preset = environment.get("PRESET") or "quick"
    if preset not in PRESETS:
        raise SettingsError(f"PRESET: found {preset!r}, allowed: {', '.join(PRESETS)}")
    data = environment.get("DATA")
    return Options(
        environment.get("CONTRACT") or "meishi",
        Path(data).expanduser() if data else None,
        flags["SERVE"],
        flags["FRESH"],
        preset,
    )


def main() -> int:
    """Everything that people can repair ends in one sentence on stderr, never in a traceback."""
    try:
        options = options_of(os.environ)
        contract = load_contract(options.contract)
        # Dagster's processes build this contract's graph, whatever else the environment names.
        os.environ["HINET_CONTRACTS"] = named_contracts(options.contract)
        settings = load_settings()
    except (ContractError, SettingsError) as error:
        return say(str(error), 2)
    try:
        log_to(prepare(settings) / LOG_FILE)
        require_device(settings)
        port = servers.free_port(servers.DAGSTER_PORT) if options.serve else servers.DAGSTER_PORT
        # Only the work is exclusive: while the servers run, the next days can be landed and worked on.
        with exclusive(settings.paths(contract.name).root / ".run.lock"):
            problems = run(contract, settings, options, port)
        for problem in problems:
            say(problem.replace("`hinet quarantine`", f"`hinet quarantine --contract {options.contract}`"), 1)
        status = servers.serve(settings, [contract], port, console) if options.serve else 0
        return status or int(bool(problems))
    except (*EXPECTED, BusyError, servers.ServerError) as error:
        log.debug("stopped", exc_info=True)
        return say(str(error), 1)
    except DatabaseError as error:
        log.debug("stopped", exc_info=True)
        return say(
            f"Dagster's records under {settings.dagster_home} cannot be written: {error.orig}. What was committed is "
            "as it was; free some space or check the folder's rights, then run again",
            1,
        )
    except KeyboardInterrupt:
        return say("stopped; what was committed stays, and the same command goes on from there", INTERRUPTED)


def require_device(settings: Settings) -> None:
    """A GPU that is asked for and not there is said before any work; torch is imported for nothing else here."""
    if settings.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise SettingsError("HINET_DEVICE=cuda, but torch finds no GPU here: set it to auto or cpu")


def run(contract: Contract, settings: Settings, options: Options, port: int) -> list[str]:
    """Land, materialize, print; returns what did not work, a sentence each."""
    paths, home = settings.paths(contract.name), Home.of(settings, servers.url_of(port))
    with dg.DagsterInstance.get() as instance:
        if options.fresh:
            start_over(contract, paths, options, instance)
        console.rule(f"{contract.title or contract.name}: landing")
        land_logs(contract, paths, options.data)
        end_orphans(instance, contract)
        adopt_commits(instance, contract, home.lake(contract))
        console.rule("materializing what is missing")
        return materialize_and_print(contract, home, instance, options.preset)


def start_over(contract: Contract, paths: Paths, options: Options, instance: dg.DagsterInstance) -> None:
    """FRESH=1: forget what was derived. Landed files go only when they can be had again."""
    derived = [paths.lake, paths.models, paths.published, paths.docs]
    if options.data is not None or contract.world is not None:
        derived.append(paths.landing)
    for folder in derived:
        shutil.rmtree(folder, ignore_errors=True)
    paths.catalog.unlink(missing_ok=True)
    forget(instance, [asset.key for asset in assets_of(contract)])


def land_logs(contract: Contract, paths: Paths, data: Path | None) -> None:
    """From DATA, else from the contract's simulated world; else landing already holds the files."""
    if data is not None:
        landed = land(contract, paths, data)
        console.print(f"{len(landed)} new files from {data}", highlight=False)
    elif contract.world is not None:
        from hinet_core.world.log import write_log

        files = write_log(contract, paths.landing)
        console.print(f"{len(files)} files of the simulated world", highlight=False)


def materialize_and_print(contract: Contract, home: Home, instance: dg.DagsterInstance, preset: str) -> list[str]:
    """Work through the graph, print the tables; returns what did not work."""
    from orchestration.materialize import Materializer
    from orchestration.results import result_tables

    worker = Materializer(contract, home, instance, preset)
    as_of = worker.everything()
    for table in result_tables(contract, worker.lake, as_of) if as_of is not None else []:
        console.print(table)
    return worker.problems


def log_to(path: Path) -> None:
    """Progress on the console, everything in a file; other libraries speak up on the console from warnings on."""
    # A full disk is told once, by the step that failed, not by every line that could not be logged.
    logging.raiseExceptions = False
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    shown = RichHandler(console=console, show_path=False, show_level=False, log_time_format="%H:%M:%S")
    shown.setLevel(logging.INFO)
    for name in ("hinet", "hinet_core"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        logger.handlers = [handler, shown]


def say(sentence: str, status: int) -> int:
    """A sentence on stderr, and the exit status that goes with it."""
    Console(stderr=True).print(sentence, style="bold red", highlight=False, markup=False, soft_wrap=True)
    return status


if __name__ == "__main__":
    status = main()
    if status == INTERRUPTED:
        # A thread may still be at work; its commits are atomic, so it is cut off like the process of a kill.
        sys.stdout.flush()
        os._exit(status)
    sys.exit(status)
