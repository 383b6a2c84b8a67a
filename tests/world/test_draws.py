"""Keyed random numbers: known values, uniformity, independence of shape and order."""

import numpy as np
from scipy.stats import kstest

from hinet_core.world.draws import Stage, Stream, fold, mix, normal, uniform


def test_mix_is_the_published_splitmix64():
    # First outputs of SplitMix64 from states 0 and 1234567.
    assert int(mix(0)) == 0xE220A8397B1DCDAF
    assert int(mix(1234567)) == 6457827717110365317


def test_uniforms_are_uniform_and_normals_normal():
    key = fold(1, Stream.LOG, 20000, np.arange(20000))
    assert kstest(uniform(key, Stage.CLICK), "uniform").pvalue > 0.001
    assert kstest(uniform(key[:100, None], Stage.CLICK, np.arange(200)).ravel(), "uniform").pvalue > 0.001
    assert kstest(normal(key, Stage.LOGGER), "norm").pvalue > 0.001


def test_stages_items_and_streams_are_uncorrelated():
    key = fold(1, Stream.LOG, 20000, np.arange(20000))
    columns = [uniform(key, stage) for stage in Stage]
    columns += [uniform(key, Stage.CLICK, item) for item in (1, 2)]
    columns += [uniform(fold(1, Stream.EVALUATION, 20000, np.arange(20000)), Stage.CLICK)]
    columns += [uniform(fold(2, Stream.LOG, 20000, np.arange(20000)), Stage.CLICK)]
    apart = np.corrcoef(columns) - np.eye(len(columns))
    assert np.abs(apart).max() < 5 / np.sqrt(20000)


def test_a_draw_depends_on_its_key_only():
    numbers = np.arange(1000)
    whole = uniform(fold(7, Stream.LOG, 3, numbers)[:, None], Stage.ORDER, np.arange(5)[None])
    alone = uniform(fold(7, Stream.LOG, 3, 617), Stage.ORDER, 4)
    assert whole[617, 4] == alone
    assert fold(1, 2) != fold(2, 1)
