# SPDX-License-Identifier: Apache-2.0
"""The table of operators: (domain, name) -> functions with the range of opset versions that each covers."""
from .._library import Error

TABLE = {}


class Unsupported(Error):
    """A model that asks for what is not there: .operators names all of it at once."""

    def __init__(self, reason, text, operators=()):
        super().__init__("unsupported", reason, None, text)
        self.operators = list(operators)


def operator(*names, since=1, until=None, domain=""):
    """Enters a function f(run, node, inputs) for operators of opset versions since to until, both included."""
    def enter(function):
        for name in names:
            TABLE.setdefault((domain, name), []).append((since, until, function))
        return function
    return enter


def find(domain, name, version):
    for since, until, function in TABLE.get((domain, name), ()):
        if since <= version and (until is None or version <= until):
            return function
    return None
