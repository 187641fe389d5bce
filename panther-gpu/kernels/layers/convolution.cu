// Correlations of batches of images with small kernels, forward and backward.
//
// Both directions are one computation: target[p] = Σ over source channels and taps t of weight·S(step·p + dilation·t + offset),
// where S(u) is the source at u/up, and 0 where up does not divide u or where that lies outside. Forward, step is the stride and
// up 1; backward the other way round, with the taps in the opposite order.

struct Correlation {
    u64 batch;
    i64 sources, targets;
    i64 source[2], target[2];
    i64 kernel[2], step[2], up[2], dilation[2], offset[2];
    // Target channels of the packed weight: a multiple of GROUP. How many of them a block makes, source channels of a slab, and those that
    // a block sums over, in slabs.
    i64 packed, block_targets, slab, share;
    // Extents of the patch of the source that a tile of targets reads.
    i64 patch[2];
};
static_assert(sizeof(Correlation) == SIZE_OF_CORRELATION, "the layout of Rust's struct");

// A thread makes GROUP target channels of ROWS pixels below each other; a warp COLUMNS of those side by side.
// BANDS warps of a block are below each other.
// The patches of small kernels have PITCH columns, known to the compiler so that addresses need no arithmetic.

// The GROUP numbers at an address that is a multiple of 16.
__device__ __forceinline__ void take_group(const real *from, real (&numbers)[GROUP]) {
    struct alignas(16) Part {
        real numbers[16 / sizeof(real)];
    };
#pragma unroll
    for (int k = 0; k < (int)(GROUP * sizeof(real) / 16); k++) {
        Part part = reinterpret_cast<const Part *>(from)[k];
#pragma unroll
        for (int i = 0; i < (int)(16 / sizeof(real)); i++) numbers[k * (16 / sizeof(real)) + i] = part.numbers[i];
    }
}

// packed[source][tap][target] = α·weight; zeros for targets beyond the last.
extern "C" __global__ void pack(const real *weight, u64 source_stride, u64 target_stride, u64 taps, u32 flipped, u64 targets,
                                u64 packed, real alpha, real *to, u64 count) {
    FOR_EACH(k, count) {
        u64 target = k % packed, rest = k / packed;
        u64 tap = rest % taps, source = rest / taps;
        u64 from = source * source_stride + target * target_stride + (flipped ? taps - 1 - tap : tap);
        to[k] = target < targets ? alpha * weight[from] : real(0);
    }
}

// Where a place on the source, with zeros between its pixels if SPREAD, stands in it, or −1.
template <bool SPREAD>
__device__ __forceinline__ i64 source_place(i64 at, i64 up, i64 extent) {
    if (SPREAD) {
        if (at < 0 || at % up != 0) return -1;
        at /= up;
    }
    return (u64)at < (u64)extent ? at : -1;
}

// The patch of `channels` source channels from `first` on whose corner is (row, column), on its way into shared memory: a warp takes
// lines of it, COLUMNS numbers at a time.
template <bool SPREAD>
__device__ __forceinline__ void take_lines(const Correlation &c, const real *image, i64 first, int channels, i64 row, i64 column,
                                           real *patch) {
    i64 pitch = c.source[1], plane = c.source[0] * pitch;
    int height = (int)c.patch[0], width = (int)c.patch[1], lines = channels * height;
    int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP, warps = blockDim.x / WARP;
    i64 next_channel = plane - height * pitch, next_line = warps * pitch;
    for (int right = lane; right < width; right += WARP) {
        i64 s = source_place<SPREAD>(column + right, c.up[1], pitch);
        const real *from = image + first * plane + s;
        real *to = patch + right;
        int channel = 0, down = warp;
        // Where line `down` of the channel stands in a source without zeros between its pixels.
        i64 place = (row + down) * pitch;
#pragma unroll 4
        for (int line = warp; line < lines; line += warps, down += warps, place += next_line) {
            for (; down >= height; down -= height, place += next_channel) channel++;
            i64 r = source_place<SPREAD>(row + down, c.up[0], c.source[0]);
            if (s >= 0 && r >= 0) {
                copy_later(to + line * width, from + (SPREAD ? channel * plane + r * pitch : place));
            } else {
                to[line * width] = 0;
            }
        }
    }
}

__device__ __forceinline__ void take_patch(const Correlation &c, const real *image, i64 first, int channels, i64 row, i64 column,
                                           real *patch) {
    if (c.up[0] == 1 && c.up[1] == 1) {
        take_lines<false>(c, image, first, channels, row, column, patch);
    } else {
        take_lines<true>(c, image, first, channels, row, column, patch);
    }
}

