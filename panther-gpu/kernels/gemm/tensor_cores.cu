// Products of f32 matrices on the tensor cores of Hopper devices, to the accuracy of f32: each factor is split into two numbers of
// 11 bits, x = x₁ + x₂, and of the four products of the parts the three that matter are summed (Markidis et al. 2018). Tensor cores
// round their sums towards zero, so that these leave them after every 32 terms (Ootomo and Yokota 2022).
//
// A block makes a tile of C, 128 rows by COLUMNS. Half of its warps bring tiles of A and B, STAGES at a time on their way, and split B
// before it lands in shared memory. The others split A on the way to their registers and multiply, 64 rows each group of four.

#if defined(REAL_IS_FLOAT) && defined(__CUDA_ARCH_FEAT_SM90_ALL)

constexpr u32 BRINGING = BLOCK_THREADS / 2, MULTIPLYING = BLOCK_THREADS / 2;
// What one load brings, and the loads of a row of B in a tile.
constexpr u32 WIDE = 4, CHUNKS = DEPTH / WIDE;

// Numbers from one row of a tile of A to the next, or from one column, such that a warp meets every bank once as it reads 8 rows of 4
// columns.
constexpr u32 STRIDE_BY_ROWS = DEPTH + A_PADDING, STRIDE_BY_COLUMNS = TILE_ROWS + 8;
constexpr u32 A_NUMBERS = TILE_ROWS * STRIDE_BY_ROWS;
static_assert(A_NUMBERS >= DEPTH * STRIDE_BY_COLUMNS, "either layout fits");

// C = α·A·B + β·C for m×n C and each product of a batch, or a part of the sum over k for each of `splits` parts, one m×n matrix behind the
// other, column-major.
struct Product {
    // By rows: entry (i, j) at a[i·stride + j], or a[i + j·stride]; lines begin at multiples of 16 bytes.
    const float *a;
    // By columns: entry (i, j) at b[i + j·stride], or b[i·stride + j].
    const float *b;
    float *c;
    u64 c_down, c_right;
    // From one product of the batch to the next.
    u64 a_step, b_step, c_step;
    u32 a_stride, b_stride;
    u32 m, n, k, splits;
    float alpha, beta;
    // Columns begin at multiples of 16 bytes.
    u32 b_is_wide;
    u32 tiles_right;
};
static_assert(sizeof(Product) == SIZE_OF_PRODUCT, "the layout of Rust's struct");

// The part of the product that a block makes: rows and columns of C from here on, and terms of the sums.
struct Part {
    u32 row, column, first, end;
    // The factors of its product.
    const float *a, *b;
    __device__ __forceinline__ u32 steps() const { return (end - first + DEPTH - 1) / DEPTH; }
};

// What a stage holds: A as it is, B as two tiles of leading parts and rests, each column in 128 bytes.
template <u32 COLUMNS>
struct Stage {
    static constexpr u32 B_BYTES = COLUMNS * DEPTH * sizeof(float), BYTES = 2 * B_BYTES + A_NUMBERS * sizeof(float);
    u32 address;
    __device__ __forceinline__ u32 leading() const { return address; }
    __device__ __forceinline__ u32 rest() const { return address + B_BYTES; }
    __device__ __forceinline__ u32 a() const { return address + 2 * B_BYTES; }
};
// A tile of B begins at a multiple of 1024 bytes, since its columns are exchanged in eights.
template <u32 COLUMNS>
constexpr u32 STAGE_STEP = (Stage<COLUMNS>::BYTES + 1023) / 1024 * 1024;

