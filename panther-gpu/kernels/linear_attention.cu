// Linear attention in tiles of TILE positions, TILE features and TILE columns of a head. Features are only ever in registers and
// shared memory.
//
// A block has 16×16 threads; thread (down, right) holds the 4×4 numbers of a tile from (4·down, 4·right) on. Tiles in shared memory
// stand as [k][i], k the index that a product sums over.
//
// The features of queries and keys stand to bases: with the stable softmax kernel κ = e^(key's exponent − base) and
// φ = e^(query's exponent + base − top), top being the largest of a query's exponents with the largest exponents of the keys that it
// sees. Where causal, positions are cut into chunks of TILE; chunk c's queries stand to base c, the largest exponents of the keys
// before it, its keys to base c + 1. Within a chunk, weights are Σ e^(query's + key's − top) without a base between.

constexpr int TILE = 64;
constexpr int DEPTH = 16;
constexpr int PITCH = TILE + 4;

constexpr u32 STABLE = 0, ORIGINAL = 1, RELU = 2;

struct Attention {
    i64 batch, heads, queries, keys, d, m;
    u32 mode, has_mask;
    real half_square, most, most_relu, headroom, least, ratio, epsilon;
    real unused;
};

struct alignas(16) Four {
    real v[4];
};

typedef real Numbers[4][4];

// Rows i < count at first + i·pitch, each times its factor where there are factors.
struct Rows {
    const real *first;
    i64 pitch;
    int count;
    const real *factors;
};

struct Shared {
    real a[DEPTH][PITCH];
    real b[DEPTH][PITCH];
    real tile[TILE][PITCH];
    real rows[4][TILE];
    // Where positions of one chunk meet: only there is room for them.
    real other[TILE][PITCH];
    real third[TILE][PITCH];
};

__device__ __forceinline__ int down() { return threadIdx.x / 16; }
__device__ __forceinline__ int right() { return threadIdx.x % 16; }

__device__ __forceinline__ void clear(Numbers &x) {
#pragma unroll
    for (int r = 0; r < 4; r++) {
#pragma unroll
        for (int c = 0; c < 4; c++) x[r][c] = 0;
    }
}

__device__ __forceinline__ real larger(real a, real b) { return a > b ? a : b; }

// x within two bounds; the lower where it is NaN.
__device__ __forceinline__ real bounded(real x, real least, real most) {
    x = x > least ? x : least;
    return x > most ? most : x;
}

// Over the 16 threads of a row of tiles' numbers.
__device__ __forceinline__ real row_sum(real x) {
#pragma unroll
    for (int step = 8; step > 0; step /= 2) x += __shfl_xor_sync(ALL_LANES, x, step);
    return x;
}

__device__ __forceinline__ real row_max(real x) {
#pragma unroll
    for (int step = 8; step > 0; step /= 2) x = larger(x, __shfl_xor_sync(ALL_LANES, x, step));
    return x;
}

__device__ __forceinline__ void multiply_slab(const real (*a)[PITCH], const real (*b)[PITCH], Numbers &sums) {
#pragma unroll
    for (int k = 0; k < DEPTH; k++) {
        Four x = *reinterpret_cast<const Four *>(&a[k][4 * down()]);
        Four y = *reinterpret_cast<const Four *>(&b[k][4 * right()]);
#pragma unroll
        for (int r = 0; r < 4; r++) {
#pragma unroll
            for (int c = 0; c < 4; c++) sums[r][c] = fma(x.v[r], y.v[c], sums[r][c]);
        }
    }
}

// slab[k][i] = row i's number first + k, for DEPTH of k.
__device__ __forceinline__ void take_rows(const Rows &from, i64 first, i64 depth, real (*slab)[PITCH]) {
    for (int e = threadIdx.x; e < DEPTH * TILE; e += blockDim.x) {
        int k = e % DEPTH, i = e / DEPTH;
        real x = 0;
        if (i < from.count && first + k < depth) {
            x = from.first[i * from.pitch + first + k];
            if (from.factors) x *= from.factors[i];
        }
        slab[k][i] = x;
    }
}

// sums[i][j] += Σ over k < depth of a's row i times b's row j.
__device__ void multiply_rows(Shared &s, const Rows &a, const Rows &b, i64 depth, Numbers &sums) {
    for (i64 first = 0; first < depth; first += DEPTH) {
        __syncthreads();
        take_rows(a, first, depth, s.a);
        take_rows(b, first, depth, s.b);
        __syncthreads();
        multiply_slab(s.a, s.b, sums);
    }
}

// sums[i][j] += Σ over k < TILE of tile[k][i] times number first + j of b's row k, for first + j < columns.
__device__ void multiply_tile(Shared &s, const real (*tile)[PITCH], const Rows &b, i64 first, i64 columns, Numbers &sums) {
    for (int start = 0; start < TILE && start < b.count; start += DEPTH) {
        __syncthreads();
        for (int e = threadIdx.x; e < DEPTH * TILE; e += blockDim.x) {
            int j = e % TILE, k = e / TILE;
            real x = 0;
            if (start + k < b.count && first + j < columns) {
                x = b.first[(start + k) * b.pitch + first + j];
                if (b.factors) x *= b.factors[start + k];
            }
            s.b[k][j] = x;
        }
        __syncthreads();
        multiply_slab(tile + start, s.b, sums);
    }
}

