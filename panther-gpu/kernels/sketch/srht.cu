// The subsampled randomized Hadamard transform: aligned tiles of 1024 coordinates are transformed, a column a warp, and of each tile
// the kept rows take one entry. Entry (i, j) of H is that of the low bits of i and j times that of their high bits.

// Columns that a block takes at most, a warp each: 64 bytes where they lie side by side.
constexpr u32 MOST_COLUMNS = COLUMN_BYTES / sizeof(real);
// A column lies in shared memory as 32 pieces of 32 rows, so far apart that neither along a piece nor across all of them
// two lanes meet in a bank.
constexpr u32 PIECE = WARP + 1, COLUMN_ROOM = WARP * PIECE;

// A kept row of H: where its low bits are in a column, and its high bits. No matrix that a device holds has 2^42 rows.
struct alignas(8) Kept {
    u32 place, high;
};
static_assert(sizeof(Kept) == SIZE_OF_KEPT, "the layout of Rust's struct");

// In bit 0: whether H is negative in this row and the first coordinate of a tile.
__device__ __forceinline__ u32 hadamard_sign(Kept row, u64 tile) { return __popc(row.high & (u32)tile); }

// Bit h of signs[32·t + l] is the sign of coordinate 1024·t + 32·h + l. `count` is a multiple of 1024.
extern "C" __global__ void draw_srht_signs(u32 *signs, u64 key, u64 count) {
    FOR_EACH(k, count) {
        u64 word = k / WARP;
        u32 bits = __ballot_sync(ALL_LANES, first_bit(key, word / WARP * SIZE + k % WARP * WARP + word % WARP));
        if (k % WARP == 0) signs[word] = bits;
    }
}

// Columns that a block takes, and this thread's where neighbouring threads have neighbouring columns, with its first row.
__device__ __forceinline__ u32 block_columns() { return blockDim.x / WARP; }
__device__ __forceinline__ u32 side_column() { return threadIdx.x % block_columns(); }
__device__ __forceinline__ u32 side_row() { return threadIdx.x / block_columns(); }

// Rows 0..height of a tile, and columns 0..width of a matrix. Where neighbouring columns lie side by side a thread has every 32nd row of
// side_column(), else a lane has every 32nd row of its warp's column.
template <typename Number>
struct Tile {
    Number *numbers;
    u64 down, right;
    u32 height, width;

    __device__ __forceinline__ bool by_rows() const { return right == 1 && down != 1; }

    // Calls work(h, number) for each number that a thread has, its h-th.
    template <typename Work>
    __device__ __forceinline__ void for_each(Work work) const {
        u32 row = by_rows() ? side_row() : threadIdx.x % WARP;
        u32 c = by_rows() ? side_column() : threadIdx.x / WARP;
        if (c >= width) return;
        Number *first = numbers + row * down + c * right;
        if (height < SIZE) {
#pragma unroll
            for (u32 h = 0; h < WARP; ++h) {
                if (row + h * WARP < height) work(h, first[h * WARP * down]);
            }
        } else if (down == 1) {
#pragma unroll
            for (u32 h = 0; h < WARP; ++h) work(h, first[h * WARP]);
        } else {
#pragma unroll
            for (u32 h = 0; h < WARP; ++h) work(h, first[h * WARP * down]);
        }
    }
};

// H of 32 rows.
__device__ __forceinline__ void butterflies(real (&x)[WARP]) {
#pragma unroll
    for (u32 bit = 1; bit < WARP; bit *= 2) {
#pragma unroll
        for (u32 h = 0; h < WARP; ++h) {
            if (h & bit) continue;
            real low = x[h], high = x[h + bit];
            x[h] = low + high;
            x[h + bit] = low - high;
        }
    }
}

