// Columns in global memory, which two blocks at a time leave for the shared memory of a thread block.

// Columns lie in shared memory in parts.
constexpr u32 GROUPS = PART / WARP;

// Makes two columns in shared memory orthogonal; whether they were not. By a warp: `x` and `y` are what its lane has of them, in parts
// and a last group with the column of the product of the rotations. Of one part all is read once.
__device__ __forceinline__ bool rotate(real *x, real *y, u32 parts, real &xx, real &yy, real tolerance, real floor) {
    Lane<GROUPS> a, b;
    real xy = 0;
    for (u32 part = 0; part < parts; part++) {
        a.load(x + part * PART);
        b.load(y + part * PART);
        xy += products<GROUPS>(a, b);
    }
    Lane<1> j, k;
    j.load(x + parts * PART);
    k.load(y + parts * PART);
    Rotation rotation;
    if (!rotation_of(xx, yy, warp_sum(xy), tolerance, floor, rotation)) return false;
    turn(rotation, j, k);
    j.store(x + parts * PART);
    k.store(y + parts * PART);
    // The last part is there already.
    for (u32 part = parts; part-- > 0;) {
        if (part + 1 < parts) {
            a.load(x + part * PART);
            b.load(y + part * PART);
        }
        turn(rotation, a, b);
        a.store(x + part * PART);
        b.store(y + part * PART);
    }
    // All lanes have read the norms.
    __syncwarp();
    if (threadIdx.x % WARP == 0) {
        xx -= rotation.grown;
        yy += rotation.grown;
    }
    return true;
}

// A column of `rows` numbers into shared memory, and zeros up to whole parts, by a warp. Its squared norm.
__device__ __forceinline__ real fetch(real *to, const real *from, u32 rows, u32 parts, u32 lane) {
    real sum = 0;
    for (u32 part = 0; part < parts; part++) {
        Lane<GROUPS> numbers;
#pragma unroll
        for (u32 l = 0; l < GROUPS; l++) {
            const u32 i = part * PART + l * WARP + lane;
            numbers.x[l] = i < rows ? __ldcg(from + i) : real(0);
        }
        numbers.store(to + part * PART + lane);
        sum += products<GROUPS>(numbers, numbers);
    }
    return warp_sum(sum);
}

// v[:, columns] = v[:, columns]·J of at most COLUMNS columns, a warp for 32 rows, or two with half of the columns each. `at(c)` is where
// column c of v begins, or null; column c of J is at j + c·stride. By the whole block.
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
        if (unit >= groups * shares) continue;
        const u32 share = unit % shares, width = columns / shares;
#pragma unroll 4
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

// The blocks p and q meet: whether their columns turned. Shared memory holds 2·width columns, in parts and a last group with the column of
// the product of the rotations of this round, and as many squared norms, which are kept up to date within a round and taken anew in the
// next. `within`: the columns of a block meet each other, too.
__device__ __forceinline__ bool meet(const Problem &problem, u32 p, u32 q, bool within, real floor, u64 *largest) {
    extern __shared__ double memory[];
    const u32 m = problem.m, n = problem.n, width = problem.width;
    const u32 lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    const u32 parts = (m + PART - 1) / PART, filled = parts * PART, length = filled + WARP;
    real *columns = (real *)memory, *norms = columns + 2 * width * length;
    // The column of the matrix that stands in place c, if there is one.
    auto column_of = [&](u32 c) { return c < width ? p * width + c : q * width + c - width; };
    for (u32 c = warp; c < 2 * width; c += warps) {
        real *column = columns + c * length;
        const u32 from = column_of(c), rows = from < n ? m : 0;
        const real norm = fetch(column, problem.x + from * problem.ldx, rows, parts, lane);
        column[filled + lane] = lane == c;
        if (lane == 0) {
            norms[c] = norm;
            if (largest != nullptr) atomicMax(largest, (u64)__double_as_longlong(norm));
        }
    }
    __syncthreads();
    bool turned = false;
    auto rotate_places = [&](u32 a, u32 b) {
        real *x = columns + a * length + lane, *y = columns + b * length + lane;
        turned |= rotate(x, y, parts, norms[a], norms[b], problem.tolerance, floor);
    };
    if (within) {
        for (u32 inner = 0; inner + 1 < 2 * width; inner++) {
            u32 a, b;
            players_of(inner, warp, 2 * width, a, b);
            if (warp < width) rotate_places(a, b);
            __syncthreads();
        }
    } else {
        for (u32 inner = 0, other = warp; inner < width; inner++) {
            if (warp < width) rotate_places(warp, width + other);
            other = other + 1 < width ? other + 1 : 0;
            __syncthreads();
        }
    }
    if (!__syncthreads_or(turned)) return false;
    for (u32 c = warp; c < 2 * width; c += warps) {
        if (column_of(c) >= n) continue;
        real *to = problem.x + column_of(c) * problem.ldx;
        const real *from = columns + c * length;
#pragma unroll 8
        for (u32 i = lane; i < m; i += WARP) __stcg(to + i, from[i]);
    }
    auto at = [&](u32 c) { return column_of(c) < n ? problem.v + column_of(c) * problem.ldv : nullptr; };
    if (2 * width <= MOST_WIDTH) {
        multiply<MOST_WIDTH>(at, n, 2 * width, columns + filled, length);
    } else {
        multiply<2 * MOST_WIDTH>(at, n, 2 * width, columns + filled, length);
    }
    return true;
}

template <bool CLUSTER>
__device__ __forceinline__ void orthogonalize(const Problem &problem) {
    const u32 players = 2 * problem.tables;
    u32 passed = 0, sweep = 0;
    for (; sweep < MOST_SWEEPS; sweep++) {
        const real floor = sweep > 0 ? floor_of(problem) : UNDERFLOW;
        for (u32 round = 0; round + 1 < players; round++) {
            for (u32 table = blockIdx.x; table < problem.tables; table += gridDim.x) {
                u32 p, q;
                players_of(round, table, players, p, q);
                // Once a sweep the columns of a block meet each other, and once their lengths are compared.
                if (meet(problem, p, q, round == 0, floor, sweep + round == 0 ? problem.largest : nullptr) && threadIdx.x == 0) {
                    problem.changed[sweep] = 1;
                }
                // Shared memory is the next table's.
                if (CLUSTER) break;
                __syncthreads();
            }
            all_blocks<CLUSTER>(problem.counter, passed);
        }
        if (__ldcg(problem.changed + sweep) == 0) break;
    }
    if (blockIdx.x == 0 && threadIdx.x == 0) *problem.sweeps = sweep;
}

ORTHOGONALIZE(orthogonalize_cluster, CLUSTER_OF(MANY_BLOCKS), orthogonalize<true>)
ORTHOGONALIZE(orthogonalize_grid, , orthogonalize<false>)

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