// tile[j][i] = numbers (i, j), so that a product can sum over j. No thread may still read the tile.
__device__ __forceinline__ void store_transposed(const Numbers &x, real (*tile)[PITCH]) {
#pragma unroll
    for (int c = 0; c < 4; c++) {
        Four column;
#pragma unroll
        for (int r = 0; r < 4; r++) column.v[r] = x[r][c];
        *reinterpret_cast<Four *>(&tile[4 * right() + c][4 * down()]) = column;
    }
}

// tile[i][j] = numbers (i, j).
__device__ __forceinline__ void store(const Numbers &x, real (*tile)[PITCH]) {
#pragma unroll
    for (int r = 0; r < 4; r++) {
        Four row;
#pragma unroll
        for (int c = 0; c < 4; c++) row.v[c] = x[r][c];
        *reinterpret_cast<Four *>(&tile[4 * down() + r][4 * right()]) = row;
    }
}

// half_square·‖row‖² of each row.
__device__ void squares(const Attention &at, const Rows &x, real *to) {
    int row = threadIdx.x / 4, part = threadIdx.x % 4;
    real sum = 0;
    if (row < x.count) {
        for (i64 k = part; k < at.d; k += 4) sum = fma(x.first[row * x.pitch + k], x.first[row * x.pitch + k], sum);
    }
    sum += __shfl_xor_sync(ALL_LANES, sum, 1);
    sum += __shfl_xor_sync(ALL_LANES, sum, 2);
    if (part == 0) to[row] = at.half_square * sum;
}

// Positions of a head, from `first` on and before `end`: at most TILE.
__device__ __forceinline__ Rows positions(const Attention &at, const real *x, i64 length, i64 head, i64 first, i64 end) {
    i64 width = at.heads * at.d, count = end - first;
    const real *start = x + (head / at.heads * length + first) * width + head % at.heads * at.d;
    return {start, width, (int)(count < 0 ? 0 : count < TILE ? count : TILE), nullptr};
}

// Features from `first` on of a matrix with a row for each.
__device__ __forceinline__ Rows features(const Attention &at, const real *x, i64 pitch, i64 first) {
    i64 count = at.m - first;
    return {x + first * pitch, pitch, (int)(count < TILE ? count : TILE), nullptr};
}

// Whether a key is there and attended.
__device__ __forceinline__ bool attends(const Attention &at, const unsigned char *mask, i64 head, i64 key) {
    return key < at.keys && (!at.has_mask || mask[head / at.heads * at.keys + key]);
}

// ω·k of keys, less half_square·‖k‖² where that belongs to it: from products.
__device__ __forceinline__ real key_exponent(const Attention &at, real product, real square) {
    return at.mode == RELU ? product : larger(product - square, -at.most);
}

__device__ __forceinline__ real key_feature(const Attention &at, real exponent, real base) {
    if (at.mode == STABLE) {
        real above = exponent - base;
        return exp(above > at.headroom ? at.headroom : above);
    }
    if (at.mode == ORIGINAL) return (exp(exponent - base) + at.epsilon) * at.ratio;
    return bounded(exponent, real(0), at.most_relu) + at.epsilon;
}

__device__ __forceinline__ real query_exponent(const Attention &at, real product) {
    return at.mode == STABLE ? bounded(product, -at.most, at.most) : product;
}

// `top` is, with the original's features, what is taken out of all exponents.
__device__ __forceinline__ real query_feature(const Attention &at, real exponent, real base, real top) {
    if (at.mode == STABLE) return exp(exponent + base - top);
    if (at.mode == ORIGINAL) return (exp(exponent - top) + at.epsilon) * at.ratio;
    return bounded(exponent, real(0), at.most_relu) + at.epsilon;
}

// Slope by the exponent of a feature, from that by the feature.
__device__ __forceinline__ real slope(const Attention &at, real feature, real by_feature) {
    if (at.mode == STABLE) return feature * by_feature;
    return feature > 0 && feature < at.most_relu ? by_feature : real(0);
}

