"""Times PyTorch, SciPy and scikit-learn on the cases of a file of results, on the machine that it comes from.

    python baselines.py docs/benchmarks/results/linear_h200.json

reads the cases that `panther-bench run` measured and writes `linear_h200_torch.json` beside that file, in the same layout: `panther-bench plot` and
`report` draw both into the same figures. What is not installed is left out. Interrupted runs lose nothing, and continue when they are started again.

Layers and sketches of PyTorch run in full f32 (no TF32), and layers in bf16 too, as they would on tensor cores. Attention is three projections,
`scaled_dot_product_attention` and a projection: what `MultiheadAttention` computes, without its mask of length × length. cuDNN tries its
convolutions and takes the fastest.
"""

import argparse
import datetime
import importlib
import importlib.util
import json
import math
import os
import platform
import sys
import time
from pathlib import Path

# As `panther-bench run --full` does it; a GPU's times spread less.
WARM_RUNS, MOST_RUNS = 2, 101
FEWEST_RUNS_CPU, SECONDS_CPU = 5, 0.5
FEWEST_RUNS_GPU, SECONDS_GPU = 3, 0.025
# A first run that takes longer has warmed up everything.
WARM_SECONDS = 0.05
# Beyond these SciPy's Lanczos and pivoted QR take minutes.
SVDS_LARGEST, PIVOTED_MOST_FLOPS = 4096, 2e11
OVERSAMPLING, POWER_ITERATIONS = 10, 2


# files of results


def write(path, record):
    """One result a line; a file that is there is replaced at once."""
    head = {key: record[key] for key in ("format", "suite", "machine")}
    cells = ",\n".join(json.dumps(cell, ensure_ascii=False) for cell in record["cells"])
    text = json.dumps(head, ensure_ascii=False)[:-1] + ', "cells": [\n' + cells + "\n]}\n"
    beside = path.with_suffix(".part")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


def days(earlier, today):
    """The first and the last day of results."""
    first = earlier.split(" to ")[0]
    return first if first == today else f"{first} to {today}"


def key_of(cell):
    return json.dumps([cell["case"], cell["method"], cell["parameters"], cell["precision"]])


def cases(record):
    """Cases with their precision, once each and the smallest first, so that a run that is interrupted has most of them: of layers
    those of the dense ones, as sketching them makes no other case."""
    suite, ours = record["suite"], ("sketched", "randomized")
    seen = {}
    for cell in record["cells"]:
        case, precision = cell["case"], "f32" if suite in LAYERS else cell["precision"]
        # No baseline takes a tolerance, and the exact SVD has no rank.
        skipped = cell["method"] in ours or (suite == "rsvd" and "rank" not in dict(case))
        if not skipped:
            seen.setdefault(json.dumps([case, precision]), (case, precision))
    return sorted(seen.values(), key=lambda wanted: size(wanted[0]))


def size(case):
    """What the work of a case grows with: the product of its lengths, twice those that are two lengths."""
    return math.prod(value ** (2 if key in ("kernel", "image") else 1) for key, value in case if isinstance(value, (int, float)))