// What a thread of a block of BANDS·ROWS×COLUMNS targets makes: ROWS of them below each other in GROUP channels.
struct Share {
    // Of the block's first target.
    i64 row, column;
    int group, band, lane;

    __device__ __forceinline__ Share(u64 across)
        : row((i64)(blockIdx.x / across) * (BANDS * ROWS)),
          column((i64)(blockIdx.x % across) * COLUMNS),
          group(threadIdx.x / WARP / BANDS),
          band(threadIdx.x / WARP % BANDS),
          lane(threadIdx.x % WARP) {}
};

typedef real Sums[ROWS][GROUP];

__device__ __forceinline__ void clear(Sums &sums) {
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
#pragma unroll
        for (int g = 0; g < GROUP; g++) sums[r][g] = 0;
    }
}

// sums[r][g] += x[r·step]·w[g].
__device__ __forceinline__ void add_products(const real *x, int step, const real *w, Sums &sums) {
    real factors[GROUP];
    take_group(w, factors);
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        real v = x[r * step];
#pragma unroll
        for (int g = 0; g < GROUP; g++) sums[r][g] = fma(v, factors[g], sums[r][g]);
    }
}

// sums += the products of a slab of `channels`. STEP numbers lie between the pixels of a thread, or so many as the slab says.
template <int STEP>
__device__ __forceinline__ void add_slab(const Correlation &c, int channels, const real *patch, const real *weights, Sums &sums) {
    int taps = (int)(c.kernel[0] * c.kernel[1]), width = (int)c.patch[1], area = (int)c.patch[0] * width;
    int outputs = (int)c.block_targets, step = STEP > 0 ? STEP : (int)c.step[0] * width;
    int tap_row = (int)c.dilation[0] * width, tap_column = (int)c.dilation[1];
    for (int channel = 0; channel < channels; channel++) {
        const real *w = weights + channel * taps * outputs;
        for (int i = 0; i < (int)c.kernel[0]; i++) {
            const real *x = patch + channel * area + i * tap_row;
            for (int j = 0; j < (int)c.kernel[1]; j++, x += tap_column, w += outputs) add_products(x, step, w, sums);
        }
    }
}

// The sums over a share of an image's channels from `start` on, whose target channels are block_targets from `first_target` on. Shared
// memory: the weights of a slab of source channels, then their patches.
__device__ __forceinline__ void correlate_image(const Correlation &c, const Share &at, const real *image, const real *weight,
                                                i64 start, i64 first_target, real *weights, Sums &sums) {
    int taps = (int)(c.kernel[0] * c.kernel[1]), outputs = (int)c.block_targets;
    real *patch = weights + (i64)c.slab * taps * outputs;
    i64 source_row = at.row * c.step[0] + c.offset[0], source_column = at.column * c.step[1] + c.offset[1];
    const real *own_patch = patch + at.band * ROWS * (int)(c.step[0] * c.patch[1]) + at.lane * (int)c.step[1];
    const real *own_weights = weights + at.group * GROUP;
    i64 end = start + c.share < c.sources ? start + c.share : c.sources;
    clear(sums);
    for (i64 first = start; first < end; first += c.slab) {
        int channels = (int)(end - first < c.slab ? end - first : c.slab);
        __syncthreads();
        take_patch(c, image, first, channels, source_row, source_column, patch);
        const real *from = weight + first * taps * c.packed + first_target;
        for (int k = threadIdx.x; k < channels * taps * outputs; k += blockDim.x) {
            int line = k / outputs;
            copy_later(weights + k, from + line * c.packed + k - line * outputs);
        }
        all_copied();
        __syncthreads();
        if (c.step[0] == 1 && c.patch[1] == PITCH) {
            add_slab<PITCH>(c, channels, own_patch, own_weights, sums);
        } else {
            add_slab<0>(c, channels, own_patch, own_weights, sums);
        }
    }
}

// sums and bias as GROUP of an image's `channels` target channels, from channel `first` on.
__device__ __forceinline__ void store(const Correlation &c, const Share &at, const Sums &sums, i64 first, i64 channels,
                                      const real *bias, u32 has_bias, real *image) {
    i64 row = at.row + at.band * ROWS, column = at.column + at.lane, plane = c.target[0] * c.target[1];
    if (column >= c.target[1]) return;
    int rows = (int)(c.target[0] - row < ROWS ? c.target[0] - row : ROWS);
    int count = (int)(channels - first < GROUP ? channels - first : GROUP);
    real *to = image + first * plane + row * c.target[1] + column;
#pragma unroll
    for (int g = 0; g < GROUP; g++, to += plane) {
        if (g >= count) break;
        real added = has_bias ? bias[first + g] : real(0);
        real *line = to;
#pragma unroll
        for (int r = 0; r < ROWS; r++, line += c.target[1]) {
            if (r < rows) *line = sums[r][g] + added;
        }
    }
}

