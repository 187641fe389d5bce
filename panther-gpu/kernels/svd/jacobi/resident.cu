// Columns that stay in the shared memory of one cluster from the first rotation to the last, each before its column of v. Every thread
// block is a table with two seats, for a block of columns each. After a round all blocks but one move on by a seat, so that in a sweep
// every two meet once and come back to where they were (Brent and Luk 1985). What a round rotates last is written where it is due next.

// Where the block of columns on a seat is due after a round.
__device__ __forceinline__ void move_on(u32 tables, u32 &table, u32 &seat) {
    if (seat == 0 && table == 0) return;
    if (seat == 0 && table + 1 == tables) {
        seat = 1;
    } else if (seat == 0) {
        table += 1;
    } else if (table == 0) {
        table = 1;
        seat = 0;
    } else {
        table -= 1;
    }
}

// Rotates two columns of GROUPS groups of x and as many of v, by a warp: whether they were not orthogonal.
template <u32 GROUPS>
__device__ __forceinline__ bool rotate(Lane<2 * GROUPS> &a, Lane<2 * GROUPS> &b, real &aa, real &bb, real tolerance, real floor) {
    Rotation rotation;
    const real ab = warp_sum(products<GROUPS>(a, b));
    if (!rotation_of(aa, bb, ab, tolerance, floor, rotation)) return false;
    turn(rotation, a, b);
    aa -= rotation.grown;
    bb += rotation.grown;
    return true;
}

// A warp for each column of a block. Shared memory holds twice, for this round and the next, 2·width columns and their squared norms,
// which are kept up to date within a round and taken anew after it.
template <u32 GROUPS>
__device__ __forceinline__ void orthogonalize(const Problem &problem) {
    extern __shared__ double memory[];
    using Column = Lane<2 * GROUPS>;
    constexpr u32 LENGTH = 2 * GROUPS * WARP;
    const u32 width = problem.width, places = 2 * width, tables = problem.tables, table = blockIdx.x;
    const u32 lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    real *const columns = (real *)memory, *const norms = columns + 2 * places * LENGTH;
    auto at = [&](u32 half, u32 place) { return columns + (half * places + place) * LENGTH + lane; };
    auto norm_at = [&](u32 half, u32 place) { return norms + half * places + place; };
    // The column of the matrix that belongs in a place, if there is one.
    auto column_of = [&](u32 place) {
        return place < width ? table * width + place : (tables + table) * width + place - width;
    };

    for (u32 place = warp; place < places; place += width) {
        const u32 from = column_of(place);
        Column column;
#pragma unroll
        for (u32 l = 0; l < GROUPS; l++) {
            const u32 i = l * WARP + lane;
            column.x[l] = from < problem.n && i < problem.m ? problem.x[from * problem.ldx + i] : real(0);
            column.x[GROUPS + l] = from < problem.n && i < problem.n ? problem.v[from * problem.ldv + i] : real(0);
        }
        column.store(at(0, place));
        const real norm = warp_sum(products<GROUPS>(column, column));
        if (lane == 0) {
            *norm_at(0, place) = norm;
            atomicMax(problem.largest, (u64)__double_as_longlong(norm));
        }
    }
    cluster_barrier();
    const real floor = floor_of(problem), tolerance = problem.tolerance;

    u32 half = 0, sweep = 0;
    auto send = [&](const Column &column, u32 place) {
        u32 to_table = table, seat = place < width ? 0 : 1;
        const u32 chair = place - seat * width;
        move_on(tables, to_table, seat);
        const u32 to = seat * width + chair;
        column.store(in_block(at(half ^ 1, to), to_table));
        const real norm = warp_sum(products<GROUPS>(column, column));
        if (lane == 0) *in_block(norm_at(half ^ 1, to), to_table) = norm;
    };
    // Those on one seat meet those on the other.
    auto meet = [&]() {
        bool turned = false;
        Column mine, other;
        mine.load(at(half, warp));
        real norm = *norm_at(half, warp);
        u32 place = width + warp;
        for (u32 step = 1;; step++) {
            other.load(at(half, place));
            real of_other = *norm_at(half, place);
            const bool turns = rotate<GROUPS>(mine, other, norm, of_other, tolerance, floor);
            turned |= turns;
            if (step == width) break;
            if (turns) {
                other.store(at(half, place));
                // All lanes have read it.
                __syncwarp();
                if (lane == 0) *norm_at(half, place) = of_other;
            }
            place = place + 1 < places ? place + 1 : width;
            __syncthreads();
        }
        send(mine, warp);
        send(other, place);
        return turned;
    };
    // All at the table meet.
    auto meet_all = [&]() {
        bool turned = false;
        for (u32 step = 0;; step++) {
            u32 p, q;
            players_of(step, warp, places, p, q);
            Column a, b;
            a.load(at(half, p));
            b.load(at(half, q));
            real aa = *norm_at(half, p), bb = *norm_at(half, q);
            const bool turns = rotate<GROUPS>(a, b, aa, bb, tolerance, floor);
            turned |= turns;
            if (step + 2 == places) {
                send(a, p);
                send(b, q);
                return turned;
            }
            if (turns) {
                a.store(at(half, p));
                b.store(at(half, q));
                __syncwarp();
                if (lane == 0) {
                    *norm_at(half, p) = aa;
                    *norm_at(half, q) = bb;
                }
            }
            __syncthreads();
        }
    };
    for (; sweep < MOST_SWEEPS; sweep++) {
        bool turned = false;
        for (u32 round = 0; round + 1 < 2 * tables; round++) {
            turned |= round == 0 ? meet_all() : meet();
            const bool is_last = round + 2 == 2 * tables;
            if (is_last && __syncthreads_or(turned) && threadIdx.x == 0) problem.changed[sweep] = 1;
            cluster_barrier();
            half ^= 1;
        }
        if (__ldcg(problem.changed + sweep) == 0) break;
    }

    for (u32 place = warp; place < places; place += width) {
        const u32 to = column_of(place);
        if (to >= problem.n) continue;
        Column column;
        column.load(at(half, place));
#pragma unroll
        for (u32 l = 0; l < GROUPS; l++) {
            const u32 i = l * WARP + lane;
            if (i < problem.m) problem.x[to * problem.ldx + i] = column.x[l];
            if (i < problem.n) problem.v[to * problem.ldv + i] = column.x[GROUPS + l];
        }
    }
    if (table == 0 && threadIdx.x == 0) *problem.sweeps = sweep;
}

// By the most rows and columns.
#define RESIDENT(rows, blocks) ORTHOGONALIZE(orthogonalize_##rows, CLUSTER_OF(blocks), orthogonalize<rows / WARP>)
RESIDENT(64, FEW_BLOCKS)
RESIDENT(128, FEW_BLOCKS)
RESIDENT(256, MANY_BLOCKS)
