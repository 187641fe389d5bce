// Columns that change places.

// One thread plans how columns pivots[0..count], all different, come to the first places, each column that they displace to the place
// of a pivot that comes from behind: column sources[k] goes to places[k], *moved of them.
extern "C" __global__ void plan_moves(const int *pivots, u32 count, int *places, int *sources, int *moved) {
    __shared__ bool is_pivot[MAX_PIVOTS];
    for (u32 k = threadIdx.x; k < count; k += blockDim.x) is_pivot[k] = false;
    __syncthreads();
    for (u32 k = threadIdx.x; k < count; k += blockDim.x) {
        if (pivots[k] < (int)count) is_pivot[pivots[k]] = true;
    }
    __syncthreads();
    if (threadIdx.x != 0) return;
    u32 displaced = 0, total = count;
    for (u32 k = 0; k < count; k++) {
        places[k] = k;
        sources[k] = pivots[k];
        if (pivots[k] >= (int)count) {
            while (is_pivot[displaced]) displaced += 1;
            places[total] = pivots[k];
            sources[total] = displaced;
            displaced += 1;
            total += 1;
        }
    }
    *moved = total;
}

// The columns and indices that move, aside.
extern "C" __global__ void lift_columns(const real *a, u64 rows, const int *index, const int *places, const int *sources,
                                        const int *moved, real *columns, int *indices) {
    u64 count = *moved;
    FOR_EACH(k, count * rows) {
        u64 i, j;
        split(k, rows, i, j);
        columns[k] = a[i + sources[j] * rows];
        if (i == 0) indices[j] = index[sources[j]];
    }
}

// And to their places.
extern "C" __global__ void lay_columns(real *a, u64 rows, int *index, const int *places, const int *sources, const int *moved,
                                       const real *columns, const int *indices) {
    u64 count = *moved;
    FOR_EACH(k, count * rows) {
        u64 i, j;
        split(k, rows, i, j);
        a[i + places[j] * rows] = columns[k];
        if (i == 0) index[places[j]] = indices[j];
    }
}
