# SPDX-License-Identifier: Apache-2.0
"""Address spaces for opencl_text.py: C text in which every pointer says where it points.

OpenCL C of version 1.2 has no pointer that reaches all memory: one to a buffer is `__global`, one to a variable
is not, and a function takes either. C has one kind alone. So the functions that run() reaches are gone through
from it on: what a pointer is given tells its space, and a function called with pointers of several spaces
becomes as many functions. Operands, scratch, params and what a struct's pointers point to are global, variables
private. An array that is marked TN_K_BESIDE, since a pointer may point to it or to a buffer, lies in the task's
scratch: functions that need that get one parameter more.
"""
import re

TOKEN = re.compile(r"\s*(#pragma[^\n]*)\n|\s+|([A-Za-z_]\w*|0[xX](?:[pP][+-]|[\w.])+|\.?\d(?:[eE][+-]|[\w.])*|"
                   r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|->|\+\+|--|<<=|>>=|<<|>>|[-+*/%&|^=!<>]=|&&|\|\||\.\.\.|.)', re.S)
WORD = re.compile(r"[A-Za-z_]\w*\Z")
BASIC = re.compile(r"(?:void|bool|size_t|u?intptr_t|ptrdiff_t|signed|unsigned|(?:u?(?:char|short|int|long)|float|double|half)(?:2|3|4|8|16)?)\Z")
QUALIFIERS = {"const", "volatile", "static", "inline", "restrict", "extern", "struct", "enum"}
ASSIGN = {"=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="}
BINARY = {"+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", "<", ">", "<=", ">=", "==", "!=", "&&", "||"}
TRUTH = {"<", ">", "<=", ">=", "==", "!=", "&&", "||"}
WORDS = {"g": "__global ", "c": "__constant ", "p": "", None: "__global "}


def lex(text):
    return [m.group(1) or m.group(2) for m in TOKEN.finditer(text) if m.group(1) or m.group(2)]


class Space:
    """Where a pointer points: g, p or c; None until something is given to it."""
    def __init__(self, value=None):
        self.value = value


PRIVATE, GLOBAL, CONSTANT = Space("p"), Space("g"), Space("c")


class Value:
    """An expression's or variable's type: what lies behind `spaces` pointers, outermost first; an object lies in `place`."""
    def __init__(self, base=None, spaces=(), place=None, null=False):
        self.base, self.spaces, self.place, self.null = base, tuple(spaces), place, null


class Declarator:
    """`stars` qualifier words from the base outwards, array suffixes, and whether the stars are in parentheses: (*x)[n]."""
    def __init__(self, name, stars, arrays, wrapped):
        self.name, self.stars, self.arrays, self.wrapped = name, stars, arrays, wrapped
        self.beside = False

    def depth(self):
        return len(self.stars) + len(self.arrays)

    def text(self, base, spaces):
        """Declares it with these spaces of its pointers; those of arrays are where the array is."""
        n = len(self.arrays)
        own = spaces[:len(self.stars)] if self.wrapped else spaces[n:]
        parts = [base, " "]
        for star, space in zip(self.stars, reversed(own)):
            parts += [space, "(*" if self.wrapped else "*", star and star + " "]
        return parts + [self.name or "", ")" if self.wrapped else ""] + self.arrays


