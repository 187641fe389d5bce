// Classical column pivoting (Businger and Golub 1965) in one launch. The columns live in shared memory, dealt out over the
// blocks; a step takes one barrier: each block publishes the column that it would choose, and after the barrier every block
// sees which one is chosen and makes the reflector from it on its own. The blocks of a cluster write what they offer into each other's
// shared memory and read the column that is chosen where it stands; those of a grid publish through the device's memory.

// A column that may be chosen, as a number that is the greater the longer the column is, and of equals the further left it stands: the
// bits of its squared norm, the last of which make room for its place.
constexpr u64 PLACES = MOST_COLUMNS - 1;
static_assert((MOST_COLUMNS & PLACES) == 0, "a power of two");
constexpr u64 NO_COLUMN = 0;

__device__ __forceinline__ u64 candidate(double squared_norm, u32 column) {
    return ((u64)__double_as_longlong(squared_norm) & ~PLACES) | (PLACES - column);
}

__device__ __forceinline__ u32 column_of(u64 candidate) { return PLACES - (candidate & PLACES); }

// Below this a squared norm has lost its digits to underflow.
#ifdef REAL_IS_FLOAT
constexpr double UNDERFLOW = 1e-30;
#else
constexpr double UNDERFLOW = 1e-290;
#endif

extern __shared__ double memory[];

// A column that a block of a cluster would choose, with its squared norm.
struct Offer {
    u64 candidate;
    real norm;
};

