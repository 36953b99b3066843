/* A BERT encoder in int8 on AMX: one function from token ids to the last hidden state or its pool.
 *
 * Linears: u8 activations times s8 weights in AMX tiles. Each token has a scale and a zero point of
 * its own (as the vectors of LLM.int8(), Dettmers et al. 2022), so a token's result depends on its
 * own text alone and texts may share a run. Attention: bf16 products in AMX tiles, softmax in fp32.
 * Everything between is fp32 in AVX-512. Tasks, files and threads of callers are not known here.
 *
 * Layouts. Weights of a linear, (in, out) s8, are packed once into panels of 32 outputs; a panel is
 * a row of tile pairs, each 64 inputs x 16 outputs as TDPBUSD wants it: 16 rows of 16 x 4 bytes.
 * Padded inputs and outputs are zeros. Every buffer has whole tiles, so no tile is cut.
 */
#define _GNU_SOURCE
#include <immintrin.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TILE 16    /* rows of a tile, and 32-bit columns */
#define BLOCK 32   /* rows and columns of a product that are computed together: 2 x 2 tiles */
#define DEPTH 64   /* int8 inputs of a tile */
#define LINE 64    /* bytes that tiles and vectors are aligned to */
#define PASSED (1 << 20)  /* bytes of feed-forward activations between its two products: half an L2 */
#define SPINS 20000       /* polls before a waiting thread sleeps: about 100 us */

/* --- what Python fills in; edgebert/session_amx.py has the same fields ------------------------- */

typedef struct {
    const int8_t *weight;    /* (in, out) */
    const float *scale;      /* (out,) */
    const float *bias;       /* (out,) */
} eb_weights;

typedef struct {
    const float *qkv_multiplier, *o_multiplier, *f1_multiplier, *f2_multiplier; /* or NULL */
    eb_weights q, k, v, o, f1, f2;
    const float *attention_norm[2], *ffn_norm[2]; /* weight, bias */
    int32_t wide;                                 /* outputs of f1 */
    int32_t reserved;
} eb_layer; /* a change here or below is told by eb_layout */

typedef struct {
    int32_t layers, hidden, heads, vocabulary, positions;
    int32_t mapped;    /* whether weights of linears lie in a mapped file, whose pages may be dropped */
    int32_t pooling;   /* 0: mean over tokens, 1: the first token */
    int32_t normalize; /* to unit length */
    float epsilon;
    int32_t threads;
    const int8_t *word;        /* (vocabulary, hidden) */
    const float *word_scale;   /* (vocabulary,) */
    const float *position;     /* (positions, hidden) */
    const float *norm[2];
    const eb_layer *layer;
} eb_config;

enum { EB_OK, EB_NO_AMX, EB_NO_MEMORY, EB_BAD_INPUT };

/* --- state -------------------------------------------------------------------------------------- */

typedef struct {
    int in, out, depth, width; /* depth and width: padded to DEPTH and BLOCK */
    int8_t *panels;
    float *scale, *bias; /* (width,) */
    int32_t *sums;       /* (width,): of each output's weights, for the zero points */
} linear;

typedef struct {
    const float *qkv_by, *o_by, *f1_by, *f2_by;
    linear qkv, o, f1, f2;
    const float *attention_norm[2], *ffn_norm[2];
} layer;

typedef struct buffers {
    struct buffers *next;
    size_t bytes;
    char *memory;
} buffers;

typedef struct {
    pthread_t *thread;
    int count;               /* threads besides the caller's */
    pthread_mutex_t busy;    /* one run at a time has the threads */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_int turn;         /* counts runs */
    atomic_int arrived, phase;
    atomic_int finished;
    void *job;
    int stop;
    pid_t process;
} pool;

typedef struct {
    int layers, hidden, heads, vocabulary, positions, pooling, normalize;
    float epsilon;
    const int8_t *word;
    const float *word_scale, *position, *norm[2];
    layer *layer;
    int widest;              /* padded inputs of any linear */
    int wide;                /* padded outputs of any f1 */
    pthread_mutex_t lock;    /* around the spare buffers */
    buffers *spare;
    pool pool;
} model;

/* --- small things ------------------------------------------------------------------------------- */

static size_t round_up(size_t n, size_t step) { return (n + step - 1) / step * step; }

static void *lines(size_t bytes) { return aligned_alloc(LINE, round_up(bytes ? bytes : 1, LINE)); }

static __mmask16 tail(int n) { return n >= 16 ? 0xffff : (__mmask16)((1u << (n < 0 ? 0 : n)) - 1); }

static void share(int total, int unit, int part, int parts, int *from, int *to) {
    int units = (total + unit - 1) / unit, end;
    *from = (int)((int64_t)units * part / parts) * unit;
    end = (int)((int64_t)units * (part + 1) / parts) * unit;
    *to = end < total ? end : total;
}