// maxima[split][head][feature]: the largest exponents of the attended keys of a split, `share` positions each. With the original's
// features the largest ω·k of all its keys. Grid: (splits·heads, tiles of features).
extern "C" __global__ void __launch_bounds__(256)
key_maxima(Attention at, const real *key, const unsigned char *mask, const real *omega, i64 share, real *maxima) {
    extern __shared__ __align__(16) unsigned char shared[];
    Shared &s = *reinterpret_cast<Shared *>(shared);
    i64 all = at.batch * at.heads, head = blockIdx.x % all, split = blockIdx.x / all, feature = (i64)blockIdx.y * TILE;
    i64 end = (split + 1) * share < at.keys ? (split + 1) * share : at.keys;
    real largest[4] = {-at.most, -at.most, -at.most, -at.most};
    for (i64 first = split * share; first < end; first += TILE) {
        Rows rows = positions(at, key, at.keys, head, first, end);
        Numbers x;
        clear(x);
        __syncthreads();
        squares(at, rows, s.rows[0]);
        multiply_rows(s, rows, features(at, omega, at.d, feature), at.d, x);
#pragma unroll
        for (int r = 0; r < 4; r++) {
            int row = 4 * down() + r;
            bool counts = row < rows.count && (at.mode == ORIGINAL || attends(at, mask, head, first + row));
            real square = at.mode == ORIGINAL ? real(0) : s.rows[0][row];
#pragma unroll
            for (int c = 0; c < 4; c++) {
                if (counts) largest[c] = larger(largest[c], key_exponent(at, x[r][c], square));
            }
        }
    }
    __syncthreads();
#pragma unroll
    for (int c = 0; c < 4; c++) s.tile[down()][4 * right() + c] = largest[c];
    __syncthreads();
    if (threadIdx.x < TILE && feature + threadIdx.x < at.m) {
        real most = s.tile[0][threadIdx.x];
        for (int i = 1; i < 16; i++) most = larger(most, s.tile[i][threadIdx.x]);
        maxima[(split * all + head) * at.m + feature + threadIdx.x] = most;
    }
}

// bases[0] = start, bases[c] = the largest of bases[0..c] and what stood there.
extern "C" __global__ void prefix_maxima(real *bases, u64 chunks, u64 width, real start) {
    FOR_EACH(k, width) {
        real most = start;
        bases[k] = most;
        for (u64 c = 1; c <= chunks; c++) {
            most = larger(most, bases[c * width + k]);
            bases[c * width + k] = most;
        }
    }
}

// Each head's features all get the largest of them, in the bases' last row.
extern "C" __global__ void spread_maxima(real *bases, u64 heads, u64 m) {
    FOR_EACH(head, heads) {
        real most = bases[head * m];
        for (u64 f = 1; f < m; f++) most = larger(most, bases[head * m + f]);
        for (u64 f = 0; f < m; f++) bases[head * m + f] = most;
    }
}

// states[split][head][feature][0..d] = Σ κ·v and [d] = Σ κ over the keys of a split from `first_split` on, `share` positions each.
// Split c stands to the bases at (c + 1)·base_stride. Grid: (splits·heads, tiles of features, tiles of columns).
extern "C" __global__ void __launch_bounds__(256)
key_states(Attention at, const real *key, const real *value, const unsigned char *mask, const real *omega, const real *bases,
           i64 base_stride, i64 first_split, i64 share, real *states) {
    extern __shared__ __align__(16) unsigned char shared[];
    Shared &s = *reinterpret_cast<Shared *>(shared);
    i64 all = at.batch * at.heads, head = blockIdx.x % all, split = blockIdx.x / all, feature = (i64)blockIdx.y * TILE;
    i64 column = (i64)blockIdx.z * TILE, start = (first_split + split) * share;
    i64 end = start + share < at.keys ? start + share : at.keys;
    const real *base = bases + (first_split + split + 1) * base_stride + head * at.m;
    Numbers sums;
    clear(sums);
    real weight = 0;
    for (i64 first = start; first < end; first += TILE) {
        Rows rows = positions(at, key, at.keys, head, first, end);
        Numbers x;
        clear(x);
        __syncthreads();
        squares(at, rows, s.rows[0]);
        multiply_rows(s, rows, features(at, omega, at.d, feature), at.d, x);
#pragma unroll
        for (int r = 0; r < 4; r++) {
            int row = 4 * down() + r;
            bool counts = row < rows.count && attends(at, mask, head, first + row);
#pragma unroll
            for (int c = 0; c < 4; c++) {
                i64 f = feature + 4 * right() + c;
                x[r][c] = counts && f < at.m ? key_feature(at, key_exponent(at, x[r][c], s.rows[0][row]), base[f]) : real(0);
            }
        }
        store(x, s.tile);
        multiply_tile(s, s.tile, positions(at, value, at.keys, head, first, end), column, at.d, sums);
        if (column == 0 && threadIdx.x < TILE) {
            for (int row = 0; row < rows.count; row++) weight += s.tile[row][threadIdx.x];
        }
    }
    real *to = states + (split * all + head) * at.m * (at.d + 1);
#pragma unroll
    for (int r = 0; r < 4; r++) {
#pragma unroll
        for (int c = 0; c < 4; c++) {
            i64 f = feature + 4 * down() + r, j = column + 4 * right() + c;
            if (f < at.m && j < at.d) to[f * (at.d + 1) + j] = sums[r][c];
        }
    }
    if (column == 0 && threadIdx.x < TILE && feature + threadIdx.x < at.m) to[(feature + threadIdx.x) * (at.d + 1) + at.d] = weight;
}

