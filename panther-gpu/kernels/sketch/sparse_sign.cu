// The sparse sign sketch. Coordinates, which are rows of A and columns of S, are taken in chunks; a chunk has a list for each row of
// S, of the coordinates that this row sums. Rows of S are taken in slices; nonzero z of coordinate k is
// nonzeros[z·count + k] = (row << 1) | sign bit.

typedef unsigned short u16;

// A chunk of some columns of A lies in shared memory as a tile of 128 bytes a row, which eight neighbouring threads read, 16
// bytes each: all banks at once.
static_assert(ROW_THREADS == ROW_BYTES / sizeof(Quad), "a thread reads 16 bytes");
constexpr u32 SKETCH_COLUMNS = ROW_BYTES / sizeof(real), QUAD_COLUMNS = sizeof(Quad) / sizeof(real);
constexpr u32 QUAD_ENTRIES = sizeof(Quad) / sizeof(u16);
// How many times 16 bytes of a tile a thread has on their way at a time.
constexpr u32 HELD_QUADS = BROUGHT_QUADS / 2;

// Where the first 16 bytes of a row lie, and the others: eight rows have theirs in eight places, so that threads that write
// down a column do not meet in a bank.
__device__ __forceinline__ u32 row_byte(u32 row) { return row * ROW_BYTES | row % ROW_THREADS * (u32)sizeof(Quad); }
__device__ __forceinline__ u32 quad_byte(u32 row, u32 quad) { return row_byte(row) ^ quad * (u32)sizeof(Quad); }

// ζ distinct rows of S for each of the coordinates first..first+count, by Floyd's algorithm.
extern "C" __global__ void draw_sparse_sign(u32 *nonzeros, u64 key, u64 first, u64 count, u64 d, u64 zeta) {
    FOR_EACH(k, count) {
        Stream words(key, first + k);
        for (u64 z = 0; z < zeta; ++z) {
            u64 t = d - zeta + z;
            u32 sign;
            u32 r = (u32)words.signed_index(t + 1, sign);
            bool taken = false;
            for (u64 y = 0; y < z; ++y) taken |= nonzeros[y * count + k] >> 1 == r;
            nonzeros[z * count + k] = (taken ? (u32)t : r) << 1 | sign;
        }
    }
}

// The lists of a chunk and a slice, a block each: where that of row r begins among them is starts[r], and an entry is the byte of
// a row in a tile, with the sign in bit 0. Which coordinates a row has is a set of bits; reading it in order sorts the list.
extern "C" __global__ void __launch_bounds__(MOST_THREADS, 1)
    list_sparse_sign(u16 *lists, u32 *starts, const u32 *nonzeros, u64 count, u64 d, u64 zeta, u32 chunk, u32 slice,
                     u32 list_room, u32 start_room) {
    extern __shared__ __align__(16) unsigned char memory[];
    __shared__ u32 scratch[WARP];
    u32 slices = (u32)((d + slice - 1) / slice), own_slice = blockIdx.x % slices;
    u64 first = (u64)(blockIdx.x / slices) * chunk, top = (u64)own_slice * slice;
    u32 height = count - first < chunk ? (u32)(count - first) : chunk;
    u32 rows = d - top < slice ? (u32)(d - top) : slice;
    u32 *begins = (u32 *)memory;
    u16 *list = (u16 *)(begins + start_room);
    u32 *present = (u32 *)(list + list_room);
    lists += (u64)blockIdx.x * list_room;
    starts += (u64)blockIdx.x * start_room;

    // Bit k % 32 of present[k / 32 · slice + r] is for coordinate k in row r.
    u32 sets = (height + 31) / 32;
    for (u32 b = threadIdx.x; b < sets * slice; b += blockDim.x) present[b] = 0;
    __syncthreads();
    auto for_each_nonzero = [&](auto work) {
        for (u64 e = threadIdx.x; e < height * zeta; e += blockDim.x) {
            u64 k, z;
            split(e, height, k, z);
            u32 nonzero = nonzeros[z * count + first + k];
            // Those of rows above the slice become large.
            u64 row = (u64)(nonzero >> 1) - top;
            if (row < rows) work((u32)k, (u32)row, nonzero & 1);
        }
    };
    for_each_nonzero([&](u32 k, u32 row, u32) { atomicOr(present + k / 32 * slice + row, 1u << k % 32); });
    __syncthreads();

    // Starts from `rows` on hold the end of the last list: one is read as that, the others fill whole 16 bytes.
    u32 before = 0;
    for (u32 base = 0; base < start_room; base += blockDim.x) {
        u32 r = base + threadIdx.x, length = 0, total;
        if (r < rows) {
            for (u32 s = 0; s < sets; ++s) length += __popc(present[s * slice + r]);
        }
        u32 begin = before + exclusive_sum(length, scratch, total);
        if (r < start_room) starts[r] = begins[r] = begin;
        before += total;
    }
    __syncthreads();

    for_each_nonzero([&](u32 k, u32 row, u32 sign) {
        u32 place = begins[row] + __popc(present[k / 32 * slice + row] & ((1u << k % 32) - 1));
        for (u32 s = 0; s < k / 32; ++s) place += __popc(present[s * slice + row]);
        list[place] = (u16)(row_byte(k) | sign);
    });
    __syncthreads();
    for (u32 q = threadIdx.x; q < list_room / QUAD_ENTRIES; q += blockDim.x) ((Quad *)lists)[q] = ((const Quad *)list)[q];
}