#ifdef REAL_IS_FLOAT
#define TILE_BOUNDS __launch_bounds__(BLOCK_THREADS, 2)
#else
#define TILE_BOUNDS __launch_bounds__(BLOCK_THREADS, 1)
#endif

// The sums over the first share of source channels, then those over the next: target[share][image][channel][pixel]. Grid: tiles (columns
// fastest), blocks of target channels for each share, images.
extern "C" __global__ void TILE_BOUNDS correlate(Correlation c, const real *source, const real *weight, const real *bias,
                                                 u32 has_bias, real *target, u64 across) {
    extern __shared__ __align__(16) unsigned char shared[];
    Share at(across);
    i64 blocks = (c.targets + c.block_targets - 1) / c.block_targets, share = blockIdx.y / blocks;
    i64 first_target = blockIdx.y % blocks * c.block_targets;
    for (i64 image = blockIdx.z; image < (i64)c.batch; image += gridDim.z) {
        Sums sums;
        const real *from = source + image * c.sources * c.source[0] * c.source[1];
        correlate_image(c, at, from, weight, share * c.share, first_target, reinterpret_cast<real *>(shared), sums);
        real *to = target + (share * (i64)c.batch + image) * c.targets * c.target[0] * c.target[1];
        store(c, at, sums, first_target + at.group * GROUP, c.targets, bias, has_bias, to);
    }
}

// The sum of all shares, and the bias of each channel. What has overflowed stays infinite, as in a single sum.
extern "C" __global__ void join_shares(const real *parts, u64 shares, const real *bias, u32 has_bias, u64 plane, u64 channels,
                                       real *target, u64 count) {
    FOR_EACH(k, count) {
        real sum = has_bias ? bias[k / plane % channels] : real(0);
        for (u64 share = 0; share < shares; share++) sum = isinf(sum) ? sum : sum + parts[share * count + k];
        target[k] = sum;
    }
}

// As `correlate` of one share, but what is stored is mixᵀ times the targets, `outputs` channels. A block makes all targets of a tile, which
// lie in shared memory when they are mixed, and nowhere else. `mix` has `pitch` columns, a multiple of GROUP. Grid: tiles, one, images.
extern "C" __global__ void TILE_BOUNDS correlate_mixed(Correlation c, const real *source, const real *weight, const real *mix,
                                                       u64 pitch, u64 outputs, const real *bias, u32 has_bias, real *target,
                                                       u64 across) {
    constexpr int PIXELS = BANDS * ROWS * COLUMNS;
    extern __shared__ __align__(16) unsigned char shared[];
    real *hidden = reinterpret_cast<real *>(shared);
    Share at(across);
    real *own = hidden + at.band * ROWS * COLUMNS + at.lane;
    for (i64 image = blockIdx.z; image < (i64)c.batch; image += gridDim.z) {
        Sums sums;
        correlate_image(c, at, source + image * c.sources * c.source[0] * c.source[1], weight, 0, 0, hidden, sums);
        __syncthreads();
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
#pragma unroll
            for (int g = 0; g < GROUP; g++) own[(at.group * GROUP + g) * PIXELS + r * COLUMNS] = sums[r][g];
        }
        __syncthreads();
        real *to = target + image * (i64)outputs * c.target[0] * c.target[1];
        for (i64 first = at.group * GROUP; first < (i64)outputs; first += c.block_targets) {
            clear(sums);
#pragma unroll 2
            for (int k = 0; k < (int)c.targets; k++) add_products(own + k * PIXELS, COLUMNS, mix + k * pitch + first, sums);
            store(c, at, sums, first, (i64)outputs, bias, has_bias, to);
        }
    }
}

