/* One head of one text: bf16 products in AMX tiles, softmax in fp32. */
#ifndef EDGEBERT_ATTENTION_H
#define EDGEBERT_ATTENTION_H
#include "rows.h"

/* 16 rows of 32 bf16 become 16 rows of pairs, by pair first: what TDPBF16PS wants of keys. */
static void transpose_pairs(const __m512i row[16], uint16_t *to) {
    __m512i a[16], b[16];
    for (int i = 0; i < 8; i++) {
        a[2 * i] = _mm512_unpacklo_epi32(row[2 * i], row[2 * i + 1]);
        a[2 * i + 1] = _mm512_unpackhi_epi32(row[2 * i], row[2 * i + 1]);
    }
    for (int i = 0; i < 4; i++) {
        b[4 * i] = _mm512_unpacklo_epi64(a[4 * i], a[4 * i + 2]);
        b[4 * i + 1] = _mm512_unpackhi_epi64(a[4 * i], a[4 * i + 2]);
        b[4 * i + 2] = _mm512_unpacklo_epi64(a[4 * i + 1], a[4 * i + 3]);
        b[4 * i + 3] = _mm512_unpackhi_epi64(a[4 * i + 1], a[4 * i + 3]);
    }
    for (int i = 0; i < 4; i++) { /* b[4g + i]: rows 4g.., columns i, 4+i, 8+i, 12+i */
        __m512i lo01 = _mm512_shuffle_i32x4(b[i], b[4 + i], 0x88);
        __m512i hi01 = _mm512_shuffle_i32x4(b[i], b[4 + i], 0xdd);
        __m512i lo23 = _mm512_shuffle_i32x4(b[8 + i], b[12 + i], 0x88);
        __m512i hi23 = _mm512_shuffle_i32x4(b[8 + i], b[12 + i], 0xdd);
        _mm512_store_si512(to + 32 * i, _mm512_shuffle_i32x4(lo01, lo23, 0x88));
        _mm512_store_si512(to + 32 * (8 + i), _mm512_shuffle_i32x4(lo01, lo23, 0xdd));
        _mm512_store_si512(to + 32 * (4 + i), _mm512_shuffle_i32x4(hi01, hi23, 0x88));
        _mm512_store_si512(to + 32 * (12 + i), _mm512_shuffle_i32x4(hi01, hi23, 0xdd));
    }
}

/* What one thread needs for one head of one text; `padded` tokens are a multiple of BLOCK. */
typedef struct {
    int tokens, padded, size, hidden;
    uint16_t *keys, *values; /* (padded, size), as tiles */
    uint16_t *weights;       /* (BLOCK, padded) */
    float *scores;           /* (BLOCK, padded) */
    float *mixed;            /* (BLOCK, BLOCK) */
    float *inverse;          /* (BLOCK,): of the sum of each row's weights */
} head;

static size_t attend_bytes(int tokens, int size) {
    const size_t padded = round_up(tokens, BLOCK);
    return 2 * padded * size * 2 + BLOCK * padded * 2 + BLOCK * padded * 4 + BLOCK * BLOCK * 4 + BLOCK * 4;
}

static head lay_out(int hidden, int tokens, int size, char *scratch) {
    head a = {.tokens = tokens, .padded = (int)round_up(tokens, BLOCK), .size = size, .hidden = hidden};
    a.keys = (uint16_t *)scratch;
    a.values = a.keys + (size_t)a.padded * size;
    a.weights = a.values + (size_t)a.padded * size;
    a.scores = (float *)(a.weights + (size_t)BLOCK * a.padded);
    a.mixed = a.scores + (size_t)BLOCK * a.padded;
    a.inverse = a.mixed + BLOCK * BLOCK;
    return a;
}

static void pack_keys(const head *a, const uint16_t *key, int stride) {
    const int parts = a->size / BLOCK;
    for (int t = 0; t < a->padded; t += TILE)
        for (int d = 0; d < parts; d++) {
            __m512i row[16];
            for (int i = 0; i < 16; i++)
                row[i] = t + i < a->tokens ? _mm512_loadu_si512(key + (size_t)(t + i) * stride + d * BLOCK)
                                           : _mm512_setzero_si512();
            transpose_pairs(row, a->keys + ((size_t)t / TILE * parts + d) * TILE * BLOCK);
        }
}

static void pack_values(const head *a, const uint16_t *value, int stride) {
    const int parts = a->size / BLOCK;
    const __m512i low = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7,
                                         38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
    for (int t = 0; t < a->padded; t += 2)
        for (int d = 0; d < parts; d++) {
            const uint16_t *from = value + (size_t)t * stride + d * BLOCK;
            const __m512i none = _mm512_setzero_si512();
            const __m512i one = t < a->tokens ? _mm512_loadu_si512(from) : none;
            const __m512i two = t + 1 < a->tokens ? _mm512_loadu_si512(from + stride) : none;
            uint16_t *tile = a->values + ((size_t)(t / BLOCK) * 2 * parts + 2 * d) * TILE * BLOCK;
            uint16_t *pair = tile + (t % BLOCK / 2) * BLOCK;
            _mm512_store_si512(pair, _mm512_permutex2var_epi16(one, low, two));
            _mm512_store_si512(pair + TILE * BLOCK, _mm512_permutex2var_epi16(one, high, two));
        }
}