// The same of queries: [0..d] = Σ φ·dy/denominator and [d] = Σ φ·dy·y/denominator. Split c stands to the bases at c·base_stride.
extern "C" __global__ void __launch_bounds__(256)
query_states(Attention at, const real *query, const real *dy, const real *omega, const real *bases, i64 base_stride,
             const real *tops, const real *inverses, const real *slopes, i64 first_split, i64 share, real *states) {
    extern __shared__ __align__(16) unsigned char shared[];
    Shared &s = *reinterpret_cast<Shared *>(shared);
    i64 all = at.batch * at.heads, head = blockIdx.x % all, split = blockIdx.x / all, feature = (i64)blockIdx.y * TILE;
    i64 column = (i64)blockIdx.z * TILE, start = (first_split + split) * share;
    i64 end = start + share < at.queries ? start + share : at.queries;
    const real *base = bases + (first_split + split) * base_stride + head * at.m;
    Numbers sums;
    clear(sums);
    real weight = 0;
    for (i64 first = start; first < end; first += TILE) {
        Rows rows = positions(at, query, at.queries, head, first, end);
        const real *own = tops + head * at.queries + first;
        Numbers x;
        clear(x);
        multiply_rows(s, rows, features(at, omega, at.d, feature), at.d, x);
#pragma unroll
        for (int r = 0; r < 4; r++) {
            int row = 4 * down() + r;
#pragma unroll
            for (int c = 0; c < 4; c++) {
                i64 f = feature + 4 * right() + c;
                bool counts = row < rows.count && f < at.m;
                x[r][c] = counts ? query_feature(at, query_exponent(at, x[r][c]), base[f], own[row]) : real(0);
            }
        }
        __syncthreads();
        store(x, s.tile);
        Rows by = positions(at, dy, at.queries, head, first, end);
        by.factors = inverses + head * at.queries + first;
        multiply_tile(s, s.tile, by, column, at.d, sums);
        if (column == 0 && threadIdx.x < TILE) {
            for (int row = 0; row < rows.count; row++) {
                weight = fma(s.tile[row][threadIdx.x], slopes[head * at.queries + first + row], weight);
            }
        }
    }
    real *to = states + (split * all + head) * at.m * (at.d + 1);
#pragma unroll
    for (int r = 0; r < 4; r++) {
#pragma unroll
        for (int c = 0; c < 4; c++) {
            i64 f = feature + 4 * down() + r, j = column + 4 * right() + c;
            if (f < at.m && j < at.d) to[f * (at.d + 1) + j] = sums[r][c];
        }
    }
    if (column == 0 && threadIdx.x < TILE && feature + threadIdx.x < at.m) to[(feature + threadIdx.x) * (at.d + 1) + at.d] = weight;
}

extern "C" __global__ void sum_states(const real *states, u64 splits, u64 width, real *to) {
    FOR_EACH(k, width) {
        real sum = 0;
        for (u64 c = 0; c < splits; c++) sum += states[c * width + k];
        to[k] = sum;
    }
}

// states[c] becomes the sum over the chunks before c, to base c; `carry` is that before the first, and becomes that after the last.
// The chunks are those from `first` on; a state has `columns` numbers a feature.
extern "C" __global__ void scan_forward(real *states, const real *bases, u64 base_stride, u64 first, u64 chunks, u64 columns,
                                        u64 width, real *carry) {
    FOR_EACH(k, width) {
        real sum = carry[k];
        u64 feature = k / columns;
        for (u64 c = 0; c < chunks; c++) {
            real own = states[c * width + k];
            states[c * width + k] = sum;
            if (base_stride) sum *= exp(bases[(first + c) * base_stride + feature] - bases[(first + c + 1) * base_stride + feature]);
            sum += own;
        }
        carry[k] = sum;
    }
}

// The same from the last to the first: states[c] becomes the sum over the chunks behind c, to base c + 1.
extern "C" __global__ void scan_backward(real *states, const real *bases, u64 base_stride, u64 first, u64 chunks, u64 columns,
                                         u64 width, real *carry) {
    FOR_EACH(k, width) {
        real sum = carry[k];
        u64 feature = k / columns;
        for (u64 c = chunks; c-- > 0;) {
            real own = states[c * width + k];
            states[c * width + k] = sum;
            if (base_stride) sum *= exp(bases[(first + c) * base_stride + feature] - bases[(first + c + 1) * base_stride + feature]);
            sum += own;
        }
        carry[k] = sum;
    }
}

// Exponents of the chunk's own keys, −∞ for those that are not attended; of other kernels than the stable one their features, and 0.
__device__ __forceinline__ void own_keys(const Attention &at, Shared &s, const Rows &rows, const unsigned char *mask, i64 head,
                                         i64 first, const real *omega, i64 feature, const real *squared, const real *base,
                                         Numbers &x) {
    clear(x);
    multiply_rows(s, rows, features(at, omega, at.d, feature), at.d, x);
#pragma unroll
    for (int r = 0; r < 4; r++) {
        int row = 4 * down() + r;
        bool counts = row < rows.count && attends(at, mask, head, first + row);
#pragma unroll
        for (int c = 0; c < 4; c++) {
            i64 f = feature + 4 * right() + c;
            real exponent = key_exponent(at, x[r][c], squared[row]);
            if (at.mode == STABLE) {
                x[r][c] = counts && f < at.m ? exponent : -INFINITE;
            } else {
                x[r][c] = counts && f < at.m ? key_feature(at, exponent, base[f]) : real(0);
            }
        }
    }
}

