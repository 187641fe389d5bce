// One-sided Jacobi (Hestenes 1958) by blocks of columns: rotations from the right make the columns of x orthogonal. The blocks play
// a tournament; two that meet lie in the shared memory of one thread block while their columns are rotated.

// Who meets in a round of a tournament of `players` (even): every two meet once in players − 1 rounds.
__device__ __forceinline__ void players_of(u32 round, u32 table, u32 players, u32 &p, u32 &q) {
    u32 wheel = players - 1;
    u32 a = (round + table) % wheel;
    u32 b = table == 0 ? wheel : (round + wheel - table) % wheel;
    p = a < b ? a : b;
    q = a < b ? b : a;
}

// The rotation that makes two columns orthogonal, of squared norms xx and yy: none where they are orthogonal already, nor where one
// is a rounding error of the longest column, with a squared norm below `floor`.
struct Rotation {
    real s, tau;  // the sine, and the sine over one plus the cosine
    real grown;   // what ‖y‖² gains and ‖x‖² loses
};

__device__ __forceinline__ bool rotation_of(real xx, real yy, real xy, real tolerance, real floor, Rotation &rotation) {
    if (xx <= floor || yy <= floor || xy * xy <= tolerance * tolerance * xx * yy) return false;
    // The smaller root t of t² + 2ζt − 1, ζ = (‖y‖² − ‖x‖²)/(2xᵀy).
    const real d = yy - xx, h = 2 * xy;
    const real t = copysign(h, d < 0 ? -h : h) / (fabs(d) + sqrt(d * d + h * h));
    const real c = rsqrt(1 + t * t), s = c * t;
    rotation = {s, s / (1 + c), t * xy};
    return true;
}

// Rutishauser's form: what rounding does to the lengths does not add up.
__device__ __forceinline__ void turn(const Rotation &rotation, real &x, real &y) {
    const real a = x, b = y;
    x = a - rotation.s * (b + rotation.tau * a);
    y = b + rotation.s * (a - rotation.tau * b);
}

// Shared memory holds the columns of two blocks, each in groups of WARP numbers: those of x, filled up with zeros, and a last group
// with the column of the product of the rotations so far, which starts as the identity. Numbers that a lane has of a column:
template <u32 HELD>
struct Lane {
    real x[HELD];

    __device__ __forceinline__ void load(const real *column, u32 first, u32 groups, u32 lane) {
#pragma unroll
        for (u32 l = 0; l < HELD; l++) x[l] = first + l < groups ? column[(first + l) * WARP + lane] : real(0);
    }

    __device__ __forceinline__ void store(real *column, u32 first, u32 groups, u32 lane) const {
#pragma unroll
        for (u32 l = 0; l < HELD; l++) {
            if (first + l < groups) column[(first + l) * WARP + lane] = x[l];
        }
    }
};

// The sum of the products of what a lane has of two columns, of which `counted` groups count.
template <u32 HELD>
__device__ __forceinline__ real products(const Lane<HELD> &a, const Lane<HELD> &b, u32 first, u32 counted) {
    real sum = 0;
#pragma unroll
    for (u32 l = 0; l < HELD; l++) sum += first + l < counted ? a.x[l] * b.x[l] : real(0);
    return sum;
}

template <u32 HELD>
__device__ __forceinline__ void turn(const Rotation &rotation, Lane<HELD> &a, Lane<HELD> &b) {
#pragma unroll
    for (u32 l = 0; l < HELD; l++) turn(rotation, a.x[l], b.x[l]);
}

// What a warp must know to make columns orthogonal.
struct Measure {
    u32 counted;  // groups of x
    real tolerance, floor;
    u32 lane;
};

// Makes two columns in shared memory orthogonal; whether they were not. Reads them in parts.
__device__ __forceinline__ bool rotate(real *x, real *y, real &xx, real &yy, const Measure &measure) {
    constexpr u32 PART = 8;
    const u32 counted = measure.counted, all = counted + 1, lane = measure.lane;
    Lane<PART> a, b;
    real xy = 0;
    for (u32 first = 0; first < counted; first += PART) {
        a.load(x, first, counted, lane);
        b.load(y, first, counted, lane);
        xy += products(a, b, first, counted);
    }
    Rotation rotation;
    if (!rotation_of(xx, yy, warp_sum(xy), measure.tolerance, measure.floor, rotation)) return false;
    for (u32 first = 0; first < all; first += PART) {
        a.load(x, first, all, lane);
        b.load(y, first, all, lane);
        turn(rotation, a, b);
        a.store(x, first, all, lane);
        b.store(y, first, all, lane);
    }
    __syncwarp();
    if (lane == 0) {
        xx -= rotation.grown;
        yy += rotation.grown;
    }
    return true;
}