// a is m×n. Takes up to `most` steps, until the sum of the squares left is at most `tolerance`. order[j] becomes the step that
// took column j (it starts as −1), *steps their number. The rows of R are left in the rows of `a`, whose columns stay in
// their places; the reflector of a step, I − factors[step]·v·vᵀ, is v in the rows from `step` on of that column of `reflectors`.
// `sums` has room for two numbers a block; in a grid `candidates` has too, and `published` for 2·(m + 1).
template <bool CLUSTER>
__device__ void pivot(real *a, u64 lda, u32 m, u32 n, u32 most, double tolerance, int *order, int *steps, real *reflectors,
                      real *factors, u64 *candidates, double *sums, real *published, u32 *counter) {
    __shared__ u64 of_warps[WARP], chosen;
    __shared__ Offer offers[2][CLUSTER_BLOCKS];
    __shared__ double scratch[WARP];
    const u32 blocks = gridDim.x, block = blockIdx.x;
    const u32 mine = block < n ? (n - block + blocks - 1) / blocks : 0;
    real *columns = (real *)memory, *v = columns + (u64)mine * m, *norms = v + m + 1;
    const u32 lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;

    for (u32 c = warp; c < mine; c += warps) {
        const real *from = a + (u64)(block + c * blocks) * lda;
        real sum = 0;
        for (u32 i = lane; i < m; i += WARP) {
            real x = from[i];
            columns[(u64)c * m + i] = x;
            sum += x * x;
        }
        sum = warp_sum(sum);
        if (lane == 0) norms[c] = sum;
    }
    u32 step = 0, passed = 0;
    // Nobody writes into a block that has not begun; and its warps see each other's norms.
    all_blocks<CLUSTER>(counter, passed);
    // The number of R that the last step left to be put into its column, once nobody reads that any more.
    real *head_of_last = nullptr, last_beta = 0;
    auto place_last = [&] {
        if (threadIdx.x == 0 && head_of_last != nullptr) *head_of_last = last_beta;
        head_of_last = nullptr;
    };
    for (; step < most; step++) {
        // 1. The best column of the block.
        u64 best = NO_COLUMN;
        for (u32 c = warp; c < mine; c += warps) {
            double norm = norms[c];
            if (norm >= 0) best = max(best, candidate(norm, block + c * blocks));
        }
        if (lane == 0) of_warps[warp] = best;
        __syncthreads();
        best = warp_max(lane < warps ? of_warps[lane] : NO_COLUMN);
        // 2. It is published, alternately in two places: a slow block may still read the last one.
        const u32 parity = step % 2, slots = parity * blocks, c = (column_of(best) - block) / blocks;
        if (CLUSTER) {
            if (threadIdx.x < blocks) {
                const real norm = best == NO_COLUMN ? real(0) : norms[c];
                *in_block(&offers[parity][block], threadIdx.x) = {best, norm};
            }
        } else {
            if (threadIdx.x == 0) __stcg(candidates + slots + block, best);
            if (best != NO_COLUMN) {
                const real *column = columns + (u64)c * m;
                real *to = published + (u64)(slots + block) * (m + 1);
                for (u32 i = step + threadIdx.x; i < m; i += blockDim.x) __stcg(to + i, column[i]);
                if (threadIdx.x == 0) __stcg(to + m, norms[c]);
            }
        }
        all_blocks<CLUSTER>(counter, passed);
        place_last();
        // 3. The best of all.
        if (CLUSTER) {
            best = warp_max(lane < blocks ? offers[parity][lane].candidate : NO_COLUMN);
        } else {
            // One warp looks: the numbers are many, and all blocks want them at once.
            if (warp == 0) {
                best = NO_COLUMN;
                for (u32 k = lane; k < blocks; k += WARP) best = max(best, __ldcg(candidates + slots + k));
                best = warp_max(best);
                if (lane == 0) chosen = best;
            }
            __syncthreads();
            best = chosen;
        }
        if (best == NO_COLUMN) break;
        const u32 pivot_column = column_of(best), owner = pivot_column % blocks;
        if (CLUSTER) {
            const real *from = in_block(columns + (u64)(pivot_column / blocks) * m, owner);
            for (u32 i = step + threadIdx.x; i < m; i += blockDim.x) v[i] = from[i];
            if (threadIdx.x == 0) v[m] = offers[parity][owner].norm;
        } else {
            const real *from = published + (u64)(slots + owner) * (m + 1);
            for (u32 i = step + threadIdx.x; i <= m; i += blockDim.x) v[i] = __ldcg(from + i);
        }
        __syncthreads();
        const double squared_norm = v[m];
        if (!(squared_norm > UNDERFLOW)) break;
        if (squared_norm <= tolerance) {
            // Only now can the sum of all be within the tolerance.
            double sum = 0;
            for (u32 c = threadIdx.x; c < mine; c += blockDim.x) sum += norms[c] >= 0 ? norms[c] : real(0);
            sum = block_sum(sum, scratch);
            if (threadIdx.x == 0) __stcg(sums + slots + block, sum);
            all_blocks<CLUSTER>(counter, passed);
            sum = 0;
            for (u32 k = threadIdx.x; k < blocks; k += blockDim.x) sum += __ldcg(sums + slots + k);
            if (block_sum(sum, scratch) <= tolerance) break;
        }
        // 4. Its reflector, I − factor·v·vᵀ.
        const real alpha = v[step], norm = sqrt(v[m]);
        const real beta = alpha > 0 ? -norm : norm;
        const real head = alpha - beta, factor = real(1) / (beta * (beta - alpha));
        if (block == owner) {
            for (u32 i = step + threadIdx.x; i < m; i += blockDim.x) {
                reflectors[i + (u64)step * m] = i == step ? head : v[i];
            }
            if (threadIdx.x == 0) factors[step] = factor;
            head_of_last = columns + (u64)(pivot_column / blocks) * m + step;
            last_beta = beta;
        }
        // 5. The columns that are left, and their norms below this row.
        for (u32 c = warp; c < mine; c += warps) {
            real *column = columns + (u64)c * m;
            if (block + c * blocks == pivot_column) {
                __syncwarp();
                if (lane == 0) {
                    norms[c] = -1;
                    order[pivot_column] = step;
                }
            } else if (norms[c] >= 0) {
                real dot = 0;
                for (u32 i = step + lane; i < m; i += WARP) dot += (i == step ? head : v[i]) * column[i];
                dot = warp_sum(dot) * factor;
                real sum = 0;
                // Several at a time: the compiler cannot know that what is stored is not loaded next.
                constexpr u32 AT_ONCE = 4;
                for (u32 i = step + lane; i < m; i += AT_ONCE * WARP) {
                    real x[AT_ONCE];
#pragma unroll
                    for (u32 l = 0; l < AT_ONCE; l++) {
                        u32 k = i + l * WARP;
                        x[l] = k < m ? column[k] - dot * (k == step ? head : v[k]) : real(0);
                    }
#pragma unroll
                    for (u32 l = 0; l < AT_ONCE; l++) {
                        u32 k = i + l * WARP;
                        if (k < m) column[k] = x[l];
                        sum += k == step ? real(0) : x[l] * x[l];
                    }
                }
                sum = warp_sum(sum);
                if (lane == 0) norms[c] = sum;
            }
            __syncwarp();
        }
    }

    // A block may not leave while others read its columns.
    all_blocks<CLUSTER>(counter, passed);
    place_last();
    __syncthreads();
    for (u32 c = warp; c < mine; c += warps) {
        real *to = a + (u64)(block + c * blocks) * lda;
        for (u32 i = lane; i < step; i += WARP) to[i] = columns[(u64)c * m + i];
    }
    if (block == 0 && threadIdx.x == 0) *steps = step;
}

