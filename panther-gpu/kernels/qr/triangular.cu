// Triangular solves.

extern __shared__ double memory[];

// a = a·R⁻¹ by substitution, four threads a row, with the upper triangle of R, n×n. Columns are solved in panels; a thread holds
// four of a panel. Shared memory holds R, n rounded up to panels and squared with some more in each row, and as many numbers a row of a.
extern "C" __global__ void __launch_bounds__(BLOCK_THREADS) solve_rows(real *a, u64 lda, u64 m, u32 n, const real *r, u64 ldr) {
    constexpr u32 EACH = PANEL / SHARE, QUAD = sizeof(Quad) / sizeof(real);
    // Rows of R begin in different banks.
    const u32 padded = (n + PANEL - 1) / PANEL * PANEL, pitch = padded + QUAD, rows = BLOCK_THREADS / SHARE;
    real *factor = (real *)memory, *numbers = factor + padded * pitch;
    const u32 row = threadIdx.x / SHARE, share = threadIdx.x % SHARE;
    for (u32 k = threadIdx.x; k < padded * padded; k += blockDim.x) {
        const u32 j = k / padded, i = k - j * padded;
        real *to = factor + i * pitch + j;
        if (i <= j && j < n) {
            copy_later(to, r + i + j * ldr);
        } else {
            *to = 0;
        }
    }
    for (u64 first = (u64)blockIdx.x * rows; first < m; first += (u64)gridDim.x * rows) {
        // 1. All numbers are on their way at once.
        for (u32 k = threadIdx.x; k < padded * rows; k += blockDim.x) {
            const u32 j = k / rows, i = k - j * rows;
            if (j < n && first + i < m) {
                copy_later(numbers + k, a + first + i + j * lda);
            } else {
                numbers[k] = 0;
            }
        }
        all_copied();
        __syncthreads();
        for (u32 start = 0; start < padded; start += PANEL) {
            const u32 mine = start + share * EACH;
            real x[EACH];
#pragma unroll
            for (u32 c = 0; c < EACH; c++) x[c] = numbers[(mine + c) * rows + row];
            // 2. What the columns solved before take out of this panel.
#pragma unroll 4
            for (u32 k = 0; k < start; k++) {
                const real y = numbers[k * rows + row];
                const Quad *from = (const Quad *)(factor + k * pitch + mine);
#pragma unroll
                for (u32 c = 0; c < EACH; c++) x[c] -= y * from[c / QUAD].x[c % QUAD];
            }
            // 3. The panel itself, a column after the other.
#pragma unroll
            for (u32 k = 0; k < PANEL; k++) {
                const real *from = factor + (start + k) * pitch + start;
                // Beyond the last column there is nothing to divide by.
                real y = start + k < n ? x[k % EACH] / from[k] : real(0);
                y = __shfl_sync(ALL_LANES, y, k / EACH, SHARE);
#pragma unroll
                for (u32 c = 0; c < EACH; c++) {
                    const u32 place = share * EACH + c;
                    if (place == k) x[c] = y;
                    if (place > k) x[c] -= y * from[place];
                }
            }
#pragma unroll
            for (u32 c = 0; c < EACH; c++) {
                numbers[(mine + c) * rows + row] = x[c];
                if (mine + c < n && first + row < m) a[first + row + (mine + c) * lda] = x[c];
            }
            // The four threads of a row are of one warp.
            __syncwarp();
        }
        __syncthreads();
    }
}
