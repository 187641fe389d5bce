// The signs of singular vectors.

// A block a column: where the first of the largest |u| is negative, the column of u and that of v change sign.
extern "C" __global__ void fix_signs(real *u, u64 ldu, u64 m, real *v, u64 ldv, u64 n) {
    __shared__ real best[WARP];
    __shared__ u64 place[WARP];
    real *column = u + blockIdx.x * ldu, *other = v + blockIdx.x * ldv;
    real largest = -1;
    u64 at = m;
    for (u64 i = threadIdx.x; i < m; i += blockDim.x) {
        real x = fabs(column[i]);
        if (x > largest) {
            largest = x;
            at = i;
        }
    }
    for (int step = WARP / 2; step > 0; step /= 2) {
        real x = __shfl_xor_sync(ALL_LANES, largest, step);
        u64 i = __shfl_xor_sync(ALL_LANES, at, step);
        if (x > largest || (x == largest && i < at)) {
            largest = x;
            at = i;
        }
    }
    if (threadIdx.x % WARP == 0) {
        best[threadIdx.x / WARP] = largest;
        place[threadIdx.x / WARP] = at;
    }
    __syncthreads();
    for (u32 w = 0; w < blockDim.x / WARP; w++) {
        if (best[w] > largest || (best[w] == largest && place[w] < at)) {
            largest = best[w];
            at = place[w];
        }
    }
    bool negative = at < m && column[at] < 0;
    __syncthreads();
    if (negative) {
        for (u64 i = threadIdx.x; i < m; i += blockDim.x) column[i] = -column[i];
        for (u64 i = threadIdx.x; i < n; i += blockDim.x) other[i] = -other[i];
    }
}