static void configure_tiles(void) {
    struct { uint8_t palette, start, none[14]; uint16_t bytes[16]; uint8_t rows[16]; } all = {1, 0, {0}, {0}, {0}};
    for (int i = 0; i < 8; i++) { all.bytes[i] = LINE; all.rows[i] = TILE; }
    _tile_loadconfig(&all);
}

/* --- packing ------------------------------------------------------------------------------------ */

static int make_linear(linear *l, int in, int out) {
    l->in = in; l->out = out;
    l->depth = (int)round_up(in, DEPTH); l->width = (int)round_up(out, BLOCK);
    l->panels = lines((size_t)l->depth * l->width);
    l->scale = lines(4 * (size_t)l->width); l->bias = lines(4 * (size_t)l->width);
    l->sums = lines(4 * (size_t)l->width);
    if (!l->panels || !l->scale || !l->bias || !l->sums) return EB_NO_MEMORY;
    memset(l->panels, 0, (size_t)l->depth * l->width);
    memset(l->scale, 0, 4 * (size_t)l->width); memset(l->bias, 0, 4 * (size_t)l->width);
    memset(l->sums, 0, 4 * (size_t)l->width);
    return EB_OK;
}

/* Put the outputs of one linear from column `first` on; 16 columns at a time, `first` a multiple. */
static void fill_linear(linear *l, const eb_weights *w, int out, int first, float by) {
    for (int n = 0; n < out; n++) {
        l->scale[first + n] = w->scale[n] * by;
        l->bias[first + n] = w->bias[n] * by;
    }
    for (int n = 0; n < out; n += TILE) {
        int column = first + n;
        char *panel = (char *)l->panels + (size_t)(column / BLOCK) * l->depth * BLOCK;
        __mmask16 some = tail(out - n);
        __m512i sum = _mm512_setzero_si512();
        for (int k = 0; k < l->in; k += 4) {
            __m128i row[4];
            for (int i = 0; i < 4; i++)
                row[i] = k + i < l->in
                    ? _mm_maskz_loadu_epi8(some, w->weight + (size_t)(k + i) * out + n)
                    : _mm_setzero_si128();
            __m128i a = _mm_unpacklo_epi8(row[0], row[1]), b = _mm_unpackhi_epi8(row[0], row[1]);
            __m128i c = _mm_unpacklo_epi8(row[2], row[3]), d = _mm_unpackhi_epi8(row[2], row[3]);
            __m128i quads[4] = {_mm_unpacklo_epi16(a, c), _mm_unpackhi_epi16(a, c),
                                _mm_unpacklo_epi16(b, d), _mm_unpackhi_epi16(b, d)};
            __m512i all = _mm512_loadu_si512(quads);
            char *tile = panel + (size_t)(k / DEPTH) * 2 * TILE * LINE + (column % BLOCK / TILE) * TILE * LINE;
            _mm512_store_si512(tile + (k % DEPTH / 4) * LINE, all);
            for (int i = 0; i < 4; i++) sum = _mm512_add_epi32(sum, _mm512_cvtepi8_epi32(row[i]));
        }
        _mm512_mask_storeu_epi32(l->sums + column, some, sum);
    }
}

/* --- rows --------------------------------------------------------------------------------------- */

/* Turn a row of n floats, times `by`, into u8 with a scale and a zero point of its own. */
static void quantize_row(const float *x, const float *by, int n, uint8_t *to, int depth, float *scale,
                         int32_t *zero) {
    __m512 least = _mm512_setzero_ps(), most = _mm512_setzero_ps(); /* zero is always in range */
    for (int i = 0; i < n; i += 16) {
        __mmask16 some = tail(n - i);
        __m512 v = _mm512_maskz_loadu_ps(some, x + i);
        if (by) v = _mm512_mul_ps(v, _mm512_maskz_loadu_ps(some, by + i));
        least = _mm512_min_ps(least, v);
        most = _mm512_max_ps(most, v);
    }
    float low = _mm512_reduce_min_ps(least), high = _mm512_reduce_max_ps(most);
    float step = (high - low) / 255.0f;
    if (!(step > 0)) step = 1.0f;
    float inverse = 1.0f / step;
    int z = (int)lrintf(-low * inverse);
    z = z < 0 ? 0 : z > 255 ? 255 : z;
    *scale = step;
    *zero = z;
    __m512i shift = _mm512_set1_epi32(z), none = _mm512_setzero_si512();
    __m512 factor = _mm512_set1_ps(inverse);
    for (int i = 0; i < depth; i += 16) {
        __mmask16 some = tail(n - i);
        __m512 v = _mm512_maskz_loadu_ps(some, x + i);
        if (by) v = _mm512_mul_ps(v, _mm512_maskz_loadu_ps(some, by + i));
        __m512i q = _mm512_add_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(v, factor)), shift);
        _mm_store_si128((__m128i *)(to + i), _mm512_cvtusepi32_epi8(_mm512_max_epi32(q, none)));
    }
}

