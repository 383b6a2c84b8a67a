"""Small specs and random rows for the model tests."""

import torch

from hinet_core.dataset import Dataset, FeatureSpec, FieldSpec


def make_spec(n_scenarios: int = 3, n_tasks: int = 2, n_positions: int = 4) -> FeatureSpec:
    """Ids, numbers and a list, one of each kept out of x. Task 1 follows task 0, and so does each later one."""
    return FeatureSpec(
        fields=(FieldSpec("user", "id", 9), FieldSpec("secret", "id", 5, in_x=False), FieldSpec("item", "id", 7)),
        numbers=(FieldSpec("price", "number"), FieldSpec("hidden", "number", in_x=False), FieldSpec("age", "number")),
        lists=(FieldSpec("history", "list", 6, max_length=4), FieldSpec("dropped", "list", 6, False, 2)),
        scenarios=tuple(f"scenario_{i}" for i in range(n_scenarios)),
        tasks=tuple(f"task_{i}" for i in range(n_tasks)),
        n_positions=n_positions,
        after=(-1, *[0] * (n_tasks - 1)),
    )


def make_rows(spec: FeatureSpec, n: int, seed: int = 0) -> Dataset:
    """Random rows: every scenario, slot and token occurs when n is large; list row 0 is empty."""
    g = torch.Generator().manual_seed(seed)
    columns = [torch.randint(0, field.width, (n,), generator=g) for field in spec.fields]
    lists = {f.name: torch.randint(0, f.width, (n, f.max_length), generator=g) for f in spec.lists}
    for ids_NL in lists.values():
        ids_NL[0] = 0
    n_scenarios, n_tasks = len(spec.scenarios), len(spec.tasks)
    return Dataset(
        fields_NF=torch.stack(columns, dim=1) if columns else torch.zeros(n, 0, dtype=torch.int64),
        numbers_NK=torch.randn(n, len(spec.numbers), generator=g),
        scenario_N=torch.randint(0, n_scenarios, (n,), generator=g),
        position_N=torch.randint(0, spec.n_positions + 1, (n,), generator=g),
        labels_NT=torch.randint(0, 2, (n, n_tasks), generator=g).float(),
        label_mask_NT=torch.ones(n, n_tasks),
        user_N=torch.arange(n),
        day_N=torch.zeros(n, dtype=torch.int64),
        lists=lists,
    )


def randomized(model: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Random weights everywhere, also where training starts at zero."""
    torch.manual_seed(seed)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model
