// What products do without a library.

// C = β·C for matrices `step` numbers apart, `count` numbers in all; zero where β is, whatever C holds.
extern "C" __global__ void scale_matrices(real *c, u64 rows, u64 columns, u64 down, u64 right, u64 step, u64 count, real beta) {
    FOR_EACH(k, count) {
        u64 i, j, line, matrix;
        split(k, rows, i, line);
        split(line, columns, j, matrix);
        real *at = c + matrix * step + i * down + j * right;
        *at = beta == 0 ? real(0) : beta * *at;
    }
}