static void normalize_row(float *x, int n, const float *const norm[2], float epsilon) {
    __m512 sum = _mm512_setzero_ps(), squares = _mm512_setzero_ps();
    for (int i = 0; i < n; i += 16) sum = _mm512_add_ps(sum, _mm512_load_ps(x + i));
    __m512 mean = _mm512_set1_ps(_mm512_reduce_add_ps(sum) / (float)n);
    for (int i = 0; i < n; i += 16) {
        __m512 d = _mm512_sub_ps(_mm512_load_ps(x + i), mean);
        squares = _mm512_fmadd_ps(d, d, squares);
    }
    __m512 by = _mm512_set1_ps(1.0f / sqrtf(_mm512_reduce_add_ps(squares) / (float)n + epsilon));
    for (int i = 0; i < n; i += 16) {
        __m512 d = _mm512_mul_ps(_mm512_sub_ps(_mm512_load_ps(x + i), mean), by);
        d = _mm512_fmadd_ps(d, _mm512_loadu_ps(norm[0] + i), _mm512_loadu_ps(norm[1] + i));
        _mm512_store_ps(x + i, d);
    }
}

/* exp, for x <= 0: 2^n times a polynomial of degree 5, relative error under 2e-7 */
static __m512 exponential(__m512 x) {
    x = _mm512_max_ps(x, _mm512_set1_ps(-87.0f));
    __m512 t = _mm512_mul_ps(x, _mm512_set1_ps(1.44269504f));
    __m512 n = _mm512_roundscale_ps(t, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
    __m512 p = _mm512_set1_ps(8.3333333e-3f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.1666667e-2f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.6666667e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.5f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    return _mm512_scalef_ps(p, n);
}

/* x times the normal distribution's integral: odd polynomial of degree 19 on |x| <= 4.5, fitted by
   reweighted least squares; absolute error under 5e-5, a hundredth of a step of what follows. */
static __m512 gelu(__m512 x) {
    static const float c[] = {0.39888378f, -0.066337027f, 0.0098331636f, -0.0011226713f, 9.786999e-05f,
                              -6.3650982e-06f, 2.9587866e-07f, -9.193271e-09f, 1.6971913e-10f, -1.3999548e-12f};
    const __m512 end = _mm512_set1_ps(4.5f);
    __m512 t = _mm512_max_ps(_mm512_min_ps(x, end), _mm512_sub_ps(_mm512_setzero_ps(), end));
    __m512 square = _mm512_mul_ps(t, t), sum = _mm512_set1_ps(c[9]);
    for (int i = 8; i >= 0; i--) sum = _mm512_fmadd_ps(sum, square, _mm512_set1_ps(c[i]));
    return _mm512_mul_ps(x, _mm512_fmadd_ps(sum, t, _mm512_set1_ps(0.5f)));
}

typedef struct {
    model *model;
    const int64_t *ids;
    const int32_t *starts; /* (texts + 1,): the first token of each */
    int texts, tokens, parts;
    float *out;
    /* (tokens, .) each, of whole blocks of rows */
    float *hidden, *attended, *wide;
    uint16_t *qkv;
    uint8_t *values;
    float *scale;
    int32_t *zero;
    char *scratch; /* one for each part */
    size_t scratch_bytes;
} run;

/* The u8 rows of a part begin at its own row of the widest linear, so that parts do not overlap. */
static uint8_t *values_of(const run *job, const linear *l, int first) {
    return job->values + (size_t)first * job->model->widest - (size_t)first * l->depth;
}

/* --- products ----------------------------------------------------------------------------------- */

typedef enum { PLAIN, RESIDUAL, GELU, BF16 } finish;

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
        for (int m = m0; m < m1; m += BLOCK) {
            const int rows = m1 - m < BLOCK ? m1 - m : BLOCK;
            const uint8_t *upper = values + (size_t)m * l->depth, *lower = upper + (size_t)TILE * l->depth;
            _tile_zero(0);
            _tile_zero(1);
            if (rows > TILE) {
                _tile_zero(2);
                _tile_zero(3);
                for (int k = 0; k < steps; k++) {
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
                    case PLAIN: break;
                    }
                    _mm512_mask_storeu_ps((float *)to + place, some[j], y);
                }
            }
        }
    }
}

/* --- attention ---------------------------------------------------------------------------------- */

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

