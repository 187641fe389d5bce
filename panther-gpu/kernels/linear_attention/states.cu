// Sums over keys and queries, split by split or chunk by chunk, and what becomes of them.

// Writes one head's sums of a tile of features (down) and a tile of columns (right), and from the first column's block this thread's
// part of the weights of features (right).
__device__ __forceinline__ void write_state(const Attention &at, Shared &s, const Numbers &sums, const real (&weight)[4], i64 feature,
                                            i64 column, real *state) {
    EACH_NUMBER(r, c) {
        i64 f = feature + 4 * down() + r, j = column + 4 * right() + c;
        if (f < at.m && j < at.dv) state[f * at.dv + j] = sums[r][c];
    }
    if (column > 0) return;
    __syncthreads();
#pragma unroll
    for (int c = 0; c < 4; c++) s.tile[down()][4 * right() + c] = weight[c];
    __syncthreads();
    if (threadIdx.x < TILE && feature + threadIdx.x < at.m) {
        real sum = 0;
        for (int i = 0; i < 16; i++) sum += s.tile[i][threadIdx.x];
        state[at.m * at.dv + feature + threadIdx.x] = sum;
    }
}

// states[split] = Σ κ·v and Σ κ over the keys of a split from `first_split` on, `share` positions each, to maxima[split], the largest
// exponents of its keys. Grid: (splits·heads, tiles of features, tiles of columns).
ATTENTION_KERNEL key_states(Attention at, i64 first_split, i64 share, real *states, real *maxima) {
    Shared &s = shared();
    i64 all = at.batch * at.heads, head = blockIdx.x % all, split = blockIdx.x / all, feature = (i64)blockIdx.y * TILE;
    i64 column = (i64)blockIdx.z * TILE, start = (first_split + split) * share;
    i64 end = start + share < at.keys ? start + share : at.keys;
    Numbers sums, x;
    clear(sums);
    real weight[4] = {0, 0, 0, 0};
    if (threadIdx.x < TILE) {
        s.level[threadIdx.x] = first_level(at, head);
        s.decay[threadIdx.x] = 1;
    }
    for (i64 first = start; first < end; first += TILE) {
        Rows rows = keys(at, head, first, end);
        __syncthreads();
        squares(at, s, rows);
        key_exponents(at, s, rows, head, first, feature, x);
        if (at.mode == STABLE) {
            store_largest(s, x);
            if (threadIdx.x < TILE) {
                real before = s.level[threadIdx.x], level = before;
                for (int i = 0; i < 16; i++) level = larger(level, s.tile[i][threadIdx.x]);
                s.level[threadIdx.x] = level;
                s.decay[threadIdx.x] = exp(before - level);
            }
        }
        __syncthreads();
#pragma unroll
        for (int c = 0; c < 4; c++) {
            real level = s.level[4 * right() + c];
            weight[c] *= s.decay[4 * right() + c];
#pragma unroll
            for (int r = 0; r < 4; r++) {
                x[r][c] = key_feature(at, x[r][c], level);
                weight[c] += x[r][c];
                sums[r][c] *= s.decay[4 * down() + r];
            }
        }
        store(x, s.tile);
        multiply_tile(s, s.tile, values(at, head, first, end), column, at.dv, sums);
    }
    i64 part = split * all + head;
    write_state(at, s, sums, weight, feature, column, states + part * at.m * (at.dv + 1));
    if (column == 0 && threadIdx.x < TILE && feature + threadIdx.x < at.m) {
        maxima[part * at.m + feature + threadIdx.x] = at.mode == STABLE ? s.level[threadIdx.x] : at.start;
    }
}

