// Copies and scalings of matrices whose entry (i, j) lies i·down + j·right numbers behind the first.

extern "C" __global__ void copy(real *to, u64 to_down, u64 to_right, const real *from, u64 from_down, u64 from_right,
                                u64 rows, u64 columns) {
    // Neighbouring threads write neighbouring numbers.
    bool by_rows = to_right == 1 && to_down != 1;
    u64 fast = by_rows ? columns : rows;
    FOR_EACH(k, rows * columns) {
        u64 a, b;
        split(k, fast, a, b);
        u64 i = by_rows ? b : a, j = by_rows ? a : b;
        to[i * to_down + j * to_right] = from[i * from_down + j * from_right];
    }
}

extern "C" __global__ void scale(real *x, u64 down, u64 right, u64 rows, u64 columns, real alpha) {
    bool by_rows = right == 1 && down != 1;
    u64 fast = by_rows ? columns : rows;
    FOR_EACH(k, rows * columns) {
        u64 a, b;
        split(k, fast, a, b);
        x[by_rows ? b * down + a : a + b * right] *= alpha;
    }
}