/* One head of one text: qkv is (tokens, 3 hidden) bf16 and begins at the head's query. */
static void attend(const uint16_t *qkv, int hidden, int tokens, int size, float *to, char *scratch) {
    const int padded = (int)round_up(tokens, BLOCK), stride = 3 * hidden, parts = size / BLOCK;
    uint16_t *keys = (uint16_t *)scratch, *values = keys + (size_t)padded * size;
    uint16_t *weights = values + (size_t)padded * size;
    float *scores = (float *)(weights + (size_t)BLOCK * padded), *sums = scores + (size_t)BLOCK * padded;
    float *mixed = sums + BLOCK; /* (BLOCK, BLOCK) */
    for (int t = 0; t < padded; t += TILE)
        for (int d = 0; d < parts; d++) {
            __m512i row[16];
            for (int i = 0; i < 16; i++)
                row[i] = t + i < tokens
                    ? _mm512_loadu_si512(qkv + (size_t)(t + i) * stride + hidden + d * BLOCK)
                    : _mm512_setzero_si512();
            transpose_pairs(row, keys + ((size_t)t / TILE * parts + d) * TILE * BLOCK);
        }
    const __m512i low = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38,
                                         6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
    for (int t = 0; t < padded; t += 2)
        for (int d = 0; d < parts; d++) {
            const uint16_t *from = qkv + (size_t)t * stride + 2 * hidden + d * BLOCK;
            __m512i one = t < tokens ? _mm512_loadu_si512(from) : _mm512_setzero_si512();
            __m512i two = t + 1 < tokens ? _mm512_loadu_si512(from + stride) : _mm512_setzero_si512();
            uint16_t *pair = values + ((size_t)(t / BLOCK) * 2 * parts + 2 * d) * TILE * BLOCK + (t % BLOCK / 2) * BLOCK;
            _mm512_store_si512(pair, _mm512_permutex2var_epi16(one, low, two));
            _mm512_store_si512(pair + TILE * BLOCK, _mm512_permutex2var_epi16(one, high, two));
        }
    for (int q = 0; q < tokens; q += BLOCK) {
        const int rows = tokens - q < BLOCK ? tokens - q : BLOCK;
        const int two = rows > TILE;
        const uint16_t *query = qkv + (size_t)q * stride;
        for (int t = 0; t < padded; t += BLOCK) {
            _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3);
            for (int d = 0; d < parts; d++) {
                const uint16_t *key = keys + ((size_t)t / TILE * parts + d) * TILE * BLOCK;
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
            _tile_stored(0, scores + t, padded * 4);
            _tile_stored(1, scores + t + TILE, padded * 4);
            if (two) {
                _tile_stored(2, scores + (size_t)TILE * padded + t, padded * 4);
                _tile_stored(3, scores + (size_t)TILE * padded + t + TILE, padded * 4);
            }
        }
        for (int r = 0; r < rows; r++) {
            const float *row = scores + (size_t)r * padded;
            __m512 most = _mm512_set1_ps(-INFINITY), sum = _mm512_setzero_ps();
            for (int t = 0; t < tokens; t += 16)
                most = _mm512_mask_max_ps(most, tail(tokens - t), most, _mm512_load_ps(row + t));
            most = _mm512_set1_ps(_mm512_reduce_max_ps(most));
            for (int t = 0; t < padded; t += 16) {
                __m512 e = _mm512_maskz_mov_ps(tail(tokens - t),
                                               exponential(_mm512_sub_ps(_mm512_load_ps(row + t), most)));
                sum = _mm512_add_ps(sum, e);
                _mm256_store_si256((__m256i *)(weights + (size_t)r * padded + t), (__m256i)_mm512_cvtneps_pbh(e));
            }
            sums[r] = 1.0f / _mm512_reduce_add_ps(sum);
        }
        for (int d = 0; d < parts; d++) {
            _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3);
            for (int t = 0; t < padded; t += BLOCK) {
                const uint16_t *value = values + ((size_t)(t / BLOCK) * 2 * parts + 2 * d) * TILE * BLOCK;
                _tile_loadd(4, weights + t, padded * 2);
                _tile_loadd(6, value, LINE);
                _tile_loadd(7, value + TILE * BLOCK, LINE);
                _tile_dpbf16ps(0, 4, 6);
                _tile_dpbf16ps(1, 4, 7);
                if (two) {
                    _tile_loadd(5, weights + (size_t)TILE * padded + t, padded * 2);
                    _tile_dpbf16ps(2, 5, 6);
                    _tile_dpbf16ps(3, 5, 7);
                }
            }
            _tile_stored(0, mixed, BLOCK * 4);
            _tile_stored(1, mixed + TILE, BLOCK * 4);
            if (two) {
                _tile_stored(2, mixed + TILE * BLOCK, BLOCK * 4);
                _tile_stored(3, mixed + TILE * BLOCK + TILE, BLOCK * 4);
            }
            for (int r = 0; r < rows; r++) {
                const __m512 by = _mm512_set1_ps(sums[r]);
                float *out = to + (size_t)(q + r) * hidden + d * BLOCK;
                _mm512_storeu_ps(out, _mm512_mul_ps(_mm512_load_ps(mixed + r * BLOCK), by));
                _mm512_storeu_ps(out + TILE, _mm512_mul_ps(_mm512_load_ps(mixed + r * BLOCK + TILE), by));
            }
        }
    }
}