// A column of `rows` numbers into shared memory and zeros up to whole groups, by a warp: eight loads on their way at a time. Its squared
// norm.
__device__ __forceinline__ real fetch(real *to, const real *from, u32 rows, u32 groups, u32 lane) {
    constexpr u32 AHEAD = 8;
    real sum = 0;
    for (u32 first = 0; first < groups; first += AHEAD) {
        Lane<AHEAD> part;
#pragma unroll
        for (u32 l = 0; l < AHEAD; l++) {
            const u32 i = (first + l) * WARP + lane;
            part.x[l] = i < rows ? __ldcg(from + i) : real(0);
        }
        part.store(to, first, groups, lane);
        sum += products(part, part, first, groups);
    }
    return warp_sum(sum);
}

// v[:, columns] = v[:, columns]·J, a warp for 32 rows, or two with half of the columns each. `at(c)` is where column c of v begins, or
// null; column c of J is at j + c·stride. By the whole block.
template <u32 COLUMNS, typename At>
__device__ __forceinline__ void multiply(At at, u32 rows, u32 columns, const real *j, u32 stride) {
    constexpr u32 EACH = sizeof(Quad) / sizeof(real);
    const u32 lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    const u32 groups = (rows + WARP - 1) / WARP, shares = 2 * groups <= warps ? 2 : 1;
    for (u32 start = 0; start < groups * shares; start += warps) {
        const u32 unit = start + warp, i = unit / shares * WARP + lane;
        real v[COLUMNS];
#pragma unroll
        for (u32 r = 0; r < COLUMNS; r++) {
            const real *column = r < columns ? at(r) : nullptr;
            v[r] = column != nullptr && i < rows ? __ldcg(column + i) : real(0);
        }
        // The other warp with these rows must have read them.
        __syncthreads();
        const u32 share = unit % shares, width = columns / shares;
#pragma unroll 2
        for (u32 c = share * width; c < (share + 1) * width; c++) {
            real *column = at(c);
            const Quad *factors = (const Quad *)(j + c * stride);
            real sum = 0;
#pragma unroll
            for (u32 r = 0; r < COLUMNS; r += EACH) {
                const Quad quad = factors[r / EACH];
#pragma unroll
                for (u32 l = 0; l < EACH; l++) sum += v[r + l] * quad.x[l];
            }
            if (column != nullptr && i < rows) __stcg(column + i, sum);
        }
    }
}

constexpr u32 MOST_SWEEPS = 40;

// The part of ε times the largest column below which a column is rounding errors, squared.
constexpr double NOISE = (double)EPSILON * (double)EPSILON / 256;

// What a launch works on: x is m×n, v has n rows and is rotated along.
struct Problem {
    real *x;
    u64 ldx;
    u32 m, n;
    real *v;
    u64 ldv;
    u32 width;  // columns of a block, at most 16, of which there are two for every thread block
    real tolerance;
    int *changed;  // MOST_SWEEPS flags that start as 0
    u64 *largest;  // starts as 0
    double *sweeps;  // becomes the number of sweeps that rotated anything, MOST_SWEEPS where they did not converge
    u32 *counter;
};

