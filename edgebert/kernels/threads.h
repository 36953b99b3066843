/* Threads that wait for runs: they poll for a while, then sleep. */
#ifndef EDGEBERT_THREADS_H
#define EDGEBERT_THREADS_H
#include "run.h"

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

#endif
