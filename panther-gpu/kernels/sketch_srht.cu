// The subsampled randomized Hadamard transform: aligned blocks of 2^levels coordinates are transformed as tiles in shared memory,
// and of each block the kept rows take one entry. Entry (i, j) of H is that of the low bits of i and j times that of
// their high bits.
//
// A tile is some rows of some columns of a matrix, 64 bytes a row, so that the two halves of the banks hold neighbouring rows.

constexpr u32 TILE_COLUMNS = 64 / sizeof(real);

// Where entry (row, c) of a tile lies. A warp that walks down a column meets every bank once, as does one that reads
// two whole rows of different parity.
__device__ __forceinline__ u32 tile_at(u32 row, u32 c) {
    return row * TILE_COLUMNS + (c ^ (row >> 1 & (TILE_COLUMNS - 1)));
}

// Rows 0..height and columns 0..width of a matrix into a tile of `padded` rows, zero beyond. Rows whose byte of `negative` is set
// change their sign. Each thread has several loads on the way at a time.
__device__ __forceinline__ void load_tile(real *tile, const real *a, u64 down, u64 right, u32 height, u32 padded, u32 width,
                                          const unsigned char *negative) {
    constexpr u32 AHEAD = 8;
    real values[AHEAD];
    if (right == 1 && down != 1) {
        // Neighbouring threads read along the rows.
        u32 c = threadIdx.x % TILE_COLUMNS, step = blockDim.x / TILE_COLUMNS;
        for (u32 first = threadIdx.x / TILE_COLUMNS; first < padded; first += step * AHEAD) {
#pragma unroll
            for (u32 k = 0; k < AHEAD; ++k) {
                u32 row = first + k * step;
                values[k] = row < height && c < width ? a[row * down + c] : real(0);
            }
#pragma unroll
            for (u32 k = 0; k < AHEAD; ++k) {
                u32 row = first + k * step;
                if (row < padded) tile[tile_at(row, c)] = with_sign(values[k], negative[row]);
            }
        }
    } else {
        // A warp reads 32 rows of a column.
        u32 lane = threadIdx.x % WARP, step = blockDim.x / WARP;
        u32 pieces = (padded + WARP - 1) / WARP * TILE_COLUMNS;
        for (u32 first = threadIdx.x / WARP; first < pieces; first += step * AHEAD) {
#pragma unroll
            for (u32 k = 0; k < AHEAD; ++k) {
                u32 piece = first + k * step, c = piece % TILE_COLUMNS, row = piece / TILE_COLUMNS * WARP + lane;
                values[k] = row < height && c < width ? a[row * down + c * right] : real(0);
            }
#pragma unroll
            for (u32 k = 0; k < AHEAD; ++k) {
                u32 piece = first + k * step, c = piece % TILE_COLUMNS, row = piece / TILE_COLUMNS * WARP + lane;
                if (row < padded) tile[tile_at(row, c)] = with_sign(values[k], negative[row]);
            }
        }
    }
}

// out = factor·sums for `height` rows of sums, row by row TILE_COLUMNS apart, and `width` columns.
__device__ __forceinline__ void store_sums(real *out, u64 down, u64 right, const real *sums, u32 height, u32 width,
                                           real factor) {
    if (right == 1 && down != 1) {
        u32 c = threadIdx.x % TILE_COLUMNS;
        for (u32 row = threadIdx.x / TILE_COLUMNS; row < height; row += blockDim.x / TILE_COLUMNS) {
            if (c < width) out[row * down + c] = factor * sums[row * TILE_COLUMNS + c];
        }
    } else {
        u32 lane = threadIdx.x % WARP, pieces = (height + WARP - 1) / WARP * width;
        for (u32 piece = threadIdx.x / WARP; piece < pieces; piece += blockDim.x / WARP) {
            u32 c = piece % width, row = piece / width * WARP + lane;
            if (row < height) out[row * down + c * right] = factor * sums[row * TILE_COLUMNS + c];
        }
    }
}

// LEVELS levels, three at most, on rows that lie `half` apart. Begins with a barrier.
template <u32 LEVELS>
__device__ __forceinline__ void butterflies(real *tile, u32 rows, u32 half) {
    constexpr u32 SIZE = 1u << LEVELS;
    __syncthreads();
    for (u32 k = threadIdx.x; k < rows / SIZE * TILE_COLUMNS; k += blockDim.x) {
        u32 c = k % TILE_COLUMNS, pair = k / TILE_COLUMNS;
        // `pair` counts the rows whose bits at these levels are 0; half is a power of two.
        u32 first = (pair & ~(half - 1)) * SIZE + (pair & (half - 1));
        real x[SIZE];
#pragma unroll
        for (u32 s = 0; s < SIZE; ++s) x[s] = tile[tile_at(first + s * half, c)];
#pragma unroll
        for (u32 bit = 1; bit < SIZE; bit *= 2) {
#pragma unroll
            for (u32 s = 0; s < SIZE; ++s) {
                if (s & bit) continue;
                real low = x[s], high = x[s + bit];
                x[s] = low + high;
                x[s + bit] = low - high;
            }
        }
#pragma unroll
        for (u32 s = 0; s < SIZE; ++s) tile[tile_at(first + s * half, c)] = x[s];
    }
}

