// The sum of what the blocks of a product each found.

// out = factor·Σ parts, or += with `add`. Parts lie one behind the other, each without gaps and by rows if `out` is.
extern "C" __global__ void sum_parts(real *out, u64 down, u64 right, u64 rows, u64 columns, const real *parts, u64 count,
                                     real factor, u32 add) {
    for_each_entry(rows, columns, right, [=](u64 i, u64 j) {
        const real *part = parts + (right == 1 ? i * columns + j : i + j * rows);
        real sum = 0;
#pragma unroll 8
        for (u64 s = 0; s < count; ++s) sum += part[s * rows * columns];
        real *slot = out + i * down + j * right;
        *slot = add ? *slot + factor * sum : factor * sum;
    });
}
