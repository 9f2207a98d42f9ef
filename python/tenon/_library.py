# SPDX-License-Identifier: Apache-2.0
"""Finds the generated binding and the shared library, and turns a status into an exception.

The module _tenon_abi (written by _generate.py) lies in the folder `python` beside libtenon.so. One
that is already on sys.path wins, so PYTHONPATH chooses a build; otherwise it is the Release build.
"""
import os
import sys

try:
    import _tenon_abi
except ImportError:
    _root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    _out = os.path.join(_root, "build", "release", "python")
    if not os.path.exists(os.path.join(_out, "_tenon_abi.py")):
        raise ImportError(f"no _tenon_abi in {_out}: run ./run --setup first") from None
    sys.path.append(_out)
    import _tenon_abi

ffi = _tenon_abi.ffi
_path = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(_tenon_abi.__file__))), "libtenon.so")
try:
    lib = ffi.dlopen(_path)
except OSError as e:
    raise ImportError(f"cannot load {_path}: {e}; run ./run --setup first") from None


def text(pointer):
    return ffi.string(pointer).decode("utf-8", "replace") if pointer else ""


class Error(Exception):
    """A call that failed: .status ("invalid"), .reason ("matmul.k_mismatch"), .argument, .text."""

    def __init__(self, status, reason, argument, message, device=None):
        self.status, self.reason, self.argument = status, reason, argument
        self.text, self.device = message, device
        where = f" ({argument})" if argument else ""
        super().__init__(f"{status}: {reason}{where}: {message}")


def last_error():
    e = ffi.new("tn_error *")
    lib.tn_error_last(e)
    return Error(text(lib.tn_status_name(e.status)), text(e.reason), text(e.argument) or None,
                 text(e.text), text(e.device) or None)


def check(status):
    if status:
        raise last_error()


def struct(name, **fields):
    """A versioned struct with its head filled."""
    s = ffi.new(name + " *", fields)
    s.head.size, s.head.type = ffi.sizeof(name), getattr(lib, "TN_TYPE_" + name)
    return s


def handle(name, make, *args):
    """Calls make(*args, out) and owns the object that it gives: released with the Python object."""
    out = ffi.new(f"tn_{name} **")
    check(make(*args, out))
    return ffi.gc(out[0], getattr(lib, f"tn_{name}_release"))


_held = {}


@ffi.callback("void(void *)")
def _release(self):
    _held.pop(int(ffi.cast("uintptr_t", self)), None)


def hold(obj):
    """Keeps obj alive until the library calls the release function: (release, self) for tn_external."""
    h = ffi.new_handle(obj)
    _held[int(ffi.cast("uintptr_t", h))] = (h, obj)
    return _release, h


def unhold(h):
    """Takes back a hold() whose import failed before the library took it over."""
    _held.pop(int(ffi.cast("uintptr_t", h)), None)
