#!/usr/bin/env python3
"""Fails on circles between folders or crates, long files, crowded folders and stray CUDA sources.

Usage: check_structure.py [ROOT]; ROOT is a workspace whose members are folders with a Cargo.toml.

In every folder of a crate's `src`, its files and subfolders must form layers: where files of one
refer to files of another, directly or not, nothing refers back. Circles among files alone are
errors only directly in `src`: within a folder files may refer to each other.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

from rust_paths import Crate

MAX_LINES = 500
MAX_FILES = 16
SOURCES = {".rs", ".cu", ".cuh"}
MEASURED = SOURCES | {".py"}
SKIPPED = {"target", ".git", "panther-out"}


def components(edges):
    """Sets of at least two nodes that reach each other, by the transitive closure."""
    nodes = {node for edge in edges for node in edge}
    reach = {node: {to for start, to in edges if start == node} for node in nodes}
    for middle in nodes:
        for node in nodes:
            if middle in reach[node]:
                reach[node] |= reach[middle]
    rings = {frozenset(b for b in reach[a] if a in reach[b]) for a in nodes if a in reach[a]}
    return sorted((ring for ring in rings if len(ring) > 1), key=sorted)


def shown(ring, edges, kind):
    """A circle in words: each reference in it with up to three of the lines that make it."""
    lines = [f"circle between {kind}: {', '.join(sorted(ring))}"]
    for start, to in sorted(edge for edge in edges if set(edge) <= ring):
        places = edges[start, to]
        more = f" and {len(places) - 3} more" if len(places) > 3 else ""
        lines.append(f"    {start} -> {to}: {', '.join(places[:3])}{more}")
    return "\n".join(lines)


def units(start, to, folders):
    """The folder in which two modules part, and the file or folder of it that each is in."""
    # A module with children is the file mod.rs (lib.rs) of a folder.
    start, to = (name + ("mod",) if name in folders else name for name in (start, to))
    depth = next(i for i, (a, b) in enumerate(zip(start, to)) if a != b)

    def label(name):
        if len(name) > depth + 1:
            return name[depth] + "/"
        return "lib.rs" if name == ("mod",) else name[depth] + ".rs"

    return "/".join(start[:depth]), label(start), label(to)


def circles_of_folders(crate):
    folders = {name[:depth] for name in crate.modules for depth in range(len(name))}
    levels = defaultdict(lambda: defaultdict(list))
    for start, to, line in crate.references():
        folder, a, b = units(start, to, folders)
        levels[folder][a, b].append(f"{crate.modules[start].file.relative_to(crate.root)}:{line}")
    for folder, edges in sorted(levels.items()):
        for ring in components(edges):
            if not folder or any(unit.endswith("/") for unit in ring):
                where = "/".join(filter(None, [crate.root.name, "src", folder]))
                yield shown(ring, edges, f"files and folders of {where}")


def circles_of_crates(crates):
    """From the manifests, dependencies of tests among them."""
    packages = {crate.package for crate in crates}
    edges = defaultdict(list)
    for crate in crates:
        for number, text in enumerate(crate.manifest.splitlines(), 1):
            key = re.match(r"([\w-]+)(?:\.workspace)?\s*=", text)
            if key and key[1] in packages - {crate.package}:
                edges[crate.package, key[1]].append(f"{crate.root.name}/Cargo.toml:{number}")
    return [shown(ring, edges, "crates") for ring in components(edges)]


def files_of(root):
    for path in sorted(root.rglob("*")):
        if path.is_file() and not SKIPPED & set(path.relative_to(root).parts):
            yield path


def sizes(root):
    """Files that are too long and folders that hold too many."""
    counts = defaultdict(int)
    for path in files_of(root):
        counts[path.parent] += path.suffix in SOURCES
        lines = len(path.read_text().splitlines()) if path.suffix in MEASURED else 0
        if lines > MAX_LINES:
            yield f"{path.relative_to(root)}: {lines} lines, at most {MAX_LINES}"
    for folder, count in sorted(counts.items()):
        if count > MAX_FILES:
            yield f"{folder.relative_to(root)}: {count} files of source, at most {MAX_FILES}"


def stray_kernels(crate):
    """kernels/X.cu belongs to src/X.rs or src/X/mod.rs; one of several, kernels/X/part.cu, to an X that has "X/part" in it."""
    kernels, source = crate.root / "kernels", crate.root / "src"
    for path in sorted(kernels.rglob("*.cu")):
        stem = path.relative_to(kernels).with_suffix("")
        exact = [source / stem.with_suffix(".rs"), source / stem / "mod.rs"]
        whole = [source / stem.parent.with_suffix(".rs"), source / stem.parent / "mod.rs"] if stem.parent.name else []
        names_it = (file for file in whole if file.is_file() and f'"{stem}"' in file.read_text())
        if not any(file.is_file() for file in exact) and not any(names_it):
            yield f"{path.relative_to(crate.root.parent)}: neither src/{stem}.rs nor src/{stem}/mod.rs is there"


def check(root):
    """All errors of a workspace, in words."""
    root = Path(root).resolve()
    crates = [Crate(manifest.parent) for manifest in sorted(root.glob("*/Cargo.toml"))]
    errors = [*circles_of_crates(crates), *sizes(root)]
    for crate in crates:
        errors += [*circles_of_folders(crate), *stray_kernels(crate)]
    return errors


if __name__ == "__main__":
    found = check(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent)
    print(*found, sep="\n", end="\n" if found else "")
    sys.exit(bool(found))
