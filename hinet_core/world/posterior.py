"""What a row's own features tell of its chances: the best that a model can do which sees nothing else.

Users are seen with noise (population.py), so that given a row's features their tastes, price ideal and propensities are
Gaussian; the chances are averaged over that. Liking is linear in tastes, so that two unknowns stand for it; where
products of matches matter, it is quadratic, and every taste is an unknown. Two things tell a little more and are left
out: what a user did before, and that the logging policy, which sees more, chose to show the row (a tenth more clicks,
the order much the same).
C rows at a time, E = 5 unknowns of a row, J dimensions, K = 2 outcomes, N rows, P points, U users.
"""

from datetime import date

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats.qmc import MultivariateNormalQMC

from hinet_core.world.population import CLICK_SD, ORDER_OF_CLICK, ORDER_SD, PRICE_IDEAL_SD
from hinet_core.world.preferences import pairs, with_products
from hinet_core.world.truth import CLICK, ORDER, Requests, World

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
# Liking at point p is the first, (C, K), plus the second, (C, K, Q), times row p of the third, (P, Q).
# The fourth, (P, 3), is the points of price ideal and propensities.
Liking = tuple[Floats, Floats, Floats, Floats]

# Points of the average over the unknowns, the same for every row: two rows differ by their features alone. More where
# every taste is an unknown.
POINTS, UNKNOWNS, POINTS_OF_ALL_TASTES = 256, 5, 1024
ROWS_AT_ONCE = 8192


def true_chances(world: World, requests: Requests, row_N: NDArray[np.int64], item_N: NDArray[np.int64]) -> Floats:
    """-> (N, 2): P(click at slot 1) and P(click and order at slot 1) of shops among the requests' candidates.

    Raises ValueError for a shop that is no candidate of its request.
    """
    is_candidate_NC = requests.item_RC[row_N] == item_N[:, None]
    if not is_candidate_NC.any(axis=1).all():
        raise ValueError("expected shops among the candidates of their requests, found others: is it the same world?")
    place_N = is_candidate_NC.argmax(axis=1)
    click_RC, order_RC = world.probabilities(requests)
    click_N = click_RC[row_N, place_N]
    return np.stack([click_N, click_N * order_RC[row_N, place_N]], axis=1)


def known_chances(world: World, requests: Requests, row_N: NDArray[np.int64], item_N: NDArray[np.int64]) -> Floats:
    """`true_chances` as far as the rows' features tell them -> (N, 2)"""
    parts = [slice(start, start + ROWS_AT_ONCE) for start in range(0, len(row_N), ROWS_AT_ONCE)]
    found = [_known_chances(world, requests, row_N[part], item_N[part]) for part in parts]
    return np.concatenate([np.zeros((0, 2)), *found])


def _known_chances(world: World, requests: Requests, row_C: NDArray[np.int64], item_C: NDArray[np.int64]) -> Floats:
    """eta^k = liking^k - kappa^k |p - y| + r^k + what is seen without noise; y and r have an unknown each."""
    noise, user_C, scenario_C = world.config.observation_noise, requests.user_R[row_C], requests.scenario_R[row_C]
    price_C, price_sd = shrunk(
        world.users.seen_price_ideal_U[user_C].astype(float), PRICE_IDEAL_SD, PRICE_IDEAL_SD * noise
    )
    click_C, click_sd = shrunk(world.users.seen_propensity_U[user_C].astype(float), CLICK_SD, CLICK_SD * noise)

    liking = _liking_of_products if world.config.variance.interaction else _liking
    liking_CK, slope_CKQ, points_PQ, other_P3 = liking(world, requests.day, user_C, item_C, scenario_C)

    effects_CKE = world.effects_SKE[scenario_C].astype(float)
    far_C = np.log1p(5 * world.distance(user_C, item_C).astype(float))
    fixed_CK = liking_CK + world.bias_SK[scenario_C]
    fixed_CK += effects_CKE[..., 0] * world.items.quality_I[item_C].astype(float)[:, None]
    fixed_CK -= effects_CKE[..., 1] * far_C[:, None]
    fixed_CK[:, ORDER] += world.config.weekend_order * requests.weekend_R[row_C]

    item_price_C, chance_C2 = world.items.price_I[item_C].astype(float), np.zeros((len(row_C), 2))
    for point_Q, (price, click, order) in zip(points_PQ, other_P3, strict=True):
        misprice_C = np.abs(item_price_C - (price_C + price_sd * price))
        r_click_C = click_C + click_sd * click
        r_order_C = ORDER_OF_CLICK * r_click_C + ORDER_SD * order
        eta_CK = fixed_CK + slope_CKQ @ point_Q - effects_CKE[..., 2] * misprice_C[:, None]
        p_click_C = expit(eta_CK[:, CLICK] + r_click_C)
        chance_C2[:, 0] += p_click_C
        chance_C2[:, 1] += p_click_C * expit(eta_CK[:, ORDER] + r_order_C)
    return chance_C2 / len(points_PQ)


