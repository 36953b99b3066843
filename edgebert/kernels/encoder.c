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
#include "packing.h"
#include "threads.h"

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
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = (uintptr_t)w->weight;
    const uintptr_t from = (start + page - 1) / page * page, to = (start + bytes) / page * page;
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
    size_t passed = (size_t)rows_passed(m->wide) * (size_t)job.parts;
    const size_t short_run = (size_t)BLOCK * 2 * (size_t)job.parts; /* split by columns: all rows at once */
    if (passed < short_run) passed = short_run;
    job.scratch_bytes = round_up(attend_bytes(longest, m->hidden / m->heads), LINE);
    const size_t bytes = rows * h * 4 * 2 + passed * (size_t)m->wide * 4 + rows * 3 * h * 2
        + rows * (size_t)m->widest + rows * 4 * 2 + job.scratch_bytes * (size_t)job.parts + 8 * LINE;
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
