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
    // Target channels of the packed weight: a multiple of GROUP. How many of them a block makes, and source channels of a slab.
    i64 packed, block_targets, slab;
    // Extents of the patch of the source that a tile of targets reads.
    i64 patch[2];
};

// A thread makes GROUP target channels of ROWS pixels below each other; a warp COLUMNS of those side by side.
constexpr int GROUP = 8;
constexpr int ROWS = 8;
constexpr int COLUMNS = 32;
// Warps of a block below each other.
constexpr int BANDS = 2;

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

// Where a place on the dilated source stands in it, or −1.
__device__ __forceinline__ i64 source_place(i64 at, i64 up, i64 extent) {
    if (at < 0) return -1;
    if (up != 1) {
        if (at % up != 0) return -1;
        at /= up;
    }
    return at < extent ? at : -1;
}

// The patch of `channels` source channels from `first` on whose corner is (row, column), into shared memory.
__device__ __forceinline__ void take_patch(const Correlation &c, const real *image, i64 first, i64 channels, i64 row, i64 column,
                                           real *patch) {
    i64 plane = c.source[0] * c.source[1];
    int height = (int)c.patch[0], width = (int)c.patch[1], warps = blockDim.x / WARP, lane = threadIdx.x % WARP;
    for (int line = threadIdx.x / WARP; line < (int)channels * height; line += warps) {
        int channel = line / height, down = line - channel * height;
        i64 r = source_place(row + down, c.up[0], c.source[0]);
        const real *from = image + (first + channel) * plane + r * c.source[1];
        for (int right = lane; right < width; right += WARP) {
            i64 s = r < 0 ? -1 : source_place(column + right, c.up[1], c.source[1]);
            patch[line * width + right] = s < 0 ? real(0) : from[s];
        }
    }
}

// A block: a tile of BANDS·ROWS×COLUMNS targets of block_targets channels. Shared memory: the patches of a slab, then its weights.
// Grid: tiles (columns fastest), blocks of target channels, images.
extern "C" __global__ void
#ifdef REAL_IS_FLOAT
__launch_bounds__(256, 2)
#else
__launch_bounds__(256, 1)
#endif
correlate(Correlation c, const real *source, const real *weight, const real *bias, u32 has_bias, real *target, u64 across) {
    extern __shared__ __align__(16) unsigned char shared[];
    int taps = (int)(c.kernel[0] * c.kernel[1]), width = (int)c.patch[1], area = (int)c.patch[0] * width;
    int outputs = (int)c.block_targets;
    real *weights = reinterpret_cast<real *>(shared);
    real *patch = weights + (i64)c.slab * taps * outputs;
    int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    int group = warp / BANDS, band = warp % BANDS;
    i64 tile_row = (i64)(blockIdx.x / across) * (BANDS * ROWS), tile_column = (i64)(blockIdx.x % across) * COLUMNS;
    i64 first_target = (i64)blockIdx.y * outputs;
    i64 source_row = tile_row * c.step[0] + c.offset[0], source_column = tile_column * c.step[1] + c.offset[1];
    int step_row = (int)c.step[0] * width, step_column = (int)c.step[1];
    int tap_row = (int)c.dilation[0] * width, tap_column = (int)c.dilation[1];
    int own = band * ROWS * step_row + lane * step_column;
    for (u64 image = blockIdx.z; image < c.batch; image += gridDim.z) {
        const real *numbers = source + image * (u64)(c.sources * c.source[0] * c.source[1]);
        real sums[ROWS][GROUP];
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
#pragma unroll
            for (int g = 0; g < GROUP; g++) sums[r][g] = 0;
        }
        for (i64 first = 0; first < c.sources; first += c.slab) {
            int channels = (int)(c.sources - first < c.slab ? c.sources - first : c.slab);
            __syncthreads();
            take_patch(c, numbers, first, channels, source_row, source_column, patch);
            for (int k = threadIdx.x; k < channels * taps * outputs; k += blockDim.x) {
                int line = k / outputs, at = k - line * outputs;
                weights[k] = weight[(first * taps + line) * c.packed + first_target + at];
            }
            __syncthreads();
            for (int channel = 0; channel < channels; channel++) {
                const real *w = weights + channel * taps * outputs + group * GROUP;
                for (int i = 0; i < (int)c.kernel[0]; i++) {
                    const real *x = patch + channel * area + own + i * tap_row;
                    for (int j = 0; j < (int)c.kernel[1]; j++, x += tap_column, w += outputs) {
                        real factors[GROUP];
                        take_group(w, factors);
#pragma unroll
                        for (int r = 0; r < ROWS; r++) {
                            real v = x[r * step_row];
#pragma unroll
                            for (int g = 0; g < GROUP; g++) sums[r][g] = fma(v, factors[g], sums[r][g]);
                        }
                    }
                }
            }
        }
        i64 column = tile_column + lane;
        if (column < c.target[1]) {
#pragma unroll
            for (int g = 0; g < GROUP; g++) {
                i64 channel = first_target + group * GROUP + g;
                if (channel < c.targets) {
                    real added = has_bias ? bias[channel] : real(0);
                    real *plane = target + ((i64)image * c.targets + channel) * c.target[0] * c.target[1];
#pragma unroll
                    for (int r = 0; r < ROWS; r++) {
                        i64 row = tile_row + band * ROWS + r;
                        if (row < c.target[0]) plane[row * c.target[1] + column] = sums[r][g] + added;
                    }
                }
            }
        }
    }
}