class Reader:
    def __init__(self, tokens, types):
        self.t, self.at, self.types = tokens, 0, types

    def peek(self, ahead=0):
        return self.t[self.at + ahead] if self.at + ahead < len(self.t) else ""

    def take(self, want=None):
        t = self.peek()
        if want is not None and t != want:
            raise SyntaxError(f"{want} is due, not {t}: " + " ".join(self.t[max(0, self.at - 20):self.at + 10]))
        self.at += 1
        return t

    def balanced(self):
        """From an opening bracket to its end."""
        start, depth = self.at, 0
        while True:
            t = self.take()
            depth += (t in "([{") - (t in ")]}")
            if depth == 0:
                return " ".join(self.t[start:self.at])

    def is_type(self, ahead=0):
        t = self.peek(ahead)
        return t in QUALIFIERS or t in self.types or BASIC.match(t) is not None

    def specifiers(self):
        """(text, base): base is the type's name."""
        words, base = [], None
        while self.is_type() or self.peek() == "__attribute__":
            if self.peek() == "__attribute__":
                self.take()
                words.append("__attribute__" + self.balanced())
                continue
            t = self.take()
            if t not in QUALIFIERS:
                base = t
            if t not in ("static", "extern"):
                words.append(t)
        return " ".join(words), base

    def declarator(self):
        stars, arrays, wrapped = [], [], self.peek() == "(" and self.peek(1) == "*"
        if wrapped:
            self.take()
        while self.peek() == "*":
            self.take()
            words = []
            while self.peek() in QUALIFIERS:
                words.append(self.take())
            stars.append(" ".join(words))
        name = self.take() if WORD.match(self.peek()) else None
        if wrapped:
            self.take(")")
        while self.peek() == "[":
            arrays.append(self.balanced())
        d = Declarator(name, stars, arrays, wrapped)
        while self.peek() == "__attribute__":
            self.take()
            d.beside |= "tn_beside" in self.balanced()
        return d


class Function:
    def __init__(self, tokens, types):
        r = Reader(tokens, types)
        self.text, self.base = r.specifiers()
        self.result = r.declarator()
        self.name, self.params = self.result.name, []
        r.take("(")
        while r.peek() != ")":
            text, base = r.specifiers()
            d = r.declarator()
            if d.name is not None:
                self.params.append((text, base, d))
            if r.peek() == ",":
                r.take()
        r.take(")")
        self.body = r.t[r.at:]


def arguments_text(parts):
    return [p for i, part in enumerate(parts) for p in ([", "] if i else []) + part]


class Spaces:
    """The declarations of a row's text, and the functions made of them so far."""
    def __init__(self, declarations):
        self.types, self.functions, self.structs, self.constants = set(), {}, {}, {}
        self.others, self.made, self.text = [], {}, []
        lists = [lex("".join(d)) for d in declarations]
        for t in lists:
            if t[0] == "typedef":
                depth, name = 0, None
                for w in t:
                    depth += (w in "({[") - (w in ")}]")
                    if depth == 0 and WORD.match(w) and w != "__attribute__":
                        name = w
                self.types.add(name)
        for t in lists:
            if t[-1] == "}":
                f = Function(t, self.types)
                self.functions[f.name] = f
            elif t[0] == "typedef" and "struct" in t[:2] and "{" in t:
                self.struct(t)
            elif t[0] == "__constant":
                r = Reader(t[1:], self.types)
                base, d = r.specifiers()[1], r.declarator()
                self.constants[d.name] = Value(base, [CONSTANT] * d.depth(), CONSTANT)
                self.others.append(" ".join(t))
            elif "(" not in t or "{" in t or t[0] == "typedef":
                self.others.append(" ".join(t))

    def struct(self, tokens):
        r = Reader(tokens, self.types)
        head = []
        while r.peek() != "{":
            head.append(r.take())
        r.take()
        fields, parts = {}, [" ".join(head), " {\n"]
        self.fields(r, fields, parts)
        r.take("}")
        tail = r.t[r.at:]
        self.structs[[t for t in tail if WORD.match(t)][-1]] = fields
        self.others.append("".join(s if isinstance(s, str) else WORDS[s.value] for s in parts) + "} " + " ".join(tail))

    def fields(self, r, fields, parts):
        while r.peek() != "}":
            if r.peek() in ("struct", "union") and r.peek(1) == "{":  # its members are the struct's own, or a field's
                parts += [r.take(), r.take(), "\n"]
                inner = {}
                self.fields(r, inner, parts)
                parts.append(r.take("}"))
                if WORD.match(r.peek()):
                    d = r.declarator()
                    fields[d.name] = (f"{id(inner)}", d, ())
                    self.structs[f"{id(inner)}"] = inner
                    parts += [" ", d.name, *d.arrays]
                else:
                    fields.update(inner)
                r.take(";")
                parts.append(";\n")
                continue
            text, base = r.specifiers()
            while True:
                d = r.declarator()
                spaces = [PRIVATE] * (len(d.stars) - 1) + [GLOBAL] if d.stars else []
                fields[d.name] = (base, d, spaces)
                parts += d.text(text, [None] * len(d.arrays) + spaces) + [";\n"]
                if r.take() == ";":
                    break

    def make(self, name, given):
        """A function for pointers of these spaces: its name, what it returns, and whether it needs room beside."""
        f = self.functions[name]
        key = (name, tuple("".join(s) for s in given))
        if key not in self.made:
            letters = "".join(key[1])
            fresh = name + ("_" + letters if letters.strip("g") else "")
            body = Body(self, f, given)
            parts = body.statement()
            if body.beside:
                body.params.append(["__global uchar *tn_room"])
            result = body.result or Value(f.base, [GLOBAL] * f.result.depth())
            head = Declarator(fresh, f.result.stars, [], False).text(f.text, result.spaces[:f.result.depth()])
            params = arguments_text([p for p in body.params]) or ["void"]
            self.text.append(finish(["static ", *head, "("] + params + [")\n"] + parts + ["\n"]))
            self.made[key] = (fresh, Value(f.base, result.spaces[:f.result.depth()]), body.beside)
        return self.made[key]

    def all(self):
        return "\n".join(self.others + self.text)


