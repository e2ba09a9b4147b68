/*
 * y = alpha D^-1/2 A D^-1/2 x, in full and at the rows of a batch (He et al., "LightGCN", SIGIR
 * 2020, eq. 7-8; the batch forms are performance.md 4c and change no bit of the result).
 *
 * Pull-style: each row of y is summed by one thread over its edges in the order of the CSR.
 */
#include <string.h>

#include "device/cpu/cpu.h"

enum {
    EDGES_PER_CHUNK = 8192,
    ROW_COST = 8, /* what a row costs beside its edges, in edges */
    ROWS_PER_CHUNK = 16,
};

static rk_csr csr_of(const rk_cpu_call *call)
{
    return (rk_csr){.offsets = call->in[0],
                    .columns = call->in[1],
                    .scale = call->in[2],
                    .n = rk__cpu_in(call, 2)->rows};
}

/* Rows are cut into chunks of about equal cost: item rows can be a thousand times longer than
 * user rows. */
static int64_t chunk_count(const rk_csr *a)
{
    return 1 + (a->offsets[a->n] + ROW_COST * a->n) / EDGES_PER_CHUNK;
}

/* The first row whose cost so far reaches this share. */
static int64_t chunk_start(const rk_csr *a, int64_t chunk, int64_t n_chunks)
{
    int64_t total = a->offsets[a->n] + ROW_COST * a->n;
    int64_t wanted = (int64_t)((double)total / (double)n_chunks * (double)chunk);
    int64_t low = 0, high = a->n;
    if (chunk == n_chunks) {
        return a->n;
    }
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (a->offsets[middle] + ROW_COST * middle < wanted) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void rk__cpu_propagate(const rk_cpu_call *call)
{
    const rk_csr a = csr_of(call);
    int64_t n_chunks = chunk_count(&a), d = rk__cpu_in(call, 3)->cols;
    RK_CPU_FOR(call, chunk, n_chunks)
    {
        call->isa->propagate(&a, call->in[3], d, call->node->attr.weight[0],
                             chunk_start(&a, chunk, n_chunks), chunk_start(&a, chunk + 1, n_chunks),
                             call->out[0]);
    }
}

/* Edges that a thread's buffer holds. A row has no more active edges than x has rows. */
static int64_t buffer_capacity(const rk_cpu_call *call)
{
    int64_t slots = call->node->op == RK_OP_PROPAGATE_FROM_ROWS ? rk__cpu_in(call, 3)->rows : 0;
    return 2 * (slots > 1024 ? slots : 1024);
}

static int64_t buffer_bytes(const rk_cpu_call *call)
{
    return rk__cache_lines((buffer_capacity(call) + RK_EDGE_SLACK) * 4);
}

/* The present thread's buffer in the scratch behind `start`. */
static rk_edge_buffer take_buffer(const rk_cpu_call *call, char *start)
{
    char *mine = start + 2 * rk__cpu_thread() * buffer_bytes(call);
    return (rk_edge_buffer){.index = rk__cpu_take(&mine, buffer_bytes(call)),
                            .weight = rk__cpu_take(&mine, buffer_bytes(call)),
                            .capacity = buffer_capacity(call)};
}

int64_t rk__cpu_scratch_propagate_rows(const rk_cpu_call *call)
{
    return 2 * call->threads * buffer_bytes(call);
}

void rk__cpu_propagate_rows(const rk_cpu_call *call)
{
    const rk_csr a = csr_of(call);
    const int32_t *rows = call->in[4];
    int64_t count = *(const int32_t *)call->in[5], slots = rk__cpu_out(call, 0)->rows;
    int64_t d = rk__cpu_in(call, 3)->cols, n_chunks = rk__blocks(count, ROWS_PER_CHUNK);
    float *y = call->out[0];
#pragma omp parallel num_threads(call->threads) if (n_chunks > 1)
    {
        rk_edge_buffer buffer = take_buffer(call, call->scratch);
#pragma omp for schedule(dynamic, 1)
        for (int64_t chunk = 0; chunk < n_chunks; chunk++) {
            int64_t first = chunk * ROWS_PER_CHUNK, last = first + ROWS_PER_CHUNK;
            call->isa->propagate_rows(&a, call->in[3], d, call->node->attr.weight[0], rows, first,
                                      last < count ? last : count, &buffer, y);
        }
    }
    memset(y + count * d, 0, (size_t)((slots - count) * d) * sizeof *y);
}

/* A bitmap of the active nodes fits in the first-level cache where the map itself does not. */
static int64_t bitmap_words(const rk_cpu_call *call)
{
    return rk__blocks(rk__cpu_in(call, 4)->rows, 32);
}

int64_t rk__cpu_scratch_propagate_from_rows(const rk_cpu_call *call)
{
    return rk__cache_lines(4 * bitmap_words(call)) + 2 * call->threads * buffer_bytes(call);
}

static uint32_t bitmap_word(const int32_t *map, int64_t n, int64_t word)
{
    uint32_t bits = 0;
    int64_t first = 32 * word, width = n - first < 32 ? n - first : 32;
    for (int64_t j = 0; j < width; j++) {
        bits |= (uint32_t)(map[first + j] >= 0) << j;
    }
    return bits;
}

void rk__cpu_propagate_from_rows(const rk_cpu_call *call)
{
    const rk_csr a = csr_of(call);
    int64_t n_chunks = chunk_count(&a), d = rk__cpu_in(call, 3)->cols;
    char *scratch = call->scratch;
    uint32_t *active = rk__cpu_take(&scratch, 4 * bitmap_words(call));
#pragma omp parallel num_threads(call->threads) if (n_chunks > 1)
    {
        rk_edge_buffer buffer = take_buffer(call, scratch);
#pragma omp for schedule(static)
        for (int64_t word = 0; word < bitmap_words(call); word++) {
            active[word] = bitmap_word(call->in[4], a.n, word);
        }
#pragma omp for schedule(dynamic, 1)
        for (int64_t chunk = 0; chunk < n_chunks; chunk++) {
            call->isa->propagate_from_rows(&a, call->in[3], d, call->node->attr.weight[0],
                                           call->in[4], active, chunk_start(&a, chunk, n_chunks),
                                           chunk_start(&a, chunk + 1, n_chunks), &buffer,
                                           call->out[0]);
        }
    }
}
