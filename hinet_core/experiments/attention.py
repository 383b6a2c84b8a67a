"""What HiNet's scenarios take from each other over the seeds of an experiment, and on a simulated log the truth.

S scenarios.
"""

import statistics
from collections.abc import Sequence

import numpy as np

from hinet_core.contract import Contract
from hinet_core.evaluation.rows import Floats
from hinet_core.evaluation.true_scenarios import RankCorrelation, rank_correlation, true_similarity
from hinet_core.experiments.grid import Trained
from hinet_core.models.hinet import HiNet
from hinet_core.training.checkpoint import load


def attention_part(contract: Contract, trained: Sequence[Trained]) -> str:
    """A part of the page per HiNet with SAN: its matrix over the seeds, and how it agrees with the truth if known."""
    parts = []
    for name in dict.fromkeys(one.entry.name for one in trained if one.entry.model == "hinet"):
        models = [load(one.folder) for one in trained if one.entry.name == name]
        matrices = [matrix for bundle in models if (matrix := san_of(bundle.model)) is not None]
        if matrices:
            scenarios = models[0].spec.scenarios
            parts += [f"### What scenarios take from each other (SAN): {name}", matrix_table(scenarios, matrices)]
            parts += [against_truth(contract, scenarios, matrices)]
    return "\n\n".join(filter(None, parts))


def san_of(model: object) -> Floats | None:
    """SAN's matrix (S, S); None for a model that has none, or a lone scenario."""
    layer = model.scenario_layer if isinstance(model, HiNet) else None
    if layer is None or layer.san is None or layer.n_scenarios == 1:
        return None
    matrix: Floats = layer.san().detach().double().cpu().numpy()
    return matrix


def matrix_table(scenarios: Sequence[str], matrices: Sequence[Floats]) -> str:
    """Row i takes from column j: the mean over seeds, and the least and greatest of them."""
    lines = [f"| takes from | {' | '.join(scenarios)} |", "|---" * (len(scenarios) + 1) + "|"]
    for i, scenario in enumerate(scenarios):
        cells = ["-" if i == j else spread([float(matrix[i, j]) for matrix in matrices]) for j in range(len(scenarios))]
        lines.append(f"| {scenario} | {' | '.join(cells)} |")
    return "\n".join(lines)


def spread(values: Sequence[float]) -> str:
    """'0.21 (0.15 to 0.28)'"""
    mean = f"{statistics.mean(values):.2f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.2f} to {max(values):.2f})"


def against_truth(contract: Contract, scenarios: tuple[str, ...], matrices: Sequence[Floats]) -> str:
    """A sentence on a simulated log of three scenarios or more, else nothing."""
    if contract.world is None:
        return ""
    truth = true_similarity(contract, scenarios)
    single = [rank_correlation(matrix, truth) for matrix in matrices]
    mean = rank_correlation(np.mean(matrices, axis=0), truth)
    if mean is None:
        return ""
    return sentence(mean, [one.value for one in single if one is not None])


def sentence(mean: RankCorrelation, of_seeds: Sequence[float]) -> str:
    each = ", ".join(f"{value:+.2f}" for value in of_seeds)
    return (
        "Rank correlation of the weights with the true correlation of what users click, inside each scenario's row: "
        f"{mean.value:+.2f} for the mean of the matrices (p = {mean.p:.2g} against random orders of {mean.n} pairs), "
        f"{each} for each seed."
    )