def finish(parts):
    return "".join(p if isinstance(p, str) else WORDS[p.value] for p in parts)


class Body(Reader):
    """One function for given spaces. Methods that read an expression return (parts, Value): parts are text and Spaces
    that may not be known yet."""
    def __init__(self, owner, f, given):
        super().__init__(f.body, owner.types)
        self.owner, self.f, self.result = owner, f, None
        self.beside, self.room = False, "tn_room"  # where the next array beside is
        self.scopes, self.params = [{}], []
        left = list(given)
        for text, base, d in f.params:
            spaces = [Space(s) for s in left.pop(0)] if d.depth() else []
            self.scopes[0][d.name] = Value(base, spaces, PRIVATE)
            if d.arrays and not d.wrapped:  # a pointer to what the array has
                d = Declarator(d.name, d.stars + [""], [], False) if len(d.arrays) == 1 else \
                    Declarator(d.name, d.stars + [""], d.arrays[1:], True)
            self.params.append(d.text(text, spaces))

    # ---- statements ----

    def statement(self):
        t = self.peek()
        if t.startswith("#"):
            return ["\n", self.take(), "\n"]
        if t == "{":
            self.take()
            self.scopes.append({})
            parts = ["{\n"]
            while self.peek() != "}":
                parts += self.statement()
            self.take()
            self.scopes.pop()
            return parts + ["}\n"]
        if t in ("if", "while", "switch"):
            parts = [self.take(), " (", *self.bracketed(), ") "] + self.statement()
            if t == "if" and self.peek() == "else":
                parts += [self.take(), " "] + self.statement()
            return parts
        if t == "do":
            parts = [self.take(), " "] + self.statement()
            parts += [self.take("while"), " (", *self.bracketed(), ")"]
            self.take(";")
            return parts + [";\n"]
        if t == "for":
            self.take()
            self.take("(")
            parts = ["for ("]
            parts += self.declaration(True) if self.is_type() else self.optional(";") + ["; "]
            parts += self.optional(";") + ["; "] + self.optional(")") + [") "]
            return parts + self.statement()
        if t == "return":
            self.take()
            if self.peek() == ";":
                self.take()
                return ["return;\n"]
            parts, value = self.expression()
            self.take(";")
            if self.result is None or not self.result.spaces or self.result.null:
                self.result = value
            return ["return ", *parts, ";\n"]
        if t in ("break", "continue", "goto"):
            parts = [self.take()]
            while self.peek() != ";":
                parts += [" ", self.take()]
            self.take()
            return parts + [";\n"]
        if t == "case":
            self.take()
            parts = self.conditional()[0]
            self.take(":")
            return ["case ", *parts, ":\n"]
        if t == "default":
            self.take()
            self.take(":")
            return ["default:\n"]
        if t == ";":
            return [self.take(), "\n"]
        if t in ("enum", "typedef"):  # a typedef's name comes last
            parts = []
            while self.peek() != ";":
                parts += [self.take(), " "]
            if t == "typedef":
                self.types.add(parts[-2])
            return parts + [self.take(), "\n"]
        if self.is_type():
            return self.declaration(False)
        parts = self.expression()[0]
        self.take(";")
        return parts + [";\n"]

    def bracketed(self):
        self.take("(")
        parts = self.expression()[0]
        self.take(")")
        return parts

    def optional(self, end):
        parts = [] if self.peek() == end else self.expression()[0]
        self.take(end)
        return parts

    def declaration(self, one):
        """Variables become declarations of their own, since each pointer has a space of its own; in a for's head they are `one`."""
        text, base = self.specifiers()
        parts = []
        while True:
            d = self.declarator()
            n = len(d.arrays)
            spaces = [Space() for _ in d.stars] + [PRIVATE] * n if d.wrapped else [PRIVATE] * n + [Space() for _ in d.stars]
            if d.beside:
                parts += self.lay_beside(text, base, d)
                if self.take() == ";":
                    return parts
                continue
            value = Value(base, spaces, PRIVATE)
            self.scopes[-1][d.name] = value
            declared = d.text(text if not one or not parts else "", spaces)
            if self.peek() == "=":
                self.take()
                init, given = self.initialiser()
                self.give(value.spaces[n:] if isinstance(given, list) and not d.wrapped else value.spaces, given)
                declared += [" = ", *init]
            end = self.take()
            parts += declared + [", " if one and end == "," else ";\n"]
            if end == ";":
                return parts

    def lay_beside(self, text, base, d):
        """An array becomes a pointer into the task's scratch."""
        if d.stars or not d.arrays or self.peek() == "=":
            raise SyntaxError(f"{d.name}: an array of values without an initialiser can lie beside")
        self.beside = True
        self.scopes[-1][d.name] = Value(base, [GLOBAL] * len(d.arrays), PRIVATE)
        to = Declarator(d.name, [""], d.arrays[1:], len(d.arrays) > 1)
        cast = Declarator(None, [""], d.arrays[1:], len(d.arrays) > 1)
        parts = to.text(text, [GLOBAL]) + [" = (", *cast.text(text, [GLOBAL]), f")({self.room});\n"]
        self.room += f" + (sizeof({text}{''.join(d.arrays)}) + 63) / 64 * 64"
        return parts

    def initialiser(self):
        if self.peek() != "{":
            return self.assignment()
        self.take()
        parts, values = ["{"], []
        while self.peek() != "}":
            while self.peek() in (".", "["):
                parts += [self.take()] + ([self.take()] if self.peek() != "]" and parts[-1] != "[" else [])
                if parts[-1] == "[":
                    parts += [*self.conditional()[0], self.take("]")]
            if self.peek() == "=":
                parts += [" ", self.take(), " "]
            inner, value = self.initialiser()
            parts += inner
            values += value if isinstance(value, list) else [value]
            if self.peek() == ",":
                parts += [self.take(), " "]
        return parts + [self.take("}")], values

    def give(self, spaces, value):
        """What a pointer is given tells where it points."""
        for v in value if isinstance(value, list) else [value]:
            for to, source in zip(spaces, v.spaces):
                if to.value is None and not v.null:
                    if source.value is None:
                        source.value = "g"
                    to.value = source.value

    # ---- expressions ----

    def expression(self):
        parts, value = self.assignment()
        while self.peek() == ",":
            self.take()
            more, value = self.assignment()
            parts = parts + [", "] + more
        return parts, value

    def assignment(self):
        parts, value = self.conditional()
        if self.peek() in ASSIGN:
            op = self.take()
            right, given = self.assignment()
            if op == "=":
                self.give(value.spaces, given)
            parts = parts + [" ", op, " "] + right
        return parts, value

    def conditional(self):
        parts, value = self.binary()
        if self.peek() != "?":
            return parts, value
        self.take()
        yes, a = self.expression()
        self.take(":")
        no, b = self.conditional()
        return parts + [" ? "] + yes + [" : "] + no, b if a.null or not a.spaces else a

    def binary(self):
        parts, value = self.unary()
        pointers, truth = [value] if value.spaces else [], False
        while self.peek() in BINARY:
            op = self.take()
            more, right = self.unary()
            parts = parts + [" ", op, " "] + more
            value = Value(value.base)
            truth |= op in TRUTH
            if right.spaces:
                pointers.append(right)
        if not truth and len(pointers) == 1:
            value = Value(pointers[0].base, pointers[0].spaces, pointers[0].place, pointers[0].null)
        return parts, value

    def unary(self):
        t = self.peek()
        if t in ("-", "+", "!", "~", "++", "--"):
            self.take()
            parts, value = self.unary()
            return [t, *parts], value if t in ("++", "--") else Value(value.base)
        if t == "&":
            self.take()
            parts, value = self.unary()
            return ["&", *parts], Value(value.base, [value.place or PRIVATE, *value.spaces])
        if t == "*":
            self.take()
            parts, value = self.unary()
            return ["*", *parts], self.behind(value)
        if t == "sizeof":
            self.take()
            if self.peek() == "(" and self.is_type(1):
                return ["sizeof", self.balanced()], Value("size_t")
            return ["sizeof ", *self.unary()[0]], Value("size_t")
        if t == "(" and self.is_type(1):
            self.take()
            text, base = self.specifiers()
            d = self.declarator()
            self.take(")")
            if self.peek() == "{":
                return ["(", *d.text(text, []), ")", *self.initialiser()[0]], Value(base, [], PRIVATE)
            parts, value = self.unary()
            spaces = list(value.spaces[:d.depth()])
            null = d.depth() > 0 and (not spaces or value.null)
            spaces += [PRIVATE if null else Space() for _ in range(d.depth() - len(spaces))]
            return ["(", *d.text(text, spaces), ")", *parts], Value(base, spaces, null=null)
        return self.postfix()

    @staticmethod
    def behind(value):
        if not value.spaces:
            return Value(value.base, [], value.place)
        return Value(value.base, value.spaces[1:], value.spaces[0])

    def member(self, value, name):
        base, d, spaces = self.owner.structs.get(value.base, {}).get(name, (None, None, ()))
        if d is None:  # of a vector
            return Value(value.base, [], value.place)
        return Value(base, [value.place or PRIVATE] * len(d.arrays) + list(spaces), value.place)

    def postfix(self):
        t = self.take()
        if t == "(":
            inner, value = self.expression()
            self.take(")")
            parts = ["(", *inner, ")"]
        elif WORD.match(t) and self.peek() == "(":
            parts, value = self.call(t)
        else:
            parts, value = [t], Value()
            if WORD.match(t):
                value = next((s[t] for s in reversed(self.scopes) if t in s), self.owner.constants.get(t, value))
        while True:
            t = self.peek()
            if t == "[":
                self.take()
                index = self.expression()[0]
                self.take("]")
                parts, value = parts + ["[", *index, "]"], self.behind(value)
            elif t in (".", "->"):
                self.take()
                name = self.take()
                value = self.member(self.behind(value) if t == "->" else value, name)
                parts = parts + [t, name]
            elif t in ("++", "--"):
                parts = parts + [self.take()]
            else:
                return parts, value

    def call(self, name):
        self.take("(")
        args, values = [], []
        while self.peek() != ")":
            part, value = self.assignment()
            args.append(part)
            values.append(value)
            if self.peek() == ",":
                self.take()
        self.take(")")
        f = self.owner.functions.get(name)
        if f is None:
            if name.startswith("TN_SPACE_"):  # a macro of the prelude for each space
                name += "_" + (values[-1].spaces[0].value or "g")
            return [name, "(", *arguments_text(args), ")"], Value()
        given = []
        for (_, _, d), v in zip(f.params, values):
            if d.depth():
                spaces = [] if v.null else list(v.spaces[:d.depth()])
                spaces += [GLOBAL] * (d.depth() - len(spaces))
                for s in spaces:
                    s.value = s.value or "g"
                given.append([s.value for s in spaces])
        fresh, value, beside = self.owner.make(name, given)
        if beside:
            self.beside = True
            args.append([self.room])
        return [fresh, "(", *arguments_text(args), ")"], Value(value.base, value.spaces)


def spread(declarations, roots):
    """The text of declarations for what starts at `roots`: (function, spaces of each of its pointer parameters); of
    each its name in it, and whether it needs room beside."""
    owner = Spaces(declarations)
    made = [owner.make(name, given) for name, given in roots]
    return owner.all(), [(m[0], m[2]) for m in made]
