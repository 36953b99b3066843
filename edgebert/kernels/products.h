/* Products of u8 rows and s8 panels in AMX tiles, and what is done to a result before it is stored. */
#ifndef EDGEBERT_PRODUCTS_H
#define EDGEBERT_PRODUCTS_H
#include "rows.h"

typedef enum { RESIDUAL, GELU, BF16 } finish;

static inline void fetch(const char *tiles, int first, int count) {
    for (int i = first; i < first + count && i < 2 * TILE; i++) _mm_prefetch(tiles + (size_t)i * LINE, _MM_HINT_T1);
}

/* Rows [m0, m1) and columns [n0, n1) of a linear; m0 and n0 are multiples of BLOCK. */
static void multiply(const linear *l, const run *job, int first, int m0, int m1, int n0, int n1, finish how,
                     void *to, int stride, const float *residual, int32_t *scratch) {
    const int steps = l->depth / DEPTH;
    const uint8_t *values = values_of(job, l, first);
    for (int n = n0; n < n1; n += BLOCK) {
        const char *panel = (const char *)l->panels + (size_t)(n / BLOCK) * l->depth * BLOCK;
        __m512 scale[2], bias[2], sums[2];
        for (int j = 0; j < 2; j++) {
            scale[j] = _mm512_load_ps(l->scale + n + j * TILE);
            bias[j] = _mm512_load_ps(l->bias + n + j * TILE);
            sums[j] = _mm512_cvtepi32_ps(_mm512_load_si512(l->sums + n + j * TILE));
        }
        const __mmask16 some[2] = {tail(l->out - n), tail(l->out - n - TILE)};
        /* the next panel comes from memory while this one is used, some lines with each step */
        const char *coming = panel + (n + BLOCK < n1 ? (size_t)l->depth * BLOCK : 0);
        const int blocks = (m1 - m0 + BLOCK - 1) / BLOCK, each = (2 * TILE + blocks - 1) / blocks;
        for (int m = m0, block = 0; m < m1; m += BLOCK, block++) {
            const int rows = m1 - m < BLOCK ? m1 - m : BLOCK;
            const uint8_t *upper = values + (size_t)m * l->depth, *lower = upper + (size_t)TILE * l->depth;
            _tile_zero(0);
            _tile_zero(1);
            if (rows > TILE) {
                _tile_zero(2);
                _tile_zero(3);
                for (int k = 0; k < steps; k++) {
                    fetch(coming + (size_t)k * 2 * TILE * LINE, block * each, each);
                    _tile_loadd(6, panel + (size_t)k * 2 * TILE * LINE, LINE);
                    _tile_loadd(4, upper + k * DEPTH, l->depth);
                    _tile_dpbusd(0, 4, 6);
                    _tile_loadd(7, panel + (size_t)k * 2 * TILE * LINE + TILE * LINE, LINE);
                    _tile_dpbusd(1, 4, 7);
                    _tile_loadd(5, lower + k * DEPTH, l->depth);
                    _tile_dpbusd(2, 5, 6);
                    _tile_dpbusd(3, 5, 7);
                }
                _tile_stored(2, scratch + TILE * BLOCK, BLOCK * 4);
                _tile_stored(3, scratch + TILE * BLOCK + TILE, BLOCK * 4);
            } else {
                for (int k = 0; k < steps; k++) {
                    fetch(coming + (size_t)k * 2 * TILE * LINE, block * each, each);
                    _tile_loadd(4, upper + k * DEPTH, l->depth);
                    _tile_loadd(6, panel + (size_t)k * 2 * TILE * LINE, LINE);
                    _tile_dpbusd(0, 4, 6);
                    _tile_loadd(7, panel + (size_t)k * 2 * TILE * LINE + TILE * LINE, LINE);
                    _tile_dpbusd(1, 4, 7);
                }
            }
            _tile_stored(0, scratch, BLOCK * 4);
            _tile_stored(1, scratch + TILE, BLOCK * 4);
            for (int r = 0; r < rows; r++) {
                const __m512 by = _mm512_set1_ps(job->scale[m + r]);
                const __m512 zero = _mm512_set1_ps((float)job->zero[m + r]);
                for (int j = 0; j < 2; j++) {
                    const size_t place = (size_t)(m + r) * stride + n + j * TILE;
                    __m512 y = _mm512_cvtepi32_ps(_mm512_load_si512(scratch + r * BLOCK + j * TILE));
                    y = _mm512_fnmadd_ps(zero, sums[j], y);
                    y = _mm512_fmadd_ps(_mm512_mul_ps(y, by), scale[j], bias[j]);
                    switch (how) {
                    case BF16:
                        _mm256_mask_storeu_epi16((uint16_t *)to + place, some[j],
                                                 (__m256i)_mm512_cvtneps_pbh(y));
                        continue;
                    case GELU: y = gelu(y); break;
                    case RESIDUAL:
                        y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(some[j], residual + place));
                        break;
                    }
                    _mm512_mask_storeu_ps((float *)to + place, some[j], y);
                }
            }
        }
    }
}

#endif
