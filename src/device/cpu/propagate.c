/*
 * y = alpha D^-1/2 A D^-1/2 x, in full and at the rows of a batch (He et al., "LightGCN", SIGIR
 * 2020, eq. 7-8; the batch forms change no bit of the result).
 *
 * Pull-style: each row of y is summed by one thread over its edges in the order of the CSR. A block
 * of rows is finished while it is in the nearest cache: what a batch adds at its rows, and then the
 * rows are the result, or become halves, or are the gradient of an Adam step and never stored.
 */
#include <string.h>

#include "device/cpu/csr.h"
#include "device/cpu/gathered.h"

/* Floats in a block of rows that is finished together: of all rows, and from the rows of a set,
 * where a block is a list of edges of its own and a short one would be prefetched badly. */
enum { BLOCK_FLOATS = 4096, LONG_BLOCK_FLOATS = 32768 };

/* ---- what is gathered ---- */

static int64_t weight_bytes(const rk_call *call)
{
    const rk_tensor *x = rk__in(call, 3);
    return x->dtype == RK_F16 ? rk__cache_lines(4 * x->rows) : 0;
}

/* Input 3. For halves the weights of the columns are written to *scratch. */
static rk_source source_of(const rk_call *call, const rk_csr *a, char **scratch)
{
    const rk_tensor *x = rk__in(call, 3);
    if (x->dtype != RK_F16) {
        return rk__float_source(a, call->in[3]);
    }
    const uint8_t *exponent = rk__half_exponents(call->in[3], x->rows, x->cols);
    float *weight = rk__cpu_take(scratch, weight_bytes(call));
#pragma omp parallel for schedule(static) num_threads(call->threads)
    for (int64_t c = 0; c < a->n; c++) {
        weight[c] = a->scale[c] * rk__cpu_factor(exponent[c]);
    }
    return (rk_source){call->in[3], weight, true};
}

/* ---- what becomes of the rows ---- */

typedef struct ending {
    const rk_isa *isa;
    int64_t d;
    /* Tables [S, d] that are added at the rows with map[r] >= 0. */
    const int32_t *map;
    const float *added[RK_MAX_INPUTS];
    const float *weight; /* of added */
    int32_t n_added;
    /* One of three; with a parameter its halves, or NULL. */
    float *floats;
    rk_half *halves;
    uint8_t *exponent; /* of halves */
    float *parameter, *m, *v;
    rk_adam_scalars adam;
} ending;

static ending ending_of(const rk_call *call)
{
    bool updates = rk__updated_parameter(call->program, call->node) != RK_NONE;
    int32_t first = updates ? RK_PROPAGATE_ADAM_ADDED : RK_PROPAGATE_ADDED;
    ending e = {.isa = call->isa, .d = rk__in(call, 3)->cols};
    e.map = call->node->n_inputs > first ? call->in[4] : NULL;
    e.weight = call->node->attr.weight + 1;
    for (int32_t i = first; i < call->node->n_inputs; i++) {
        e.added[e.n_added++] = call->in[i];
    }
    if (updates) {
        e.parameter = call->in[5];
        e.m = call->in[6];
        e.v = call->in[7];
        e.adam = rk__cpu_adam_scalars(&call->node->attr.update.adam, call->in[8]);
        e.halves = call->in[RK_PROPAGATE_ADAM_HALVES];
        e.exponent = e.halves ? rk__half_exponents(e.halves, rk__in(call, 5)->rows, e.d) : NULL;
    } else if (rk__out(call, 0)->dtype == RK_F16) {
        e.halves = call->out[0];
        e.exponent = rk__half_exponents(call->out[0], rk__out(call, 0)->rows, e.d);
    } else {
        e.floats = call->out[0];
    }
    return e;
}

static int64_t block_rows(int64_t floats, int64_t d)
{
    return floats / d > 0 ? floats / d : 1;
}

static int64_t block_bytes(int64_t floats, int64_t d)
{
    return rk__cache_lines(4 * block_rows(floats, d) * d);
}

/* Rows [first, last) of the sum, in `rows`. */
static void finish(const ending *e, int64_t first, int64_t last, float *rows)
{
    const int64_t d = e->d, n = (last - first) * d;
    const float *sum = rows;
    for (int64_t r = first; r < last && e->map; r++) {
        for (int32_t k = 0; k < e->n_added && e->map[r] >= 0; k++) {
            e->isa->axpy(e->weight[k], e->added[k] + e->map[r] * d, d, rows + (r - first) * d);
        }
    }
    if (e->parameter) {
        rows = e->parameter + first * d;
        e->isa->adam(&e->adam, n, sum, rows, e->m + first * d, e->v + first * d);
    }
    if (e->halves) {
        e->isa->narrow(rows, last - first, d, e->halves + first * d, e->exponent + first);
    }
}