extern "C" __global__ void __launch_bounds__(BLOCK_THREADS, 1)
    pivot_grid(real *a, u64 lda, u32 m, u32 n, u32 most, double tolerance, int *order, int *steps, real *reflectors,
               real *factors, u64 *candidates, double *sums, real *published, u32 *counter) {
    pivot<false>(a, lda, m, n, most, tolerance, order, steps, reflectors, factors, candidates, sums, published, counter);
}

extern "C" __global__ void CLUSTER_OF(CLUSTER_BLOCKS) __launch_bounds__(BLOCK_THREADS, 1)
    pivot_cluster(real *a, u64 lda, u32 m, u32 n, u32 most, double tolerance, int *order, int *steps, real *reflectors,
                  real *factors, u64 *candidates, double *sums, real *published, u32 *counter) {
    pivot<true>(a, lda, m, n, most, tolerance, order, steps, reflectors, factors, candidates, sums, published, counter);
}

// One warp: the permutation from the order in which columns were taken; those that were not follow as they stand.
extern "C" __global__ void permutation_of(const int *order, u32 n, const int *steps, int *permutation) {
    u32 lane = threadIdx.x, next = *steps;
    for (u32 start = 0; start < n; start += WARP) {
        u32 j = start + lane;
        int place = j < n ? order[j] : 0;
        if (j < n && place >= 0) permutation[place] = j;
        u32 left = __ballot_sync(ALL_LANES, place < 0);
        if (place < 0) permutation[next + __popc(left & ((1u << lane) - 1))] = j;
        next += __popc(left);
    }
}

// r, rows×n, from the upper triangle of a with its columns permuted; the rows from *steps on are zero. Three numbers go to
// the report: the steps, and the first and the last number of the diagonal that is not zero.
extern "C" __global__ void upper_permuted(const real *a, u64 lda, const int *permutation, const int *steps, real *r, u64 ldr,
                                          u64 rows, u64 n, double *report) {
    u64 rank = *steps;
    FOR_EACH(k, rows * n) {
        u64 i, j;
        split(k, rows, i, j);
        r[i + j * ldr] = i <= j && i < rank ? a[i + (u64)permutation[j] * lda] : real(0);
    }
    if (blockIdx.x == 0 && threadIdx.x == 0) {
        report[0] = rank;
        report[1] = rank > 0 ? fabs((double)a[(u64)permutation[0] * lda]) : 0.0;
        report[2] = rank > 0 ? fabs((double)a[rank - 1 + (u64)permutation[rank - 1] * lda]) : 0.0;
    }
}

// A warp a column: the leading columns of the product of the reflectors, m×columns. Shared memory holds m numbers a warp.
extern "C" __global__ void __launch_bounds__(FORM_Q_WARPS *WARP)
    form_q(const real *reflectors, const real *factors, u32 m, const int *steps, real *q, u32 columns) {
    const u32 lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    const u32 j = blockIdx.x * (blockDim.x / WARP) + warp;
    if (j >= columns) return;
    real *column = (real *)memory + (u64)warp * m;
    for (u32 i = lane; i < m; i += WARP) column[i] = i == j ? real(1) : real(0);
    __syncwarp();
    // Later reflectors leave the unit vector j as it is.
    for (int s = min((int)j, *steps - 1); s >= 0; s--) {
        const real *v = reflectors + (u64)s * m;
        real dot = 0;
        for (u32 i = s + lane; i < m; i += WARP) dot += __ldg(v + i) * column[i];
        dot = warp_sum(dot) * factors[s];
        for (u32 i = s + lane; i < m; i += WARP) column[i] -= dot * __ldg(v + i);
        __syncwarp();
    }
    for (u32 i = lane; i < m; i += WARP) q[i + (u64)j * m] = column[i];
}
