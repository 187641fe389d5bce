// The way back. The features are made again.

// inverses and by_denominators of each query: 16 queries a block. count = heads·queries. Both are 0 for rows of dy with a mark, and for
// rows of y with one, which are not read; those of them whose dy is not zero have a mark there too.
extern "C" __global__ void __launch_bounds__(BLOCK_THREADS)
quotients(Attention at, const real *y, const real *dy, const real *output_marks, const real *gradient_marks, const real *denominators,
          real *inverses, real *by_denominators, i64 count) {
    i64 k = (i64)blockIdx.x * 16 + down(), head = k / at.queries, place = head / at.heads * at.queries + k % at.queries;
    i64 start = (place * at.heads + head % at.heads) * at.dv;
    bool reads = k < count && output_marks[place] == 0 && gradient_marks[place] == 0;
    real inverse = reads && denominators[k] >= at.least ? real(1) / denominators[k] : real(0), sum = 0;
    for (i64 j = right(); reads && j < at.dv; j += 16) sum = fma(y[start + j], inverse * dy[start + j], sum);
    sum = row_sum(sum);
    if (k < count && right() == 0) {
        inverses[k] = inverse;
        by_denominators[k] = sum;
    }
}

// A tile of queries with what goes back into them.
struct Queries {
    Rows rows, by;
    const real *by_denominators;
};

// Those of a chunk, their tops in s.top. Visible after the next barrier.
__device__ __forceinline__ Queries take_queries(const Attention &at, Shared &s, const Slopes &back, i64 head, i64 first) {
    i64 place = head * at.queries + first;
    Queries own = {queries(at, head, first, at.queries), positions(at, back.dy, at.dv, at.queries, head, first, at.queries),
                   back.by_denominators + place};
    own.by.factors = back.inverses + place;
    if (threadIdx.x < TILE) s.top[threadIdx.x] = threadIdx.x < own.rows.count ? back.tops[place + threadIdx.x] : real(0);
    return own;
}

// Gradients by the weights of queries i and keys j of the chunk: nᵢ·vⱼ − δᵢ for j ≤ i, and 0 otherwise, n = dy/denominator.
__device__ __forceinline__ void weight_slopes(const Attention &at, Shared &s, const Queries &own, const Rows &values, Numbers &x) {
    clear(x);
    multiply_rows(s, own.by, values, at.dv, x);
    EACH_NUMBER(r, c) {
        int i = 4 * down() + r;
        x[r][c] = 4 * right() + c <= i && i < own.rows.count ? x[r][c] - own.by_denominators[i] : real(0);
    }
}

// x = features of queries, 0 from `count` on and where there is no feature: from exponents, to levels.
__device__ __forceinline__ void features_to_level(const Attention &at, const Shared &s, i64 feature, int count, Numbers &x) {
    EACH_NUMBER(r, c) {
        int row = 4 * down() + r;
        bool counts = row < count && feature + 4 * right() + c < at.m;
        x[r][c] = counts ? query_feature(at, x[r][c], s.level[4 * right() + c], s.top[row]) : real(0);
    }
}

// Slope by the exponent of a feature, from that by the feature.
__device__ __forceinline__ real slope(const Attention &at, real feature, real by_feature) {
    if (at.mode == STABLE) return feature * by_feature;
    return feature > 0 && feature < at.most_relu ? by_feature : real(0);
}

// What the keys j of the chunk add to slopes x[i][f] of late queries i, from weight slopes s.other[j][i]. Overwrites s.tile.
__device__ __noinline__ void late_query_slopes(const Attention &at, Shared &s, i64 head, i64 first, i64 feature, int steady, Numbers &x) {
    Numbers own;
    key_exponents(at, s, keys(at, head, first, at.keys), head, first, feature, own);
    __syncthreads();
    store(own, s.tile);
    query_exponents(at, s, queries(at, head, first, at.queries), feature, own);
    EACH_NUMBER(r, c) {
        int i = 4 * down() + r, f = 4 * right() + c;
        real sum = 0;
        for (int j = 0; i >= steady && j <= i; j++) sum = fma(s.other[j][i], exp(own[r][c] + s.tile[j][f] - s.top[i]), sum);
        x[r][c] = sum;
    }
    __syncthreads();
}

// What late queries i add to slopes x[j][f] of keys, from weight slopes s.other[i][j]. Overwrites s.tile.
__device__ __noinline__ void late_key_slopes(const Attention &at, Shared &s, i64 head, i64 first, i64 feature, int steady, Numbers &x) {
    Rows rows = queries(at, head, first, at.queries);
    Numbers own;
    query_exponents(at, s, rows, feature, own);
    __syncthreads();
    store(own, s.tile);
    key_exponents(at, s, keys(at, head, first, at.keys), head, first, feature, own);
    EACH_NUMBER(r, c) {
        int j = 4 * down() + r, f = 4 * right() + c;
        real sum = 0;
        for (int i = j > steady ? j : steady; i < rows.count; i++) sum = fma(s.other[i][j], exp(own[r][c] + s.tile[i][f] - s.top[i]), sum);
        x[r][c] = sum;
    }
    __syncthreads();
}

