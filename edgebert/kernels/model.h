/* What the kernels hold: Python's description of an encoder, the packed encoder, and one run of it. */
#ifndef EDGEBERT_MODEL_H
#define EDGEBERT_MODEL_H

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

/* Python fills these in: edgebert/amx.py has the same fields, eb_layout tells their sizes. */

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
} eb_layer;

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

/* The u8 rows of a part begin at its own row of the widest linear, so that parts do not overlap. */
static uint8_t *values_of(const run *job, const linear *l, int first) {
    return job->values + (size_t)first * job->model->widest - (size_t)first * l->depth;
}

#endif
