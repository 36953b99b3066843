/* Weights of linears into the panels that tiles are loaded from. */
#ifndef EDGEBERT_PACKING_H
#define EDGEBERT_PACKING_H
#include "model.h"

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

#endif