// weights[i][j] += Σ over the features of a tile of φᵢ·κⱼ, from tiles [feature][i] and [feature][j] of exponents or features.
__device__ __forceinline__ void add_weights(const Attention &at, const real (*query)[PITCH], const real (*key)[PITCH],
                                            const real *top, bool query_is_down, Numbers &weights) {
    int i0 = query_is_down ? down() : right(), j0 = query_is_down ? right() : down();
    // Blocks with no j ≤ i are not looked at.
    if (j0 > i0) return;
    Four tops = *reinterpret_cast<const Four *>(&top[4 * i0]);
    for (int f = 0; f < TILE; f++) {
        Four q = *reinterpret_cast<const Four *>(&query[f][4 * i0]);
        Four k = *reinterpret_cast<const Four *>(&key[f][4 * j0]);
#pragma unroll
        for (int i = 0; i < 4; i++) {
#pragma unroll
            for (int j = 0; j < 4; j++) {
                real term = at.mode == STABLE ? exp(q.v[i] + k.v[j] - tops.v[i]) : q.v[i] * k.v[j];
                if (query_is_down) {
                    weights[i][j] += term;
                } else {
                    weights[j][i] += term;
                }
            }
        }
    }
}

// y of a tile of queries, and their tops and denominators. States and bases are those of the chunk, `state_stride` and
// `base_stride` numbers apart (0 where there is one for all), the first state being that of `first_chunk`.
// Grid: (tiles of queries·heads, tiles of columns).
extern "C" __global__ void __launch_bounds__(256)
outputs(Attention at, const real *query, const real *key, const real *value, const unsigned char *mask, const real *omega,
        const real *bases, i64 base_stride, const real *states, i64 state_stride, i64 first_chunk, u32 causal, real *tops,
        real *denominators, real *y) {
    extern __shared__ __align__(16) unsigned char shared[];
    Shared &s = *reinterpret_cast<Shared *>(shared);
    i64 all = at.batch * at.heads, head = blockIdx.x % all, chunk = blockIdx.x / all, column = (i64)blockIdx.y * TILE;
    i64 first = (first_chunk + chunk) * TILE;
    const real *base = bases + (first_chunk + chunk) * base_stride + head * at.m;
    const real *state = states + chunk * state_stride + head * at.m * (at.d + 1);
    Rows rows = positions(at, query, at.queries, head, first, at.queries);
    Rows keys = positions(at, key, at.keys, head, first, causal ? at.keys : first);
    real *top = s.rows[0], *squared = s.rows[1], *key_squared = s.rows[2];
    squares(at, rows, squared);
    squares(at, keys, key_squared);
    __syncthreads();
    // 1. Tops.
    real most[4] = {-INFINITE, -INFINITE, -INFINITE, -INFINITE};
    for (i64 feature = 0; at.mode != RELU && feature < at.m; feature += TILE) {
        Numbers x;
        if (causal && at.mode == STABLE) {
            own_keys(at, s, keys, mask, head, first, omega, feature, key_squared, base, x);
            __syncthreads();
            store(x, s.tile);
            __syncthreads();
            // The largest exponents of the keys up to each position.
            if (threadIdx.x < TILE) {
                real largest = feature + threadIdx.x < at.m ? base[feature + threadIdx.x] : -INFINITE;
                for (int i = 0; i < TILE; i++) {
                    largest = larger(largest, s.tile[i][threadIdx.x]);
                    s.tile[i][threadIdx.x] = largest;
                }
            }
        }
        clear(x);
        multiply_rows(s, rows, features(at, omega, at.d, feature), at.d, x);
        __syncthreads();
#pragma unroll
        for (int r = 0; r < 4; r++) {
#pragma unroll
            for (int c = 0; c < 4; c++) {
                int row = 4 * down() + r, f = 4 * right() + c;
                if (feature + f < at.m) {
                    real largest = at.mode == ORIGINAL ? real(0) : causal ? s.tile[row][f] : base[feature + f];
                    most[r] = larger(most[r], query_exponent(at, x[r][c]) + largest);
                }
            }
        }
        __syncthreads();
    }
#pragma unroll
    for (int r = 0; r < 4; r++) {
        int row = 4 * down() + r;
        real largest = row_max(most[r]);
        if (at.mode == ORIGINAL) largest += squared[row];
        if (at.mode == RELU) largest = 0;
        if (right() == 0) top[row] = largest;
    }
    __syncthreads();
    // 2. Sums over the keys before, and weights of the keys of the chunk.
    Numbers sums, weights;
    clear(sums);
    clear(weights);
    real denominator[4] = {0, 0, 0, 0};
    for (i64 feature = 0; feature < at.m; feature += TILE) {
        Numbers x, features_of_queries;
        clear(x);
        multiply_rows(s, rows, features(at, omega, at.d, feature), at.d, x);
#pragma unroll
        for (int r = 0; r < 4; r++) {
            int row = 4 * down() + r;
#pragma unroll
            for (int c = 0; c < 4; c++) {
                i64 f = feature + 4 * right() + c;
                bool counts = row < rows.count && f < at.m;
                x[r][c] = query_exponent(at, x[r][c]);
                real phi = counts ? query_feature(at, x[r][c], base[f], top[row]) : real(0);
                features_of_queries[r][c] = phi;
                if (counts) denominator[r] = fma(phi, state[f * (at.d + 1) + at.d], denominator[r]);
                if (at.mode != STABLE) x[r][c] = phi;
                if (!counts) x[r][c] = 0;
            }
        }
        __syncthreads();
        store_transposed(features_of_queries, s.tile);
        multiply_tile(s, s.tile, features(at, state, at.d + 1, feature), column, at.d, sums);
        if (causal) {
            __syncthreads();
            store_transposed(x, s.tile);
            own_keys(at, s, keys, mask, head, first, omega, feature, key_squared, base, x);
            __syncthreads();
            store_transposed(x, s.other);
            __syncthreads();
            add_weights(at, s.tile, s.other, top, true, weights);
        }
    }
    if (causal) {
#pragma unroll
        for (int r = 0; r < 4; r++) {
#pragma unroll
            for (int c = 0; c < 4; c++) {
                if (4 * right() + c > 4 * down() + r) weights[r][c] = 0;
                denominator[r] += weights[r][c];
            }
        }
        __syncthreads();
        store_transposed(weights, s.tile);
        multiply_tile(s, s.tile, positions(at, value, at.keys, head, first, at.keys), column, at.d, sums);
    }
    // 3. The quotient.
#pragma unroll
    for (int r = 0; r < 4; r++) {
        int row = 4 * down() + r;
        real total = row_sum(denominator[r]);
        if (row >= rows.count) continue;
        real inverse = total >= at.least ? real(1) / total : real(0);
#pragma unroll
        for (int c = 0; c < 4; c++) {
            i64 j = column + 4 * right() + c;
            if (j < at.d) y[(rows.first - query) + row * rows.pitch + j] = inverse > 0 ? sums[r][c] * inverse : real(0);
        }
        if (column == 0 && right() == 0) {
            tops[head * at.queries + first + row] = top[row];
            denominators[head * at.queries + first + row] = total;
        }
    }
}

