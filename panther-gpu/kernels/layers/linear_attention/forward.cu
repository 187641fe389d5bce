// The way forward: from sums over keys to the quotients.

// What the original's features take out of all exponents of a query: the largest ω·q, and half_square·‖q‖².
__device__ __forceinline__ void original_tops(const Attention &at, Shared &s, const Rows &rows, real (&top)[4]) {
    squares(at, s, rows);
    for (i64 feature = 0; feature < at.m; feature += TILE) {
        Numbers x;
        query_exponents(at, s, rows, feature, x);
        EACH_NUMBER(r, c) {
            if (feature + 4 * right() + c < at.m) top[r] = larger(top[r], x[r][c]);
        }
    }
    __syncthreads();
#pragma unroll
    for (int r = 0; r < 4; r++) top[r] = row_max(top[r]) + s.squares[4 * down() + r];
}

// y of a tile of queries, and their tops and denominators. With the stable features, tops grow from one tile of features to the next,
// and what was summed shrinks as they do. Grid: (tiles of queries·heads, tiles of columns).
template <bool CAUSAL>
__device__ __forceinline__ void outputs(const Attention &at, const Sums &before, real *tops, real *denominators, real *y) {
    Shared &s = shared();
    i64 all = at.batch * at.heads, head = blockIdx.x % all, chunk = blockIdx.x / all, column = (i64)blockIdx.y * TILE;
    i64 first = (before.first + chunk) * TILE;
    const real *base = before.bases + (before.first + chunk) * before.base_stride + head * at.m;
    const real *state = before.states + chunk * before.state_stride + head * at.m * (at.dv + 1), *state_weights = state + at.m * at.dv;
    Rows rows = queries(at, head, first, at.queries), own_keys = keys(at, head, first, at.keys);
    real lowest = at.mode == RELU ? real(0) : -INFINITE;
    real top[4] = {lowest, lowest, lowest, lowest}, denominator[4] = {0, 0, 0, 0};
    if (at.mode == ORIGINAL) original_tops(at, s, rows, top);
    Numbers sums, weights;
    clear(sums);
    if (CAUSAL) {
        clear(weights);
        __syncthreads();
        squares(at, s, own_keys);
    }
    for (i64 feature = 0; feature < at.m; feature += TILE) {
        Numbers x, largest;
        int steady = TILE;
        if (CAUSAL) {
            key_exponents(at, s, own_keys, head, first, feature, x);
            steady = find_level(at, s, x, base, head, feature, largest);
            EACH_NUMBER(r, c) x[r][c] = key_feature(at, x[r][c], s.level[4 * right() + c]);
            store_transposed(x, s.other);
        }
        query_exponents(at, s, rows, feature, x);
#pragma unroll
        for (int r = 0; r < 4; r++) {
            if (at.mode != STABLE) continue;
            real most = top[r];
#pragma unroll
            for (int c = 0; c < 4; c++) {
                i64 f = feature + 4 * right() + c;
                if (f < at.m) most = larger(most, x[r][c] + (CAUSAL ? largest[r][c] : base[f]));
            }
            most = row_max(most);
            real factor = exp(top[r] - most);
            top[r] = most;
            denominator[r] *= factor;
#pragma unroll
            for (int c = 0; c < 4; c++) {
                sums[r][c] *= factor;
                if (CAUSAL) weights[r][c] *= factor;
            }
        }
        EACH_NUMBER(r, c) {
            i64 f = feature + 4 * right() + c;
            bool counts = 4 * down() + r < rows.count && f < at.m;
            x[r][c] = counts ? query_feature(at, x[r][c], CAUSAL ? s.level[4 * right() + c] : base[f], top[r]) : real(0);
            real weight = counts ? state_weights[f] : real(0);
            denominator[r] = fma(x[r][c], CAUSAL ? weight * s.decay[4 * right() + c] : weight, denominator[r]);
        }
        __syncthreads();
        store_transposed(x, s.tile);
        Rows of_state = features(at, state, at.dv, feature);
        if (CAUSAL) of_state.factors = s.decay;
        multiply_tile(s, s.tile, of_state, column, at.dv, sums);
        if (CAUSAL) {
            Numbers within;
            clear(within);
            multiply_tiles(s.tile, s.other, 0, TILE, within);
            EACH_NUMBER(r, c) {
                if (4 * down() + r < steady) weights[r][c] += within[r][c];
            }
            if (steady < TILE) {
                __syncthreads();
                if (right() == 0) {
#pragma unroll
                    for (int r = 0; r < 4; r++) s.top[4 * down() + r] = top[r];
                }
                Numbers late;
                late_weights(at, s, s.other, head, first, feature, steady, late);
                add(late, weights);
            }
        }
    }
    if (CAUSAL) {
        EACH_NUMBER(r, c) {
            if (4 * right() + c > 4 * down() + r) weights[r][c] = 0;
            denominator[r] += weights[r][c];
        }
        __syncthreads();
        store_transposed(weights, s.tile);
        multiply_tile(s, s.tile, values(at, head, first, at.keys), column, at.dv, sums);
    }
    Rows out = positions(at, y, at.dv, at.queries, head, first, at.queries);
#pragma unroll
    for (int r = 0; r < 4; r++) {
        int row = 4 * down() + r;
        real total = row_sum(denominator[r]);
        if (row >= rows.count) continue;
        real inverse = total >= at.least ? real(1) / total : real(0);
#pragma unroll
        for (int c = 0; c < 4; c++) {
            i64 j = column + 4 * right() + c;
            if (j < at.dv) y[(out.first - y) + row * out.pitch + j] = inverse > 0 ? sums[r][c] * inverse : real(0);
        }
        if (column == 0 && right() == 0) {
            tops[head * at.queries + first + row] = top[r];
            denominators[head * at.queries + first + row] = total;
        }
    }
}

ATTENTION_KERNEL outputs_full(const __grid_constant__ Attention at, Sums before, real *tops, real *denominators, real *y) {
    outputs<false>(at, before, tops, denominators, y);
}

ATTENTION_KERNEL outputs_causal(const __grid_constant__ Attention at, Sums before, real *tops, real *denominators, real *y) {
    outputs<true>(at, before, tops, denominators, y);
}
