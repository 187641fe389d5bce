// Rows of a table by their index.

extern "C" __global__ void gather(const real *table, const u64 *indices, u64 width, real *rows, u64 count) {
    FOR_EACH(k, count) rows[k] = table[indices[k / width] * width + k % width];
}

// Adds to `targets` rows of the table. Row targets[t] gets the rows of x at order[starts[t]..starts[t + 1]], in that order.
extern "C" __global__ void scatter_add(const real *x, const u64 *targets, const u64 *starts, const u64 *order, u64 width,
                                       real *table, u64 count) {
    FOR_EACH(k, count) {
        u64 t = k / width, column = k % width;
        real sum = table[targets[t] * width + column];
        for (u64 at = starts[t]; at < starts[t + 1]; at++) sum += x[order[at] * width + column];
        table[targets[t] * width + column] = sum;
    }
}
