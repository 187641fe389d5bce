// Columns and rows in another order.

// to[:, j] = from[:, index[j]], `from` of any strides.
extern "C" __global__ void gather_columns(real *to, u64 ldto, const real *from, u64 down, u64 right, const int *index, u64 rows,
                                          u64 columns) {
    bool by_rows = right == 1 && down != 1;
    u64 fast = by_rows ? columns : rows;
    FOR_EACH(k, rows * columns) {
        u64 a, b;
        split(k, fast, a, b);
        u64 i = by_rows ? b : a, j = by_rows ? a : b;
        to[i + j * ldto] = from[i * down + (u64)index[j] * right];
    }
}

// to[:, index[j]] = from[:, j].
extern "C" __global__ void scatter_columns(real *to, u64 ldto, const real *from, u64 ldfrom, const int *index, u64 rows,
                                           u64 columns) {
    FOR_EACH(k, rows * columns) {
        u64 i, j;
        split(k, rows, i, j);
        to[i + (u64)index[j] * ldto] = from[i + j * ldfrom];
    }
}

// to[index[i], :] = from[i, :].
extern "C" __global__ void scatter_rows(real *to, u64 ldto, const real *from, u64 ldfrom, const int *index, u64 rows,
                                        u64 columns) {
    FOR_EACH(k, rows * columns) {
        u64 i, j;
        split(k, rows, i, j);
        to[index[i] + j * ldto] = from[i + j * ldfrom];
    }
}
