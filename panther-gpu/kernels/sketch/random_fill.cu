// Random fill: number e is entry (e mod 1024, ⌊e/1024⌋) of an operator of 1024 rows. A thread draws a stream; a warp hands
// what its 32 streams gave over in shared memory, so that neighbouring threads write neighbouring numbers.

// Calls put(e, number) for every e below count.
template <typename Pairs, typename T, typename Put>
__device__ __forceinline__ void for_each_number(u64 count, u64 key, T scale, Put put) {
    __shared__ T handed[FILL_THREADS / WARP][WARP][WARP + 1];
    u32 lane = threadIdx.x % WARP;
    T(*tile)[WARP + 1] = handed[threadIdx.x / WARP];
    u64 streams = (count + STREAM_LENGTH - 1) / STREAM_LENGTH, step = (u64)gridDim.x * FILL_THREADS;
    // The same for all lanes of a warp, which so stay together.
    for (u64 first = (u64)blockIdx.x * FILL_THREADS + (threadIdx.x - lane); first < streams; first += step) {
        Stream words(key, first + lane);
        for (u32 top = 0; top < STREAM_LENGTH; top += WARP) {
#pragma unroll 4
            for (u32 i = 0; i < WARP; i += 2) Pairs::draw(words.next(), scale, tile[lane][i], tile[lane][i + 1]);
            __syncwarp();
            for (u32 k = 0; k < WARP; ++k) {
                u64 e = (first + k) * STREAM_LENGTH + top + lane;
                if (e < count) put(e, tile[k][lane]);
            }
            __syncwarp();
        }
    }
}

extern "C" __global__ void fill_uniform(real *out, u64 count, u64 key, real scale, real factor) {
    for_each_number<UniformPairs<real>>(count, key, scale, [=](u64 e, real x) { out[e] = factor * x; });
}

extern "C" __global__ void fill_normal(real *out, u64 count, u64 key, real scale, real factor) {
    for_each_number<GaussianPairs<real>>(count, key, scale, [=](u64 e, real x) { out[e] = factor * x; });
}

// Draws are single precision whatever the type, so that both drop the same places.
extern "C" __global__ void dropout(real *x, u64 count, u64 key, float scale, float factor, float threshold, real kept) {
    for_each_number<UniformPairs<float>>(count, key, scale, [=](u64 e, float draw) {
        x[e] = __fmul_rn(factor, draw) < threshold ? real(0) : kept * x[e];
    });
}