/* Store tiles 0 to 3 as a block of BLOCK columns; the lower two where `two`. */
static void store_block(float *to, int stride, int two) {
    _tile_stored(0, to, stride * 4);
    _tile_stored(1, to + TILE, stride * 4);
    if (!two) return;
    _tile_stored(2, to + (size_t)TILE * stride, stride * 4);
    _tile_stored(3, to + (size_t)TILE * stride + TILE, stride * 4);
}

static void score(const head *a, const uint16_t *query, int stride, int two) {
    const int parts = a->size / BLOCK;
    for (int t = 0; t < a->padded; t += BLOCK) {
        _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3);
        for (int d = 0; d < parts; d++) {
            const uint16_t *key = a->keys + ((size_t)t / TILE * parts + d) * TILE * BLOCK;
            _tile_loadd(4, query + d * BLOCK, stride * 2);
            _tile_loadd(6, key, LINE);
            _tile_loadd(7, key + (size_t)parts * TILE * BLOCK, LINE);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 4, 7);
            if (two) {
                _tile_loadd(5, query + (size_t)TILE * stride + d * BLOCK, stride * 2);
                _tile_dpbf16ps(2, 5, 6);
                _tile_dpbf16ps(3, 5, 7);
            }
        }
        store_block(a->scores + t, a->padded, two);
    }
}

/* Softmax of one row's scores, but for the division, which `mix` does. Padding weighs nothing. */
static void weigh(const head *a, int r) {
    const float *row = a->scores + (size_t)r * a->padded;
    __m512 most = _mm512_set1_ps(-INFINITY), sum = _mm512_setzero_ps();
    for (int t = 0; t < a->tokens; t += 16)
        most = _mm512_mask_max_ps(most, tail(a->tokens - t), most, _mm512_load_ps(row + t));
    most = _mm512_set1_ps(_mm512_reduce_max_ps(most));
    for (int t = 0; t < a->padded; t += 16) {
        const __m512 e = exponential(_mm512_sub_ps(_mm512_load_ps(row + t), most));
        const __m512 weight = _mm512_maskz_mov_ps(tail(a->tokens - t), e);
        sum = _mm512_add_ps(sum, weight);
        _mm256_store_si256((__m256i *)(a->weights + (size_t)r * a->padded + t),
                           (__m256i)_mm512_cvtneps_pbh(weight));
    }
    a->inverse[r] = 1.0f / _mm512_reduce_add_ps(sum);
}

static void mix(const head *a, int rows, int two, float *to) {
    const int parts = a->size / BLOCK;
    for (int d = 0; d < parts; d++) {
        _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3);
        for (int t = 0; t < a->padded; t += BLOCK) {
            const uint16_t *value = a->values + ((size_t)(t / BLOCK) * 2 * parts + 2 * d) * TILE * BLOCK;
            _tile_loadd(4, a->weights + t, a->padded * 2);
            _tile_loadd(6, value, LINE);
            _tile_loadd(7, value + TILE * BLOCK, LINE);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 4, 7);
            if (two) {
                _tile_loadd(5, a->weights + (size_t)TILE * a->padded + t, a->padded * 2);
                _tile_dpbf16ps(2, 5, 6);
                _tile_dpbf16ps(3, 5, 7);
            }
        }
        store_block(a->mixed, BLOCK, two);
        for (int r = 0; r < rows; r++) {
            const __m512 by = _mm512_set1_ps(a->inverse[r]);
            const float *from = a->mixed + r * BLOCK;
            float *out = to + (size_t)r * a->hidden + d * BLOCK;
            _mm512_storeu_ps(out, _mm512_mul_ps(_mm512_load_ps(from), by));
            _mm512_storeu_ps(out + TILE, _mm512_mul_ps(_mm512_load_ps(from + TILE), by));
        }
    }
}

/* One head of one text: qkv is (tokens, 3 hidden) bf16 and begins at the head's query. */
static void attend(const uint16_t *qkv, int hidden, int tokens, int size, float *to, char *scratch) {
    const int stride = 3 * hidden;
    const head a = lay_out(hidden, tokens, size, scratch);
    pack_keys(&a, qkv + hidden, stride);
    pack_values(&a, qkv + 2 * hidden, stride);
    for (int q = 0; q < tokens; q += BLOCK) {
        const int rows = tokens - q < BLOCK ? tokens - q : BLOCK, two = rows > TILE;
        score(&a, qkv + (size_t)q * stride, stride, two);
        for (int r = 0; r < rows; r++) weigh(&a, r);
        mix(&a, rows, two, to + (size_t)q * hidden);
    }
}

#endif