static size_t attend_bytes(int tokens, int size) {
    const size_t padded = round_up(tokens, BLOCK);
    return 2 * padded * size * 2 + BLOCK * padded * 2 + BLOCK * padded * 4 + BLOCK * 4 + BLOCK * BLOCK * 4;
}

/* --- a run -------------------------------------------------------------------------------------- */

static void meet(run *job, int *phase) {
    if (job->parts == 1) return;
    pool *p = &job->model->pool;
    const int next = ++*phase;
    if (atomic_fetch_add(&p->arrived, 1) + 1 == job->parts) {
        atomic_store(&p->arrived, 0);
        atomic_store(&p->phase, next);
        return;
    }
    for (int spins = 0; atomic_load_explicit(&p->phase, memory_order_acquire) != next; spins++) {
        if (spins < SPINS) _mm_pause();
        else { sched_yield(); spins = SPINS; } /* the other's core was taken away */
    }
}

static void embed(const run *job, int from, int to) {
    const model *m = job->model;
    int text = 0;
    for (int t = from; t < to; t++) {
        while (job->starts[text + 1] <= t) text++;
        const int8_t *word = m->word + (size_t)job->ids[t] * m->hidden;
        const float *place = m->position + (size_t)(t - job->starts[text]) * m->hidden;
        const __m512 scale = _mm512_set1_ps(m->word_scale[job->ids[t]]);
        float *x = job->hidden + (size_t)t * m->hidden;
        for (int i = 0; i < m->hidden; i += 16) {
            __m512 v = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(word + i))));
            _mm512_store_ps(x + i, _mm512_fmadd_ps(v, scale, _mm512_loadu_ps(place + i)));
        }
        normalize_row(x, m->hidden, m->norm, m->epsilon);
    }
}

static void quantize(const run *job, const float *x, int stride, const float *by, const linear *l, int first,
                     int from, int to) {
    uint8_t *values = values_of(job, l, first);
    for (int t = from; t < to; t++)
        quantize_row(x + (size_t)t * stride, by, l->in, values + (size_t)t * l->depth, l->depth, job->scale + t,
                     job->zero + t);
}

static void pool_texts(const run *job, int from, int to) {
    const model *m = job->model;
    for (int text = from; text < to; text++) {
        const int first = job->starts[text], last = m->pooling ? first + 1 : job->starts[text + 1];
        float *y = job->out + (size_t)text * m->hidden;
        __m512 squares = _mm512_setzero_ps();
        const __m512 by = _mm512_set1_ps(1.0f / (float)(last - first));
        for (int i = 0; i < m->hidden; i += 16) {
            __m512 sum = _mm512_setzero_ps();
            for (int t = first; t < last; t++)
                sum = _mm512_add_ps(sum, _mm512_load_ps(job->hidden + (size_t)t * m->hidden + i));
            sum = _mm512_mul_ps(sum, by);
            squares = _mm512_fmadd_ps(sum, sum, squares);
            _mm512_storeu_ps(y + i, sum);
        }
        if (!m->normalize) continue;
        const float length = sqrtf(_mm512_reduce_add_ps(squares));
        const __m512 unit = _mm512_set1_ps(1.0f / (length > 1e-12f ? length : 1e-12f));
        for (int i = 0; i < m->hidden; i += 16)
            _mm512_storeu_ps(y + i, _mm512_mul_ps(_mm512_loadu_ps(y + i), unit));
    }
}

/* The columns of a linear that a part computes: all of its own rows', or its share of all rows'. */
static void columns(const linear *l, int by_rows, int part, int parts, int *from, int *to) {
    if (by_rows) { *from = 0; *to = l->width; }
    else share(l->width, BLOCK, part, parts, from, to);
}