def _liking(world: World, day: date, user_C: Integers, item_C: Integers, scenario_C: Integers) -> Liking:
    """f^k = sum_j w_j^k z_j v_j is linear in z: by mean and covariance of (f^click, f^order), two unknowns."""
    taste_CJ, taste_sd = shrunk(world.users.seen_taste_UJ[user_C].astype(float), 1.0, world.config.observation_noise)
    load_CKJ = world.weights_on(day)[scenario_C].astype(float) * world.items.trait_IJ[item_C].astype(float)[:, None]
    liking_CK = np.einsum("ckj,cj->ck", load_CKJ, taste_CJ)
    root_CKK = cholesky(taste_sd**2 * np.einsum("ckj,clj->ckl", load_CKJ, load_CKJ))
    points = standard_normals()
    return liking_CK, root_CKK, points[:, :2], points[:, 2:]


def _liking_of_products(world: World, day: date, user_C: Integers, item_C: Integers, scenario_C: Integers) -> Liking:
    """f at z = m + sd x, with l_j for sqrt(1 - nu) w_j v_j and q_j for sqrt(nu) w_j v_a v_b:

    f(z) = f(m) + sd sum_j l_j x_j + sd sum_j q_j (m_a x_b + m_b x_a) + sd^2 sum_j q_j x_a x_b
    """
    n_tastes = world.config.dimensions
    a, b = pairs(n_tastes)
    mean_CJ, sd = shrunk(world.users.seen_taste_UJ[user_C].astype(float), 1.0, world.config.observation_noise)
    load_CKF = world.weights_on(day)[scenario_C].astype(float) * world.items_IF[item_C].astype(float)[:, None]
    liking_CK = np.einsum("ckf,cf->ck", load_CKF, with_products(mean_CJ))
    slope_CKJ, bend_CKJ = load_CKF[..., :n_tastes].copy(), load_CKF[..., n_tastes:]
    # a and b are permutations, so that no place is written twice at once.
    slope_CKJ[..., b] += bend_CKJ * mean_CJ[:, None, a]
    slope_CKJ[..., a] += bend_CKJ * mean_CJ[:, None, b]
    points = standard_normals(n_tastes + 3, POINTS_OF_ALL_TASTES)
    points_PF = with_products(sd * points[:, :n_tastes])
    return liking_CK, np.concatenate([slope_CKJ, bend_CKJ], axis=2), points_PF, points[:, n_tastes:]


def standard_normals(unknowns: int = UNKNOWNS, count: int = POINTS) -> Floats:
    """-> (count, unknowns), spread evenly over the distribution (Sobol)"""
    points: Floats = MultivariateNormalQMC(np.zeros(unknowns), rng=0).random(count)
    return points


def shrunk(seen: Floats, sd: float, noise: float) -> tuple[Floats, float]:
    """Mean and standard deviation of N(0, sd^2) given its value plus N(0, noise^2)."""
    weight = sd**2 / (sd**2 + noise**2)
    return weight * seen, float(np.sqrt(weight) * noise)


def cholesky(covariance_CKK: Floats) -> Floats:
    """Lower roots of 2 x 2 matrices, also of those that are 0 -> (C, 2, 2)"""
    root_CKK = np.zeros_like(covariance_CKK)
    first_C = np.sqrt(covariance_CKK[:, 0, 0])
    both_C = covariance_CKK[:, 0, 1] / np.where(first_C > 0, first_C, 1)
    root_CKK[:, 0, 0], root_CKK[:, 1, 0] = first_C, both_C
    root_CKK[:, 1, 1] = np.sqrt(np.maximum(covariance_CKK[:, 1, 1] - both_C**2, 0))
    return root_CKK