// The same, a thread for each target, from global memory: for patches that shared memory does not hold.
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
                i64 r = source_place(row * c.step[0] + i * c.dilation[0] + c.offset[0], c.up[0], c.source[0]);
                if (r < 0) continue;
                for (i64 j = 0; j < c.kernel[1]; j++) {
                    i64 p = source_place(column * c.step[1] + j * c.dilation[1] + c.offset[1], c.up[1], c.source[1]);
                    if (p < 0) continue;
                    sum = fma(plane[r * c.source[1] + p], weight[(s * taps + i * c.kernel[1] + j) * c.packed + channel], sum);
                }
            }
        }
        target[k] = sum;
    }
}

// Gradient by the weight. Columns are the pairs (source channel, tap); a thread makes PAIRS of them, WARP apart, for GROUP targets.
constexpr int PAIRS = 4;
// Targets of a block, in BANDS groups.
constexpr int BLOCK_TARGETS = BANDS * GROUP;
// From one pixel to the next in shared memory: the numbers of a group stay aligned, and stores meet fewer banks twice.
constexpr int PITCH = BLOCK_TARGETS + 4;

// Blocks: `share` tiles of `tile_rows`×COLUMNS pixels each (grid x), warps/BANDS·WARP·PAIRS columns (grid y), BLOCK_TARGETS targets
// (grid z). shares[x][target][column]. Shared memory: the targets' gradients, then the patches of `slab` channels.
extern "C" __global__ void __launch_bounds__(256)
correlate_weights(Correlation c, const real *source, const real *gradient, u64 tile_rows, u64 across, u64 down, u64 share,
                  u64 tiles, real *shares) {
    extern __shared__ __align__(16) unsigned char shared[];
    int taps = (int)(c.kernel[0] * c.kernel[1]), width = (int)c.patch[1], area = (int)c.patch[0] * width;
    int rows = (int)tile_rows;
    real *slopes = reinterpret_cast<real *>(shared);
    real *patch = slopes + rows * COLUMNS * PITCH;
    int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    int group = warp % BANDS, part = warp / BANDS;
    i64 columns = c.sources * taps, block_columns = (i64)(blockDim.x / (BANDS * WARP)) * WARP * PAIRS;
    i64 first_column = (i64)blockIdx.y * block_columns, first_target = (i64)blockIdx.z * BLOCK_TARGETS;
    i64 last_column = first_column + block_columns < columns ? first_column + block_columns : columns;
    i64 first_channel = first_column / taps, channels = (last_column - 1) / taps + 1 - first_channel;
    i64 plane = c.target[0] * c.target[1];
    int offsets[PAIRS];
    real sums[PAIRS][GROUP];
#pragma unroll
    for (int k = 0; k < PAIRS; k++) {
        i64 column = first_column + part * WARP * PAIRS + k * WARP + lane;
        int relative = (int)(column - first_channel * taps), channel = relative / taps, tap = relative - channel * taps;
        int i = tap / (int)c.kernel[1], j = tap - i * (int)c.kernel[1];
        offsets[k] = column < columns ? channel * area + i * (int)c.dilation[0] * width + j * (int)c.dilation[1] : 0;
#pragma unroll
        for (int g = 0; g < GROUP; g++) sums[k][g] = 0;
    }
    u64 first_tile = blockIdx.x * share, last_tile = first_tile + share < tiles ? first_tile + share : tiles;
    for (u64 tile = first_tile; tile < last_tile; tile++) {
        u64 image = tile / (across * down), within = tile % (across * down);
        i64 tile_row = (i64)(within / across) * rows, tile_column = (i64)(within % across) * COLUMNS;
        __syncthreads();
        take_patch(c, source + image * (u64)(c.sources * c.source[0] * c.source[1]), first_channel, channels,
                   tile_row * c.step[0] + c.offset[0], tile_column * c.step[1] + c.offset[1], patch);
        for (int k = threadIdx.x; k < BLOCK_TARGETS * rows * COLUMNS; k += blockDim.x) {
            int pixel = k % (rows * COLUMNS), t = k / (rows * COLUMNS);
            i64 row = tile_row + pixel / COLUMNS, column = tile_column + pixel % COLUMNS, target = first_target + t;
            bool inside = row < c.target[0] && column < c.target[1] && target < c.targets;
            slopes[pixel * PITCH + t] =
                inside ? gradient[((i64)image * c.targets + target) * plane + row * c.target[1] + column] : real(0);
        }
        __syncthreads();
        for (int row = 0; row < rows; row++) {
            const real *by = slopes + row * COLUMNS * PITCH + group * GROUP;
            const real *x = patch + row * (int)c.step[0] * width;
#pragma unroll 4
            for (int pixel = 0; pixel < COLUMNS; pixel++, by += PITCH, x += c.step[1]) {
                real factors[GROUP];
                take_group(by, factors);
#pragma unroll
                for (int k = 0; k < PAIRS; k++) {
                    real v = x[offsets[k]];
#pragma unroll
                    for (int g = 0; g < GROUP; g++) sums[k][g] = fma(v, factors[g], sums[k][g]);
                }
            }
        }
    }
#pragma unroll
    for (int k = 0; k < PAIRS; k++) {
        i64 column = first_column + part * WARP * PAIRS + k * WARP + lane;
        if (column >= columns) continue;
#pragma unroll
        for (int g = 0; g < GROUP; g++) {
            i64 target = first_target + group * GROUP + g;
            if (target < c.targets) shares[((i64)blockIdx.x * c.targets + target) * columns + column] = sums[k][g];
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
            i64 r = source_place(pixel / c.target[1] * c.step[0] + down, c.up[0], c.source[0]);
            i64 p = source_place(pixel % c.target[1] * c.step[1] + right, c.up[1], c.source[1]);
            if (r < 0 || p < 0) continue;
            real x = source[(image * c.sources + channel) * c.source[0] * c.source[1] + r * c.source[1] + p];
            total = fma(x, gradient[(image * c.targets + target) * plane + pixel], total);
        }
        total = block_sum(total, scratch);
        if (threadIdx.x == 0) sum[k] += total;
    }
}
