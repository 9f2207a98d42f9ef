# SPDX-License-Identifier: Apache-2.0
"""The Python side of DLPack: capsules around the library's managed tensors."""
import ctypes

_api = ctypes.pythonapi
_api.PyCapsule_New.restype = ctypes.py_object
_api.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
# The destructor gets a capsule that is being freed: a plain pointer, so that nothing retains it.
_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)(("PyCapsule_IsValid", _api))
_get = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(("PyCapsule_GetPointer", _api))
_set_name = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_SetName", _api))

_VERSIONED, _LEGACY = b"dltensor_versioned", b"dltensor"


class _Versioned(ctypes.Structure):
    """The start of DLManagedTensorVersioned."""

    _fields_ = [("major", ctypes.c_uint32), ("minor", ctypes.c_uint32), ("context", ctypes.c_void_p),
                ("deleter", ctypes.CFUNCTYPE(None, ctypes.c_void_p))]


class _Legacy(ctypes.Structure):
    """DLManagedTensor, from before DLPack 1.0: a DLTensor of 48 bytes, then these."""

    _fields_ = [("tensor", ctypes.c_uint64 * 6), ("context", ctypes.c_void_p),
                ("deleter", ctypes.CFUNCTYPE(None, ctypes.c_void_p))]


def drop(pointer, versioned):
    """Gives a managed tensor back to its producer."""
    deleter = (_Versioned if versioned else _Legacy).from_address(pointer).deleter
    if deleter:
        deleter(pointer)


@ctypes.PYFUNCTYPE(None, ctypes.c_void_p)
def _destroy(capsule_pointer):
    for name in (_VERSIONED, _LEGACY):
        if _is_valid(capsule_pointer, name):  # nobody took it
            drop(_get(capsule_pointer, name), name is _VERSIONED)


def capsule(pointer, versioned=True):
    return _api.PyCapsule_New(pointer, _VERSIONED if versioned else _LEGACY, ctypes.cast(_destroy, ctypes.c_void_p))


def take(obj):
    """The managed tensor of a capsule, which is then used up, and whether it is versioned; (None, False) if it is
    no capsule of DLPack or was used up before. Whoever takes it hands it on or calls drop()."""
    for name, used in ((_VERSIONED, b"used_dltensor_versioned"), (_LEGACY, b"used_dltensor")):
        if _is_valid(id(obj), name):
            pointer = _get(id(obj), name)
            _set_name(obj, used)
            return pointer, name is _VERSIONED
    return None, False
