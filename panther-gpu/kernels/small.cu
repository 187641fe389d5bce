// Small steps of the decompositions.

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

// A block's share of the sum of the squares of x.
extern "C" __global__ void partial_squares(const real *x, u64 down, u64 right, u64 rows, u64 columns, double *sums) {
    __shared__ double scratch[WARP];
    bool by_rows = right == 1 && down != 1;
    u64 fast = by_rows ? columns : rows;
    double sum = 0;
    FOR_EACH(k, rows * columns) {
        u64 a, b;
        split(k, fast, a, b);
        double y = x[by_rows ? b * down + a : a * down + b * right];
        sum += y * y;
    }
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

// A block's share of ‖G − I‖²_F, of the symmetric G whose upper triangle is given.
extern "C" __global__ void partial_defect(const real *g, u64 ldg, u64 n, double *sums) {
    __shared__ double scratch[WARP];
    double sum = 0;
    FOR_EACH(k, n * n) {
        u64 i, j;
        split(k, n, i, j);
        double x = g[i + j * ldg];
        sum += i < j ? 2 * x * x : i == j ? (x - 1) * (x - 1) : 0.0;
    }
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

// A block a row: the sum of the squares of r[i, i...].
extern "C" __global__ void row_energies(const real *r, u64 ldr, u64 columns, double *energies) {
    __shared__ double scratch[WARP];
    u64 i = blockIdx.x;
    double sum = 0;
    for (u64 j = i + threadIdx.x; j < columns; j += blockDim.x) {
        double x = r[i + j * ldr];
        sum += x * x;
    }
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) energies[i] = sum;
}

// A block a column: Σ over the rows of u[i, j]².
extern "C" __global__ void column_energies(const real *u, u64 ldu, u64 rows, double *energies) {
    __shared__ double scratch[WARP];
    const real *column = u + blockIdx.x * ldu;
    double sum = 0;
    for (u64 i = threadIdx.x; i < rows; i += blockDim.x) {
        double x = column[i];
        sum += x * x;
    }
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) energies[blockIdx.x] = sum;
}

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

// One thread plans how columns pivots[0..count], all different, come to the first places, each column that they displace to the place
// of a pivot that comes from behind: column sources[k] goes to places[k], *moved of them.
extern "C" __global__ void plan_moves(const int *pivots, u32 count, int *places, int *sources, int *moved) {
    __shared__ bool is_pivot[1024];
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
