/* One token's row at a time, fp32 in AVX-512: quantizing, layer normalization, exp and GELU. */
#ifndef EDGEBERT_ROWS_H
#define EDGEBERT_ROWS_H
#include "model.h"

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

#endif