// 1/denominator, 0 where that counts as zero, and dy·y/denominator of each query. count = heads·queries.
extern "C" __global__ void quotients(Attention at, const real *y, const real *dy, const real *denominators, real *inverses,
                                     real *slopes, u64 count) {
    FOR_EACH(k, count) {
        i64 head = (i64)k / at.queries, row = (i64)k % at.queries, width = at.heads * at.d;
        i64 start = (head / at.heads * at.queries + row) * width + head % at.heads * at.d;
        real inverse = denominators[k] >= at.least ? real(1) / denominators[k] : real(0), sum = 0;
        for (i64 j = 0; j < at.d; j++) sum = fma(y[start + j], inverse * dy[start + j], sum);
        inverses[k] = inverse;
        slopes[k] = sum;
    }
}

// Gradients by the weights of queries i and keys j of the chunk: nᵢ·vⱼ − δᵢ for attended j ≤ i, and 0 otherwise, n = dy/denominator.
__device__ __forceinline__ void weight_slopes(const Attention &at, Shared &s, const Rows &by, const Rows &values,
                                              const unsigned char *mask, i64 head, i64 first, const real *slopes, Numbers &x) {
    clear(x);
    multiply_rows(s, by, values, at.d, x);
#pragma unroll
    for (int r = 0; r < 4; r++) {
        int i = 4 * down() + r;
#pragma unroll
        for (int c = 0; c < 4; c++) {
            int j = 4 * right() + c;
            bool counts = j <= i && i < by.count && attends(at, mask, head, first + j);
            x[r][c] = counts ? x[r][c] - slopes[i] : real(0);
        }
    }
}