// dq of a tile of queries. Grid: (tiles of queries·heads, tiles of columns).
template <bool CAUSAL>
__device__ __forceinline__ void query_gradients(const Attention &at, const Sums &before, const Slopes &back, real *dq) {
    Shared &s = shared();
    i64 all = at.batch * at.heads, head = blockIdx.x % all, chunk = blockIdx.x / all, column = (i64)blockIdx.y * TILE;
    i64 first = (before.first + chunk) * TILE;
    const real *base = before.bases + (before.first + chunk) * before.base_stride + head * at.m;
    const real *state = before.states + chunk * before.state_stride + head * at.m * (at.dv + 1), *state_weights = state + at.m * at.dv;
    Queries own = take_queries(at, s, back, head, first);
    Rows own_keys = keys(at, head, first, at.keys);
    Numbers sums, x;
    clear(sums);
    if (CAUSAL) {
        squares(at, s, own_keys);
        weight_slopes(at, s, own, values(at, head, first, at.keys), x);
        store_transposed(x, s.other);
    }
    for (i64 feature = 0; feature < at.m; feature += TILE) {
        // 1. By the features: what the keys before give, and those of the chunk.
        Numbers within, phi;
        int steady = TILE;
        clear(within);
        if (CAUSAL) {
            key_exponents(at, s, own_keys, head, first, feature, x);
            steady = find_level(at, s, x, base, head, feature, phi);
            EACH_NUMBER(r, c) x[r][c] = key_feature(at, x[r][c], s.level[4 * right() + c]);
            store(x, s.tile);
            __syncthreads();
            // Of the keys j ≤ i.
            multiply_tiles(s.other, s.tile, 0, 4 * down() + 4, within);
        } else {
            __syncthreads();
            if (threadIdx.x < TILE) s.level[threadIdx.x] = feature + threadIdx.x < at.m ? base[feature + threadIdx.x] : real(0);
        }
        clear(x);
        multiply_rows(s, own.by, features(at, state, at.dv, feature), at.dv, x);
        EACH_NUMBER(r, c) {
            int row = 4 * down() + r;
            i64 f = feature + 4 * right() + c;
            bool counts = row < own.rows.count && f < at.m;
            x[r][c] = counts ? x[r][c] - own.by_denominators[row] * state_weights[f] : real(0);
            if (CAUSAL) x[r][c] = fma(x[r][c], s.decay[4 * right() + c], row < steady ? within[r][c] : real(0));
        }
        // 2. By the exponents.
        query_exponents(at, s, own.rows, feature, phi);
        features_to_level(at, s, feature, own.rows.count, phi);
        EACH_NUMBER(r, c) x[r][c] = slope(at, phi[r][c], x[r][c]);
        if (CAUSAL && steady < TILE) {
            Numbers late;
            late_query_slopes(at, s, head, first, feature, steady, late);
            add(late, x);
        }
        // 3. By the query.
        __syncthreads();
        store_transposed(x, s.tile);
        multiply_tile(s, s.tile, features(at, at.omega, at.d, feature), column, at.d, sums);
    }
    Rows out = positions(at, dq, at.d, at.queries, head, first, at.queries);
    EACH_NUMBER(r, c) {
        int row = 4 * down() + r;
        i64 j = column + 4 * right() + c;
        if (row < out.count && j < at.d) dq[(out.first - dq) + row * out.pitch + j] = at.scale * sums[r][c];
    }
}