static void run_part(run *job, int part) {
    const model *m = job->model;
    const int h = m->hidden, size = h / m->heads, parts = job->parts;
    const int by_rows = job->tokens >= BLOCK * 2 * parts; /* few rows: split columns, share rows */
    int phase = 0, r0, r1, m0, m1, n0, n1, from, to;
    char *scratch = job->scratch + (size_t)part * job->scratch_bytes;
    int32_t *sums = (int32_t *)scratch;
    configure_tiles();
    share(job->tokens, by_rows ? BLOCK : 1, part, parts, &r0, &r1);
    m0 = by_rows ? r0 : 0;
    m1 = by_rows ? r1 : job->tokens;
    embed(job, r0, r1);
    for (int number = 0; number < m->layers; number++) {
        const layer *l = &m->layer[number];
        quantize(job, job->hidden, h, l->qkv_by, &l->qkv, m0, r0, r1);
        if (!by_rows) meet(job, &phase);
        columns(&l->qkv, by_rows, part, parts, &n0, &n1);
        multiply(&l->qkv, job, m0, m0, m1, n0, n1, BF16, job->qkv, 3 * h, NULL, sums);
        meet(job, &phase);
        share(job->texts * m->heads, 1, part, parts, &from, &to);
        for (int unit = from; unit < to; unit++) {
            const int text = unit / m->heads, head = unit % m->heads, first = job->starts[text];
            attend(job->qkv + (size_t)first * 3 * h + head * size, h, job->starts[text + 1] - first, size,
                   job->attended + (size_t)first * h + head * size, scratch);
        }
        meet(job, &phase);
        quantize(job, job->attended, h, l->o_by, &l->o, m0, r0, r1);
        if (!by_rows) meet(job, &phase);
        columns(&l->o, by_rows, part, parts, &n0, &n1);
        multiply(&l->o, job, m0, m0, m1, n0, n1, RESIDUAL, job->hidden, h, job->hidden, sums);
        if (!by_rows) meet(job, &phase);
        for (int t = r0; t < r1; t++) normalize_row(job->hidden + (size_t)t * h, h, l->attention_norm, m->epsilon);
        const int wide = m->wide;
        int chunk = (int)(PASSED / (4 * (size_t)wide)) / BLOCK * BLOCK;
        if (chunk < BLOCK) chunk = BLOCK;
        if (!by_rows) chunk = job->tokens;
        for (int c = m0; c < m1; c += chunk) {
            const int end = c + chunk < m1 ? c + chunk : m1;
            const int q0 = by_rows ? c : r0, q1 = by_rows ? end : r1;
            float *passed = by_rows ? job->wide + (size_t)part * chunk * wide - (size_t)c * wide : job->wide;
            quantize(job, job->hidden, h, l->f1_by, &l->f1, m0, q0, q1);
            if (!by_rows) meet(job, &phase);
            columns(&l->f1, by_rows, part, parts, &n0, &n1);
            multiply(&l->f1, job, m0, c, end, n0, n1, GELU, passed, wide, NULL, sums);
            if (!by_rows) meet(job, &phase);
            quantize(job, passed, wide, l->f2_by, &l->f2, m0, q0, q1);
            if (!by_rows) meet(job, &phase);
            columns(&l->f2, by_rows, part, parts, &n0, &n1);
            multiply(&l->f2, job, m0, c, end, n0, n1, RESIDUAL, job->hidden, h, job->hidden, sums);
            if (!by_rows) meet(job, &phase);
        }
        for (int t = r0; t < r1; t++) normalize_row(job->hidden + (size_t)t * h, h, l->ffn_norm, m->epsilon);
    }
    meet(job, &phase);
    share(job->texts, 1, part, parts, &from, &to);
    pool_texts(job, from, to);
    _tile_release();
}

/* --- threads ------------------------------------------------------------------------------------ */

typedef struct { pool *pool; int part; } seat;

static void *work(void *argument) {
    seat own = *(seat *)argument;
    free(argument);
    pool *p = own.pool;
    int seen = 0;
    for (;;) {
        int spins = 0;
        while (atomic_load_explicit(&p->turn, memory_order_acquire) == seen && spins < SPINS) {
            _mm_pause();
            spins++;
        }
        if (atomic_load(&p->turn) == seen) {
            pthread_mutex_lock(&p->lock);
            while (atomic_load(&p->turn) == seen) pthread_cond_wait(&p->wake, &p->lock);
            pthread_mutex_unlock(&p->lock);
        }
        seen = atomic_load(&p->turn);
        if (p->stop) return NULL;
        run_part(p->job, own.part);
        atomic_fetch_add(&p->finished, 1);
    }
}

static void start_threads(pool *p, int count) {
    pthread_mutex_init(&p->busy, NULL);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    p->process = getpid();
    p->thread = calloc((size_t)(count ? count : 1), sizeof *p->thread);
    for (int i = 0; p->thread && i < count; i++) {
        seat *own = malloc(sizeof *own);
        if (!own) return;
        own->pool = p;
        own->part = i + 1;
        if (pthread_create(&p->thread[i], NULL, work, own)) { /* it goes on with fewer */
            free(own);
            return;
        }
        p->count++;
    }
}