// The same of queries: Σ φ·dy/denominator and Σ φ·dy·y/denominator, split c to the bases at c·base_stride.
ATTENTION_KERNEL query_states(Attention at, Sums to, Slopes back, i64 share, real *states) {
    Shared &s = shared();
    i64 all = at.batch * at.heads, head = blockIdx.x % all, split = blockIdx.x / all, feature = (i64)blockIdx.y * TILE;
    i64 column = (i64)blockIdx.z * TILE, start = (to.first + split) * share;
    i64 end = start + share < at.queries ? start + share : at.queries;
    const real *base = to.bases + (to.first + split) * to.base_stride + head * at.m;
    Numbers sums, x;
    clear(sums);
    real weight[4] = {0, 0, 0, 0};
    for (i64 first = start; first < end; first += TILE) {
        Rows rows = queries(at, head, first, end);
        i64 place = head * at.queries + first;
        query_exponents(at, s, rows, feature, x);
#pragma unroll
        for (int r = 0; r < 4; r++) {
            int row = 4 * down() + r;
            real top = row < rows.count ? back.tops[place + row] : real(0);
            real slope = row < rows.count ? back.by_denominators[place + row] : real(0);
#pragma unroll
            for (int c = 0; c < 4; c++) {
                i64 f = feature + 4 * right() + c;
                x[r][c] = row < rows.count && f < at.m ? query_feature(at, x[r][c], base[f], top) : real(0);
                weight[c] = fma(x[r][c], slope, weight[c]);
            }
        }
        __syncthreads();
        store(x, s.tile);
        Rows by = positions(at, back.dy, at.dv, at.queries, head, first, end);
        by.factors = back.inverses + place;
        multiply_tile(s, s.tile, by, column, at.dv, sums);
    }
    write_state(at, s, sums, weight, feature, column, states + (split * all + head) * at.m * (at.dv + 1));
}

// The sum of the states of all splits, to the largest of their maxima, which are written too; to what they stood to where there are
// no maxima. `len` numbers a state, `width` features.
extern "C" __global__ void join_states(const real *states, const real *maxima, u64 splits, u64 m, u64 dv, u64 width, u64 len, real *sums,
                                       real *bases) {
    FOR_EACH(k, len) {
        bool is_weight;
        u64 feature = feature_of(k, m, dv, is_weight);
        real base = maxima ? maxima[feature] : real(0), sum = 0;
        for (u64 c = 1; maxima && c < splits; c++) base = larger(base, maxima[c * width + feature]);
        for (u64 c = 0; c < splits; c++) {
            real own = states[c * len + k];
            sum += maxima ? own * exp(maxima[c * width + feature] - base) : own;
        }
        sums[k] = sum;
        if (maxima && is_weight) bases[feature] = base;
    }
}

// Scans over the chunks `first`.. of a segment. A block takes 32 numbers, and each of its warps one RANGES-th of the chunks: first the
// whole of it, then, from what the ranges before give, chunk by chunk.
constexpr int RANGES = 8;

// bases[c + 1] = the largest of bases[c] and chunk c's maxima; bases[0] = start. The maxima are the segment's.
extern "C" __global__ void __launch_bounds__(32 * RANGES)
running_bases(const real *maxima, u64 first, u64 chunks, u64 width, real start, real *bases) {
    __shared__ real parts[RANGES][32];
    u64 lane = threadIdx.x % 32, range = threadIdx.x / 32, k = (u64)blockIdx.x * 32 + lane;
    u64 from = range * chunks / RANGES, to = k < width ? (range + 1) * chunks / RANGES : from;
    real most = start;
    for (u64 c = from; c < to; c++) most = larger(most, maxima[c * width + k]);
    parts[range][lane] = most;
    real running = first > 0 && k < width ? bases[first * width + k] : start;
    __syncthreads();
    for (u64 before = 0; before < range; before++) running = larger(running, parts[before][lane]);
    if (first == 0 && range == 0 && k < width) bases[k] = start;
    for (u64 c = from; c < to; c++) {
        running = larger(running, maxima[c * width + k]);
        bases[(first + c + 1) * width + k] = running;
    }
}

// One step from a sum to base b of chunk c to that to b + 1, or back: both shrink by as much.
struct Chunks {
    real *states;
    const real *maxima, *bases;
    u64 width, len;

    // Chunk c's own state: a sum over keys comes to its maxima and is to stand to the next base.
    __device__ __forceinline__ real own(u64 c, u64 k, u64 feature) const {
        real sum = states[c * len + k];
        return maxima ? sum * exp(maxima[c * width + feature] - bases[(c + 1) * width + feature]) : sum;
    }

    __device__ __forceinline__ real decay(u64 from, u64 to, u64 feature) const {
        return exp(bases[from * width + feature] - bases[to * width + feature]);
    }
};