// As `correlate`, a thread for each target, from global memory: for patches that shared memory does not hold.
extern "C" __global__ void correlate_simply(Correlation c, const real *source, const real *weight, const real *bias, u32 has_bias,
                                            real *target, u64 count) {
    i64 taps = c.kernel[0] * c.kernel[1];
    FOR_EACH(k, count) {
        i64 column = (i64)(k % (u64)c.target[1]);
        u64 rest = k / (u64)c.target[1];
        i64 row = (i64)(rest % (u64)c.target[0]);
        rest /= (u64)c.target[0];
        i64 channel = (i64)(rest % (u64)c.targets), image = (i64)(rest / (u64)c.targets);
        real sum = has_bias ? bias[channel] : real(0);
        for (i64 s = 0; s < c.sources; s++) {
            const real *plane = source + (image * c.sources + s) * c.source[0] * c.source[1];
            for (i64 i = 0; i < c.kernel[0]; i++) {
                i64 r = source_place<true>(row * c.step[0] + i * c.dilation[0] + c.offset[0], c.up[0], c.source[0]);
                if (r < 0) continue;
                for (i64 j = 0; j < c.kernel[1]; j++) {
                    i64 p = source_place<true>(column * c.step[1] + j * c.dilation[1] + c.offset[1], c.up[1], c.source[1]);
                    if (p < 0) continue;
                    sum = fma(plane[r * c.source[1] + p], weight[(s * taps + i * c.kernel[1] + j) * c.packed + channel], sum);
                }
            }
        }
        target[k] = sum;
    }
}

// Gradient by the weight. Its columns are the pairs of a source channel and a tap; a thread makes PAIRS neighbouring ones for GROUP
// targets, from one pixel of COLUMNS side by side. The lanes are summed at the end.
// Targets of a block, in BANDS groups.
constexpr int BLOCK_TARGETS = BANDS * GROUP;

typedef real Slopes[PAIRS][GROUP];

// Some rows of COLUMNS pixels side by side: its image and its first pixel.
struct Tile {
    i64 image;
    int row, column;

    __device__ __forceinline__ void move_on(const Correlation &c, int rows) {
        column += COLUMNS;
        if (column < (int)c.target[1]) return;
        column = 0;
        row += rows;
        if (row < (int)c.target[0]) return;
        row = 0;
        image++;
    }
};

// sums += the products of one pixel of each row, the rows' x STEP numbers apart, or so many as `step` says.
template <int STEP>
__device__ __forceinline__ void add_pixels(const real *x, int step, const int (&offsets)[PAIRS], const real *slopes, int rows,
                                           Slopes &sums) {
    constexpr int UNROLLED = STEP > 0 ? 4 : 1;
#pragma unroll UNROLLED
    for (int row = 0; row < rows; row++) {
        real factors[GROUP];
#pragma unroll
        for (int g = 0; g < GROUP; g++) factors[g] = slopes[(row * BLOCK_TARGETS + g) * COLUMNS];
#pragma unroll
        for (int k = 0; k < PAIRS; k++) {
            real v = x[offsets[k] + row * (STEP > 0 ? STEP : step)];
#pragma unroll
            for (int g = 0; g < GROUP; g++) sums[k][g] = fma(v, factors[g], sums[k][g]);
        }
    }
}

