// Pooling. Each thread makes one number, going over the windows and pixels that it needs in the order of rows.

struct Windows {
    u64 planes, height, width, rows, columns;
    i64 kernel[2], stride[2], before[2], dilation[2];
};
static_assert(sizeof(Windows) == SIZE_OF_WINDOWS, "the layout of Rust's struct");

// The first pixel under a window whose number none exceeds; a NaN exceeds all.
__device__ u64 largest(const Windows &w, const real *x, i64 row, i64 column) {
    u64 best = 0;
    real most = 0;
    bool found = false;
    for (i64 i = 0; i < w.kernel[0]; i++) {
        i64 r = row * w.stride[0] + i * w.dilation[0] - w.before[0];
        if (r < 0 || r >= (i64)w.height) continue;
        for (i64 j = 0; j < w.kernel[1]; j++) {
            i64 c = column * w.stride[1] + j * w.dilation[1] - w.before[1];
            if (c < 0 || c >= (i64)w.width) continue;
            u64 at = (u64)r * w.width + (u64)c;
            real v = x[at];
            if (!found || v > most || (v != v && most == most)) {
                best = at;
                most = v;
                found = true;
            }
        }
    }
    return best;
}

extern "C" __global__ void max_pool(Windows w, const real *x, real *y, u64 count) {
    FOR_EACH(k, count) {
        u64 column = k % w.columns, rest = k / w.columns;
        u64 row = rest % w.rows, plane = rest / w.rows;
        const real *image = x + plane * w.height * w.width;
        y[k] = image[largest(w, image, (i64)row, (i64)column)];
    }
}

extern "C" __global__ void average_pool(Windows w, real share, const real *x, real *y, u64 count) {
    FOR_EACH(k, count) {
        u64 column = k % w.columns, rest = k / w.columns;
        u64 row = rest % w.rows, plane = rest / w.rows;
        const real *image = x + plane * w.height * w.width;
        real sum = 0;
        for (i64 i = 0; i < w.kernel[0]; i++) {
            i64 r = (i64)row * w.stride[0] + i * w.dilation[0] - w.before[0];
            if (r < 0 || r >= (i64)w.height) continue;
            for (i64 j = 0; j < w.kernel[1]; j++) {
                i64 c = (i64)column * w.stride[1] + j * w.dilation[1] - w.before[1];
                if (c >= 0 && c < (i64)w.width) sum += image[(u64)r * w.width + (u64)c];
            }
        }
        y[k] = sum * share;
    }
}

// dx of a pixel: over the taps that it may lie under, the last first, so that the positions come in ascending order.
template <bool MAX>
__device__ void spread(const Windows &w, real share, const real *x, const real *dy, real *dx, u64 count) {
    FOR_EACH(k, count) {
        u64 c = k % w.width, rest = k / w.width;
        u64 r = rest % w.height, plane = rest / w.height;
        const real *by = dy + plane * w.rows * w.columns;
        const real *image = MAX ? x + plane * w.height * w.width : nullptr;
        real sum = 0;
        for (i64 i = w.kernel[0] - 1; i >= 0; i--) {
            i64 down = (i64)r + w.before[0] - i * w.dilation[0];
            if (down < 0 || down % w.stride[0] != 0 || down / w.stride[0] >= (i64)w.rows) continue;
            i64 row = down / w.stride[0];
            for (i64 j = w.kernel[1] - 1; j >= 0; j--) {
                i64 right = (i64)c + w.before[1] - j * w.dilation[1];
                if (right < 0 || right % w.stride[1] != 0 || right / w.stride[1] >= (i64)w.columns) continue;
                i64 column = right / w.stride[1];
                real g = by[row * (i64)w.columns + column];
                if (MAX) {
                    if (largest(w, image, row, column) == r * w.width + c) sum += g;
                } else {
                    sum += rounded_product(g, share);
                }
            }
        }
        dx[k] = sum;
    }
}

extern "C" __global__ void max_pool_backward(Windows w, const real *x, const real *dy, real *dx, u64 count) {
    spread<true>(w, real(0), x, dy, dx, count);
}

extern "C" __global__ void average_pool_backward(Windows w, real share, const real *dy, real *dx, u64 count) {
    spread<false>(w, share, nullptr, dy, dx, count);
}