__device__ __forceinline__ void bring_a(const Product &p, const Part &part, u32 at, u32 tile) {
    constexpr u32 LINES = A_BY_ROWS ? TILE_ROWS : DEPTH, LENGTH = A_BY_ROWS ? DEPTH : TILE_ROWS;
    constexpr u32 STRIDE = A_BY_ROWS ? STRIDE_BY_ROWS : STRIDE_BY_COLUMNS, THREADS = LENGTH / WIDE, STEP = BRINGING / THREADS;
    const u32 line = (A_BY_ROWS ? part.row : at) + threadIdx.x / THREADS, lines = A_BY_ROWS ? p.m : part.end;
    const u32 offset = threadIdx.x % THREADS * WIDE;
    const u32 from = (A_BY_ROWS ? at : part.row) + offset, end = A_BY_ROWS ? part.end : p.m;
    const u32 valid = from < end ? min(end - from, WIDE) * sizeof(float) : 0;
    const float *source = part.a + (u64)line * p.a_stride + from;
    const u32 to = tile + (threadIdx.x / THREADS * STRIDE + offset) * sizeof(float);
#pragma unroll
    for (u32 i = 0; i < LINES / STEP; ++i) {
        const u32 bytes = line + i * STEP < lines ? valid : 0;
        copy_wide(to + i * STEP * STRIDE * sizeof(float), bytes > 0 ? source : p.a, bytes);
        source += (u64)STEP * p.a_stride;
    }
}

// Pieces of B that a thread brings, the last of them perhaps beyond the tile.
template <u32 COLUMNS>
constexpr u32 PIECES = (COLUMNS * CHUNKS + BRINGING - 1) / BRINGING;

// Column and terms of the i-th piece of a thread: neighbouring threads read along the columns of B, or along its rows.
template <u32 COLUMNS>
__device__ __forceinline__ u32 column_of(u32 i) {
    const u32 piece = threadIdx.x + i * BRINGING;
    return B_BY_COLUMNS ? piece / CHUNKS : piece % COLUMNS;
}

template <u32 COLUMNS>
__device__ __forceinline__ u32 chunk_of(u32 i) {
    const u32 piece = threadIdx.x + i * BRINGING;
    return B_BY_COLUMNS ? piece % CHUNKS : piece / COLUMNS;
}

// Columns beyond the last are the last again, since what becomes of them is not written. Terms beyond the last are zero. Nowhere
// does a load wait for another.
template <u32 COLUMNS>
__device__ __forceinline__ void load_b(const Product &p, const Part &part, u32 at, float (&values)[PIECES<COLUMNS>][WIDE]) {
    const bool is_whole = at + DEPTH <= part.end;
#pragma unroll
    for (u32 i = 0; i < PIECES<COLUMNS>; ++i) {
        const u32 term = at + chunk_of<COLUMNS>(i) * WIDE, column = min(part.column + column_of<COLUMNS>(i), p.n - 1);
        if (B_BY_COLUMNS) {
            const float *source = part.b + (u64)column * p.b_stride;
            if (is_whole && p.b_is_wide) {
                *(float4 *)values[i] = *(const float4 *)(source + term);
                continue;
            }
#pragma unroll
            for (u32 j = 0; j < WIDE; ++j) values[i][j] = source[min(term + j, part.end - 1)];
        } else {
            const float *source = part.b + (u64)min(term, part.end - 1) * p.b_stride + column;
#pragma unroll
            for (u32 j = 0; j < WIDE; ++j) {
                values[i][j] = *source;
                if (term + j + 1 < part.end) source += p.b_stride;
            }
        }
        if (!is_whole) {
#pragma unroll
            for (u32 j = 0; j < WIDE; ++j) values[i][j] = term + j < part.end ? values[i][j] : 0.f;
        }
    }
}

template <u32 COLUMNS>
__device__ __forceinline__ void store_b(const float (&values)[PIECES<COLUMNS>][WIDE], Stage<COLUMNS> stage) {
#pragma unroll
    for (u32 i = 0; i < PIECES<COLUMNS>; ++i) {
        u32 leading[WIDE], rest[WIDE];
        if (COLUMNS * CHUNKS % BRINGING != 0 && threadIdx.x + i * BRINGING >= COLUMNS * CHUNKS) break;
        const u32 column = column_of<COLUMNS>(i), chunk = chunk_of<COLUMNS>(i);
        const u32 offset = column * DEPTH * sizeof(float) + (chunk ^ column % CHUNKS) * WIDE * sizeof(float);
#pragma unroll
        for (u32 j = 0; j < WIDE; ++j) round_in_two(values[i][j], leading[j], rest[j]);
        store_wide(stage.leading() + offset, leading);
        store_wide(stage.rest() + offset, rest);
    }
}

