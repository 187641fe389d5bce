// Products with the sparse families. A matrix lies with `down` and `right` numbers from an entry to the next below and to the next
// beside it; neighbouring threads take neighbouring numbers of the output.

#define FOR_EACH_ENTRY(i, j, rows, columns, right)                                                          \
    FOR_EACH(k_, (rows) * (columns))                                                                        \
    for (u64 i = (right) == 1 ? k_ / (columns) : k_ % (rows), j = (right) == 1 ? k_ % (columns) : k_ / (rows), once_ = 1; \
         once_; once_ = 0)

// Columns of S·A from lists of chunks of coordinates. A block takes TILE_COLUMNS columns of A, `slice` rows of the output and
// `chunks_per_part` chunks of `chunk` rows of A, which it reads as tiles; as many neighbouring threads as a tile has columns
// sum a row of the output, in the order of the coordinates. Part z of the sums goes to out + z·part.
extern "C" __global__ void __launch_bounds__(1024, 1)
    sparse_sign_left(real *out, u64 out_down, u64 out_right, u64 part, const real *a, u64 a_down, u64 a_right,
                     const u32 *lists, const u32 *starts, u64 d, u64 p, u64 count, u64 zeta, u32 chunk, u32 slice,
                     u64 chunks_per_part, real factor, u32 add) {
    extern __shared__ __align__(16) unsigned char memory[];
    real *tile = (real *)memory, *sums = tile + chunk * TILE_COLUMNS;
    u32 c = threadIdx.x % TILE_COLUMNS, groups = blockDim.x / TILE_COLUMNS;
    u64 left = (u64)blockIdx.x * TILE_COLUMNS;
    u32 width = p - left < TILE_COLUMNS ? (u32)(p - left) : TILE_COLUMNS;
    u64 chunks = (count + chunk - 1) / chunk;
    u64 begin = blockIdx.z * chunks_per_part;
    u64 end = begin + chunks_per_part < chunks ? begin + chunks_per_part : chunks;
    for (u64 top = (u64)blockIdx.y * slice; top < d; top += (u64)gridDim.y * slice) {
        u32 rows = d - top < slice ? (u32)(d - top) : slice;
        __syncthreads();
        for (u32 r = threadIdx.x / TILE_COLUMNS; r < rows; r += groups) sums[r * TILE_COLUMNS + c] = 0;
        for (u64 q = begin; q < end; ++q) {
            u64 first = q * chunk;
            u32 height = count - first < chunk ? (u32)(count - first) : chunk;
            __syncthreads();
            load_tile<false>(tile, a + first * a_down + left * a_right, a_down, a_right, height, height, width, nullptr);
            __syncthreads();
            const u32 *list = lists + first * zeta, *bounds = starts + q * (d + 1) + top;
            for (u32 r = threadIdx.x / TILE_COLUMNS; r < rows; r += groups) {
                u32 e = bounds[r], stop = bounds[r + 1];
                real sum = sums[r * TILE_COLUMNS + c];
#pragma unroll 4
                for (; e < stop; ++e) {
                    u32 code = list[e];
                    sum += with_sign(tile[tile_at(code >> 1, c)], code);
                }
                sums[r * TILE_COLUMNS + c] = sum;
            }
        }
        __syncthreads();
        store_sums(out + blockIdx.z * part + top * out_down + left * out_right, out_down, out_right, sums, rows, width,
                   factor, add);
    }
}

// out = factor·Σ parts, or += with `add`; each part is column-major, one behind the other.
extern "C" __global__ void sum_parts(real *out, u64 down, u64 right, u64 rows, u64 columns, const real *parts, u64 count,
                                     real factor, u32 add) {
    FOR_EACH_ENTRY(i, j, rows, columns, right) {
        real sum = 0;
        for (u64 s = 0; s < count; ++s) sum += parts[(s * columns + j) * rows + i];
        real *slot = out + i * down + j * right;
        *slot = add ? *slot + factor * sum : factor * sum;
    }
}

// Rows of Sᵀ·X for SparseSign: row k sums ζ rows of X.
extern "C" __global__ void sparse_sign_adjoint(real *out, u64 out_down, u64 out_right, const real *x, u64 x_down,
                                               u64 x_right, const u32 *buckets, const u32 *codes, u64 count, u64 p,
                                               u64 zeta, real scale) {
    FOR_EACH_ENTRY(k, c, count, p, out_right) {
        real sum = 0;
        for (u64 e = k * zeta; e < (k + 1) * zeta; ++e) {
            sum += with_sign(x[buckets[e] * x_down + c * x_right], codes[e]);
        }
        out[k * out_down + c * out_right] = scale * sum;
    }
}

// Rows of S·A for SparseRows: row k sums ζ rows of A.
extern "C" __global__ void sparse_rows_left(real *out, u64 out_down, u64 out_right, const real *a, u64 a_down, u64 a_right,
                                            const u32 *buckets, const u32 *codes, u64 count, u64 p, u64 zeta, real scale) {
    FOR_EACH_ENTRY(k, c, count, p, out_right) {
        real sum = 0;
        for (u64 e = k; e < count * zeta; e += count) {
            sum += with_sign(a[buckets[e] * a_down + c * a_right], codes[e]);
        }
        out[k * out_down + c * out_right] = scale * sum;
    }
}

// Sᵀ·X for SparseRows from the lists of its coordinates, which name rows of X.
extern "C" __global__ void sparse_rows_adjoint(real *out, u64 out_down, u64 out_right, const real *x, u64 x_down,
                                               u64 x_right, const u32 *lists, const u32 *starts, u64 n, u64 p, real scale,
                                               u32 add) {
    FOR_EACH_ENTRY(j, c, n, p, out_right) {
        real sum = 0;
        for (u32 e = starts[j]; e < starts[j + 1]; ++e) {
            u32 code = lists[e];
            sum += with_sign(x[(code >> 1) * x_down + c * x_right], code);
        }
        real *slot = out + j * out_down + c * out_right;
        *slot = add ? *slot + scale * sum : scale * sum;
    }
}