// dk and dv of a tile of keys, from the sums over the queries behind, those of chunk c to base c + 1. Grid: (tiles of keys·heads, tiles of
// columns of either).
template <bool CAUSAL>
__device__ __forceinline__ void key_gradients(const Attention &at, const Sums &behind, const Slopes &back, real *dk, real *dv) {
    Shared &s = shared();
    i64 all = at.batch * at.heads, head = blockIdx.x % all, chunk = blockIdx.x / all, column = (i64)blockIdx.y * TILE;
    i64 first = (behind.first + chunk) * TILE;
    const real *base = behind.bases + (behind.first + chunk) * behind.base_stride + head * at.m, *next_base = base + behind.base_stride;
    const real *state = behind.states + chunk * behind.state_stride + head * at.m * (at.dv + 1), *state_weights = state + at.m * at.dv;
    Rows own_keys = keys(at, head, first, at.keys), own_values = values(at, head, first, at.keys);
    Queries own;
    Numbers by_key, by_value, weights, x;
    clear(by_key);
    clear(by_value);
    real total[4] = {0, 0, 0, 0};
    squares(at, s, own_keys);
    if (CAUSAL) {
        own = take_queries(at, s, back, head, first);
        weight_slopes(at, s, own, own_values, x);
        store(x, s.other);
        clear(weights);
    }
    for (i64 feature = 0; feature < at.m; feature += TILE) {
        Numbers exponents, within;
        key_exponents(at, s, own_keys, head, first, feature, exponents);
        // 1. Weights, and slopes by the keys' exponents, with the queries of the chunk.
        clear(within);
        if (CAUSAL) {
            int steady = find_level(at, s, exponents, base, head, feature, x);
            Numbers phi;
            query_exponents(at, s, own.rows, feature, phi);
            features_to_level(at, s, feature, own.rows.count < steady ? own.rows.count : steady, phi);
            EACH_NUMBER(r, c) x[r][c] = key_feature(at, exponents[r][c], s.level[4 * right() + c]);
            __syncthreads();
            store_transposed(phi, s.third);
            store_transposed(x, s.tile);
            __syncthreads();
            multiply_tiles(s.third, s.tile, 0, TILE, weights);
            __syncthreads();
            store(phi, s.tile);
            __syncthreads();
            // Of the queries i ≥ j.
            multiply_tiles(s.other, s.tile, 4 * down(), TILE, within);
            if (at.mode == STABLE) {
                EACH_NUMBER(r, c) within[r][c] *= x[r][c];
            }
            if (steady < TILE) {
                Numbers late;
                late_weights(at, s, s.third, head, first, feature, steady, late);
                add(late, weights);
                late_key_slopes(at, s, head, first, feature, steady, late);
                add(late, within);
            }
        }
        // 2. What the queries behind give.
        EACH_NUMBER(r, c) {
            i64 f = feature + 4 * right() + c;
            exponents[r][c] = f < at.m ? key_feature(at, exponents[r][c], at.mode == STABLE ? next_base[f] : real(0)) : real(0);
        }
        __syncthreads();
        store_transposed(exponents, s.tile);
        multiply_tile(s, s.tile, features(at, state, at.dv, feature), column, at.dv, by_value);
        clear(x);
        multiply_rows(s, own_values, features(at, state, at.dv, feature), at.dv, x);
        EACH_NUMBER(r, c) {
            i64 f = feature + 4 * right() + c;
            real by_feature = f < at.m ? x[r][c] - state_weights[f] : real(0);
            if (at.mode == STABLE) {
                x[r][c] = fma(exponents[r][c], by_feature, within[r][c]);
                total[r] += x[r][c];
            } else {
                x[r][c] = slope(at, exponents[r][c], by_feature + within[r][c]);
            }
        }
        // 3. By the key.
        __syncthreads();
        store_transposed(x, s.tile);
        multiply_tile(s, s.tile, features(at, at.omega, at.d, feature), column, at.d, by_key);
    }
    if (CAUSAL) {
        // Of queries i (down) and keys j (right).
        EACH_NUMBER(r, c) {
            if (4 * right() + c > 4 * down() + r) weights[r][c] = 0;
        }
        __syncthreads();
        store(weights, s.tile);
        multiply_tile(s, s.tile, own.by, column, at.dv, by_value);
    }
    Rows of_dk = positions(at, dk, at.d, at.keys, head, first, at.keys), of_dv = positions(at, dv, at.dv, at.keys, head, first, at.keys);
#pragma unroll
    for (int r = 0; r < 4; r++) {
        int row = 4 * down() + r;
        // −half_square·‖k‖² is in all exponents of the key.
        real factor = real(-2) * at.half_square * row_sum(total[r]);
        if (row >= own_keys.count) continue;
#pragma unroll
        for (int c = 0; c < 4; c++) {
            i64 j = column + 4 * right() + c, place = (of_dk.first - dk) + row * of_dk.pitch + j;
            real by_square = at.mode == STABLE && own_keys.reads(row) && j < at.d ? at.key[place] : real(0);
            if (j < at.d) dk[place] = fma(factor, by_square, at.scale * by_key[r][c]);
            if (j < at.dv) dv[(of_dv.first - dv) + row * of_dv.pitch + j] = by_value[r][c];
        }
    }
}

ATTENTION_KERNEL query_gradients_full(const __grid_constant__ Attention at, Sums before, Slopes back, real *dq) { query_gradients<false>(at, before, back, dq); }

ATTENTION_KERNEL query_gradients_causal(const __grid_constant__ Attention at, Sums before, Slopes back, real *dq) { query_gradients<true>(at, before, back, dq); }

ATTENTION_KERNEL key_gradients_full(const __grid_constant__ Attention at, Sums behind, Slopes back, real *dk, real *dv) {
    key_gradients<false>(at, behind, back, dk, dv);
}

ATTENTION_KERNEL key_gradients_causal(const __grid_constant__ Attention at, Sums behind, Slopes back, real *dk, real *dv) {
    key_gradients<true>(at, behind, back, dk, dv);
}