/* ---- all rows ---- */

/* graph.order; NULL: as they are. */
static const int32_t *row_order(const rk_call *call)
{
    int32_t offsets = rk__stored_offsets(call->program, call->node);
    return offsets < 0 ? NULL : call->program->store->items[offsets].row_order;
}

int64_t rk__cpu_scratch_propagate(const rk_call *call)
{
    int64_t d = rk__in(call, 3)->cols;
    int64_t each = row_order(call) ? rk__edge_bytes(0) + block_bytes(LONG_BLOCK_FLOATS, d)
                                   : block_bytes(BLOCK_FLOATS, d);
    return weight_bytes(call) + call->threads * each;
}

/* Where part i of `parts` begins. */
static int64_t share_of(int64_t n, int64_t i, int64_t parts)
{
    return n / parts * i + n % parts * i / parts;
}

/* The rows order[first..last), each finished for itself: floats in their places, others in `block`,
 * which has room for them. */
static void finish_in_order(const ending *e, const int32_t *order, int64_t first, int64_t last,
                            float *block)
{
    if (e->floats && !e->map) {
        return; /* they are the result */
    }
    for (int64_t k = first; k < last; k++) {
        int64_t r = order[k];
        finish(e, r, r + 1, e->floats ? e->floats + r * e->d : block + (k - first) * e->d);
    }
}

static void propagate_in_order(const rk_call *call, const rk_csr *a, const rk_source *x,
                               const ending *e, const int32_t *order, char *scratch)
{
    const int64_t d = e->d, step = block_rows(LONG_BLOCK_FLOATS, d);
    const int64_t n_chunks = rk__chunk_count(a, (rk_row_range){0, a->n});
    char *blocks = scratch + call->threads * rk__edge_bytes(0);
    RK_CPU_FOR(call, chunk, n_chunks)
    {
        rk_edge_buffer buffer = rk__take_edges(scratch, 0);
        float *block =
            (float *)(void *)(blocks + rk__cpu_thread() * block_bytes(LONG_BLOCK_FLOATS, d));
        int64_t end = share_of(a->n, chunk + 1, n_chunks);
        for (int64_t k = share_of(a->n, chunk, n_chunks); k < end; k += step) {
            int64_t last = k + step < end ? k + step : end;
            call->isa->propagate_rows(a, x, d, call->node->attr.weight[0], order, k, last, &buffer,
                                      e->floats ? e->floats : rk__origin(block, k, d),
                                      e->floats != NULL);
            finish_in_order(e, order, k, last, block);
        }
    }
}

void rk__cpu_propagate(const rk_call *call)
{
    const rk_csr a = rk__csr_of(call);
    const ending e = ending_of(call);
    char *scratch = call->scratch;
    const rk_source x = source_of(call, &a, &scratch);
    const rk_row_range all = {0, a.n};
    int64_t n_chunks = rk__chunk_count(&a, all), step = block_rows(BLOCK_FLOATS, e.d);
    if (row_order(call) && !e.parameter) { /* Adam's tables are read once, best one after another */
        propagate_in_order(call, &a, &x, &e, row_order(call), scratch);
        return;
    }
    RK_CPU_FOR(call, chunk, n_chunks)
    {
        float *block =
            (float *)(void *)(scratch + rk__cpu_thread() * block_bytes(BLOCK_FLOATS, e.d));
        int64_t end = rk__chunk_start(&a, all, chunk + 1, n_chunks);
        for (int64_t r = rk__chunk_start(&a, all, chunk, n_chunks); r < end; r += step) {
            int64_t last = r + step < end ? r + step : end;
            float *rows = e.floats ? e.floats + r * e.d : block;
            call->isa->propagate(&a, &x, e.d, call->node->attr.weight[0], r, last, rows);
            finish(&e, r, last, rows);
        }
    }
}

void rk__cpu_propagate_adam(const rk_call *call)
{
    rk__cpu_propagate(call);
}

/* ---- at the rows of a set ---- */

static int64_t row_bytes(const rk_call *call)
{
    return rk__cache_lines(4 * rk__in(call, 3)->cols);
}

int64_t rk__cpu_scratch_propagate_rows(const rk_call *call)
{
    return weight_bytes(call) + call->threads * (rk__edge_bytes(0) + row_bytes(call));
}

