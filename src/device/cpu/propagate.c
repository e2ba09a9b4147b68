/*
 * y = alpha D^-1/2 A D^-1/2 x, in full and at the rows of a batch (He et al., "LightGCN", SIGIR
 * 2020, eq. 7-8; the batch forms are performance.md 4c and change no bit of the result).
 *
 * Pull-style: each row of y is summed by one thread over its edges in the order of the CSR.
 */
#include <string.h>

#include "device/cpu/edges.h"

void rk__cpu_propagate(const rk_cpu_call *call)
{
    const rk_csr a = rk__csr_of(call);
    const rk_row_range all = {0, a.n};
    int64_t n_chunks = rk__chunk_count(&a, all), d = rk__cpu_in(call, 3)->cols;
    RK_CPU_FOR(call, chunk, n_chunks)
    {
        call->isa->propagate(&a, call->in[3], d, call->node->attr.weight[0],
                             rk__chunk_start(&a, all, chunk, n_chunks),
                             rk__chunk_start(&a, all, chunk + 1, n_chunks), call->out[0]);
    }
}

int64_t rk__cpu_scratch_propagate_rows(const rk_cpu_call *call)
{
    return call->threads * rk__edge_bytes(0);
}

void rk__cpu_propagate_rows(const rk_cpu_call *call)
{
    const rk_csr a = rk__csr_of(call);
    const int32_t *rows = call->in[4];
    int64_t count = *(const int32_t *)call->in[5], slots = rk__cpu_out(call, 0)->rows;
    int64_t d = rk__cpu_in(call, 3)->cols, n_chunks = rk__blocks(count, ROWS_PER_CHUNK);
    float *y = call->out[0];
#pragma omp parallel num_threads(call->threads) if (n_chunks > 1)
    {
        rk_edge_buffer buffer = rk__take_edges(call->scratch, 0);
#pragma omp for schedule(dynamic, 1)
        for (int64_t chunk = 0; chunk < n_chunks; chunk++) {
            int64_t first = chunk * ROWS_PER_CHUNK, last = first + ROWS_PER_CHUNK;
            call->isa->propagate_rows(&a, call->in[3], d, call->node->attr.weight[0], rows, first,
                                      last < count ? last : count, &buffer, y);
        }
    }
    memset(y + count * d, 0, (size_t)((slots - count) * d) * sizeof *y);
}

int64_t rk__cpu_scratch_propagate_from_rows(const rk_cpu_call *call)
{
    return rk__cache_lines(4 * rk__bitmap_words(rk__cpu_in(call, 4)->rows)) +
           call->threads * rk__edge_bytes(rk__cpu_in(call, 3)->rows);
}

void rk__cpu_propagate_from_rows(const rk_cpu_call *call)
{
    const rk_csr a = rk__csr_of(call);
    const rk_row_range all = {0, a.n};
    int64_t n_chunks = rk__chunk_count(&a, all), d = rk__cpu_in(call, 3)->cols;
    char *scratch = call->scratch;
    int64_t n_words = rk__bitmap_words(a.n), slots = rk__cpu_in(call, 3)->rows;
    uint32_t *active = rk__cpu_take(&scratch, 4 * n_words);
#pragma omp parallel num_threads(call->threads) if (n_chunks > 1)
    {
        rk_edge_buffer buffer = rk__take_edges(scratch, slots);
#pragma omp for schedule(static)
        for (int64_t word = 0; word < n_words; word++) {
            active[word] = rk__bitmap_word(call->in[4], a.n, word);
        }
#pragma omp for schedule(dynamic, 1)
        for (int64_t chunk = 0; chunk < n_chunks; chunk++) {
            call->isa->propagate_from_rows(
                &a, call->in[3], d, call->node->attr.weight[0], call->in[4], active,
                rk__chunk_start(&a, all, chunk, n_chunks),
                rk__chunk_start(&a, all, chunk + 1, n_chunks), &buffer, call->out[0]);
        }
    }
}