// Some rows and columns of A, and where they are on their way into a tile.
struct Chunk {
    const real *a;
    u64 down, right;
    u32 height, width;
    Quad held[HELD_QUADS];

    // Calls work(quad held, row, quad of the row) for each that this thread brings in a half. Eight neighbouring threads bring
    // a row where they read along it; otherwise a warp brings a quad of 32 rows.
    template <typename Work>
    __device__ __forceinline__ void for_each_held(u32 half, Work work) {
        bool along = right == 1 && down != 1;
#pragma unroll
        for (u32 h = 0; h < HELD_QUADS; ++h) {
            u32 item = (half * HELD_QUADS + h) * blockDim.x + threadIdx.x, piece = item / WARP;
            u32 row = along ? item / ROW_THREADS : piece / ROW_THREADS * WARP + item % WARP;
            if (row < height) work(held[h], row, (along ? item : piece) % ROW_THREADS);
        }
    }

    __device__ __forceinline__ void load(u32 half) {
        for_each_held(half, [this](Quad &to, u32 row, u32 quad) {
#pragma unroll
            for (u32 x = 0; x < QUAD_COLUMNS; ++x) {
                u32 c = quad * QUAD_COLUMNS + x;
                if (c < width) to.x[x] = a[row * down + c * right];
            }
        });
    }

    __device__ __forceinline__ void store(u32 half, unsigned char *tile) {
        for_each_held(half, [=](const Quad &from, u32 row, u32 quad) { *(Quad *)(tile + quad_byte(row, quad)) = from; });
    }
};

__device__ __forceinline__ void copy_quads_later(void *shared, const void *global, u32 bytes) {
    for (u32 q = threadIdx.x; q < bytes / sizeof(Quad); q += blockDim.x) {
        copy_quad_later((Quad *)shared + q, (const Quad *)global + q);
    }
}

// sum += Σ ± rows of a tile, in the order of the list, for the columns of this thread.
__device__ __forceinline__ void add_listed(Quad &sum, const unsigned char *tile, const u16 *list, u32 begin, u32 end, u32 quad) {
#pragma unroll 2
    for (u32 e = begin; e < end; ++e) {
        u32 entry = list[e];
        Quad row = *(const Quad *)(tile + ((entry & ~1u) ^ quad * (u32)sizeof(Quad)));
        real sign = entry & 1 ? real(-1) : real(1);
#pragma unroll
        for (u32 x = 0; x < QUAD_COLUMNS; ++x) sum.x[x] += sign * row.x[x];
    }
}

