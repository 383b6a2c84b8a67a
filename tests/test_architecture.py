"""The house stays as docs and design draw it: read from the imports and the syntax tree of every module.

Imports go down one list; light modules stay light; nothing is pickled or evaluated; members are found, not listed.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = (
    "contract", "settings", "progress", "lock", "lake", "world", "sources", "ingest", "quality", "draft", "features",
    "dataset", "models", "training", "evaluation", "lift", "registry", "publish", "experiments", "forget", "cli",
    "orchestration",
)  # fmt: skip
RANK = {room: rank for rank, room in enumerate(ROOMS)}
NEVER_SEE_THE_TRUTH = {"features", "dataset", "models", "training"}
PACKAGES = ("hinet_core", "orchestration", "dashboards")
# What `orchestration` may load when Dagster starts: none of it may drag in a heavy library.
LIGHT_ROOMS = {
    "contract", "settings", "progress", "lake", "world", "sources", "ingest", "quality", "features", "registry",
    "publish",
}  # fmt: skip
HEAVY = ("torch", "sklearn", "great_expectations", "streamlit")


def library_files() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    """hinet_core/world/draws.py -> hinet_core.world.draws; a package is named without __init__."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """The room of a dotted name: hinet_core.world.draws -> world; dashboards.views -> dashboards."""
    parts = module.split(".")
    return parts[1] if parts[0] == "hinet_core" and len(parts) > 1 else parts[0]


TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in library_files()}


def imports_of(path: Path) -> list[tuple[int, str]]:
    """Every (line, module) a file imports, wherever in the file, relative imports made absolute."""
    found = []
    package = name_of(path) if path.stem == "__init__" else name_of(path).rpartition(".")[0]
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base]).rstrip(".")
            # `from hinet_core import models` imports the room, not only the package.
            found += [(node.lineno, f"{base}.{alias.name}") for alias in node.names]
    return found


def ours(path: Path) -> list[tuple[int, str]]:
    return [(line, name) for line, name in imports_of(path) if name.split(".")[0] in PACKAGES]


def where(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def offences(room_filter, is_wrong) -> list[str]:
    return [
        f"{where(path, line)} imports {name}"
        for path in TREES
        if room_filter(room_of(name_of(path)))
        for line, name in imports_of(path)
        if is_wrong(path, name)
    ]


def test_no_two_files_of_tests_have_one_name():
    """pytest imports them by their file names alone, and refuses the second."""
    names = [path.name for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py"]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_every_file_is_in_a_known_room():
    known = {*ROOMS, "dashboards", "hinet_core"}
    strangers = [str(path.relative_to(ROOT)) for path in TREES if room_of(name_of(path)) not in known]
    assert strangers == [], f"put the file into a room of docs/adding.md or add its room to ROOMS: {strangers}"


def test_imports_go_down_the_list_only():
    wrong = [
        f"{where(path, line)}: {mine} imports {theirs}, which comes after it"
        for path in TREES
        if (mine := room_of(name_of(path))) in RANK
        for line, name in ours(path)
        if (theirs := room_of(name)) in RANK and RANK[theirs] > RANK[mine]
    ]
    assert wrong == [], "\n".join(["allowed: " + " < ".join(ROOMS), *wrong])


def test_what_learns_never_imports_the_truth():
    assert offences(NEVER_SEE_THE_TRUTH.__contains__, lambda _, name: name.startswith("hinet_core.world")) == []


def test_dashboards_import_nothing_of_the_others_and_nobody_imports_them():
    assert offences("dashboards".__eq__, lambda _, name: name.split(".")[0] in ("hinet_core", "orchestration")) == []
    assert offences("dashboards".__ne__, lambda _, name: name.split(".")[0] == "dashboards") == []


def test_the_core_knows_no_dagster_and_no_streamlit():
    framework = ("dagster", "dagster_pipes", "streamlit")
    inside_core = lambda room: room not in ("orchestration", "dashboards")  # noqa: E731
    assert offences(inside_core, lambda _, name: name.split(".")[0] in framework) == []


def test_only_the_lake_opens_duckdb():
    wrong = [
        where(path, node.lineno)
        for path, tree in TREES.items()
        if path.parts[-2:] != ("lake", "sql.py") and room_of(name_of(path)) != "dashboards"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "connect"
        if isinstance(node.value, ast.Name) and node.value.id == "duckdb"
    ]
    assert wrong == [], f"use hinet_core.lake.connect: {wrong}"


def test_orchestration_keeps_real_annotations():
    wrong = offences("orchestration".__eq__, lambda _, name: name == "__future__.annotations")
    assert wrong == [], f"Dagster reads annotations as objects: {wrong}"


def test_user_input_is_never_checked_by_assert():
    found = [where(p, n.lineno) for p, tree in TREES.items() for n in ast.walk(tree) if isinstance(n, ast.Assert)]
    assert found == [], f"assert vanishes under -O: raise ValueError with expected, found, next step: {found}"


def test_nothing_is_pickled_or_evaluated():
    modules = ("pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve")
    wrong = offences(lambda _: True, lambda _, name: name.split(".")[0] in modules)
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("eval", "exec", "torch.load", "torch.save"):
                wrong.append(f"{where(path, node.lineno)} calls {ast.unparse(node.func)}")
    assert wrong == []


def test_no_file_names_a_folder_of_somebodys_machine():
    machine = re.compile(r"(?<![\w.])/(?:home|Users|work|root|tmp|mnt|opt)/")
    wrong = [
        where(path, number)
        for path in TREES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if machine.search(line)
    ]
    assert wrong == [], f"take folders from settings: {wrong}"


def test_an_init_is_empty_or_names_what_the_room_offers():
    wrong = [
        where(path, node.lineno)
        for path, tree in TREES.items()
        if path.name == "__init__.py" and path.parent.name not in ("models", "sources")
        for node in tree.body
        if not isinstance(node, (ast.Import, ast.ImportFrom))
        and ast.unparse(node.value if isinstance(node, ast.Expr) else node)[:1] not in ("'", '"')
        and not ast.unparse(node).startswith("__all__")
    ]
    assert wrong == [], f"code lives in a module with a name: {wrong}"


def test_no_drawer_for_leftovers():
    drawers = {"utils", "util", "helpers", "common", "base", "manager", "misc"}
    assert [str(path.relative_to(ROOT)) for path in TREES if path.stem in drawers] == []


def test_every_model_file_is_a_model_and_offers_what_the_others_do():
    from hinet_core import models

    files = {path.stem for path in (ROOT / "hinet_core" / "models").glob("*.py")} - {"__init__", "layers"}
    assert set(models.names()) == files
    for name in sorted(files):
        tree = TREES[ROOT / "hinet_core" / "models" / f"{name}.py"]
        offered = {node.name for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
        offered |= {ast.unparse(t) for node in tree.body if isinstance(node, ast.Assign) for t in node.targets}
        offered |= {ast.unparse(node.target) for node in tree.body if isinstance(node, ast.AnnAssign)}
        assert {"Config", "PRESETS", "build"} <= offered, f"models/{name}.py lacks one of Config, PRESETS, build"


def test_every_contract_of_the_package_is_valid_and_named_like_its_file():
    from hinet_core.contract import load_contract, packaged_contracts

    names = packaged_contracts()
    assert [load_contract(name).name for name in names] == names


def loaded_by(imports: str, tmp_path: Path) -> set[str]:
    """Which heavy libraries a fresh interpreter holds after these imports."""
    code = f"import sys\n{imports}\nprint(*sorted(set(sys.modules) & {set(HEAVY)!r}))"
    environment = {"HINET_HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "DAGSTER_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_light_modules_load_no_heavy_library(tmp_path):
    light = [name_of(path) for path in TREES if path.parts[-1] and room_of(name_of(path)) in LIGHT_ROOMS]
    assert loaded_by("import " + ", ".join(light), tmp_path) == set()


@pytest.mark.slow
def test_what_dagster_loads_holds_no_heavy_library(tmp_path):
    assert loaded_by("import orchestration.definitions", tmp_path) == set()