static void wake(pool *p) {
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->turn, 1);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

static void stop_threads(pool *p) {
    if (p->process != getpid()) return; /* a forked child has none */
    p->stop = 1;
    wake(p);
    for (int i = 0; i < p->count; i++) pthread_join(p->thread[i], NULL);
}

/* --- what Python calls -------------------------------------------------------------------------- */

static void free_linear(linear *l) { free(l->panels); free(l->scale); free(l->bias); free(l->sums); }

void eb_close(model *m) {
    if (!m) return;
    stop_threads(&m->pool);
    free(m->pool.thread);
    for (int i = 0; m->layer && i < m->layers; i++) {
        layer *l = &m->layer[i];
        free_linear(&l->qkv); free_linear(&l->o); free_linear(&l->f1); free_linear(&l->f2);
    }
    free(m->layer);
    while (m->spare) {
        buffers *next = m->spare->next;
        free(m->spare->memory);
        free(m->spare);
        m->spare = next;
    }
    free(m);
}

/* Drop the whole pages of a linear's weights: what was packed is not read again. */
static void drop(const eb_weights *w, size_t bytes) {
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t from = ((uintptr_t)w->weight + page - 1) / page * page, to = ((uintptr_t)w->weight + bytes) / page * page;
    if (to > from) madvise((void *)from, to - from, MADV_DONTNEED);
}

static void drop_layer(const eb_layer *l, size_t h) {
    const eb_weights *square[] = {&l->q, &l->k, &l->v, &l->o};
    for (int i = 0; i < 4; i++) drop(square[i], h * h);
    drop(&l->f1, h * (size_t)l->wide);
    drop(&l->f2, h * (size_t)l->wide);
}

static int pack_layer(model *m, layer *to, const eb_layer *from) {
    const int h = m->hidden;
    if (make_linear(&to->qkv, h, 3 * h) || make_linear(&to->o, h, h) || make_linear(&to->f1, h, from->wide)
        || make_linear(&to->f2, from->wide, h)) return EB_NO_MEMORY;
    fill_linear(&to->qkv, &from->q, h, 0, 1.0f / sqrtf((float)(h / m->heads)));
    fill_linear(&to->qkv, &from->k, h, h, 1.0f);
    fill_linear(&to->qkv, &from->v, h, 2 * h, 1.0f);
    fill_linear(&to->o, &from->o, h, 0, 1.0f);
    fill_linear(&to->f1, &from->f1, from->wide, 0, 1.0f);
    fill_linear(&to->f2, &from->f2, h, 0, 1.0f);
    to->qkv_by = from->qkv_multiplier; to->o_by = from->o_multiplier;
    to->f1_by = from->f1_multiplier; to->f2_by = from->f2_multiplier;
    for (int i = 0; i < 2; i++) {
        to->attention_norm[i] = from->attention_norm[i];
        to->ffn_norm[i] = from->ffn_norm[i];
    }
    if (to->f1.width > m->wide) m->wide = to->f1.width;
    if (to->f2.depth > m->widest) m->widest = to->f2.depth;
    if (to->qkv.depth > m->widest) m->widest = to->qkv.depth;
    return EB_OK;
}

/* Tell the sizes of what Python fills in, so that a library of another edgebert is not used. */
int eb_layout(void) { return (int)(sizeof(eb_config) << 16 | sizeof(eb_layer)); }

/* Pack a model. What the configuration points to, but for weights of linears, must stay. */
int eb_open(const eb_config *c, model **found) {
    *found = NULL;
    if (syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18 /* tile data */)) return EB_NO_AMX;
    if (c->layers < 1 || c->hidden < 1 || c->heads < 1 || c->positions < 1) return EB_BAD_INPUT;
    for (int i = 0; i < c->layers; i++)
        if (c->layer[i].wide < 1) return EB_BAD_INPUT;
    if (c->hidden % BLOCK || c->hidden / c->heads % BLOCK || c->hidden % c->heads) return EB_BAD_INPUT;
    model *m = calloc(1, sizeof *m);
    if (!m) return EB_NO_MEMORY;
    m->layers = c->layers; m->hidden = c->hidden; m->heads = c->heads; m->vocabulary = c->vocabulary;
    m->positions = c->positions; m->pooling = c->pooling; m->normalize = c->normalize; m->epsilon = c->epsilon;
    m->word = c->word; m->word_scale = c->word_scale; m->position = c->position;
    m->norm[0] = c->norm[0]; m->norm[1] = c->norm[1];
    pthread_mutex_init(&m->lock, NULL);
    m->layer = calloc((size_t)c->layers, sizeof *m->layer);
    for (int i = 0; m->layer && i < c->layers; i++) {
        if (pack_layer(m, &m->layer[i], &c->layer[i])) { m->layers = i + 1; eb_close(m); return EB_NO_MEMORY; }
        if (c->mapped) drop_layer(&c->layer[i], (size_t)m->hidden);
    }
    if (!m->layer) { eb_close(m); return EB_NO_MEMORY; }
    start_threads(&m->pool, c->threads - 1);
    *found = m;
    return EB_OK;
}