// The warps that bring the tiles.
template <u32 COLUMNS>
__device__ __forceinline__ void bring(const Product &p, const Part &part, u32 stages, u32 full, u32 empty) {
    float values[PIECES<COLUMNS>][WIDE];
    load_b<COLUMNS>(p, part, part.first, values);
    for (u32 step = 0; step < part.steps(); ++step) {
        const u32 slot = step % STAGES, at = part.first + step * DEPTH;
        const Stage<COLUMNS> stage{stages + slot * STAGE_STEP<COLUMNS>};
        await(empty + slot * 8, step / STAGES & 1 ^ 1);
        bring_a(p, part, at, stage.a());
        arrive_when_copied(full + slot * 8);
        store_b<COLUMNS>(values, stage);
        // What was written like this the matrix units read by another way.
        asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
        arrive(full + slot * 8);
        if (step + 1 < part.steps()) load_b<COLUMNS>(p, part, at + DEPTH, values);
    }
}

// Entries of A for one thread: of a tile's 4 steps of 8 columns each, rows r and r + 8, columns c and c + 4.
__device__ __forceinline__ void read_a(u32 tile, u32 row, u32 column, float (&values)[16]) {
    constexpr u32 DOWN = A_BY_ROWS ? STRIDE_BY_ROWS : 1, RIGHT = A_BY_ROWS ? 1 : STRIDE_BY_COLUMNS;
    const u32 first = tile + (row * DOWN + column * RIGHT) * sizeof(float);
#pragma unroll
    for (u32 i = 0; i < 16; ++i) {
        const u32 offset = (i % 2 * 8 * DOWN + i / 2 * 4 * RIGHT) * sizeof(float);
        asm volatile("ld.shared.f32 %0, [%1];" : "=f"(values[i]) : "r"(first + offset) : "memory");
    }
}

// The warps that multiply: sums over the terms of the part.
template <u32 COLUMNS>
__device__ __forceinline__ void sum_up(const Part &part, u32 stages, u32 full, u32 empty, u32 row, u32 column,
                                       float (&sums)[COLUMNS / 2]) {
    float values[16], d[COLUMNS / 2];
    u32 leading[16], rest[16];
#pragma unroll
    for (u32 i = 0; i < COLUMNS / 2; ++i) sums[i] = 0.f;
    await(full, 0);
    read_a(Stage<COLUMNS>{stages}.a(), row, column, values);
    const u32 steps = part.steps();
    for (u32 step = 0; step < steps; ++step) {
        const u32 slot = step % STAGES, next = (step + 1) % STAGES;
        const Stage<COLUMNS> stage{stages + slot * STAGE_STEP<COLUMNS>};
#pragma unroll
        for (u32 i = 0; i < 16; ++i) cut_in_two(values[i], leading[i], rest[i]);
        asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
        const u64 b = described(stage.leading()), b_rest = described(stage.rest());
#pragma unroll
        for (u32 i = 0; i < DEPTH / 8; ++i) {
            // 8 terms are 32 bytes. The small products come first.
            multiply<COLUMNS>(d, rest + 4 * i, b + 2 * i, i > 0);
            multiply<COLUMNS>(d, leading + 4 * i, b_rest + 2 * i, 1);
            multiply<COLUMNS>(d, leading + 4 * i, b + 2 * i, 1);
        }
        asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
        if (step + 1 < steps) {
            await(full + next * 8, (step + 1) / STAGES & 1);
            read_a(Stage<COLUMNS>{stages + next * STAGE_STEP<COLUMNS>}.a(), row, column, values);
        }
        asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
        // Until here the registers are in use.
#pragma unroll
        for (u32 i = 0; i < COLUMNS / 2; ++i) asm volatile("" : "+f"(d[i])::"memory");
#pragma unroll
        for (u32 i = 0; i < 16; ++i) asm volatile("" ::"r"(leading[i]), "r"(rest[i]) : "memory");
        arrive(empty + slot * 8);
#pragma unroll
        for (u32 i = 0; i < COLUMNS / 2; ++i) sums[i] += d[i];
    }
}

