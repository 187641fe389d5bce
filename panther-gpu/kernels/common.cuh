// What all files share. `real` is float or double.

typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

// One element a thread, and on in steps of the whole grid.
#define FOR_EACH(i, count) \
    for (u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x; i < (count); i += (u64)gridDim.x * blockDim.x)

// The remainder and the quotient of k by n, without 64-bit division where 32 bits hold both.
__device__ __forceinline__ void split(u64 k, u64 n, u64 &remainder, u64 &quotient) {
    if (((k | n) >> 32) == 0) {
        u32 q = (u32)k / (u32)n;
        quotient = q;
        remainder = (u32)k - q * (u32)n;
    } else {
        quotient = k / n;
        remainder = k - quotient * n;
    }
}

// Calls work(i, j) for the entries of a matrix, one a thread: along the rows where neighbouring columns lie `right` = 1 number apart,
// else down the columns.
template <typename Work>
__device__ __forceinline__ void for_each_entry(u64 rows, u64 columns, u64 right, Work work) {
    FOR_EACH(k, rows * columns) {
        u64 i, j;
        if (right == 1) {
            split(k, columns, j, i);
        } else {
            split(k, rows, i, j);
        }
        work(i, j);
    }
}

constexpr u32 ALL_LANES = 0xffffffffu;
#define INFINITE (real(__int_as_float(0x7f800000)))

#ifdef REAL_IS_FLOAT
constexpr real EPSILON = 1.1920928955078125e-7f;
constexpr real HIGHEST = 3.402823466e38f;
#else
constexpr real EPSILON = 2.220446049250313e-16;
constexpr real HIGHEST = 1.7976931348623157e308;
#endif

// What one load brings.
struct alignas(16) Quad {
    real x[16 / sizeof(real)];
};

// From global into shared memory, without waiting: copied when `all_copied` is passed, for this thread.
__device__ __forceinline__ void copy_later(real *shared, const real *global) {
#if __CUDA_ARCH__ >= 800
    const u32 to = (u32)__cvta_generic_to_shared(shared);
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(to), "l"(global), "n"(sizeof(real)) : "memory");
#else
    *shared = *global;
#endif
}

// 16 bytes, where both lie at a multiple of 16.
__device__ __forceinline__ void copy_quad_later(Quad *shared, const Quad *global) {
#if __CUDA_ARCH__ >= 800
    const u32 to = (u32)__cvta_generic_to_shared(shared);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(global) : "memory");
#else
    *shared = *global;
#endif
}

__device__ __forceinline__ void all_copied() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_all;" ::: "memory");
#endif
}

// Sum over the lanes of a warp, the same in each, in a fixed order.
template <typename T>
__device__ __forceinline__ T warp_sum(T x) {
#pragma unroll
    for (int step = WARP / 2; step > 0; step /= 2) x += __shfl_xor_sync(ALL_LANES, x, step);
    return x;
}

template <typename T>
__device__ __forceinline__ T warp_max(T x) {
#pragma unroll
    for (int step = WARP / 2; step > 0; step /= 2) {
        T other = __shfl_xor_sync(ALL_LANES, x, step);
        x = other > x ? other : x;
    }
    return x;
}

// Sum over the threads of a block of whole warps, the same in each thread, in a fixed order. `scratch` has room for a
// number a warp, for nothing but such calls: a barrier precedes each write of it.
template <typename T>
__device__ T block_sum(T x, T *scratch) {
    u32 lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    x = warp_sum(x);
    __syncthreads();
    if (lane == 0) scratch[warp] = x;
    __syncthreads();
    x = lane < warps ? scratch[lane] : T(0);
    x = warp_sum(x);
    return x;
}

template <typename T>
__device__ T block_max(T x, T lowest, T *scratch) {
    u32 lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    x = warp_max(x);
    __syncthreads();
    if (lane == 0) scratch[warp] = x;
    __syncthreads();
    x = lane < warps ? scratch[lane] : lowest;
    x = warp_max(x);
    return x;
}

// Sum over the threads before this one; `total` is that of all. Begins and ends with a barrier.
__device__ u32 exclusive_sum(u32 x, u32 *scratch, u32 &total) {
    u32 lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    u32 sum = x;
#pragma unroll
    for (u32 step = 1; step < WARP; step *= 2) {
        u32 before = __shfl_up_sync(ALL_LANES, sum, step);
        if (lane >= step) sum += before;
    }
    __syncthreads();
    if (lane == WARP - 1) scratch[warp] = sum;
    __syncthreads();
    u32 below = 0;
    total = 0;
    for (u32 w = 0; w < warps; ++w) {
        if (w < warp) below += scratch[w];
        total += scratch[w];
    }
    __syncthreads();
    return below + sum - x;
}

// x·y, rounded before anything is added to it.
__device__ __forceinline__ float rounded_product(float x, float y) { return __fmul_rn(x, y); }
__device__ __forceinline__ double rounded_product(double x, double y) { return __dmul_rn(x, y); }