// S·A for some chunks, part y of them, a slice and SKETCH_COLUMNS columns of A a block: while it sums what a chunk has, the next
// is on its way. Part y of the sums, times factor, goes to out + y·step, or is added to it.
extern "C" __global__ void __launch_bounds__(MOST_THREADS, 1)
    sparse_sign_left(real *out, u64 out_down, u64 out_right, u64 step, const real *a, u64 a_down, u64 a_right,
                     const u16 *lists, const u32 *starts, u64 d, u64 p, u64 count, u32 chunk, u32 slice, u32 list_room,
                     u32 start_room, u64 chunks_per_part, real factor, u32 add) {
    extern __shared__ __align__(16) unsigned char memory[];
    u32 slices = (u32)((d + slice - 1) / slice), own_slice = blockIdx.x % slices;
    u64 top = (u64)own_slice * slice, left = (u64)(blockIdx.x / slices) * SKETCH_COLUMNS;
    u32 rows = d - top < slice ? (u32)(d - top) : slice;
    u32 width = p - left < SKETCH_COLUMNS ? (u32)(p - left) : SKETCH_COLUMNS;
    u64 chunks = (count + chunk - 1) / chunk, begin = blockIdx.y * chunks_per_part;
    u64 end = begin + chunks_per_part < chunks ? begin + chunks_per_part : chunks;
    u32 quad = threadIdx.x % ROW_THREADS, group = threadIdx.x / ROW_THREADS, groups = blockDim.x / ROW_THREADS;

    u32 tile_bytes = chunk * ROW_BYTES, list_bytes = list_room * sizeof(u16), start_bytes = start_room * sizeof(u32);
    u32 stage_bytes = tile_bytes + list_bytes + start_bytes;
    auto stage_of = [&](u64 q) { return memory + (q - begin) % 2 * stage_bytes; };
    auto copy_lists_later = [&](u64 q) {
        unsigned char *stage = stage_of(q) + tile_bytes;
        copy_quads_later(stage, lists + (q * slices + own_slice) * list_room, list_bytes);
        copy_quads_later(stage + list_bytes, starts + (q * slices + own_slice) * start_room, start_bytes);
    };
    auto chunk_at = [&](u64 q) {
        u64 first = q * chunk;
        u32 height = count - first < chunk ? (u32)(count - first) : chunk;
        return Chunk{a + first * a_down + left * a_right, a_down, a_right, height, width};
    };

    Quad sums[SUMMED_ROWS] = {};
    Chunk next = chunk_at(begin);
    copy_lists_later(begin);
    for (u32 half = 0; half < 2; ++half) {
        next.load(half);
        next.store(half, stage_of(begin));
    }
    for (u64 q = begin; q < end; ++q) {
        all_copied();
        // Chunk q is there for all, and nobody reads the one before any more.
        __syncthreads();
        bool more = q + 1 < end;
        if (more) {
            next = chunk_at(q + 1);
            copy_lists_later(q + 1);
            next.load(0);
        }
        const unsigned char *tile = stage_of(q);
        const u16 *list = (const u16 *)(tile + tile_bytes);
        const u32 *start = (const u32 *)(tile + tile_bytes + list_bytes);
#pragma unroll
        for (u32 s = 0; s < SUMMED_ROWS; ++s) {
            u32 r = group + s * groups;
            if (r < rows) add_listed(sums[s], tile, list, start[r], start[r + 1], quad);
            // Half-way where a slice has 512 rows.
            if (s == 1 && more) {
                next.store(0, stage_of(q + 1));
                next.load(1);
            }
        }
        if (more) next.store(1, stage_of(q + 1));
    }

    // By way of shared memory, so that neighbouring threads write neighbouring numbers.
    __syncthreads();
#pragma unroll
    for (u32 s = 0; s < SUMMED_ROWS; ++s) {
        u32 r = group + s * groups;
        if (r < rows) *(Quad *)(memory + quad_byte(r, quad)) = sums[s];
    }
    __syncthreads();
    out += blockIdx.y * step + top * out_down + left * out_right;
    for (u32 k = threadIdx.x; k < rows * width; k += blockDim.x) {
        u32 r = out_right == 1 ? k / width : k % rows, c = out_right == 1 ? k % width : k / rows;
        real value = factor * ((const Quad *)(memory + quad_byte(r, c / QUAD_COLUMNS)))->x[c % QUAD_COLUMNS];
        real *slot = out + r * out_down + c * out_right;
        *slot = add ? *slot + value : value;
    }
}

// Rows of Sᵀ·X: row k sums ζ rows of X.
extern "C" __global__ void sparse_sign_adjoint(real *out, u64 out_down, u64 out_right, const real *x, u64 x_down,
                                               u64 x_right, const u32 *nonzeros, u64 count, u64 p, u64 zeta, real scale) {
    for_each_entry(count, p, out_right, [=](u64 k, u64 c) {
        real sum = 0;
        for (u64 z = 0; z < zeta; ++z) {
            u32 nonzero = nonzeros[z * count + k];
            sum += with_sign(x[(nonzero >> 1) * x_down + c * x_right], nonzero);
        }
        out[k * out_down + c * out_right] = scale * sum;
    });
}

// Columns first..first+count of S itself, which was zero: each nonzero is ±scale.
extern "C" __global__ void put_sparse_sign(real *s, u64 d, u64 first, u64 count, u64 zeta, const u32 *nonzeros, real scale) {
    FOR_EACH(e, count * zeta) {
        u32 nonzero = nonzeros[e];
        s[(first + e % count) * d + (nonzero >> 1)] = with_sign(scale, nonzero);
    }
}
