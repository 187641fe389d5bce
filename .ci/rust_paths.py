"""Which module of a crate each path in its sources leads to.

`Crate(root)` reads `src/**/*.rs`. A module is the tuple of its names, () for `lib.rs` and ("main",)
for `main.rs`, whose own modules are children of () as well. Code of tests is not read.
"""

import re
from pathlib import Path

USE = re.compile(r"^[ \t]*(pub(?:\([^)]*\))?\s+)?use\s+([^;]+);", re.M)
CHILD = re.compile(r"^[ \t]*(?:pub(?:\([^)]*\))?\s+)?mod\s+(\w+)\s*;", re.M)
INLINE = re.compile(r"^([ \t]*)((?:#\[.*\]\s*)*)(?:pub(?:\([^)]*\))?\s+)?mod\s+(\w+)\s*\{.*?^\1\}", re.M | re.S)
PATH = re.compile(r"(?<![\w:.])\w+(?:\s*::\s*\w+)+")
ITEM = r"\b(?:fn|struct|enum|trait|type|const|static|union|macro_rules!|mod)\s+(?:mut\s+)?{}\b"
# Comments, and literals that may hold braces or what looks like a path.
NO_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|r(#*)".*?"\1|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])\'', re.S)


def blank(found):
    """What was found, as spaces: all offsets and line numbers stay."""
    return re.sub(r"[^\n]", " ", found[0])


def expanded(tree):
    """Paths of a `use` tree, each with the name that it binds: `a::{b, c as d}` has a::b and a::c."""
    tree = tree.strip()
    brace = tree.find("{")
    if brace < 0:
        path, _, alias = tree.partition(" as ")
        names = [name.strip() for name in path.split("::") if name.strip()]
        if names[-1:] == ["self"]:
            names.pop()
        return [(names, alias.strip() or (names[-1] if names else ""))]
    parts, depth, start = [], 0, brace + 1
    for at in range(brace, len(tree)):
        depth += {"{": 1, "}": -1}.get(tree[at], 0)
        if (tree[at] == "," and depth == 1) or depth == 0:
            parts.append(tree[start:at])
            start = at + 1
    return [found for part in parts if part.strip() for found in expanded(tree[:brace] + part.strip())]


class Module:
    """A file: its text, the names that `use` binds in it, and the paths that occur in it."""

    def __init__(self, file, name):
        self.file, self.name = file, name
        text = NO_CODE.sub(blank, file.read_text())
        text = INLINE.sub(lambda found: blank(found) if "cfg(test)" in found[2] else found[0], text)
        inner = [(found.span(), found[3]) for found in INLINE.finditer(text)]
        self.children = set(CHILD.findall(text))
        self.bound, self.globs, self.paths, self.text = {}, [], [], text

        def note(names, at, public=False):
            within = tuple(name for (start, end), name in inner if start <= at < end)
            self.paths.append((names, text.count("\n", 0, at) + 1, within, public))
            return within

        for use in USE.finditer(text):
            for names, bound in expanded(use[2]):
                within = note(names, use.start(2), bool(use[1]))
                if bound == "*":
                    self.globs.append(names[:-1])
                elif not within:
                    self.bound[bound] = names
        for path in PATH.finditer(USE.sub(blank, text)):
            note(re.findall(r"\w+", path[0]), path.start())

    def defines(self, item):
        return re.search(ITEM.format(re.escape(item)), self.text) is not None


class Crate:
    """The modules of a crate and the references between them."""

    def __init__(self, root):
        self.root, source = Path(root), Path(root) / "src"
        self.manifest = (self.root / "Cargo.toml").read_text()
        self.package = re.search(r'^name\s*=\s*"([^"]+)"', self.manifest, re.M)[1]
        self.modules = {}
        for file in sorted(source.rglob("*.rs")):
            parts = file.relative_to(source).with_suffix("").parts
            name = () if parts == ("lib",) else parts[:-1] if parts[-1] == "mod" else parts
            self.modules[name] = Module(file, name)

    def resolve(self, names, scope, seen=frozenset()):
        """The module that defines a path used in a scope; None for paths of other crates."""
        if (tuple(names), scope) in seen:
            return None
        seen |= {(tuple(names), scope)}
        head, at = names[0], None
        module = self.modules.get(scope)
        if head in ("crate", self.package.replace("-", "_")):
            at, names = (), names[1:]
        elif head in ("self", "super"):
            at = scope
            while names and names[0] in ("self", "super"):
                at = at[:-1] if names[0] == "super" else at
                names = names[1:]
        elif module and head in module.children:
            at = () if scope == ("main",) else scope
        elif module and module.bound.get(head, names) != names:
            return self.resolve(module.bound[head] + names[1:], scope, seen)
        if at is None:
            return None
        while names and at + (names[0],) in self.modules:
            at, names = at + (names[0],), names[1:]
        while at not in self.modules and at:
            at = at[:-1]
        return self.definition(at, names, seen)

    def definition(self, at, names, seen):
        """Follows re-exports of the first of the names that are left."""
        if not names or names[0] == "*":
            return at
        for root in (at, ("main",)) if at == () else (at,):
            module = self.modules.get(root)
            if not module or module.defines(names[0]):
                continue
            sources = [module.bound[names[0]]] if names[0] in module.bound else [g + names[:1] for g in module.globs]
            for source in sources:
                found = self.resolve(source + names[1:], root, seen)
                if found is not None and (names[0] in module.bound or self.modules[found].defines(names[0])):
                    return found
        return at

    def references(self):
        """(from, to, line) for every path that leads to another file of the crate."""
        for name, module in self.modules.items():
            for names, line, within, public in module.paths:
                if not names:
                    continue
                target = self.resolve(names, name + within if names[0] in ("super", "self") else name)
                # What a folder re-exports of its own does not make it depend on it.
                own = target is not None and target[: len(name)] == name
                if target in (None, name) or (public and own):
                    continue
                yield name, target, line
