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

// The largest ω·k of all keys of a split, attended or not, with a tile of features: largest[(tile·splits + split)·heads + head].
// Grid: (splits·heads, tiles of features).
ATTENTION_KERNEL largest_products(Attention at, i64 share, real *largest) {
    __shared__ real scratch[BLOCK_THREADS / WARP];
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
