# SPDX-License-Identifier: Apache-2.0
"""Devices for the tests: the plain one and the one that hides its memory."""
import os

import numpy as np
import pytest

import tenon

URIS = ("cpu", "cpu?private=1")


@pytest.fixture(scope="session")
def runtime():
    return tenon.Runtime()


@pytest.fixture(params=URIS)
def device(request, runtime):
    return runtime.open(request.param)


@pytest.fixture
def rng():
    seed = int(os.environ.get("TENON_TEST_SEED", "1"))
    print("seed", seed)
    return np.random.default_rng(seed)
