// Loops over elements.

__device__ __forceinline__ real normal_cdf(real x) { return real(0.5) + real(0.5) * erf(x * real(0.70710678118654752440)); }

__device__ __forceinline__ real normal_density(real x) {
    return exp(real(-0.5) * x * x) * real(0.39894228040143267794);
}

extern "C" __global__ void activate(u32 f, const real *x, real *y, u64 count) {
    FOR_EACH(i, count) {
        real v = x[i];
        // No comparison holds for a NaN.
        y[i] = f == RELU ? (v <= 0 ? real(0) : v) : v * normal_cdf(v);
    }
}

extern "C" __global__ void activate_backward(u32 f, const real *x, const real *dy, real *dx, u64 count) {
    FOR_EACH(i, count) {
        real v = x[i];
        real slope = f == RELU ? (v > 0 ? real(1) : v <= 0 ? real(0) : v) : normal_cdf(v) + v * normal_density(v);
        dx[i] = slope * dy[i];
    }
}

extern "C" __global__ void add_scaled(real alpha, const real *x, real *y, u64 count) {
    FOR_EACH(i, count) y[i] = fma(alpha, x[i], y[i]);
}

extern "C" __global__ void scale(real alpha, real *x, u64 count) {
    FOR_EACH(i, count) x[i] *= alpha;
}

// Rows of `width` numbers each get the bias: a thread goes down a column.
extern "C" __global__ void add_rows(const real *bias, u64 width, real *x, u64 rows) {
    u64 column = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= width) return;
    real added = bias[column];
#pragma unroll 4
    for (u64 row = blockIdx.y; row < rows; row += gridDim.y) x[row * width + column] += added;
}
