"""What users like, per scenario and outcome, with correlations known in closed form.

S scenarios, K = 2 outcomes (click, order given click), J dimensions. With orthonormal directions e and
unit loadings L (reference: the world's equations):

    w_s^k = sqrt(rho_g) e_g + sqrt(rho_k) e_k + sqrt(rho_f) F L_s + sqrt(rho_s) e_s + sqrt(rho_sk) e_sk
    f_s^k(u, i) = sqrt(1 - nu) sum_j w_sj^k m_j + sqrt(nu) sum_j w_sj^k m_a(j) m_b(j),    m_j = z_uj v_ij

The products of two matches m are uncorrelated with each other and with every m, since no two of them are of the
same pair: the share nu, `variance.interaction`, leaves variances and correlations as they are. With drift,

    w_s^k(t) = cos(delta t) w_s^k + sin(delta t) R w_s^k,    R a quarter turn in each of J/2 orthogonal planes

which is one rotation of all weights, so norms and correlations hold on every day. t in days since the first.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hinet_core.world.config import WorldConfig

Floats = NDArray[Any]  # float32 or float64, as given

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


def pairs(dimensions: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(J,) a and (J,) b: a(j) = j + 1, b(j) = j + 2 around the circle; J different pairs without j for J >= 3."""
    j = np.arange(dimensions)
    return (j + 1) % dimensions, (j + 2) % dimensions


def with_products(side_NJ: Floats) -> Floats:
    """(N, 2 J) x and its products x_a(j) x_b(j): one side, of users or of shops, of all matches and their products."""
    a, b = pairs(side_NJ.shape[1])
    return np.concatenate([side_NJ, side_NJ[:, a] * side_NJ[:, b]], axis=1)


def for_products(weights_SKJ: Floats, nu: float) -> Floats:
    """(S, K, 2 J) weights of the matches and of their products."""
    both: Floats = np.concatenate([np.sqrt(1 - nu) * weights_SKJ, np.sqrt(nu) * weights_SKJ], axis=2)
    return both.astype(weights_SKJ.dtype)


def turned(config: WorldConfig, weights_SKJ: Floats, days: int) -> Floats:
    """The weights `days` after the first day, in planes drawn by the world's seed."""
    if not config.drift_per_day:
        return weights_SKJ
    gaussian = np.random.default_rng([config.seed, 102]).standard_normal((config.dimensions, config.dimensions))
    plane = np.linalg.qr(gaussian)[0]
    quarter = plane[:, 0::2] @ plane[:, 1::2].T
    angle = config.drift_per_day * days
    turn = np.cos(angle) * np.eye(config.dimensions) + np.sin(angle) * (quarter - quarter.T)
    return (weights_SKJ @ turn.T).astype(weights_SKJ.dtype)


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