def processor():
    """The name that the processor gives itself."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor()


# clocks


class Meter:
    """The clock and, on a GPU, the gauge of memory of a device."""

    def __init__(self, device, seconds, torch):
        self.device, self.torch = device, torch
        self.on_gpu = device != "cpu"
        self.seconds = seconds or (SECONDS_GPU if self.on_gpu else SECONDS_CPU)
        self.fewest = FEWEST_RUNS_GPU if self.on_gpu else FEWEST_RUNS_CPU

    def run(self, work):
        """Seconds of one run."""
        if not self.on_gpu:
            start = time.perf_counter()
            work()
            return time.perf_counter() - start
        start, end = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1e3

    def time(self, work):
        """Median, least and greatest of repeated runs after warming up."""
        for _ in range(WARM_RUNS):
            if self.run(work) > WARM_SECONDS:
                break
        runs, begin = [], time.perf_counter()
        while len(runs) < self.fewest or (len(runs) < MOST_RUNS and time.perf_counter() - begin < self.seconds):
            runs.append(self.run(work))
        runs.sort()
        median = (runs[(len(runs) - 1) // 2] + runs[len(runs) // 2]) / 2
        return {"median": median, "least": runs[0], "greatest": runs[-1], "runs": len(runs)}

    def peak(self, work):
        """Most bytes beyond what was there before; none on a CPU, where nothing counts them."""
        if not self.on_gpu:
            return None
        cuda = self.torch.cuda
        cuda.synchronize()
        cuda.empty_cache()
        cuda.reset_peak_memory_stats()
        before = cuda.memory_allocated()
        work()
        cuda.synchronize()
        return cuda.max_memory_allocated() - before


def measured(**numbers):
    figures = numbers.pop("figures", {})
    present = {key: value for key, value in numbers.items() if value is not None}
    return {"measured": {**present, "figures": [[key, value] for key, value in figures.items() if math.isfinite(value)]}}


def outcome(work):
    """What came of a measurement, as it is stored."""
    try:
        return work()
    except MemoryError:
        return "out_of_memory"
    except Exception as error:  # whatever libraries raise is a result
        words = f"{type(error).__name__}: {error}"
        short = "OutOfMemoryError" in words or "not enough memory" in words or "can't allocate memory" in words
        return "out_of_memory" if short else {"failed": words.splitlines()[0]}


# layers


def layer(meter, module, x):
    """Forward, and forward with backward."""
    torch = meter.torch
    x.requires_grad_(True)
    with torch.no_grad():
        gradient = torch.ones_like(module(x))

    def forward():
        with torch.no_grad():
            module(x)

    def both():
        x.grad = None
        module.zero_grad(set_to_none=True)
        module(x).backward(gradient)

    forward_time, forward_memory = meter.time(forward), meter.peak(forward)
    backward_time = meter.time(both)
    # Gradients are a part of what a step holds.
    x.grad = None
    module.zero_grad(set_to_none=True)
    backward_memory = meter.peak(both)
    return measured(
        forward=forward_time, backward=backward_time, memory_forward=forward_memory, memory_backward=backward_memory
    )


def linear(torch, case):
    return torch.nn.Linear(case["in"], case["out"]), (case["batch"], case["in"])


def conv(torch, case):
    size = case["kernel"]
    module = torch.nn.Conv2d(case["in_channels"], case["out_channels"], size, padding="same")
    return module, (case["batch"], case["in_channels"], case["image"], case["image"])


def attention(torch, case):
    embed, heads, causal = case["embed"], case["heads"], bool(case["causal"])

    class Attention(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.into = torch.nn.Linear(embed, 3 * embed)
            self.out = torch.nn.Linear(embed, embed)

        def forward(self, x):
            batch, length, _ = x.shape
            split = self.into(x).view(batch, length, 3, heads, embed // heads).permute(2, 0, 3, 1, 4)
            mixed = torch.nn.functional.scaled_dot_product_attention(split[0], split[1], split[2], is_causal=causal)
            return self.out(mixed.transpose(1, 2).reshape(batch, length, embed))

    return Attention(), (case["batch"], case["length"], embed)


LAYERS = {"linear": linear, "conv": conv, "attention": attention}


def layers(suite, meter):
    torch = meter.torch

    def of(dtype):
        def work(case, _):
            # Drawn where it is used: a host takes seconds for the largest.
            with torch.device(meter.device):
                module, shape = LAYERS[suite](torch, case)
            module = module.to(dtype)
            return layer(meter, module, torch.randn(shape, device=meter.device, dtype=dtype))

        return work

    return [("torch", "f32", of(torch.float32)), ("torch-bf16", "bf16", of(torch.bfloat16))]


# decompositions


class Library:
    """What matrices are made and judged with: PyTorch on a GPU, NumPy on a CPU, where SciPy's functions want its arrays."""

    def __init__(self, meter):
        self.on_gpu, self.device = meter.on_gpu, meter.device
        self.np = None if self.on_gpu else importlib.import_module("numpy")
        self.torch = meter.torch
        self.linalg = (self.torch if self.on_gpu else self.np).linalg

    def gaussian(self, rows, columns, precision):
        """The same numbers each time."""
        if self.on_gpu:
            self.torch.manual_seed(7)
            return self.torch.randn(rows, columns, device=self.device, dtype=self.dtype(precision))
        return self.np.random.default_rng(7).standard_normal((rows, columns)).astype(self.dtype(precision))

    def dtype(self, precision):
        of = self.torch if self.on_gpu else self.np
        return {"f32": of.float32, "f64": of.float64}[precision]

    def row(self, numbers, precision):
        if self.on_gpu:
            return self.torch.tensor(numbers, device=self.device, dtype=self.dtype(precision))
        return self.np.array(numbers, self.dtype(precision))

    def norm(self, a):
        return float(self.linalg.norm(a))

    def orthogonality(self, q):
        """‖QᵀQ − I‖_F."""
        gram = q.T @ q
        gram[range(len(gram)), range(len(gram))] -= 1.0
        return self.norm(gram)