// Shared memory holds 2·width columns and as many squared norms, which are kept up to date within a round and taken anew in the next. A
// warp keeps one of its columns in registers through a round, if HELD groups are enough for it.
template <bool CLUSTER, u32 HELD, u32 COLUMNS>
__device__ __forceinline__ void orthogonalize(const Problem &problem) {
    extern __shared__ double memory[];
    const u32 m = problem.m, n = problem.n, width = problem.width, players = 2 * gridDim.x;
    const u32 lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    const u32 groups = (m + WARP - 1) / WARP, all = groups + 1, length = all * WARP;
    real *columns = (real *)memory, *norms = columns + (u64)2 * width * length;
    u32 passed = 0, sweep = 0;
    for (; sweep < MOST_SWEEPS; sweep++) {
        const real floor = sweep == 0 ? 0.0 : NOISE * __longlong_as_double(__ldcg(problem.largest));
        const Measure measure = {groups, problem.tolerance, floor, lane};
        for (u32 round = 0; round + 1 < players; round++) {
            u32 p, q;
            players_of(round, blockIdx.x, players, p, q);
            // The column of the matrix that stands in place c, if there is one.
            auto column_of = [&](u32 c) { return c < width ? p * width + c : q * width + c - width; };
            auto is_there = [&](u32 c) { return column_of(c) < n; };
            for (u32 c = warp; c < 2 * width; c += warps) {
                real *column = columns + (u64)c * length;
                column[groups * WARP + lane] = lane == c;
                if (!is_there(c)) continue;
                const real norm = fetch(column, problem.x + column_of(c) * problem.ldx, m, groups, lane);
                if (lane == 0) {
                    norms[c] = norm;
                    if (sweep == 0 && round == 0) atomicMax(problem.largest, (u64)__double_as_longlong(norm));
                }
            }
            __syncthreads();
            bool turned = false;
            if (round == 0) {
                // Once a sweep the columns of a block meet each other, too.
                for (u32 inner = 0; inner + 1 < 2 * width; inner++) {
                    if (warp < width) {
                        u32 a, b;
                        players_of(inner, warp, 2 * width, a, b);
                        if (is_there(a) && is_there(b)) {
                            turned |= rotate(columns + (u64)a * length, columns + (u64)b * length, norms[a], norms[b], measure);
                        }
                    }
                    __syncthreads();
                }
            } else if (HELD == 0) {
                for (u32 inner = 0; inner < width; inner++) {
                    const u32 other = width + (warp + inner) % width;
                    if (warp < width && is_there(warp) && is_there(other)) {
                        turned |= rotate(columns + (u64)warp * length, columns + (u64)other * length, norms[warp], norms[other],
                                         measure);
                    }
                    __syncthreads();
                }
            } else {
                const bool plays = warp < width && is_there(warp);
                Lane<HELD + 1> x, y;
                real xx = 0;
                if (plays) {
                    x.load(columns + (u64)warp * length, 0, all, lane);
                    xx = norms[warp];
                }
                for (u32 inner = 0; inner < width; inner++) {
                    const u32 other = width + (warp + inner) % width;
                    if (plays && is_there(other)) {
                        real *column = columns + (u64)other * length;
                        y.load(column, 0, all, lane);
                        const real yy = norms[other], xy = warp_sum(products(x, y, 0, groups));
                        Rotation rotation;
                        if (rotation_of(xx, yy, xy, measure.tolerance, floor, rotation)) {
                            turned = true;
                            turn(rotation, x, y);
                            y.store(column, 0, all, lane);
                            xx -= rotation.grown;
                            if (lane == 0) norms[other] = yy + rotation.grown;
                        }
                    }
                    __syncthreads();
                }
                if (plays) x.store(columns + (u64)warp * length, 0, all, lane);
            }
            if (__syncthreads_or(turned)) {
                if (threadIdx.x == 0) problem.changed[sweep] = 1;
                for (u32 c = warp; c < 2 * width; c += warps) {
                    if (!is_there(c)) continue;
                    real *to = problem.x + column_of(c) * problem.ldx;
                    const real *from = columns + (u64)c * length;
#pragma unroll 8
                    for (u32 i = lane; i < m; i += WARP) __stcg(to + i, from[i]);
                }
                auto at = [&](u32 c) { return is_there(c) ? problem.v + column_of(c) * problem.ldv : nullptr; };
                multiply<COLUMNS>(at, n, 2 * width, columns + groups * WARP, length);
            }
            all_blocks<CLUSTER>(problem.counter, passed);
        }
        if (__ldcg(problem.changed + sweep) == 0) break;
    }
    if (blockIdx.x == 0 && threadIdx.x == 0) *problem.sweeps = sweep;
}

template <bool CLUSTER>
__device__ __forceinline__ void by_length(const Problem &problem) {
    if (problem.m <= 4 * WARP && problem.width <= 8) {
        orthogonalize<CLUSTER, 4, 16>(problem);
    } else if (problem.m <= 8 * WARP && problem.width <= 8) {
        orthogonalize<CLUSTER, 8, 16>(problem);
    } else if (problem.m <= 16 * WARP) {
        orthogonalize<CLUSTER, 16, 32>(problem);
    } else {
        orthogonalize<CLUSTER, 0, 32>(problem);
    }
}

extern "C" __global__ void __launch_bounds__(512, 1)
    orthogonalize_grid(real *x, u64 ldx, u32 m, u32 n, real *v, u64 ldv, u32 width, real tolerance, int *changed, u64 *largest,
                       double *sweeps, u32 *counter) {
    by_length<false>({x, ldx, m, n, v, ldv, width, tolerance, changed, largest, sweeps, counter});
}

extern "C" __global__ void ONE_CLUSTER __launch_bounds__(512, 1)
    orthogonalize_cluster(real *x, u64 ldx, u32 m, u32 n, real *v, u64 ldv, u32 width, real tolerance, int *changed, u64 *largest,
                          double *sweeps, u32 *counter) {
    by_length<true>({x, ldx, m, n, v, ldv, width, tolerance, changed, largest, sweeps, counter});
}

// A block a column: its length, summed in double precision without under- or overflow.
extern "C" __global__ void column_norms(const real *x, u64 ldx, u64 m, double *norms) {
    __shared__ double scratch[WARP];
    const real *column = x + blockIdx.x * ldx;
    double largest = 0;
    for (u64 i = threadIdx.x; i < m; i += blockDim.x) largest = fmax(largest, fabs((double)column[i]));
    largest = block_max(largest, 0.0, scratch);
    double sum = 0;
    if (largest > 0) {
        for (u64 i = threadIdx.x; i < m; i += blockDim.x) {
            double y = column[i] / largest;
            sum += y * y;
        }
    }
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) norms[blockIdx.x] = largest * sqrt(sum);
}

// to[:, j] = from[:, from_column[j]] · factor[j].
extern "C" __global__ void gather_scaled(real *to, u64 ldto, const real *from, u64 ldfrom, const int *from_column,
                                         const double *factor, u64 rows, u64 columns) {
    FOR_EACH(k, rows * columns) {
        u64 i, j;
        split(k, rows, i, j);
        to[i + j * ldto] = (real)(from[i + (u64)from_column[j] * ldfrom] * factor[j]);
    }
}
