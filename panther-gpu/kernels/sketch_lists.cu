// The nonzeros of the sparse families, and lists of them.
//
// A nonzero is a bucket and a code, (number << 1) | sign bit. Lists hold the codes of each bucket in ascending order.

// ζ distinct rows of S for each of the coordinates first..first+count by Floyd's algorithm: nonzero z of coordinate k is number
// k·ζ + z, its bucket the row, its code that of k modulo `chunk`.
extern "C" __global__ void draw_sparse_sign(u32 *buckets, u32 *codes, u64 key, u64 first, u64 count, u64 d, u64 zeta,
                                            u64 chunk) {
    FOR_EACH(k, count) {
        Stream words(key, first + k);
        u32 *rows = buckets + k * zeta;
        u32 local = (u32)(k % chunk) << 1;
        for (u64 z = 0; z < zeta; ++z) {
            u64 t = d - zeta + z;
            u32 sign;
            u32 r = (u32)words.signed_index(t + 1, sign);
            bool taken = false;
            for (u64 y = 0; y < z; ++y) taken |= rows[y] == r;
            rows[z] = taken ? (u32)t : r;
            codes[k * zeta + z] = local | sign;
        }
    }
}

// ζ coordinates for each of the rows first..first+count of S: draw z of row k is number z·count + k, its bucket the
// coordinate, its code that of the row.
extern "C" __global__ void draw_sparse_rows(u32 *buckets, u32 *codes, u64 key, u64 first, u64 count, u64 n, u64 zeta) {
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

// Sums of all threads before this one; `total` is that of all. Begins and ends with a barrier.
__device__ u32 exclusive_sum(u32 x, u32 *scratch, u32 &total) {
    u32 lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    u32 sum = x;
#pragma unroll
    for (u32 step = 1; step < WARP; step *= 2) {
        u32 before = __shfl_up_sync(ALL_LANES, sum, step);
        if (lane >= step) sum += before;
    }
    __syncthreads();
    if (lane == WARP - 1) scratch[warp] = sum;
    __syncthreads();
    u32 below = 0;
    total = 0;
    for (u32 w = 0; w < warps; ++w) {
        if (w < warp) below += scratch[w];
        total += scratch[w];
    }
    __syncthreads();
    return below + sum - x;
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

// Sorts the nonzeros of each chunk of `per_chunk` into lists: list b of chunk q is lists[q·per_chunk + starts[q·(size+1) + b]] …
// up to the start of the next. A block a chunk. `lists` may be `buckets`; only integers are added atomically, and the order
// in which that happens is sorted away.
extern "C" __global__ void __launch_bounds__(1024, 1)
    build_lists(u32 *lists, u32 *starts, const u32 *buckets, const u32 *codes, u32 *slots, u32 *unsorted, u64 count,
                u64 per_chunk, u64 size) {
    __shared__ u32 scratch[32];
    u64 offset = blockIdx.x * per_chunk;
    u64 length = count - offset < per_chunk ? count - offset : per_chunk;
    u32 *counts = starts + blockIdx.x * (size + 1);
    for (u64 b = threadIdx.x; b <= size; b += blockDim.x) counts[b] = 0;
    __syncthreads();
    for (u64 e = threadIdx.x; e < length; e += blockDim.x) slots[offset + e] = atomicAdd(counts + buckets[offset + e], 1u);
    __syncthreads();
    u32 before = 0;
    for (u64 top = 0; top <= size; top += blockDim.x) {
        u64 b = top + threadIdx.x;
        u32 total, sum = exclusive_sum(b <= size ? counts[b] : 0, scratch, total);
        if (b <= size) counts[b] = before + sum;
        before += total;
    }
    __syncthreads();
    for (u64 e = threadIdx.x; e < length; e += blockDim.x) {
        unsorted[offset + counts[buckets[offset + e]] + slots[offset + e]] = codes[offset + e];
    }
    __syncthreads();
    for (u64 b = threadIdx.x / WARP; b < size; b += blockDim.x / WARP) {
        u32 start = counts[b];
        sort_list(lists + offset + start, unsorted + offset + start, counts[b + 1] - start);
    }
}

// S itself, which was zero: each nonzero adds ±scale. By rows of S, or by columns.
extern "C" __global__ void put_sparse_sign(real *s, u64 d, u64 first, u64 count, u64 zeta, const u32 *buckets,
                                           const u32 *codes, real scale) {
    FOR_EACH(k, count) {
        for (u64 e = k * zeta; e < (k + 1) * zeta; ++e) s[(first + k) * d + buckets[e]] = with_sign(scale, codes[e]);
    }
}

extern "C" __global__ void put_sparse_rows(real *s, u64 d, u64 first, u64 count, u64 zeta, const u32 *buckets,
                                           const u32 *codes, real scale) {
    FOR_EACH(k, count) {
        for (u64 e = k; e < count * zeta; e += count) s[buckets[e] * d + first + k] += with_sign(scale, codes[e]);
    }
}