// dq of a tile of queries. Arguments and grid as in `outputs`.
extern "C" __global__ void __launch_bounds__(256)
query_gradients(Attention at, const real *query, const real *key, const real *value, const unsigned char *mask, const real *omega,
                const real *bases, i64 base_stride, const real *states, i64 state_stride, i64 first_chunk, u32 causal,
                const real *dy, const real *tops, const real *inverses, const real *slopes, real *dq) {
    extern __shared__ __align__(16) unsigned char shared[];
    Shared &s = *reinterpret_cast<Shared *>(shared);
    i64 all = at.batch * at.heads, head = blockIdx.x % all, chunk = blockIdx.x / all, column = (i64)blockIdx.y * TILE;
    i64 first = (first_chunk + chunk) * TILE;
    const real *base = bases + (first_chunk + chunk) * base_stride + head * at.m;
    const real *state = states + chunk * state_stride + head * at.m * (at.d + 1);
    Rows rows = positions(at, query, at.queries, head, first, at.queries);
    Rows keys = positions(at, key, at.keys, head, first, causal ? at.keys : first);
    Rows by = positions(at, dy, at.queries, head, first, at.queries);
    by.factors = inverses + head * at.queries + first;
    const real *own_slopes = slopes + head * at.queries + first;
    real *top = s.rows[0], *key_squared = s.rows[2];
    squares(at, keys, key_squared);
    if (threadIdx.x < TILE) top[threadIdx.x] = threadIdx.x < rows.count ? tops[head * at.queries + first + threadIdx.x] : real(0);
    __syncthreads();
    Numbers sums, x, phi, exponents;
    clear(sums);
    if (causal) {
        weight_slopes(at, s, by, positions(at, value, at.keys, head, first, at.keys), mask, head, first, own_slopes, x);
        // [j][i]
        store_transposed(x, s.third);
    }
    for (i64 feature = 0; feature < at.m; feature += TILE) {
        clear(x);
        multiply_rows(s, rows, features(at, omega, at.d, feature), at.d, x);
#pragma unroll
        for (int r = 0; r < 4; r++) {
            int row = 4 * down() + r;
#pragma unroll
            for (int c = 0; c < 4; c++) {
                i64 f = feature + 4 * right() + c;
                bool counts = row < rows.count && f < at.m;
                exponents[r][c] = counts ? query_exponent(at, x[r][c]) : real(0);
                phi[r][c] = counts ? query_feature(at, exponents[r][c], base[f], top[row]) : real(0);
            }
        }
        clear(x);
        multiply_rows(s, by, features(at, state, at.d + 1, feature), at.d, x);
#pragma unroll
        for (int r = 0; r < 4; r++) {
            int row = 4 * down() + r;
#pragma unroll
            for (int c = 0; c < 4; c++) {
                i64 f = feature + 4 * right() + c;
                bool counts = row < rows.count && f < at.m;
                x[r][c] = counts ? x[r][c] - own_slopes[row] * state[f * (at.d + 1) + at.d] : real(0);
                if (at.mode == STABLE) x[r][c] *= phi[r][c];
            }
        }
        if (causal) {
            Numbers keys_of_chunk;
            own_keys(at, s, keys, mask, head, first, omega, feature, key_squared, base, keys_of_chunk);
            __syncthreads();
            store(keys_of_chunk, s.other);
            __syncthreads();
            for (int j = 0; j <= 4 * down() + 3; j++) {
                Four by_weight = *reinterpret_cast<const Four *>(&s.third[j][4 * down()]);
                Four k = *reinterpret_cast<const Four *>(&s.other[j][4 * right()]);
#pragma unroll
                for (int r = 0; r < 4; r++) {
                    int row = 4 * down() + r;
#pragma unroll
                    for (int c = 0; c < 4; c++) {
                        if (j > row) continue;
                        real kappa = at.mode == STABLE ? exp(exponents[r][c] + k.v[c] - top[row]) : k.v[c];
                        x[r][c] = fma(kappa, by_weight.v[r], x[r][c]);
                    }
                }
            }
        }
        if (at.mode != STABLE) {
#pragma unroll
            for (int r = 0; r < 4; r++) {
#pragma unroll
                for (int c = 0; c < 4; c++) x[r][c] = slope(at, phi[r][c], x[r][c]);
            }
        }
        __syncthreads();
        store_transposed(x, s.tile);
        multiply_tile(s, s.tile, features(at, omega, at.d, feature), column, at.d, sums);
    }
#pragma unroll
    for (int r = 0; r < 4; r++) {
        int row = 4 * down() + r;
        if (row >= rows.count) continue;
#pragma unroll
        for (int c = 0; c < 4; c++) {
            i64 j = column + 4 * right() + c;
            if (j < at.d) dq[(rows.first - query) + row * rows.pitch + j] = sums[r][c];
        }
    }
}