// H·x for 32 rows of 32, of which lane l has number l of each: H over the numbers of a lane, and, once they lie transposed, again.
// The result is in `column`.
__device__ __forceinline__ void transform(real (&x)[WARP], real *column) {
    u32 lane = threadIdx.x % WARP;
    butterflies(x);
#pragma unroll
    for (u32 h = 0; h < WARP; ++h) column[h * PIECE + lane] = x[h];
    __syncwarp();
#pragma unroll
    for (u32 h = 0; h < WARP; ++h) x[h] = column[lane * PIECE + h];
    butterflies(x);
    // Each lane read what it writes.
#pragma unroll
    for (u32 h = 0; h < WARP; ++h) column[lane * PIECE + h] = x[h];
    __syncwarp();
}

// Writes x, a number to each piece from `to` on, and reads what other threads of the block wrote, from `from` on.
__device__ __forceinline__ void exchange(real (&x)[WARP], real *to, const real *from) {
#pragma unroll
    for (u32 h = 0; h < WARP; ++h) to[h * PIECE] = x[h];
    __syncthreads();
#pragma unroll
    for (u32 h = 0; h < WARP; ++h) x[h] = from[h * PIECE];
}

// S·A. A block takes some columns of A, `slice` kept rows and `tiles_per_part` tiles of coordinates. Part y of the sums, times factor,
// goes to out + y·step. In shared memory a warp has its column and its sums, and the next warp's begin `stride` behind.
extern "C" __global__ void __launch_bounds__(MOST_COLUMNS * WARP, 2)
    srht_left(real *out, u64 out_down, u64 out_right, u64 step, const real *a, u64 a_down, u64 a_right, const Kept *kept,
              const u32 *signs, u64 d, u64 n, u64 p, u32 slice, u32 stride, u64 tiles_per_part, real factor) {
    extern __shared__ __align__(16) unsigned char memory[];
    real *columns = (real *)memory, *column = columns + threadIdx.x / WARP * stride, *sums = column + COLUMN_ROOM;
    real *side = columns + side_column() * stride + side_row();
    u32 lane = threadIdx.x % WARP, slices = (u32)((d + slice - 1) / slice);
    u64 top = (u64)(blockIdx.x % slices) * slice, left = (u64)(blockIdx.x / slices) * block_columns();
    u32 rows = d - top < slice ? (u32)(d - top) : slice;
    u32 width = p - left < block_columns() ? (u32)(p - left) : block_columns();
    u64 tiles = (n + SIZE - 1) / SIZE, begin = blockIdx.y * tiles_per_part;
    u64 end = begin + tiles_per_part < tiles ? begin + tiles_per_part : tiles;
    kept += top;

    for (u32 r = lane; r < stride - COLUMN_ROOM; r += WARP) sums[r] = 0;
    for (u64 t = begin; t < end; ++t) {
        u32 height = n - t * SIZE < SIZE ? (u32)(n - t * SIZE) : SIZE;
        Tile<const real> tile{a + t * SIZE * a_down + left * a_right, a_down, a_right, height, width};
        real x[WARP] = {};
        tile.for_each([&](u32 h, real number) { x[h] = number; });
        if (tile.by_rows()) {
            // Nobody reads any more what was there.
            __syncthreads();
            exchange(x, side, column + lane);
            __syncwarp();
        }
        u32 sign = signs[t * WARP + lane];
#pragma unroll
        for (u32 h = 0; h < WARP; ++h) x[h] = with_sign(x[h], sign >> h);
        transform(x, column);
        for (u32 first = lane; first < rows; first += AHEAD * WARP) {
            real taken[AHEAD];
#pragma unroll
            for (u32 k = 0; k < AHEAD; ++k) {
                u32 r = first + k * WARP;
                Kept row = kept[r < rows ? r : 0];
                taken[k] = with_sign(column[row.place], hadamard_sign(row, t));
            }
#pragma unroll
            for (u32 k = 0; k < AHEAD; ++k) sums[first + k * WARP] += taken[k];
        }
        __syncwarp();
    }

    out += blockIdx.y * step + top * out_down + left * out_right;
    if (out_right == 1) {
        __syncthreads();
        u32 c = side_column();
        const real *of = columns + c * stride + COLUMN_ROOM;
        for (u32 r = side_row(); r < rows; r += WARP) {
            if (c < width) out[r * out_down + c] = factor * of[r];
        }
    } else if (threadIdx.x / WARP < width) {
        out += threadIdx.x / WARP * out_right;
        for (u32 r = lane; r < rows; r += WARP) out[r * out_down] = factor * sums[r];
    }
}