/* Rows [first, last) of y += those of the sum of tables; sum: room for a row. */
static void add_tables(const rk_call *call, const rk_gathered *tables, int64_t first, int64_t last,
                       float *sum)
{
    const int32_t *rows = call->in[4];
    const int64_t d = rk__in(call, 3)->cols;
    float *y = call->out[0];
    for (int64_t r = first; r < last; r++) {
        rk__gather_row(call->isa, tables, rows[r], d, sum);
        call->isa->axpy(1.0f, sum, d, y + r * d);
    }
}

void rk__cpu_propagate_rows(const rk_call *call)
{
    const rk_csr a = rk__csr_of(call);
    char *scratch = call->scratch;
    const rk_source x = source_of(call, &a, &scratch);
    const int32_t *rows = call->in[4];
    int64_t count = *(const int32_t *)call->in[5], capacity = rk__out(call, 0)->rows;
    int64_t d = rk__in(call, 3)->cols, n_chunks = rk__blocks(count, ROWS_PER_CHUNK);
    float *y = call->out[0];
    const rk_gathered tables = rk__gathered_of(call, RK_PROPAGATE_ROWS_ADDED, 1);
    const bool adds = tables.n_floats + tables.n_halves > 0;
    char *sums = scratch + call->threads * rk__edge_bytes(0);
#pragma omp parallel num_threads(call->threads) if (n_chunks > 1)
    {
        rk_edge_buffer buffer = rk__take_edges(scratch, 0);
        float *sum = (float *)(void *)(sums + rk__cpu_thread() * row_bytes(call));
#pragma omp for schedule(dynamic, 1)
        for (int64_t chunk = 0; chunk < n_chunks; chunk++) {
            int64_t first = chunk * ROWS_PER_CHUNK, last = first + ROWS_PER_CHUNK;
            last = last < count ? last : count;
            for (int64_t r = first; r < last && adds; r++) { /* they come meanwhile */
                rk__prefetch_gathered(&tables, rows[r], d);
            }
            call->isa->propagate_rows(&a, &x, d, call->node->attr.weight[0], rows, first, last,
                                      &buffer, y, false);
            if (adds) {
                add_tables(call, &tables, first, last, sum);
            }
        }
    }
    memset(y + count * d, 0, (size_t)((capacity - count) * d) * sizeof *y);
}

int64_t rk__cpu_scratch_propagate_from_rows(const rk_call *call)
{
    const rk_tensor *x = rk__in(call, 3);
    return rk__cache_lines(4 * rk__bitmap_words(rk__in(call, 4)->rows)) +
           call->threads * (rk__edge_bytes(x->rows) + block_bytes(LONG_BLOCK_FLOATS, x->cols));
}

void rk__cpu_propagate_from_rows(const rk_call *call)
{
    const rk_csr a = rk__csr_of(call);
    const ending e = ending_of(call);
    const rk_row_range all = {0, a.n};
    int64_t n_chunks = rk__chunk_count(&a, all), step = block_rows(LONG_BLOCK_FLOATS, e.d);
    int64_t n_words = rk__bitmap_words(a.n), capacity = rk__in(call, 3)->rows;
    char *scratch = call->scratch;
    uint32_t *active = rk__cpu_take(&scratch, 4 * n_words);
    char *blocks = scratch + call->threads * rk__edge_bytes(capacity);
#pragma omp parallel num_threads(call->threads) if (n_chunks > 1)
    {
        rk_edge_buffer buffer = rk__take_edges(scratch, capacity);
        float *block =
            (float *)(void *)(blocks + rk__cpu_thread() * block_bytes(LONG_BLOCK_FLOATS, e.d));
#pragma omp for schedule(static)
        for (int64_t word = 0; word < n_words; word++) {
            active[word] = rk__bitmap_word(call->in[4], a.n, word);
        }
#pragma omp for schedule(dynamic, 1)
        for (int64_t chunk = 0; chunk < n_chunks; chunk++) {
            int64_t end = rk__chunk_start(&a, all, chunk + 1, n_chunks);
            for (int64_t r = rk__chunk_start(&a, all, chunk, n_chunks); r < end; r += step) {
                int64_t last = r + step < end ? r + step : end;
                float *rows = e.floats ? e.floats + r * e.d : block;
                call->isa->propagate_from_rows(&a, call->in[3], e.d, call->node->attr.weight[0],
                                               call->in[4], active, r, last, &buffer, rows);
                finish(&e, r, last, rows);
            }
        }
    }
}

void rk__cpu_propagate_from_rows_adam(const rk_call *call)
{
    rk__cpu_propagate_from_rows(call);
}