// dk and dv of a tile of keys, from the sums over the queries behind (`states`, to base c + 1). Otherwise as `query_gradients`.
extern "C" __global__ void __launch_bounds__(256)
key_gradients(Attention at, const real *query, const real *key, const real *value, const unsigned char *mask, const real *omega,
              const real *bases, i64 base_stride, const real *states, i64 state_stride, i64 first_chunk, u32 causal,
              const real *dy, const real *tops, const real *inverses, const real *slopes, real *dk, real *dv) {
    extern __shared__ __align__(16) unsigned char shared[];
    Shared &s = *reinterpret_cast<Shared *>(shared);
    i64 all = at.batch * at.heads, head = blockIdx.x % all, chunk = blockIdx.x / all, column = (i64)blockIdx.y * TILE;
    i64 first = (first_chunk + chunk) * TILE;
    const real *base = bases + (first_chunk + chunk + 1) * base_stride + head * at.m;
    const real *state = states + chunk * state_stride + head * at.m * (at.d + 1);
    Rows keys = positions(at, key, at.keys, head, first, at.keys);
    Rows values = positions(at, value, at.keys, head, first, at.keys);
    // The queries of the chunk, where causal.
    i64 last = causal ? at.queries : first;
    Rows rows = positions(at, query, at.queries, head, first, last);
    Rows by = positions(at, dy, at.queries, head, first, last);
    by.factors = inverses + head * at.queries + first;
    real *top = s.rows[0], *key_squared = s.rows[2];
    squares(at, keys, key_squared);
    if (threadIdx.x < TILE) top[threadIdx.x] = threadIdx.x < rows.count ? tops[head * at.queries + first + threadIdx.x] : real(0);
    __syncthreads();
    Numbers by_key, by_value, weights, x, kappa, own;
    clear(by_key);
    clear(by_value);
    clear(weights);
    real total[4] = {0, 0, 0, 0};
    if (causal) {
        weight_slopes(at, s, by, values, mask, head, first, slopes + head * at.queries + first, x);
        // [i][j]
        store(x, s.third);
    }
    for (i64 feature = 0; feature < at.m; feature += TILE) {
        // 1. Features of the keys, and what the queries behind the chunk give.
        own_keys(at, s, keys, mask, head, first, omega, feature, key_squared, base, own);
#pragma unroll
        for (int r = 0; r < 4; r++) {
#pragma unroll
            for (int c = 0; c < 4; c++) {
                i64 f = feature + 4 * right() + c;
                // −∞ where the key is not attended.
                kappa[r][c] = at.mode != STABLE ? own[r][c] : f < at.m ? key_feature(at, own[r][c], base[f]) : real(0);
            }
        }
        __syncthreads();
        store_transposed(kappa, s.tile);
        multiply_tile(s, s.tile, features(at, state, at.d + 1, feature), column, at.d, by_value);
        clear(x);
        multiply_rows(s, values, features(at, state, at.d + 1, feature), at.d, x);
#pragma unroll
        for (int r = 0; r < 4; r++) {
#pragma unroll
            for (int c = 0; c < 4; c++) {
                i64 f = feature + 4 * right() + c;
                x[r][c] = f < at.m ? x[r][c] - state[f * (at.d + 1) + at.d] : real(0);
                if (at.mode == STABLE) x[r][c] *= kappa[r][c];
            }
        }
        // 2. What the queries of the chunk give.
        if (causal) {
            Numbers queries;
            clear(queries);
            multiply_rows(s, rows, features(at, omega, at.d, feature), at.d, queries);
#pragma unroll
            for (int r = 0; r < 4; r++) {
                int row = 4 * down() + r;
#pragma unroll
                for (int c = 0; c < 4; c++) {
                    bool counts = row < rows.count && feature + 4 * right() + c < at.m;
                    real exponent = query_exponent(at, queries[r][c]);
                    // Without exponents the base does not matter.
                    if (at.mode != STABLE) exponent = query_feature(at, exponent, real(0), top[row]);
                    queries[r][c] = counts ? exponent : real(0);
                }
            }
            __syncthreads();
            // Weights need [feature][i] and [feature][j].
            store_transposed(queries, s.other);
            store_transposed(own, s.tile);
            __syncthreads();
            add_weights(at, s.other, s.tile, top, false, weights);
            __syncthreads();
            store(queries, s.other);
            __syncthreads();
            for (int i = 4 * down(); i < rows.count; i++) {
                Four by_weight = *reinterpret_cast<const Four *>(&s.third[i][4 * down()]);
                Four q = *reinterpret_cast<const Four *>(&s.other[i][4 * right()]);
#pragma unroll
                for (int r = 0; r < 4; r++) {
#pragma unroll
                    for (int c = 0; c < 4; c++) {
                        if (4 * down() + r > i) continue;
                        real phi = at.mode == STABLE ? exp(q.v[c] + own[r][c] - top[i]) : q.v[c];
                        x[r][c] = fma(phi, by_weight.v[r], x[r][c]);
                    }
                }
            }
        }
#pragma unroll
        for (int r = 0; r < 4; r++) {
#pragma unroll
            for (int c = 0; c < 4; c++) {
                if (at.mode != STABLE) {
                    x[r][c] = slope(at, kappa[r][c], x[r][c]);
                } else {
                    total[r] += x[r][c];
                }
            }
        }
        __syncthreads();
        store_transposed(x, s.tile);
        multiply_tile(s, s.tile, features(at, omega, at.d, feature), column, at.d, by_key);
    }
    if (causal) {
#pragma unroll
        for (int r = 0; r < 4; r++) {
#pragma unroll
            for (int c = 0; c < 4; c++) {
                int j = 4 * down() + r, i = 4 * right() + c;
                if (j > i || i >= rows.count) weights[r][c] = 0;
            }
        }
        __syncthreads();
        store_transposed(weights, s.tile);
        multiply_tile(s, s.tile, by, column, at.d, by_value);
    }
#pragma unroll
    for (int r = 0; r < 4; r++) {
        int row = 4 * down() + r;
        // −s²‖k‖²/2 is in all exponents of the key.
        real factor = real(-2) * at.half_square * row_sum(total[r]);
        if (row >= keys.count) continue;
#pragma unroll
        for (int c = 0; c < 4; c++) {
            i64 j = column + 4 * right() + c;
            if (j >= at.d) continue;
            i64 place = (keys.first - key) + row * keys.pitch + j;
            dk[place] = at.mode == STABLE ? fma(factor, key[place], by_key[r][c]) : by_key[r][c];
            dv[place] = by_value[r][c];
        }
    }
}
