// Cholesky factors of Gram matrices, G = RᵀR, judged where they are made: a factor that must not be used becomes the identity, so
// that what follows can be asked for before anybody knows.

// What is told of a factor: the column at which G is not positive definite (from 1 on, or 0), and whether the factor is to be used. It is
// not where the one before was not, of which `before` tells, if there is one.
__device__ __forceinline__ bool judge(double least, double greatest, int code, double tolerance, double ratio, const double *before,
                                      double *report) {
    const bool follows = before == nullptr || before[SOUND] != 0;
    const bool sound = follows && code == 0 && least > tolerance && least > ratio * greatest && greatest <= HIGHEST;
    if (threadIdx.x == 0) {
        report[BREAKDOWN] = code;
        report[SOUND] = sound;
    }
    return sound;
}

// One block of SIDE² threads, n ≤ SIDE·TILES: ‖G − I‖²_F, and R with zeros below its diagonal. A thread holds the entries whose row and
// column leave its remainders by SIDE; elimination without square roots takes one barrier a row.
template <u32 TILES>
__device__ __forceinline__ void eliminate(const real *g, u64 ldg, u32 n, double tolerance, double ratio, real *r, double *defect,
                                       const double *before, double *report) {
    __shared__ double scratch[WARP];
    __shared__ real pivots[2][TILES * SIDE], heads[TILES * SIDE];
    const u32 across = threadIdx.x % SIDE, down = threadIdx.x / SIDE;
    real x[TILES][TILES];
    double sum = 0;
#pragma unroll
    for (u32 a = 0; a < TILES; a++) {
#pragma unroll
        for (u32 b = 0; b < TILES; b++) {
            const u32 i = a * SIDE + down, j = b * SIDE + across;
            // Of the symmetric matrix the upper triangle.
            x[a][b] = i < n && j < n ? (i <= j ? g[i + j * ldg] : g[j + i * ldg]) : real(0);
            const double y = x[a][b] - real(i == j && i < n);
            sum += y * y;
        }
    }
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) *defect = sum;
    // Row k for all, by those who hold it: row `tile` of their entries.
    auto publish = [&](u32 k, const real (&row)[TILES]) {
        if (k % SIDE != down) return;
#pragma unroll
        for (u32 b = 0; b < TILES; b++) pivots[k % 2][b * SIDE + across] = row[b];
    };
    publish(0, x[0]);
    // 1. Row i of what is left after row k: Gᵢⱼ − Gₖᵢ·Gₖⱼ/Gₖₖ.
    u32 k = 0;
    bool definite = true;
#pragma unroll
    for (u32 tile = 0; tile < TILES; tile++) {
        for (u32 step = 0; step < SIDE && k < n && definite; step++) {
            __syncthreads();
            const real *pivot = pivots[k % 2];
            const real head = pivot[k];
            definite = head > 0 && head <= HIGHEST;
            if (!definite) break;
            if (threadIdx.x == 0) heads[k] = head;
            const real inverse = 1 / head;
            real row[TILES];
#pragma unroll
            for (u32 b = tile; b < TILES; b++) row[b] = pivot[b * SIDE + across];
#pragma unroll
            for (u32 a = tile; a < TILES; a++) {
                const u32 i = a * SIDE + down;
                // Rows up to this one are done.
                const real factor = i > k ? pivot[i] * inverse : real(0);
#pragma unroll
                for (u32 b = tile; b < TILES; b++) x[a][b] -= factor * row[b];
            }
            k += 1;
            if (step + 1 < SIDE) {
                publish(k, x[tile]);
            } else if (tile + 1 < TILES) {
                publish(k, x[tile + 1 < TILES ? tile + 1 : tile]);
            }
        }
    }
    __syncthreads();
    // 2. The diagonal of R is the square root of what was divided by.
    double least = 1e308, greatest = 0;
    for (u32 i = threadIdx.x; i < k; i += blockDim.x) {
        const double y = sqrt((double)heads[i]);
        least = fmin(least, y);
        greatest = fmax(greatest, y);
    }
    greatest = block_max(greatest, 0.0, scratch);
    least = -block_max(-least, -1e308, scratch);
    const bool sound = judge(least, greatest, k < n ? k + 1 : 0, tolerance, ratio, before, report);
#pragma unroll
    for (u32 a = 0; a < TILES; a++) {
#pragma unroll
        for (u32 b = 0; b < TILES; b++) {
            const u32 i = a * SIDE + down, j = b * SIDE + across;
            if (i >= n || j >= n) continue;
            real y = i == j;
            if (sound) y = i > j ? real(0) : x[a][b] / sqrt(heads[i]);
            r[i + j * n] = y;
        }
    }
}

// Up to half of MOST_COLUMNS.
extern "C" __global__ void __launch_bounds__(SIDE *SIDE)
    factor_half(const real *g, u64 ldg, u32 n, double tolerance, double ratio, real *r, double *defect, const double *before,
               double *report) {
    eliminate<MOST_COLUMNS / SIDE / 2>(g, ldg, n, tolerance, ratio, r, defect, before, report);
}

extern "C" __global__ void __launch_bounds__(SIDE *SIDE)
    factor(const real *g, u64 ldg, u32 n, double tolerance, double ratio, real *r, double *defect, const double *before,
               double *report) {
    eliminate<MOST_COLUMNS / SIDE>(g, ldg, n, tolerance, ratio, r, defect, before, report);
}

// One block: the judgement of a factor that a library has made in the upper triangle of r.
extern "C" __global__ void judge_factor(const real *r, u64 ldr, u64 n, const int *code, double tolerance, double ratio,
                                        const double *before, double *report) {
    __shared__ double scratch[WARP];
    double least = 1e308, greatest = 0;
    bool all_numbers = true;
    for (u64 i = threadIdx.x; i < n; i += blockDim.x) {
        const double x = r[i + i * ldr];
        all_numbers &= x == x;
        least = fmin(least, x);
        greatest = fmax(greatest, x);
    }
    all_numbers = __syncthreads_and(all_numbers);
    greatest = block_max(greatest, 0.0, scratch);
    least = -block_max(-least, -1e308, scratch);
    judge(all_numbers ? least : 0.0, greatest, *code, tolerance, ratio, before, report);
}

// r = the upper triangle of a factor that is sound, or the identity.
extern "C" __global__ void accepted_factor(const real *factor, u64 ldf, u64 n, const double *report, real *r) {
    const bool sound = report[SOUND] != 0;
    FOR_EACH(k, n * n) {
        u64 i, j;
        split(k, n, i, j);
        real x = i == j;
        if (sound) x = i > j ? real(0) : factor[i + j * ldf];
        r[k] = x;
    }
}
