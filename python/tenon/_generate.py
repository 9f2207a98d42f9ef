# SPDX-License-Identifier: Apache-2.0
"""Reads the public headers and writes the module that cffi loads: python _generate.py HEADERS OUT.

The binding has no tables of its own: every type, constant and function is what the headers say.
The written module is cffi's out-of-line ABI form, so importing it parses no C and loads no library.
"""
import hashlib
import os
import re
import sys

MODULE = "_tenon_abi"
# backend.h is for chip makers: nothing in it is called from Python.
HEADERS = ("base", "dtype", "device", "memory", "tensor", "ops", "queue", "plan", "diag")


def declarations(text):
    """One header as plain declarations: no comments, preprocessor lines or attributes."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    text = re.sub(r"//[^\n]*", " ", text)
    text = re.sub(r"\\\n", " ", text)
    text = re.sub(r"^[ \t]*#[^\n]*$", "", text, flags=re.M)
    text = re.sub(r'extern "C" \{', "", text)
    text = re.sub(r"\bTN_(API|NODISCARD|RESTRICT)\b|\bTN_ALIGNED\([^)]*\)", "", text)
    text = re.sub(r"[ \t]+", " ", text)
    # The brace that closed extern "C" is the only one without an opening one.
    depth, out = 0, []
    for c in text:
        depth += (c == "{") - (c == "}")
        if depth < 0:
            depth = 0
        else:
            out.append(c)
    return re.sub(r"\n\s*\n+", "\n", "".join(out)).strip() + "\n"


def sources(headers):
    return [os.path.join(headers, name + ".h") for name in HEADERS]


def fingerprint(headers):
    h = hashlib.sha256()
    for path in sources(headers) + [os.path.abspath(__file__)]:
        with open(path, "rb") as f:
            h.update(f.read())
    return h.hexdigest()


def cdef(headers):
    parts = []
    for path in sources(headers):
        with open(path, encoding="utf-8") as f:
            parts.append(declarations(f.read()))
    return "\n".join(parts)


def current(headers, out):
    try:
        with open(os.path.join(out, MODULE + ".stamp"), encoding="utf-8") as f:
            return f.read() == fingerprint(headers)
    except OSError:
        return False


def generate(headers, out):
    """Writes OUT/_tenon_abi.py unless it already matches the headers; returns whether it did."""
    if current(headers, out):
        return False
    import contextlib
    import io

    import cffi  # here: the test above must stay cheap

    ffi = cffi.FFI()
    ffi.cdef(cdef(headers))
    ffi.set_source(MODULE, None)
    os.makedirs(out, exist_ok=True)
    temporary = os.path.join(out, f".{MODULE}.{os.getpid()}.py")
    with contextlib.redirect_stdout(io.StringIO()):  # cffi announces each file
        ffi.emit_python_code(temporary)
    os.replace(temporary, os.path.join(out, MODULE + ".py"))
    with open(os.path.join(out, MODULE + ".stamp"), "w", encoding="utf-8") as f:
        f.write(fingerprint(headers))
    return True


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: _generate.py HEADERS OUT")
    if generate(sys.argv[1], sys.argv[2]):
        print(f"binding written to {sys.argv[2]}", file=sys.stderr)
