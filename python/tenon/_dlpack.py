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

_NAME, _USED = b"dltensor_versioned", b"used_dltensor_versioned"


class _Versioned(ctypes.Structure):
    """The start of DLManagedTensorVersioned."""

    _fields_ = [("major", ctypes.c_uint32), ("minor", ctypes.c_uint32), ("context", ctypes.c_void_p),
                ("deleter", ctypes.CFUNCTYPE(None, ctypes.c_void_p))]


@ctypes.PYFUNCTYPE(None, ctypes.c_void_p)
def _destroy(capsule_pointer):
    if _is_valid(capsule_pointer, _NAME):  # nobody took it
        pointer = _get(capsule_pointer, _NAME)
        deleter = _Versioned.from_address(pointer).deleter
        if deleter:
            deleter(pointer)


def capsule(pointer):
    return _api.PyCapsule_New(pointer, _NAME, ctypes.cast(_destroy, ctypes.c_void_p))


def take(obj):
    """The managed tensor of a versioned capsule, which is then used up; None for an older capsule."""
    if not _is_valid(id(obj), _NAME):
        return None
    pointer = _get(id(obj), _NAME)
    _set_name(obj, _USED)
    return pointer
