// The sum of what the blocks of a product each found.

// out = factor·Σ parts, or += with `add`; each part is column-major, one behind the other.
extern "C" __global__ void sum_parts(real *out, u64 down, u64 right, u64 rows, u64 columns, const real *parts, u64 count,
                                     real factor, u32 add) {
    FOR_EACH_ENTRY(i, j, rows, columns, right) {
        real sum = 0;
#pragma unroll 8
        for (u64 s = 0; s < count; ++s) sum += parts[(s * columns + j) * rows + i];
        real *slot = out + i * down + j * right;
        *slot = add ? *slot + factor * sum : factor * sum;
    }
}