// Sᵀ·X: a column takes the rows of X, each where the low bits of its kept row are, and is transformed. They come in `groups` groups
// of 32 in which no two meet; places of a group that nothing takes hold d.
extern "C" __global__ void __launch_bounds__(MOST_COLUMNS * WARP, 2)
    srht_adjoint(real *out, u64 out_down, u64 out_right, const real *x, u64 x_down, u64 x_right, const Kept *kept,
                 const u32 *order, u32 groups, const u32 *signs, u64 d, u64 n, u64 p, u32 stride, real scale) {
    extern __shared__ __align__(16) unsigned char memory[];
    u32 lane = threadIdx.x % WARP, own = threadIdx.x / WARP;
    real *columns = (real *)memory, *column = columns + own * stride;
    const real *side = columns + side_column() * stride + side_row();
    u64 left = (u64)blockIdx.x * block_columns(), tiles = (n + SIZE - 1) / SIZE;
    u32 width = p - left < block_columns() ? (u32)(p - left) : block_columns();
    x += (left + (own < width ? own : 0)) * x_right;
    for (u64 t = blockIdx.y; t < tiles; t += gridDim.y) {
        for (u32 k = lane; k < COLUMN_ROOM; k += WARP) column[k] = 0;
        __syncwarp();
        for (u32 g = 0; g < groups; g += AHEAD) {
            real taken[AHEAD];
            u32 place[AHEAD];
#pragma unroll
            for (u32 k = 0; k < AHEAD; ++k) {
                u32 r = order[(g + k) * WARP + lane];
                Kept row = r < d ? kept[r] : Kept{COLUMN_ROOM, 0};
                place[k] = row.place;
                if (r < d) taken[k] = with_sign(x[r * x_down], hadamard_sign(row, t));
            }
#pragma unroll
            for (u32 k = 0; k < AHEAD; ++k) {
                if (place[k] < COLUMN_ROOM) column[place[k]] += taken[k];
                __syncwarp();
            }
        }
        real y[WARP];
#pragma unroll
        for (u32 h = 0; h < WARP; ++h) y[h] = column[h * PIECE + lane];
        __syncwarp();
        transform(y, column);
        u32 sign = signs[t * WARP + lane];
#pragma unroll
        for (u32 h = 0; h < WARP; ++h) y[h] = with_sign(scale * column[h * PIECE + lane], sign >> h);
        u32 height = n - t * SIZE < SIZE ? (u32)(n - t * SIZE) : SIZE;
        Tile<real> tile{out + t * SIZE * out_down + left * out_right, out_down, out_right, height, width};
        if (tile.by_rows()) {
            exchange(y, column + lane, side);
            __syncthreads();
        }
        tile.for_each([&](u32 h, real &number) { number = y[h]; });
        __syncwarp();
    }
}

// S itself, column-major.
extern "C" __global__ void put_srht(real *s, u64 d, u64 n, const Kept *kept, const u32 *signs, real scale) {
    FOR_EACH(k, d * n) {
        u64 j = k / d, row = j % SIZE;
        Kept i = kept[k % d];
        u32 low = __popc((i.place - i.place / PIECE) & (u32)row);
        s[k] = with_sign(scale, hadamard_sign(i, j / SIZE) ^ low ^ signs[j / SIZE * WARP + row % WARP] >> row / WARP);
    }
}