# As in the suite: only so many singular values are not zero.
NONZERO = 2048


class Graded:
    """A matrix with singular values 1/i between random orthonormal bases; the last one is kept for the next method."""

    def __init__(self, library):
        self.library, self.key, self.matrix = library, None, None

    def sigma(self, size):
        return [1.0 / i for i in range(1, min(size, NONZERO) + 1)]

    def get(self, size, precision):
        if self.key != (size, precision):
            self.key = self.matrix = None
            sigma = self.sigma(size)
            drawn = self.library.gaussian(size, 2 * len(sigma), precision)
            left, right = (self.library.linalg.qr(part)[0] for part in (drawn[:, : len(sigma)], drawn[:, len(sigma) :]))
            self.matrix = (left * self.library.row(sigma, precision)) @ right.T
            self.key = (size, precision)
        return self.matrix


def norm_of(numbers):
    return math.sqrt(sum(number * number for number in numbers))


def rsvd(meter, scipy, sklearn):
    library = Library(meter)
    graded, torch = Graded(library), meter.torch

    def decomposed(call):
        def work(case, precision):
            a, rank, sigma = graded.get(case["size"], precision), case["rank"], graded.sigma(case["size"])
            found = {}

            def run():
                found["factors"] = call(a, rank)

            seconds, memory = meter.time(run), meter.peak(run)
            u, s, vt = found["factors"]
            u, s, vt = u[:, :rank], s[:rank], vt[:rank]
            error = library.norm(a - (u * s) @ vt)
            figures = {"error": error / norm_of(sigma), "orthogonality": library.orthogonality(u)}
            if rank < len(sigma):
                figures["error_over_best"] = error / norm_of(sigma[rank:])
            return measured(forward=seconds, memory_forward=memory, figures=figures)

        return work

    def lowrank(a, rank):
        tensor = a if meter.on_gpu else torch.from_numpy(a)
        u, s, v = torch.svd_lowrank(tensor, q=min(rank + OVERSAMPLING, a.shape[0]), niter=POWER_ITERATIONS)
        return (u, s, v.T) if meter.on_gpu else (u.numpy(), s.numpy(), v.T.numpy())

    def lanczos(a, rank):
        u, s, vt = scipy.sparse.linalg.svds(a, k=rank, rng=7)
        return u[:, ::-1], s[::-1], vt[::-1]

    def randomized(a, rank):
        # At its defaults: with two iterations it would not normalise between them, and lose in f32 what it should find.
        return sklearn.utils.extmath.randomized_svd(a, rank, random_state=7)

    small = decomposed(lanczos)
    methods = [
        (torch, "torch", None, decomposed(lowrank)),
        (scipy, "scipy", None, lambda case, p: small(case, p) if case["size"] <= SVDS_LARGEST else None),
        (sklearn, "sklearn", None, decomposed(randomized)),
    ]
    return [method[1:] for method in methods if method[0] is not None]


def qr(meter, scipy):
    library, torch = Library(meter), meter.torch

    def factored(call):
        def work(case, precision):
            a = library.gaussian(case["rows"], case["columns"], precision)
            found = {}

            def run():
                found["factors"] = call(a)

            seconds, memory = meter.time(run), meter.peak(run)
            q, r, pivots = found["factors"]
            figures = {
                "error": library.norm((a if pivots is None else a[:, pivots]) - q @ r) / library.norm(a),
                "orthogonality": library.orthogonality(q),
            }
            return measured(forward=seconds, memory_forward=memory, figures=figures)

        return work

    def unpivoted(a):
        q, r = torch.linalg.qr(a if meter.on_gpu else torch.from_numpy(a))
        return (q, r, None) if meter.on_gpu else (q.numpy(), r.numpy(), None)

    def few(case):
        return 4.0 * case["rows"] * case["columns"] ** 2 <= PIVOTED_MOST_FLOPS

    pivoted = factored(lambda a: scipy.linalg.qr(a, mode="economic", pivoting=True, check_finite=False))
    methods = [
        (torch, "torch", None, factored(unpivoted)),
        (scipy, "scipy", None, lambda case, precision: pivoted(case, precision) if few(case) else None),
    ]
    return [method[1:] for method in methods if method[0] is not None]


