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

// Makes two columns, of `m` rows that count and `rows` in all, orthogonal; whether they were not. Columns whose squared norm is
// below `floor` are rounding errors of the longest one, and are left alone. By a warp.
__device__ __forceinline__ bool rotate(real *x, real *y, u32 m, u32 rows, real tolerance, real floor, u32 lane) {
    real xx = 0, yy = 0, xy = 0;
    for (u32 i = lane; i < m; i += WARP) {
        real a = x[i], b = y[i];
        xx += a * a;
        yy += b * b;
        xy += a * b;
    }
#pragma unroll
    for (int step = WARP / 2; step > 0; step /= 2) {
        xx += __shfl_xor_sync(ALL_LANES, xx, step);
        yy += __shfl_xor_sync(ALL_LANES, yy, step);
        xy += __shfl_xor_sync(ALL_LANES, xy, step);
    }
    if (xx <= floor || yy <= floor || xy * xy <= tolerance * tolerance * xx * yy) return false;
    // The smaller root t of t² + 2ζt − 1, ζ = (‖y‖² − ‖x‖²)/(2xᵀy).
    const real d = yy - xx, h = 2 * xy;
    const real t = copysign(h, d < 0 ? -h : h) / (fabs(d) + sqrt(d * d + h * h));
    // Rutishauser's form: what rounding does to the lengths does not add up.
    const real c = rsqrt(1 + t * t), s = c * t, tau = s / (1 + c);
    // Several at a time: the compiler cannot know that what is stored is not loaded next.
    constexpr u32 AT_ONCE = 4;
    for (u32 i = lane; i < rows; i += AT_ONCE * WARP) {
        real a[AT_ONCE], b[AT_ONCE];
#pragma unroll
        for (u32 l = 0; l < AT_ONCE; l++) {
            bool inside = i + l * WARP < rows;
            a[l] = inside ? x[i + l * WARP] : real(0);
            b[l] = inside ? y[i + l * WARP] : real(0);
        }
#pragma unroll
        for (u32 l = 0; l < AT_ONCE; l++) {
            if (i + l * WARP < rows) {
                x[i + l * WARP] = a[l] - s * (b[l] + tau * a[l]);
                y[i + l * WARP] = b[l] + s * (a[l] - tau * b[l]);
            }
        }
    }
    return true;
}

// A column into shared memory, by a warp: eight loads on their way before the first is stored.
__device__ __forceinline__ void fetch(real *to, const real *from, u32 rows, u32 lane) {
    constexpr u32 AHEAD = 8;
    u32 i = lane;
    for (; i + (AHEAD - 1) * WARP < rows; i += AHEAD * WARP) {
        real x[AHEAD];
#pragma unroll
        for (u32 l = 0; l < AHEAD; l++) x[l] = __ldcg(from + i + l * WARP);
#pragma unroll
        for (u32 l = 0; l < AHEAD; l++) to[i + l * WARP] = x[l];
    }
    real x[AHEAD];
#pragma unroll
    for (u32 l = 0; l < AHEAD; l++) x[l] = i + l * WARP < rows ? __ldcg(from + i + l * WARP) : real(0);
#pragma unroll
    for (u32 l = 0; l < AHEAD; l++) {
        if (i + l * WARP < rows) to[i + l * WARP] = x[l];
    }
}

constexpr u32 MOST_SWEEPS = 40;

// x is m×n, v has rows_of_v rows and is rotated along; blocks have `width` columns, and there is a thread block for every two of them.
// `changed` has room for MOST_SWEEPS flags that start as 0; *sweeps becomes the number of sweeps that rotated anything,
// MOST_SWEEPS where they did not converge.
template <bool CLUSTER>
__device__ void orthogonalize(real *x, u64 ldx, u32 m, u32 n, real *v, u64 ldv, u32 rows_of_v, u32 width, real tolerance, real floor,
                              int *changed, int *sweeps, u32 *counter) {
    extern __shared__ double memory[];
    real *columns = (real *)memory;
    const u32 rows = m + rows_of_v, players = 2 * gridDim.x;
    const u32 lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    u32 passed = 0, sweep = 0;
    for (; sweep < MOST_SWEEPS; sweep++) {
        for (u32 round = 0; round + 1 < players; round++) {
            u32 p, q;
            players_of(round, blockIdx.x, players, p, q);
            // The column of the matrix that stands in place c, if there is one.
            auto column_of = [&](u32 c) { return c < width ? p * width + c : q * width + c - width; };
            for (u32 c = warp; c < 2 * width; c += warps) {
                u32 j = column_of(c);
                if (j >= n) continue;
                fetch(columns + (u64)c * rows, x + j * ldx, m, lane);
                fetch(columns + (u64)c * rows + m, v + j * ldv, rows_of_v, lane);
            }
            __syncthreads();
            bool turned = false;
            auto meet = [&](u32 a, u32 b) {
                if (column_of(a) >= n || column_of(b) >= n) return;
                turned |= rotate(columns + (u64)a * rows, columns + (u64)b * rows, m, rows, tolerance, floor, lane);
            };
            if (round == 0) {
                // Once a sweep the columns of a block meet each other, too.
                for (u32 inner = 0; inner + 1 < 2 * width; inner++) {
                    for (u32 table = warp; table < width; table += warps) {
                        u32 a, b;
                        players_of(inner, table, 2 * width, a, b);
                        meet(a, b);
                    }
                    __syncthreads();
                }
            } else {
                for (u32 inner = 0; inner < width; inner++) {
                    for (u32 table = warp; table < width; table += warps) meet(table, width + (table + inner) % width);
                    __syncthreads();
                }
            }
            if (__syncthreads_or(turned)) {
                if (threadIdx.x == 0) changed[sweep] = 1;
                for (u32 c = warp; c < 2 * width; c += warps) {
                    u32 j = column_of(c);
                    if (j >= n) continue;
                    for (u32 i = lane; i < rows; i += WARP) {
                        real y = columns[(u64)c * rows + i];
                        if (i < m) {
                            __stcg(x + j * ldx + i, y);
                        } else {
                            __stcg(v + j * ldv + (i - m), y);
                        }
                    }
                }
            }
            all_blocks<CLUSTER>(counter, passed);
        }
        if (__ldcg(changed + sweep) == 0) break;
    }
    if (blockIdx.x == 0 && threadIdx.x == 0) *sweeps = sweep;
}

extern "C" __global__ void __launch_bounds__(512, 1)
    orthogonalize_grid(real *x, u64 ldx, u32 m, u32 n, real *v, u64 ldv, u32 rows_of_v, u32 width, real tolerance, real floor,
                       int *changed, int *sweeps, u32 *counter) {
    orthogonalize<false>(x, ldx, m, n, v, ldv, rows_of_v, width, tolerance, floor, changed, sweeps, counter);
}

extern "C" __global__ void ONE_CLUSTER __launch_bounds__(512, 1)
    orthogonalize_cluster(real *x, u64 ldx, u32 m, u32 n, real *v, u64 ldv, u32 rows_of_v, u32 width, real tolerance, real floor,
                          int *changed, int *sweeps, u32 *counter) {
    orthogonalize<true>(x, ldx, m, n, v, ldv, rows_of_v, width, tolerance, floor, changed, sweeps, counter);
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
