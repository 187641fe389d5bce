// Tiles: some rows of some columns of a matrix in shared memory, 64 bytes a row, so that the two halves of the banks hold
// neighbouring rows.

constexpr u32 TILE_COLUMNS = 64 / sizeof(real);

// Where entry (row, c) of a tile lies. A warp that walks down a column meets every bank once, as does one that reads
// two whole rows of different parity.
__device__ __forceinline__ u32 tile_at(u32 row, u32 c) {
    return row * TILE_COLUMNS + (c ^ (row >> 1 & (TILE_COLUMNS - 1)));
}

// Rows 0..height and columns 0..width of a matrix into a tile of `padded` rows, zero beyond. With `negative`, rows whose
// byte is set change their sign. Each thread has several loads on the way at a time.
template <bool SIGNED>
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
                if (row < padded) tile[tile_at(row, c)] = SIGNED ? with_sign(values[k], negative[row]) : values[k];
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
                if (row < padded) tile[tile_at(row, c)] = SIGNED ? with_sign(values[k], negative[row]) : values[k];
            }
        }
    }
}

// out = factor·sums, or += with `add`, for `height` rows of sums, row by row TILE_COLUMNS apart, and `width` columns.
__device__ __forceinline__ void store_sums(real *out, u64 down, u64 right, const real *sums, u32 height, u32 width,
                                           real factor, u32 add) {
    if (right == 1 && down != 1) {
        u32 c = threadIdx.x % TILE_COLUMNS;
        for (u32 row = threadIdx.x / TILE_COLUMNS; row < height; row += blockDim.x / TILE_COLUMNS) {
            if (c >= width) continue;
            real value = factor * sums[row * TILE_COLUMNS + c];
            real *slot = out + row * down + c;
            *slot = add ? *slot + value : value;
        }
    } else {
        u32 lane = threadIdx.x % WARP, pieces = (height + WARP - 1) / WARP * width;
        for (u32 piece = threadIdx.x / WARP; piece < pieces; piece += blockDim.x / WARP) {
            u32 c = piece % width, row = piece / width * WARP + lane;
            if (row >= height) continue;
            real value = factor * sums[row * TILE_COLUMNS + c];
            real *slot = out + row * down + c * right;
            *slot = add ? *slot + value : value;
        }
    }
}