# the run


def optional(name, *parts):
    """A library with these parts, or none where it is not installed."""
    if importlib.util.find_spec(name) is None:
        return None
    for part in parts:
        importlib.import_module(part)
    return importlib.import_module(name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path, help="a file that panther-bench wrote")
    parser.add_argument("--gpu", type=int, default=0, help="number of the GPU, for results of one")
    parser.add_argument("--seconds", type=float, help="how long each thing is timed, where not as `run --full` does it")
    parser.add_argument("--out", type=Path, help="the folder of the results; that of the record where not given")
    arguments = parser.parse_args()

    record = json.loads(arguments.record.read_text(encoding="utf-8"))
    suite, machine = record["suite"], record["machine"]
    if suite not in (*LAYERS, "rsvd", "cqrrpt"):
        sys.exit(f"there is no baseline for the suite {suite}")
    # Read by the libraries when they are loaded.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(machine["threads"])
    on_gpu = machine["device"] != "cpu"
    torch = optional("torch")
    # Layers and GPUs are PyTorch's alone.
    if torch is None and (on_gpu or suite in LAYERS):
        sys.exit("PyTorch is not installed")
    scipy = optional("scipy", "scipy.linalg", "scipy.sparse.linalg") if suite in ("rsvd", "cqrrpt") and not on_gpu else None
    sklearn = optional("sklearn", "sklearn.utils.extmath") if suite == "rsvd" and not on_gpu else None
    if not any((torch, scipy, sklearn)):
        sys.exit("none of PyTorch, SciPy and scikit-learn is installed")
    if torch is not None:
        torch.set_num_threads(machine["threads"])
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        # Its heuristics are off by a hundred times for some convolutions.
        torch.backends.cudnn.benchmark = True
    name = torch.cuda.get_device_name(arguments.gpu) if on_gpu else processor()
    if name != machine["name"]:
        sys.exit(f"{arguments.record} was measured on {machine['name']}, and this is {name}: no figure compares two machines")
    if on_gpu:
        torch.cuda.set_device(arguments.gpu)
    meter = Meter(f"cuda:{arguments.gpu}" if on_gpu else "cpu", arguments.seconds, torch)

    libraries = [("PyTorch", torch), ("SciPy", scipy), ("scikit-learn", sklearn)]
    versions = [f"{title} {library.__version__}" for title, library in libraries if library is not None]
    if on_gpu:
        versions.append(f"CUDA {torch.version.cuda} of PyTorch")

    methods = {"rsvd": lambda: rsvd(meter, scipy, sklearn), "cqrrpt": lambda: qr(meter, scipy)}
    methods = methods.get(suite, lambda: layers(suite, meter))()
    wanted = cases(record)
    path = (arguments.out or arguments.record.parent) / f"{suite}_{machine['device']}_torch.json"
    today = datetime.date.today().isoformat()
    machine = {**machine, "date": today, "versions": versions}
    results = {"format": record["format"], "suite": suite, "machine": machine, "cells": []}
    if path.exists():
        earlier = json.loads(path.read_text(encoding="utf-8"))
        if earlier["machine"]["versions"] != versions:
            sys.exit(f"{path} holds results of {', '.join(earlier['machine']['versions'])}: move it away")
        results["cells"] = [cell for cell in earlier["cells"] if "failed" not in cell["outcome"]]
        machine["date"] = earlier["machine"]["date"]
    known = {key_of(cell) for cell in results["cells"]}
    for number, (case, precision) in enumerate(wanted, 1):
        for method, own_precision, work in methods:
            cell = {"case": case, "method": method, "parameters": [], "precision": own_precision or precision}
            if key_of(cell) in known:
                continue
            found = outcome(lambda: work(dict(case), precision))
            if on_gpu:
                torch.cuda.empty_cache()
            if found is None:
                continue
            results["cells"].append({**cell, "outcome": found})
            machine["date"] = days(machine["date"], today)
            known.add(key_of(cell))
            write(path, results)
            print(f"{number}/{len(wanted)} {method} {cell['precision']} {dict(case)}: {words(found)}", flush=True)
    print(path)


def words(found):
    if isinstance(found, str):
        return found
    if "failed" in found:
        return found["failed"]
    times = found["measured"]
    return ", ".join(f"{key} {1e3 * times[key]['median']:.3f} ms" for key in ("forward", "backward") if key in times)


if __name__ == "__main__":
    main()
