"""What users like, per scenario and outcome, with correlations known in closed form.

S scenarios, K = 2 outcomes (click, order given click), J dimensions. With orthonormal directions e and
unit loadings L (reference: the world's equations):

    w_s^k = sqrt(rho_g) e_g + sqrt(rho_k) e_k + sqrt(rho_f) F L_s + sqrt(rho_s) e_s + sqrt(rho_sk) e_sk
    f_s^k(u, i) = sum_j w_sj^k z_uj v_ij
"""

import numpy as np
from numpy.typing import NDArray

from hinet_core.world.config import WorldConfig

N_OUTCOMES = 2


def loadings(config: WorldConfig) -> NDArray[np.float64]:
    """(S, F) unit rows."""
    return np.array([one.loading for one in config.scenarios.values()], dtype=np.float64)


def weights(config: WorldConfig) -> NDArray[np.float64]:
    """(S, K, J) unit vectors w_s^k in a basis drawn by the world's seed."""
    n_scenarios, n_factors = len(config.scenarios), config.n_factors
    gaussian = np.random.default_rng([config.seed, 101]).standard_normal((config.dimensions, config.dimensions))
    basis = np.linalg.qr(gaussian)[0].T
    shared = basis[0]
    task = basis[1:3]
    factor = basis[3 : 3 + n_factors]
    scenario = basis[3 + n_factors : 3 + n_factors + n_scenarios]
    start = 3 + n_factors + n_scenarios
    own = basis[start : start + n_scenarios * N_OUTCOMES].reshape(n_scenarios, N_OUTCOMES, -1)
    part = config.variance
    return (
        np.sqrt(part.shared) * shared
        + np.sqrt(part.task) * task[None]
        + np.sqrt(part.factor) * (loadings(config) @ factor)[:, None]
        + np.sqrt(part.scenario) * scenario[:, None]
        + np.sqrt(part.scenario_task) * own
    )


def correlation(config: WorldConfig) -> NDArray[np.float64]:
    """(S*K, S*K) correlation of f_s^k and f_s'^k' over users and items, row s*K + k; exact when cov(v) = I.

    corr = rho_g + rho_k [k=k'] + rho_f <L_s, L_s'> + rho_s [s=s'] + rho_sk [s=s', k=k']
    """
    n_scenarios = len(config.scenarios)
    same_scenario = np.kron(np.eye(n_scenarios), np.ones((N_OUTCOMES, N_OUTCOMES)))
    same_task = np.kron(np.ones((n_scenarios, n_scenarios)), np.eye(N_OUTCOMES))
    alike = np.kron(loadings(config) @ loadings(config).T, np.ones((N_OUTCOMES, N_OUTCOMES)))
    part = config.variance
    return (
        part.shared
        + part.task * same_task
        + part.factor * alike
        + part.scenario * same_scenario
        + part.scenario_task * same_scenario * same_task
    )
