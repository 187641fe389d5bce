// The sketch whose rows are sparse: gathers, and for its transpose lists of what each coordinate takes.
//
// A nonzero is a bucket, its coordinate, and a code, (row << 1) | sign bit.

// ζ coordinates for each of the rows first..first+count of S: draw z of row k is number z·count + k.
extern "C" __global__ void draw_less_uniform(u32 *buckets, u32 *codes, u64 key, u64 first, u64 count, u64 n, u64 zeta) {
    FOR_EACH(k, count) {
        Stream words(key, first + k);
        for (u64 z = 0; z < zeta; ++z) {
            u32 sign;
            u64 j = words.signed_index(n, sign);
            buckets[z * count + k] = (u32)j;
            codes[z * count + k] = (u32)(first + k) << 1 | sign;
        }
    }
}

// Sorts a list by rank; equal codes keep some order, which nobody can tell from another. A warp's work.
__device__ void sort_list(u32 *sorted, const u32 *list, u32 length) {
    u32 lane = threadIdx.x % WARP;
    for (u32 own = 0; own < length; own += WARP) {
        u32 mine = own + lane;
        u32 code = mine < length ? list[mine] : 0, rank = 0;
        for (u32 others = 0; others < length; others += WARP) {
            u32 other = others + lane < length ? list[others + lane] : 0;
            u32 present = length - others < WARP ? length - others : WARP;
            for (u32 k = 0; k < present; ++k) {
                u32 against = __shfl_sync(ALL_LANES, other, k);
                rank += against < code || (against == code && others + k < mine);
            }
        }
        if (mine < length) sorted[rank] = code;
    }
}

// Sorts nonzeros into lists: list b is lists[starts[b]] … up to lists[starts[b + 1]], codes ascending. A block's work. `lists` may be
// `buckets`; only integers are added atomically, and the order in which that happens is sorted away.
extern "C" __global__ void __launch_bounds__(LIST_THREADS, 1)
    build_lists(u32 *lists, u32 *starts, const u32 *buckets, const u32 *codes, u32 *slots, u32 *unsorted, u64 count, u64 size) {
    __shared__ u32 scratch[WARP];
    for (u64 b = threadIdx.x; b <= size; b += blockDim.x) starts[b] = 0;
    __syncthreads();
    for (u64 e = threadIdx.x; e < count; e += blockDim.x) slots[e] = atomicAdd(starts + buckets[e], 1u);
    __syncthreads();
    u32 before = 0;
    for (u64 top = 0; top <= size; top += blockDim.x) {
        u64 b = top + threadIdx.x;
        u32 total, sum = exclusive_sum(b <= size ? starts[b] : 0, scratch, total);
        if (b <= size) starts[b] = before + sum;
        before += total;
    }
    __syncthreads();
    for (u64 e = threadIdx.x; e < count; e += blockDim.x) unsorted[starts[buckets[e]] + slots[e]] = codes[e];
    __syncthreads();
    for (u64 b = threadIdx.x / WARP; b < size; b += blockDim.x / WARP) {
        u32 start = starts[b];
        sort_list(lists + start, unsorted + start, starts[b + 1] - start);
    }
}

// Rows of S·A for LessUniform: row k sums ζ rows of A.
extern "C" __global__ void less_uniform_left(real *out, u64 out_down, u64 out_right, const real *a, u64 a_down, u64 a_right,
                                            const u32 *buckets, const u32 *codes, u64 count, u64 p, u64 zeta, real scale) {
    for_each_entry(count, p, out_right, [=](u64 k, u64 c) {
        real sum = 0;
        for (u64 e = k; e < count * zeta; e += count) {
            sum += with_sign(a[buckets[e] * a_down + c * a_right], codes[e]);
        }
        out[k * out_down + c * out_right] = scale * sum;
    });
}

// Sᵀ·X for LessUniform from the lists of its coordinates, which name rows of X.
extern "C" __global__ void less_uniform_adjoint(real *out, u64 out_down, u64 out_right, const real *x, u64 x_down,
                                               u64 x_right, const u32 *lists, const u32 *starts, u64 n, u64 p, real scale,
                                               u32 add) {
    for_each_entry(n, p, out_right, [=](u64 j, u64 c) {
        real sum = 0;
        for (u32 e = starts[j]; e < starts[j + 1]; ++e) {
            u32 code = lists[e];
            sum += with_sign(x[(code >> 1) * x_down + c * x_right], code);
        }
        real *slot = out + j * out_down + c * out_right;
        *slot = add ? *slot + scale * sum : scale * sum;
    });
}

// Rows first..first+count of S itself, which was zero: each nonzero adds ±scale.
extern "C" __global__ void put_less_uniform(real *s, u64 d, u64 first, u64 count, u64 zeta, const u32 *buckets,
                                           const u32 *codes, real scale) {
    FOR_EACH(k, count) {
        for (u64 e = k; e < count * zeta; e += count) s[buckets[e] * d + first + k] += with_sign(scale, codes[e]);
    }
}
