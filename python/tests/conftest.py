# SPDX-License-Identifier: Apache-2.0
"""Devices for the tests: the plain one and the one that hides its memory. What a test wants said at the end."""
import os

import numpy as np
import pytest

import tenon

URIS = ("cpu", "cpu?private=1")
_said = []


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


@pytest.fixture
def say():
    """Lines for the end of the run, passed or not."""
    return _said.append


def pytest_terminal_summary(terminalreporter):
    for line in _said:
        terminalreporter.write_line(line)