static buffers *take_buffers(model *m, size_t bytes) {
    buffers *b = NULL;
    if (!pthread_mutex_trylock(&m->lock)) { /* held for ever where a fork fell into it */
        b = m->spare;
        if (b) m->spare = b->next;
        pthread_mutex_unlock(&m->lock);
    }
    if (!b) b = calloc(1, sizeof *b);
    if (b && b->bytes < bytes) {
        free(b->memory);
        b->memory = lines(bytes);
        b->bytes = b->memory ? bytes : 0;
        if (!b->memory) { free(b); b = NULL; }
    }
    return b;
}

static void give_back(model *m, buffers *b) {
    if (pthread_mutex_trylock(&m->lock)) { free(b->memory); free(b); return; }
    b->next = m->spare;
    m->spare = b;
    pthread_mutex_unlock(&m->lock);
}

static char *cut(char **from, size_t bytes) {
    char *found = *from;
    *from += round_up(bytes, LINE);
    return found;
}

/* Run texts, one after the other in `ids`: text i has tokens starts[i] to starts[i + 1].
 * out: (texts, hidden). threads: 1, or all of the model's where no other run has them. */
int eb_run(model *m, const int64_t *ids, const int32_t *starts, int32_t texts, int32_t threads, float *out) {
    int longest = 0;
    if (texts < 1 || starts[0]) return EB_BAD_INPUT;
    const int tokens = starts[texts];
    for (int i = 0; i < texts; i++) {
        const int n = starts[i + 1] - starts[i];
        if (n < 1 || n > m->positions) return EB_BAD_INPUT;
        if (n > longest) longest = n;
    }
    for (int t = 0; t < tokens; t++)
        if (ids[t] < 0 || ids[t] >= m->vocabulary) return EB_BAD_INPUT;
    pool *p = &m->pool;
    const int all = threads > 1 && p->count && p->process == getpid() && !pthread_mutex_trylock(&p->busy);
    run job = {.model = m, .ids = ids, .starts = starts, .texts = texts, .tokens = tokens, .out = out};
    job.parts = all ? p->count + 1 : 1;
    const size_t h = (size_t)m->hidden, rows = round_up((size_t)tokens, BLOCK) + BLOCK;
    size_t chunk = PASSED / (4 * (size_t)m->wide) / BLOCK * BLOCK;
    if (chunk < BLOCK) chunk = BLOCK;
    size_t passed = chunk * (size_t)job.parts;
    const size_t short_run = (size_t)BLOCK * 2 * (size_t)job.parts; /* split by columns: all rows at once */
    if (passed < short_run) passed = short_run;
    job.scratch_bytes = round_up(attend_bytes(longest, m->hidden / m->heads), LINE);
    const size_t bytes = rows * h * 4 * 2 + passed * (size_t)m->wide * 4 + rows * 3 * h * 2 + rows * (size_t)m->widest
        + rows * 4 * 2 + job.scratch_bytes * (size_t)job.parts + 8 * LINE;
    buffers *b = take_buffers(m, bytes);
    if (!b) { if (all) pthread_mutex_unlock(&p->busy); return EB_NO_MEMORY; }
    char *next = b->memory;
    job.hidden = (float *)cut(&next, rows * h * 4);
    job.attended = (float *)cut(&next, rows * h * 4);
    job.wide = (float *)cut(&next, passed * (size_t)m->wide * 4);
    job.qkv = (uint16_t *)cut(&next, rows * 3 * h * 2);
    job.values = (uint8_t *)cut(&next, rows * (size_t)m->widest);
    job.scale = (float *)cut(&next, rows * 4);
    job.zero = (int32_t *)cut(&next, rows * 4);
    job.scratch = next;
    if (all) {
        atomic_store(&p->phase, 0);
        atomic_store(&p->arrived, 0);
        atomic_store(&p->finished, 0);
        p->job = &job;
        wake(p);
    }
    run_part(&job, 0);
    if (all) {
        for (int spins = 0; atomic_load_explicit(&p->finished, memory_order_acquire) < p->count; spins++) {
            if (spins < SPINS) _mm_pause();
            else { sched_yield(); spins = SPINS; } /* the other's core was taken away */
        }
        pthread_mutex_unlock(&p->busy);
    }
    give_back(m, b);
    return EB_OK;
}
