// Loops over the entries of a matrix.

// x[i, :] *= factor[i].
extern "C" __global__ void scale_rows(real *x, u64 ldx, const double *factor, u64 rows, u64 columns) {
    FOR_EACH(k, rows * columns) {
        u64 i, j;
        split(k, rows, i, j);
        x[i + j * ldx] = (real)(x[i + j * ldx] * factor[i]);
    }
}

// r = the upper triangle of a.
extern "C" __global__ void upper_triangle(real *r, u64 ldr, const real *a, u64 lda, u64 rows, u64 columns) {
    FOR_EACH(k, rows * columns) {
        u64 i, j;
        split(k, rows, i, j);
        r[i + j * ldr] = i <= j ? a[i + j * lda] : real(0);
    }
}

// The identity.
extern "C" __global__ void identity(real *a, u64 lda, u64 rows, u64 columns) {
    FOR_EACH(k, rows * columns) {
        u64 i, j;
        split(k, rows, i, j);
        a[i + j * lda] = i == j ? real(1) : real(0);
    }
}

// g[i, i] += shift.
extern "C" __global__ void add_to_diagonal(real *g, u64 ldg, u64 n, real shift) {
    FOR_EACH(i, n) g[i + i * ldg] += shift;
}
