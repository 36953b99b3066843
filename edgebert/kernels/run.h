/* The steps of a run, each shared out among the threads that have it. */
#ifndef EDGEBERT_RUN_H
#define EDGEBERT_RUN_H
#include "attention.h"
#include "products.h"

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

/* How many rows of feed-forward activations a thread keeps between the two products. */
static int rows_passed(int wide) {
    const int rows = (int)(PASSED / (4 * (size_t)wide)) / BLOCK * BLOCK;
    return rows < BLOCK ? BLOCK : rows;
}

/* A thread's part of a run. Where there are rows enough each thread has rows of its own, all columns
 * of every linear, and meets the others around attention alone. Else all rows are everybody's:
 * each thread has some columns of a linear, some rows of what lies between, and meets the others
 * after each. */
typedef struct {
    run *job;
    int number, by_rows;
    int r0, r1; /* rows of its own */
    int m0, m1; /* rows of its products */
    int phase;  /* how often it has met the others */
    char *scratch;
} part;

static void meet_others(part *p) {
    if (!p->by_rows) meet(p->job, &p->phase);
}

/* Quantize rows [q0, q1) of x, and multiply rows [m0, m1) when all of them are there. */
static void apply(part *p, const linear *l, const float *by, const float *x, int stride, int q0, int q1, int m0,
                  int m1, finish how, void *to, int to_stride) {
    int n0 = 0, n1 = l->width;
    quantize(p->job, x, stride, by, l, p->m0, q0, q1);
    meet_others(p);
    if (!p->by_rows) share(l->width, BLOCK, p->number, p->job->parts, &n0, &n1);
    multiply(l, p->job, p->m0, m0, m1, n0, n1, how, to, to_stride, p->job->hidden, (int32_t *)p->scratch);
}

static void normalize_rows(const part *p, const float *const norm[2]) {
    const model *m = p->job->model;
    for (int t = p->r0; t < p->r1; t++)
        normalize_row(p->job->hidden + (size_t)t * m->hidden, m->hidden, norm, m->epsilon);
}

static void attend_texts(const part *p) {
    const run *job = p->job;
    const int h = job->model->hidden, heads = job->model->heads, size = h / heads;
    int from, to;
    share(job->texts * heads, 1, p->number, job->parts, &from, &to);
    for (int unit = from; unit < to; unit++) {
        const int text = unit / heads, first = job->starts[text], column = unit % heads * size;
        attend(job->qkv + (size_t)first * 3 * h + column, h, job->starts[text + 1] - first, size,
               job->attended + (size_t)first * h + column, p->scratch);
    }
}

/* Both feed-forward products, for so many rows at a time that what passes stays in the cache. */
static void feed_forward(part *p, const layer *l) {
    run *job = p->job;
    const int h = job->model->hidden, wide = job->model->wide;
    const int rows = p->by_rows ? rows_passed(wide) : job->tokens;
    for (int c = p->m0; c < p->m1; c += rows) {
        const int end = c + rows < p->m1 ? c + rows : p->m1;
        const int q0 = p->by_rows ? c : p->r0, q1 = p->by_rows ? end : p->r1;
        /* row c is the first that is there, of the rows of all or of this part's */
        float *passed = job->wide + (p->by_rows ? (ptrdiff_t)p->number * rows * wide - (ptrdiff_t)c * wide : 0);
        apply(p, &l->f1, l->f1_by, job->hidden, h, q0, q1, c, end, GELU, passed, wide);
        meet_others(p);
        apply(p, &l->f2, l->f2_by, passed, wide, q0, q1, c, end, RESIDUAL, job->hidden, h);
        meet_others(p);
    }
}

static void run_part(run *job, int number) {
    const model *m = job->model;
    const int h = m->hidden, by_rows = job->tokens >= BLOCK * 2 * job->parts;
    part p = {.job = job, .number = number, .by_rows = by_rows};
    int from, to;
    p.scratch = job->scratch + (size_t)number * job->scratch_bytes;
    share(job->tokens, by_rows ? BLOCK : 1, number, job->parts, &p.r0, &p.r1);
    p.m0 = by_rows ? p.r0 : 0;
    p.m1 = by_rows ? p.r1 : job->tokens;
    configure_tiles();
    embed(job, p.r0, p.r1);
    for (int i = 0; i < m->layers; i++) {
        const layer *l = &m->layer[i];
        apply(&p, &l->qkv, l->qkv_by, job->hidden, h, p.r0, p.r1, p.m0, p.m1, BF16, job->qkv, 3 * h);
        meet(job, &p.phase);
        attend_texts(&p);
        meet(job, &p.phase);
        apply(&p, &l->o, l->o_by, job->attended, h, p.r0, p.r1, p.m0, p.m1, RESIDUAL, job->hidden, h);
        meet_others(&p);
        normalize_rows(&p, l->attention_norm);
        feed_forward(&p, l);
        normalize_rows(&p, l->ffn_norm);
    }
    meet(job, &p.phase);
    share(job->texts, 1, number, job->parts, &from, &to);
    pool_texts(job, from, to);
    _tile_release();
}

#endif