// Begins and ends with a barrier.
__device__ __forceinline__ void transform(real *tile, u32 levels) {
    u32 rows = 1u << levels, half = 1;
    if (levels % 3 == 1) {
        butterflies<1>(tile, rows, half);
        half = 2;
    } else if (levels % 3 == 2) {
        butterflies<2>(tile, rows, half);
        half = 4;
    }
    for (; half < rows; half *= 8) butterflies<3>(tile, rows, half);
    __syncthreads();
}

__device__ __forceinline__ u32 hadamard_sign(u64 i, u64 j) { return __popcll(i & j) & 1; }

// S·A. A block takes TILE_COLUMNS columns of A, `slice` kept rows and `blocks_per_part` blocks of coordinates. Part y of the sums,
// times factor, goes to out + y·step.
extern "C" __global__ void __launch_bounds__(1024, 1)
    srht_left(real *out, u64 out_down, u64 out_right, u64 step, const real *a, u64 a_down, u64 a_right, const u64 *kept,
              u64 d, u64 n, u64 p, u64 key, u32 levels, u32 slice, u64 blocks_per_part, real factor) {
    extern __shared__ __align__(16) unsigned char memory[];
    u32 size = 1u << levels;
    real *tile = (real *)memory, *sums = tile + size * TILE_COLUMNS;
    unsigned char *negative = (unsigned char *)(sums + slice * TILE_COLUMNS);
    u32 c = threadIdx.x % TILE_COLUMNS, groups = blockDim.x / TILE_COLUMNS;
    u32 slices = (u32)((d + slice - 1) / slice);
    u64 top = (u64)(blockIdx.x % slices) * slice, left = (u64)(blockIdx.x / slices) * TILE_COLUMNS;
    u32 rows = d - top < slice ? (u32)(d - top) : slice;
    u32 width = p - left < TILE_COLUMNS ? (u32)(p - left) : TILE_COLUMNS;
    u64 blocks = (n + size - 1) / size;
    u64 begin = blockIdx.y * blocks_per_part;
    u64 end = begin + blocks_per_part < blocks ? begin + blocks_per_part : blocks;
    for (u32 r = threadIdx.x / TILE_COLUMNS; r < rows; r += groups) sums[r * TILE_COLUMNS + c] = 0;
    for (u64 b = begin; b < end; ++b) {
        u64 first = b * size;
        u32 height = n - first < size ? (u32)(n - first) : size;
        __syncthreads();
        for (u32 j = threadIdx.x; j < size; j += blockDim.x) negative[j] = (unsigned char)first_bit(key, first + j);
        __syncthreads();
        load_tile(tile, a + first * a_down + left * a_right, a_down, a_right, height, size, width, negative);
        transform(tile, levels);
        for (u32 r = threadIdx.x / TILE_COLUMNS; r < rows; r += groups) {
            u64 i = kept[top + r];
            real value = tile[tile_at((u32)i & (size - 1), c)];
            sums[r * TILE_COLUMNS + c] += with_sign(value, hadamard_sign(i >> levels, b));
        }
    }
    __syncthreads();
    store_sums(out + blockIdx.y * step + top * out_down + left * out_right, out_down, out_right, sums, rows, width, factor);
}

// Sᵀ·X. Row r of a tile first takes the rows of X whose kept row has these low bits: positions order[starts[r]] … of X.
extern "C" __global__ void __launch_bounds__(1024, 1)
    srht_adjoint(real *out, u64 out_down, u64 out_right, const real *x, u64 x_down, u64 x_right, const u64 *kept,
                 const u64 *order, const u64 *starts, u64 n, u64 p, u64 key, u32 levels, real scale) {
    extern __shared__ __align__(16) unsigned char memory[];
    u32 size = 1u << levels;
    real *tile = (real *)memory;
    u32 c = threadIdx.x % TILE_COLUMNS;
    u64 left = (u64)blockIdx.x * TILE_COLUMNS;
    u32 width = p - left < TILE_COLUMNS ? (u32)(p - left) : TILE_COLUMNS;
    u64 blocks = (n + size - 1) / size;
    for (u64 b = blockIdx.y; b < blocks; b += gridDim.y) {
        u64 first = b * size;
        __syncthreads();
        for (u32 r = threadIdx.x / TILE_COLUMNS; r < size; r += blockDim.x / TILE_COLUMNS) {
            real sum = 0;
            for (u64 e = starts[r]; e < starts[r + 1]; ++e) {
                u64 i = order[e];
                if (c < width) sum += with_sign(x[i * x_down + (left + c) * x_right], hadamard_sign(kept[i] >> levels, b));
            }
            tile[tile_at(r, c)] = sum;
        }
        transform(tile, levels);
        u32 height = n - first < size ? (u32)(n - first) : size;
        for (u32 k = threadIdx.x; k < size * TILE_COLUMNS; k += blockDim.x) {
            // Down the columns, or along the rows.
            u32 row = out_right == 1 ? k / TILE_COLUMNS : k & (size - 1), column = out_right == 1 ? k % TILE_COLUMNS : k >> levels;
            if (row >= height || column >= width) continue;
            real value = scale * tile[tile_at(row, column)];
            out[(first + row) * out_down + (left + column) * out_right] = with_sign(value, first_bit(key, first + row));
        }
    }
}

// S itself, column-major.
extern "C" __global__ void put_srht(real *s, u64 d, u64 n, const u64 *kept, u64 key, real scale) {
    FOR_EACH(k, d * n) {
        u64 i = k % d, j = k / d;
        s[k] = with_sign(scale, hadamard_sign(kept[i], j) ^ first_bit(key, j));
    }
}
