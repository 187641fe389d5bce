"""Tests of check_structure.py on small trees with planted faults."""

import tempfile
import unittest
from pathlib import Path

from check_structure import check


def errors(files):
    """Those of a workspace of the crates `one` and `two`, with these files besides their manifests."""
    manifests = {f"{name}/Cargo.toml": f'[package]\nname = "{name}"\n' for name in ("one", "two")}
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {**manifests, **files}.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return check(folder)


def tree(files):
    """Two folders, qr (with reflectors) and svd (with basis), and what `files` puts in their place or adds."""
    usual = {
        "lib.rs": "mod error;\nmod qr;\nmod svd;\npub use svd::basis;\n",
        "error.rs": "pub struct Error;\n",
        "qr/mod.rs": "mod reflectors;\npub use reflectors::Reflector;\n",
        "qr/reflectors.rs": "use crate::error::Error;\npub struct Reflector;\n",
        "svd/mod.rs": "mod basis;\npub use basis::basis;\n",
        "svd/basis.rs": "use crate::qr::Reflector;\npub fn basis() {}\n",
    }
    return errors({f"one/src/{name}": text for name, text in {**usual, **files}.items()})


class Circles(unittest.TestCase):
    def test_layers_pass(self):
        self.assertEqual(tree({}), [])

    def assert_circle(self, files, *places):
        found = tree(files)
        self.assertEqual(len(found), 1, found)
        self.assertIn("circle between files and folders of one/src", found[0])
        for place in places:
            self.assertIn(place, found[0])

    def test_a_circle_is_found_with_its_lines(self):
        text = "use crate::error::Error;\nuse crate::svd::basis;\npub struct Reflector;\n"
        found = ["qr/ -> svd/: src/qr/reflectors.rs:2", "svd/ -> qr/: src/svd/basis.rs:1"]
        self.assert_circle({"qr/reflectors.rs": text}, *found)

    def test_a_circle_through_each_kind_of_path_is_found(self):
        for path in [
            "use super::super::svd::basis as other;",
            "use crate::{\n    error::Error,\n    svd::{self, basis},\n};",
            "use crate::basis;",  # Re-exported by lib.rs.
            "use one::basis;",
            "fn f() { crate::svd::basis() }",
            "mod inner { use super::super::super::svd::basis; }",
            "use crate::error;\nfn f() { error::through() }",
        ]:
            files = {"error.rs": "pub use crate::svd::basis as through;\n"} if "through" in path else {}
            with self.subTest(path):
                self.assert_circle({"qr/reflectors.rs": path + "\npub struct Reflector;\n", **files}, "svd/")

    def test_a_circle_through_a_leaf_file_is_found(self):
        self.assert_circle({"error.rs": "use crate::qr::Reflector;\npub struct Error;\n"}, "error.rs -> qr/", "qr/ -> error.rs")

    def test_a_parent_that_works_with_its_folder_is_no_leaf_of_it(self):
        parent = "mod deep;\nmod basis;\npub use basis::basis;\nfn run() { deep::run() }\npub struct Plan;\n"
        deep = {"svd/deep/mod.rs": "mod run;\npub use run::run;", "svd/deep/run.rs": "use super::super::Plan;\npub fn run() {}"}
        found = tree({"svd/mod.rs": parent, **deep})
        self.assertEqual(len(found), 1, found)
        self.assertIn("circle between files and folders of one/src/svd: deep/, mod.rs", found[0])

    def test_comments_strings_and_tests_make_no_circle(self):
        text = 'pub struct Reflector;\n// crate::svd::basis\nconst A: &str = "crate::svd::basis";\n'
        text += "#[cfg(test)]\nmod tests {\n    use crate::svd::basis;\n}\n"
        self.assertEqual(tree({"qr/reflectors.rs": text}), [])

    def test_files_of_one_folder_may_refer_to_each_other(self):
        text = {"svd/other.rs": "use super::basis::basis;\n", "svd/basis.rs": "use super::other::f;\npub fn basis() {}\n"}
        self.assertEqual(tree({"svd/mod.rs": "mod basis;\nmod other;\npub use basis::basis;\n", **text}), [])

    def test_a_circle_of_crates_is_found(self):
        manifest = '[package]\nname = "{}"\n[dev-dependencies]\n{}.workspace = true\n'
        found = errors({"one/Cargo.toml": manifest.format("one", "two"), "two/Cargo.toml": manifest.format("two", "one")})
        self.assertEqual(len(found), 1, found)
        self.assertIn("one -> two: one/Cargo.toml:4", found[0])


class Sizes(unittest.TestCase):
    def test_long_files_are_found(self):
        self.assertEqual(errors({"one/a.py": "#\n" * 500}), [])
        self.assertEqual(errors({"one/a.py": "#\n" * 501}), ["one/a.py: 501 lines, at most 500"])

    def test_crowded_folders_are_found(self):
        files = {f"one/kernels/{number}.cuh": "" for number in range(16)}
        self.assertEqual(errors({**files, "one/kernels/plot.png": ""}), [])
        self.assertEqual(errors({**files, "one/kernels/a.rs": ""}), ["one/kernels: 17 files of source, at most 16"])

    def test_kernels_without_their_rust_file_are_found(self):
        files = {"one/kernels/svd/jacobi.cu": "", "one/kernels/qr/sums/wide.cu": ""}
        both = {"one/src/svd/jacobi/mod.rs": "", "one/src/qr/sums.rs": 'const PARTS: [&str; 1] = ["qr/sums/wide"];'}
        self.assertEqual(errors({**files, **both}), [])
        found = errors({**files, "one/src/jacobi.rs": "", "one/src/qr/sums.rs": ""})
        self.assertEqual([error.split(":")[0] for error in found], ["one/kernels/qr/sums/wide.cu", "one/kernels/svd/jacobi.cu"])


if __name__ == "__main__":
    unittest.main()