template <u32 COLUMNS>
__device__ __forceinline__ void product(const Product &p) {
    extern __shared__ char memory[];
    __shared__ u64 barriers[2 * STAGES];
    const u32 stages = ((u32)__cvta_generic_to_shared(memory) + 1023) / 1024 * 1024;
    const u32 full = (u32)__cvta_generic_to_shared(barriers), empty = full + STAGES * 8;
    if (threadIdx.x == 0) {
        for (u32 slot = 0; slot < STAGES; ++slot) {
            begin_barrier(full + slot * 8, 2 * BRINGING);
            begin_barrier(empty + slot * 8, MULTIPLYING);
        }
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    }
    __syncthreads();

    // Neighbouring blocks read the same rows of A.
    const u32 tile_row = blockIdx.x / p.tiles_right, tile_column = blockIdx.x % p.tiles_right, split = blockIdx.y;
    const u32 length = (p.k + p.splits * DEPTH - 1) / (p.splits * DEPTH) * DEPTH;
    Part part{tile_row * TILE_ROWS, tile_column * COLUMNS, split * length, (split + 1) * length, p.a + blockIdx.z * p.a_step, p.b + blockIdx.z * p.b_step};
    if (part.end > p.k) part.end = p.k;

    // Who multiplies needs more registers than there are for each.
    if (threadIdx.x < BRINGING) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 56;");
        bring<COLUMNS>(p, part, stages, full, empty);
    } else {
        asm volatile("setmaxnreg.inc.sync.aligned.u32 200;");
        const u32 lane = threadIdx.x % WARP, warp = (threadIdx.x - BRINGING) / WARP;
        const u32 row = warp * 16 + lane / 4;
        float sums[COLUMNS / 2];
        sum_up<COLUMNS>(part, stages, full, empty, row, lane % 4, sums);
        const bool is_part = p.splits > 1;
        float *c = p.c + blockIdx.z * p.c_step + (is_part ? (u64)split * p.m * p.n : 0);
#pragma unroll
        for (u32 i = 0; i < COLUMNS / 2; ++i) {
            const u32 to_row = part.row + row + i / 2 % 2 * 8, to_column = part.column + i / 4 * 8 + lane % 4 * 2 + i % 2;
            if (to_row >= p.m || to_column >= p.n) continue;
            float *to = c + to_row * p.c_down + to_column * p.c_right;
            *to = is_part ? sums[i] : p.beta == 0.f ? p.alpha * sums[i] : p.alpha * sums[i] + p.beta * *to;
        }
    }
}

#define PRODUCT(columns)                                                    \
    extern "C" __global__ void __launch_bounds__(BRINGING + MULTIPLYING, 1) \
        product_##columns(const __grid_constant__ Product p) {              \
        product<columns>(p);                                                \
    }
PRODUCT(64)
PRODUCT(96)
PRODUCT(112)
PRODUCT(128)

// C = α·(sum of its parts) + β·C for each product of a batch.
extern "C" __global__ void sum_parts(const float *parts, u32 splits, u32 m, u32 n, u32 count, float alpha, float beta, float *c,
                                     u64 c_down, u64 c_right, u64 c_step) {
    const u64 size = (u64)m * n;
    FOR_EACH(i, size * count) {
        u64 entry, index, row, column;
        ::split(i, size, entry, index);
        ::split(entry, m, row, column);
        const float *part = parts + index * splits * size + entry;
        float sum = 0.f;
        for (u32 split = 0; split < splits; ++split) sum += part[split * size];
        float *to = c + index * c_step + row * c_down + column * c_right;
        *to = beta == 0.f ? alpha * sum : alpha * sum + beta * *to;
    }
}

#endif