// states[c] becomes the sum over the chunks before c, to base c, or with `BACK` over those behind c, to base c + 1; bases are the
// segment's. `carry` is the sum over the segments before, if any, and becomes that with this one.
template <bool BACK>
__device__ __forceinline__ void scan(const Chunks &all, u64 chunks, u64 m, u64 dv, bool carries, real *carry) {
    constexpr int AHEAD = 4;
    __shared__ real parts[RANGES][32];
    u64 lane = threadIdx.x % 32, k = (u64)blockIdx.x * 32 + lane, order = threadIdx.x / 32;
    bool is_there = k < all.len, is_weight;
    u64 feature = feature_of(is_there ? k : 0, m, dv, is_weight);
    // Ranges in the order of the scan.
    auto edge = [&](u64 n) { return (BACK ? RANGES - n : n) * chunks / RANGES; };
    u64 from = edge(order), to = edge(order + 1), steps = BACK ? from - to : to - from;
    auto chunk = [&](u64 step) { return BACK ? from - 1 - step : from + step; };
    auto across = [&](u64 n) { return all.decay(BACK ? edge(n + 1) : edge(n), BACK ? edge(n) : edge(n + 1), feature); };
    // Loads of some steps at a time are on their way together.
    auto pass = [&](real sum, bool writes) {
        for (u64 step = 0; step < steps; step += AHEAD) {
            real own[AHEAD], decay[AHEAD];
#pragma unroll
            for (int i = 0; i < AHEAD; i++) {
                if (step + i >= steps) break;
                u64 c = chunk(step + i);
                own[i] = all.own(c, k, feature);
                decay[i] = all.decay(c, c + 1, feature);
            }
#pragma unroll
            for (int i = 0; i < AHEAD; i++) {
                if (step + i >= steps) break;
                if (writes) all.states[chunk(step + i) * all.len + k] = sum;
                sum = fma(sum, decay[i], own[i]);
            }
        }
        return sum;
    };
    parts[order][lane] = is_there ? pass(0, false) : real(0);
    real sum = carries && is_there ? carry[k] : real(0);
    __syncthreads();
    if (!is_there) return;
    for (u64 before = 0; before < order; before++) sum = fma(sum, across(before), parts[before][lane]);
    sum = pass(sum, true);
    if (order == RANGES - 1) carry[k] = sum;
}

extern "C" __global__ void __launch_bounds__(32 * RANGES)
scan_keys(real *states, const real *maxima, const real *bases, u64 chunks, u64 m, u64 dv, u64 width, u64 len, u32 carries, real *carry) {
    scan<false>({states, maxima, bases, width, len}, chunks, m, dv, carries, carry);
}

extern "C" __global__ void __launch_bounds__(32 * RANGES)
scan_queries(real *states, const real *bases, u64 chunks, u64 m, u64 dv, u64 width, u64 len, u32 carries, real *carry) {
    scan<true>({states, nullptr, bases, width, len}, chunks, m, dv, carries, carry);
}

// The largest ω·k of all keys of a split, attended or not, with a tile of features: largest[(tile·splits + split)·heads + head].
// Grid: (splits·heads, tiles of features).
ATTENTION_KERNEL largest_products(Attention at, i64 share, real *largest) {
    __shared__ real scratch[256 / WARP];
    Shared &s = shared();
    i64 all = at.batch * at.heads, head = blockIdx.x % all, split = blockIdx.x / all, feature = (i64)blockIdx.y * TILE;
    i64 end = (split + 1) * share < at.keys ? (split + 1) * share : at.keys;
    real most = -at.most;
    for (i64 first = split * share; first < end; first += TILE) {
        Rows rows = keys(at, head, first, end);
        Numbers x;
        clear(x);
        multiply_rows(s, rows, features(at, at.omega, at.d, feature), at.d, x);
        EACH_NUMBER(r, c) {
            if (4 * down() + r < rows.count && feature + 4 * right() + c < at.m) most = larger(most, at.scale * x[r][c]);
        }
    }
    most = block_max(most, -at.most, scratch);
    if (threadIdx.x == 0) largest[(i64)blockIdx.y * gridDim.x + blockIdx.x] = most;
}

// The largest of `count` numbers of each head, `heads` numbers apart.
extern "C" __global__ void largest_of_heads(const real *largest, u64 count, u64 heads, real *to) {
    FOR_EACH(head, heads) {
        real most = largest[head];
        for (u64 i = 1; i < count; i++) most = larger(most, largest[i * heads + head]);
        to[head] = most;
    }
}