// Blocks: `share` tiles of `tile_rows`×COLUMNS pixels each (grid x), warps/BANDS·PAIRS columns (grid y), BLOCK_TARGETS targets
// (grid z). shares[x][target][column]. Shared memory has room for two tiles, so that one is on its way while the other is summed, `room`
// numbers each: the targets' gradients by rows of the tile, then the patches of the channels.
extern "C" __global__ void TILE_BOUNDS correlate_weights(Correlation c, const real *source, const real *gradient, u64 tile_rows,
                                                         u64 across, u64 down, u64 share, u64 tiles, u64 room, real *shares) {
    extern __shared__ __align__(16) unsigned char shared[];
    int taps = (int)(c.kernel[0] * c.kernel[1]), width = (int)c.patch[1], area = (int)c.patch[0] * width;
    int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP, warps = blockDim.x / WARP;
    int group = warp % BANDS, part = warp / BANDS;
    i64 columns = c.sources * taps, block_columns = (i64)(warps / BANDS) * PAIRS;
    i64 first_column = (i64)blockIdx.y * block_columns, first_target = (i64)blockIdx.z * BLOCK_TARGETS;
    i64 last_column = first_column + block_columns < columns ? first_column + block_columns : columns;
    i64 own_column = first_column + part * PAIRS, own_target = first_target + group * GROUP;
    i64 first_channel = first_column / taps;
    int channels = (int)((last_column - 1) / taps + 1 - first_channel);
    i64 plane = c.target[0] * c.target[1];
    int offsets[PAIRS];
    Slopes sums;
#pragma unroll
    for (int k = 0; k < PAIRS; k++) {
        int relative = (int)(own_column + k - first_channel * taps), channel = relative / taps, tap = relative - channel * taps;
        int i = tap / (int)c.kernel[1], j = tap - i * (int)c.kernel[1];
        // Columns beyond the last are made of the first, and left out.
        offsets[k] = lane * (int)c.step[1];
        if (own_column + k < columns) offsets[k] += channel * area + i * (int)c.dilation[0] * width + j * (int)c.dilation[1];
#pragma unroll
        for (int g = 0; g < GROUP; g++) sums[k][g] = 0;
    }
    u64 first_tile = blockIdx.x * share, last_tile = first_tile + share < tiles ? first_tile + share : tiles;
    auto slopes_of = [&](u64 tile) { return reinterpret_cast<real *>(shared) + (tile & 1) * room; };
    auto patch_of = [&](u64 tile) { return slopes_of(tile) + tile_rows * BLOCK_TARGETS * COLUMNS; };
    auto rows_of = [&](const Tile &tile) { return min((int)tile_rows, (int)c.target[0] - tile.row); };
    // On its way into shared memory.
    auto take = [&](const Tile &tile, real *slopes, real *patch) {
        take_patch(c, source + tile.image * c.sources * c.source[0] * c.source[1], first_channel, channels,
                   tile.row * c.step[0] + c.offset[0], tile.column * c.step[1] + c.offset[1], patch);
        int rows = rows_of(tile), column = tile.column + lane;
        for (int t = warp; t < BLOCK_TARGETS; t += warps) {
            i64 target = first_target + t;
            bool inside = target < c.targets && column < (int)c.target[1];
            const real *from = gradient + (tile.image * c.targets + target) * plane + tile.row * c.target[1] + column;
            real *to = slopes + t * COLUMNS + lane;
#pragma unroll 4
            for (int r = 0; r < rows; r++, from += c.target[1], to += BLOCK_TARGETS * COLUMNS) {
                if (inside) {
                    copy_later(to, from);
                } else {
                    *to = 0;
                }
            }
        }
    };
    u64 of_image = first_tile % (across * down);
    Tile current = {(i64)(first_tile / (across * down)), (int)(of_image / across * tile_rows), (int)(of_image % across) * COLUMNS};
    take(current, slopes_of(first_tile), patch_of(first_tile));
    for (u64 tile = first_tile; tile < last_tile; tile++) {
        all_copied();
        __syncthreads();
        int rows = rows_of(current);
        current.move_on(c, (int)tile_rows);
        if (tile + 1 < last_tile) take(current, slopes_of(tile + 1), patch_of(tile + 1));
        const real *by = slopes_of(tile) + group * GROUP * COLUMNS + lane, *patch = patch_of(tile);
        if (c.step[0] == 1 && width == PITCH) {
            add_pixels<PITCH>(patch, PITCH, offsets, by, rows, sums);
        } else {
            add_pixels<0>(patch, (int)c.step[0] * width, offsets, by, rows, sums);
        }
    }
#pragma unroll
    for (int k = 0; k < PAIRS; k++) {
#pragma unroll
        for (int g = 0; g < GROUP; g++) {
            i64 column = own_column + k, target = own_target + g;
            real sum = warp_sum(sums[k][g]);
            if (lane == 0 && column < columns && target < c.targets) {
                shares[((i64)blockIdx.x * c.targets + target) * columns + column] = sum;
            }
        }
    }
}

// The same, a block for each weight, which it adds to.
extern "C" __global__ void correlate_weights_simply(Correlation c, const real *source, const real *gradient, real *sum, u64 count) {
    __shared__ real scratch[WARP];
    i64 taps = c.kernel[0] * c.kernel[1], plane = c.target[0] * c.target[1];
    for (u64 k = blockIdx.x; k < count; k += gridDim.x) {
        i64 tap = (i64)k % taps, rest = (i64)k / taps;
        i64 channel = rest % c.sources, target = rest / c.sources;
        i64 down = tap / c.kernel[1] * c.dilation[0] + c.offset[0], right = tap % c.kernel[1] * c.dilation[1] + c.offset[1];
        real total = 0;
        for (i64 at = threadIdx.x; at < (i64)c.batch * plane; at += blockDim.x) {
            i64 image = at / plane, pixel = at % plane;
            i64 r = source_place<false>(pixel / c.target[1] * c.step[0] + down, c.up[0], c.source[0]);
            i64 p = source_place<false>(pixel % c.target[1] * c.step[1] + right, c.up[1], c.source[1]);
            if (r < 0 || p < 0) continue;
            real x = source[(image * c.sources + channel) * c.source[0] * c.source[1] + r * c.source[1] + p];
            total = fma(x, gradient[(image * c.targets + target) * plane + pixel], total);
        }
        total = block_sum(total, scratch);
        if (threadIdx.x == 0) sum[k] += total;
    }
}
