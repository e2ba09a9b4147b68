/*
 * Sums over the edges of a block, pull-style: each row of y is summed by one thread over its edges
 * in their order.
 *
 * The edges of some rows are brought together first, with everything that they count for by itself
 * (weights, scales, and what has to be skipped), so that the loop that fetches rows of x knows only
 * a place and a weight for each, and prefetches across the ends of rows. In a row edges of one type
 * lie together: phi is linear, so it is applied to the sum of such a run and not to each edge, and
 * coefficients are, too. With edges that are not in that order runs are shorter, nothing else.
 */
#include <string.h>

#include "device/cpu/csr.h"

enum {
    EDGES_TOGETHER = 2048, /* room for edges; longer rows are summed in pieces */
    RUNS_TOGETHER = 32,
    ROWS_OF_SET = 64, /* rows of a set in a chunk of work */
};

/* ---- the work ---- */

/* What the sums of runs are for: the result, or the gradients by what types have. */
typedef enum purpose { SUMS, OF_COEFFICIENTS, OF_Z } purpose;

typedef struct work {
    purpose purpose;
    const int64_t *offsets; /* of the nodes that sum */
    const int32_t *columns;
    const int32_t *edges; /* their numbers, NULL = in order */
    const float *weights;
    const int32_t *types; /* where the sum of a run depends on them, else NULL */
    const float *coefficients, *z, *row_scale, *column_scale;
    const float *only_coefficient; /* of one sum: [T], multiplied into the weights */
    const int32_t *type_of;        /* for those and for columns_by_type */
    const int32_t *rows, *map;
    const float *x;
    float *y;        /* the result, or its gradient */
    int64_t d;       /* columns of one sum */
    int64_t d_x;     /* columns of x that are fetched for an edge */
    int64_t heads;   /* sums of y, or of x with sums_heads */
    int64_t n_types; /* by type: y has one sum for each */
    int64_t z_cols;
    int64_t x_of_type; /* > 0: x is [., n_types, d], and an edge reads the row of its type */
    bool sums_heads;
    int32_t compose;
    int64_t size;
    bool is_plain; /* each row is one run, which is the result */
    int64_t n_out, n_rows;
} work;

static int64_t columns_of(const rk_call *call, int i)
{
    return call->node->in[i] == RK_NONE ? 0 : rk__in(call, i)->cols;
}

static work work_of(const rk_call *call, purpose of)
{
    const rk_aggregate_attr *a = &call->node->attr.aggregate;
    const bool back = a->transposed;
    work w = {
        .purpose = of,
        .offsets = call->in[back ? RK_AGGREGATE_BACK_OFFSETS : RK_AGGREGATE_OFFSETS],
        .columns = call->in[back ? RK_AGGREGATE_BACK_COLUMNS : RK_AGGREGATE_COLUMNS],
        .edges = back ? call->in[RK_AGGREGATE_BACK_EDGES] : NULL,
        .weights = call->in[RK_AGGREGATE_WEIGHTS],
        .coefficients = call->in[RK_AGGREGATE_COEFFICIENTS],
        .z = call->in[RK_AGGREGATE_Z],
        .row_scale = call->in[RK_AGGREGATE_ROW_SCALE],
        .column_scale = call->in[RK_AGGREGATE_COLUMN_SCALE],
        .rows = call->in[RK_AGGREGATE_ROWS],
        .map = of == SUMS ? call->in[RK_AGGREGATE_MAP] : NULL,
        .x = call->in[RK_AGGREGATE_X],
        .y = of == SUMS ? call->out[0] : call->in[RK_AGGREGATE_GRADIENT],
        .n_types = a->n_types,
        .compose = a->compose,
        .size = a->size,
        .sums_heads = a->sums_heads,
        .z_cols = columns_of(call, RK_AGGREGATE_Z),
        .n_out = rk__in(call, back ? RK_AGGREGATE_BACK_OFFSETS : RK_AGGREGATE_OFFSETS)->rows - 1,
    };
    const int64_t cols = rk__in(call, RK_AGGREGATE_X)->cols;
    const int64_t given = columns_of(call, RK_AGGREGATE_COEFFICIENTS);
    const int32_t *types = call->in[RK_AGGREGATE_TYPES];
    w.heads = w.n_types > 0 ? w.n_types : w.coefficients ? given : 1;
    w.d = w.sums_heads ? cols / w.heads : cols;
    w.d_x = cols;
    if (w.n_types > 0 && w.sums_heads) {
        w.x_of_type = w.n_types;
        w.type_of = types;
        w.d_x = w.d;
        w.n_types = 0;
        w.heads = 1;
    } else if (w.coefficients && given == 1 && of == SUMS) {
        w.only_coefficient = w.coefficients;
        w.type_of = types;
        w.coefficients = NULL;
    }
    w.types = w.coefficients || w.z || w.n_types > 0 ? types : NULL;
    w.is_plain = !w.types;
    w.n_rows = w.rows ? *(const int32_t *)call->in[RK_AGGREGATE_COUNT] : w.n_out;
    return w;
}

/* ---- a thread's room ---- */

typedef struct room {
    int32_t *index; /* [EDGES_TOGETHER] row of x */
    float *weight;
    int32_t *type;
    rk_edge_run *runs; /* [RUNS_TOGETHER] */
    int32_t *run_type; /* of each, and the row of y it belongs to */
    float **run_y;
    float *run_weight; /* sum of its weights, for SUB */
    float *sums;       /* [RUNS_TOGETHER, d_x] */
    float *composed;   /* [d] */
    double *slab;      /* gradients of types: [T, H] or [T, z_cols] */
    int64_t n;         /* edges that are there */
    int32_t n_runs;
} room;

static int64_t room_bytes(int64_t d_x, int64_t d)
{
    return 3 * rk__cache_lines(4 * EDGES_TOGETHER) +
           rk__cache_lines(RUNS_TOGETHER * (int64_t)sizeof(rk_edge_run)) +
           rk__cache_lines(4 * RUNS_TOGETHER) * 2 +
           rk__cache_lines(RUNS_TOGETHER * (int64_t)sizeof(float *)) +
           rk__cache_lines(4 * RUNS_TOGETHER * d_x) + rk__cache_lines(4 * d);
}

static room take_room(const rk_call *call, const work *w)
{
    char *mine = (char *)call->scratch + rk__cpu_thread() * room_bytes(w->d_x, w->d);
    return (room){.index = rk__cpu_take(&mine, 4 * EDGES_TOGETHER),
                  .weight = rk__cpu_take(&mine, 4 * EDGES_TOGETHER),
                  .type = rk__cpu_take(&mine, 4 * EDGES_TOGETHER),
                  .runs = rk__cpu_take(&mine, RUNS_TOGETHER * (int64_t)sizeof(rk_edge_run)),
                  .run_type = rk__cpu_take(&mine, 4 * RUNS_TOGETHER),
                  .run_weight = rk__cpu_take(&mine, 4 * RUNS_TOGETHER),
                  .run_y = rk__cpu_take(&mine, RUNS_TOGETHER * (int64_t)sizeof(float *)),
                  .sums = rk__cpu_take(&mine, 4 * RUNS_TOGETHER * w->d_x),
                  .composed = rk__cpu_take(&mine, 4 * w->d)};
}

int64_t rk__cpu_scratch_aggregate(const rk_call *call)
{
    const work w = work_of(call, SUMS);
    return call->threads * room_bytes(w.d_x, w.d);
}

/* ---- edges ---- */

/* Of the n places from `first` on: the number of the edge at place[i], NULL = at the i-th. */
static int64_t edge_at(const work *w, int64_t first, const int32_t *place, int64_t i)
{
    const int64_t k = first + (place ? place[i] : i);
    return w->edges ? w->edges[k] : k;
}

/* Their weights. */
static void weigh(const work *w, int64_t first, const int32_t *place, int64_t n, float *out)
{
    if (!w->weights) {
        for (int64_t i = 0; i < n; i++) {
            out[i] = 1;
        }
    } else if (!w->edges && !place) {
        memcpy(out, w->weights + first, (size_t)n * sizeof *out);
    } else {
        for (int64_t i = 0; i < n; i++) {
            out[i] = w->weights[edge_at(w, first, place, i)];
        }
    }
    for (int64_t i = 0; i < n && w->column_scale; i++) {
        out[i] *= w->column_scale[w->columns[first + (place ? place[i] : i)]];
    }
    for (int64_t i = 0; i < n && w->only_coefficient; i++) {
        out[i] *= w->only_coefficient[w->type_of[edge_at(w, first, place, i)]];
    }
}

/* Their rows of x; returns how many there are, at which places. No branch: most nodes are not in a
 * batch, in no order that a processor could learn. */
static int64_t find_rows(const work *w, int64_t first, int64_t n, int32_t *index, int32_t *place)
{
    const int32_t *columns = w->columns + first;
    int64_t kept = 0;
    if (!w->map) {
        memcpy(index, columns, (size_t)n * sizeof *index);
        return n;
    }
    for (int64_t i = 0; i < n; i++) {
        index[kept] = w->map[columns[i]];
        place[kept] = (int32_t)i;
        kept += index[kept] >= 0;
    }
    return kept;
}

/* Takes edges of weight 0 out. */
static int64_t drop_zeros(int64_t n, int32_t *index, float *weight, int32_t *type)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < n; i++) {
        index[kept] = index[i];
        weight[kept] = weight[i];
        type[kept] = type[i];
        kept += weight[i] != 0;
    }
    return kept;
}

/* Appends the n edges from `first` on; those that count nothing are left out. */
static void bring(const work *w, int64_t first, int64_t n, room *r)
{
    int32_t *index = r->index + r->n, *type = r->type + r->n;
    float *weight = r->weight + r->n;
    const int32_t *types = w->types ? w->types : w->x_of_type > 0 ? w->type_of : NULL;
    const int32_t *place = w->map ? type : NULL; /* until the types come there */
    n = find_rows(w, first, n, index, type);
    weigh(w, first, place, n, weight);
    for (int64_t i = 0; i < n && types; i++) {
        type[i] = types[edge_at(w, first, place, i)];
    }
    n = w->weights ? drop_zeros(n, index, weight, type) : n;
    for (int64_t i = 0; i < n && w->x_of_type > 0; i++) {
        index[i] = (int32_t)(index[i] * w->x_of_type + type[i]);
    }
    r->n += n;
}

/* ---- what becomes of the sum of a run ---- */

/* y += what the run of type t with the sum x and the sum of weights f adds. */
static void add_run(const rk_call *call, const work *w, const float *x, int32_t t, float f,
                    float *composed, float *y)
{
    const rk_isa *isa = call->isa;
    const float *c = w->coefficients ? w->coefficients + t * w->heads : NULL;
    const rk_composition phi = {w->compose, w->size, w->d, w->z ? w->z + t * w->z_cols : NULL, f};
    if (w->n_types > 0) {
        isa->axpy(1, x, w->d, y + t * w->d);
    } else if (!c) {
        isa->compose(&phi, x, y);
    } else if (w->sums_heads) {
        float *sum = w->z ? composed : y;
        if (w->z) {
            rk__zero_row(composed, w->d);
        }
        for (int64_t h = 0; h < w->heads; h++) {
            isa->axpy(c[h], x + h * w->d, w->d, sum);
        }
        if (w->z) {
            isa->compose(&phi, composed, y);
        }
    } else {
        const float *from = x;
        if (w->z) {
            rk__zero_row(composed, w->d);
            isa->compose(&phi, x, composed);
            from = composed;
        }
        for (int64_t h = 0; h < w->heads; h++) {
            isa->axpy(c[h], from, w->d, y + h * w->d);
        }
    }
}

/* slab += the run's part of the gradient by the coefficients of t; g: of the row of y. */
static void add_to_coefficients(const rk_call *call, const work *w, const float *x, int32_t t,
                                float f, const float *g, const room *r)
{
    const rk_composition phi = {w->compose, w->size, w->d, w->z ? w->z + t * w->z_cols : NULL, f};
    const float *from = x;
    if (w->z) {
        rk__zero_row(r->composed, w->d);
        call->isa->compose(&phi, x, r->composed);
        from = r->composed;
    }
    for (int64_t h = 0; h < w->heads; h++) {
        r->slab[t * w->heads + h] += (double)call->isa->dot(g + h * w->d, from, w->d);
    }
}

/* The same by the row z of t. */
static void add_to_z(const rk_call *call, const work *w, const float *x, int32_t t, float f,
                     const float *g, const room *r)
{
    const int64_t d = w->d;
    if (w->coefficients) {
        rk__zero_row(r->composed, d);
        for (int64_t h = 0; h < w->heads; h++) {
            call->isa->axpy(w->coefficients[t * w->heads + h], g + h * d, d, r->composed);
        }
        g = r->composed;
    }
    const rk_composition phi = {w->compose, w->size, d, NULL, f};
    call->isa->compose_grad(&phi, x, g, r->slab + t * w->z_cols);
}

/* Sums the runs that wait, and adds them where they belong unless that is where they were summed.
 */
static void finish_runs(const rk_call *call, const work *w, room *r)
{
    call->isa->sum_runs(w->x, w->d_x, r->index, r->weight, r->n, r->runs, r->n_runs);
    for (int32_t i = 0; i < r->n_runs; i++) {
        if (w->purpose == OF_COEFFICIENTS) {
            add_to_coefficients(call, w, r->runs[i].y, r->run_type[i], r->run_weight[i],
                                r->run_y[i], r);
        } else if (w->purpose == OF_Z) {
            add_to_z(call, w, r->runs[i].y, r->run_type[i], r->run_weight[i], r->run_y[i], r);
        } else if (r->run_y[i]) {
            add_run(call, w, r->runs[i].y, r->run_type[i], r->run_weight[i], r->composed,
                    r->run_y[i]);
        }
    }
    r->n_runs = 0;
}

static float sum_weights(const room *r, int64_t begin, int64_t end)
{
    float sum = 0;
    for (int64_t e = begin; e < end; e++) {
        sum += r->weight[e];
    }
    return sum;
}

/* Edges [begin, end) of those that are there, of one row: to y, or added to it. */
static void cut_runs(const rk_call *call, const work *w, room *r, int64_t begin, int64_t end,
                     float factor, float *y, bool adds)
{
    while (begin < end) {
        int64_t stop = w->types ? begin + 1 : end;
        while (stop < end && r->type[stop] == r->type[begin]) {
            stop++;
        }
        if (r->n_runs == RUNS_TOGETHER) {
            finish_runs(call, w, r);
        }
        const int32_t i = r->n_runs++;
        r->runs[i] = (rk_edge_run){begin, stop, factor, adds ? r->sums + i * w->d_x : y};
        r->run_type[i] = w->types ? r->type[begin] : 0;
        r->run_y[i] = adds ? y : NULL;
        r->run_weight[i] = w->compose == RK_COMPOSE_SUB ? factor * sum_weights(r, begin, stop) : 0;
        begin = stop;
    }
}

/* ---- rows ---- */

static void flush(const rk_call *call, const work *w, room *r)
{
    finish_runs(call, w, r);
    r->n = 0;
}

static void sum_row(const rk_call *call, const work *w, room *r, int64_t row, float *y, int64_t d_y)
{
    const int64_t first = w->offsets[row], degree = w->offsets[row + 1] - first;
    const float factor = w->row_scale ? w->row_scale[row] : 1;
    const bool is_sum = w->purpose == SUMS;
    if (degree <= EDGES_TOGETHER) {
        if (degree > EDGES_TOGETHER - r->n) {
            flush(call, w, r);
        }
        const int64_t begin = r->n;
        bring(w, first, degree, r);
        if (is_sum && (r->n == begin || !w->is_plain)) {
            rk__zero_row(y, d_y);
        }
        cut_runs(call, w, r, begin, r->n, factor, y, !w->is_plain);
        return;
    }
    if (is_sum) {
        rk__zero_row(y, d_y);
    }
    for (int64_t at = 0; at < degree; at += EDGES_TOGETHER) {
        flush(call, w, r);
        bring(w, first + at, degree - at < EDGES_TOGETHER ? degree - at : EDGES_TOGETHER, r);
        cut_runs(call, w, r, 0, r->n, factor, y, true);
    }
}

void rk__cpu_aggregate(const rk_call *call)
{
    const work w = work_of(call, SUMS);
    const int64_t d_y = rk__out(call, 0)->cols, capacity = rk__out(call, 0)->rows;
    const rk_csr a = {.offsets = w.offsets, .n = w.n_out};
    const rk_row_range all = {0, w.n_out};
    const int64_t n_chunks = w.rows ? rk__blocks(w.n_rows, ROWS_OF_SET) : rk__chunk_count(&a, all);
    RK_CPU_FOR(call, chunk, n_chunks)
    {
        room r = take_room(call, &w);
        int64_t first = chunk * ROWS_OF_SET;
        int64_t end = rk__block_end(chunk, ROWS_OF_SET, w.n_rows);
        if (!w.rows) {
            first = rk__chunk_start(&a, all, chunk, n_chunks);
            end = rk__chunk_start(&a, all, chunk + 1, n_chunks);
        }
        for (int64_t i = first; i < end; i++) {
            sum_row(call, &w, &r, w.rows ? w.rows[i] : i, w.y + i * d_y, d_y);
        }
        flush(call, &w, &r);
    }
    memset(w.y + w.n_rows * d_y, 0, (size_t)((capacity - w.n_rows) * d_y) * sizeof *w.y);
}

/* ---- gradients by what types have ---- */

/* Rows are cut into parts by the problem alone; each part has sums of its own, which are added up
 * in their order. */
enum { MOST_PARTS = 16 };

static int64_t parts_of(const rk_call *call, const work *w)
{
    const rk_tensor *rows = w->rows ? rk__in(call, RK_AGGREGATE_ROWS) : NULL;
    const int64_t edges = rk__in(call, RK_AGGREGATE_COLUMNS)->rows;
    const int64_t n = rows ? rk__blocks(rows->rows, ROWS_OF_SET)
                           : 1 + (edges + ROW_COST * w->n_out) / EDGES_PER_CHUNK;
    return n < MOST_PARTS ? n : MOST_PARTS;
}

static int64_t slab_bytes(const rk_call *call)
{
    return rk__cache_lines(8 * rk__cpu_elements(rk__out(call, 0)));
}

int64_t rk__cpu_scratch_aggregate_types_grad(const rk_call *call)
{
    const int64_t d = rk__in(call, RK_AGGREGATE_X)->cols;
    return call->threads * room_bytes(d, d) + MOST_PARTS * slab_bytes(call);
}

static void sum_by_type(const rk_call *call, purpose of)
{
    const work w = work_of(call, of);
    const int64_t d_y = rk__in(call, RK_AGGREGATE_GRADIENT)->cols, n_parts = parts_of(call, &w);
    const int64_t n = rk__cpu_elements(rk__out(call, 0)), stride = slab_bytes(call);
    const rk_csr a = {.offsets = w.offsets, .n = w.n_out};
    const rk_row_range all = {0, w.n_out};
    char *slabs = (char *)call->scratch + call->threads * room_bytes(w.d_x, w.d);
    RK_CPU_FOR(call, part, n_parts)
    {
        room r = take_room(call, &w);
        r.slab = (double *)(void *)(slabs + part * stride);
        memset(r.slab, 0, (size_t)n * sizeof *r.slab);
        int64_t first = w.n_rows * part / n_parts, end = w.n_rows * (part + 1) / n_parts;
        if (!w.rows) {
            first = rk__chunk_start(&a, all, part, n_parts);
            end = rk__chunk_start(&a, all, part + 1, n_parts);
        }
        for (int64_t i = first; i < end; i++) {
            sum_row(call, &w, &r, w.rows ? w.rows[i] : i, w.y + i * d_y, d_y);
        }
        flush(call, &w, &r);
    }
    float *out = call->out[0];
    for (int64_t k = 0; k < n; k++) {
        double sum = 0;
        for (int64_t part = 0; part < n_parts; part++) {
            sum += ((const double *)(const void *)(slabs + part * stride))[k];
        }
        out[k] = (float)sum;
    }
}

void rk__cpu_aggregate_coefficients_grad(const rk_call *call)
{
    sum_by_type(call, OF_COEFFICIENTS);
}

void rk__cpu_aggregate_z_grad(const rk_call *call)
{
    sum_by_type(call, OF_Z);
}

/* ---- gradient by the weights ---- */

int64_t rk__cpu_scratch_aggregate_weights_grad(const rk_call *call)
{
    return call->threads * 2 * rk__cache_lines(4 * rk__in(call, RK_AGGREGATE_X)->cols);
}

static int32_t adjoint_of(int32_t compose)
{
    return compose == RK_COMPOSE_BLOCKS        ? RK_COMPOSE_BLOCKS_BACK
           : compose == RK_COMPOSE_BLOCKS_BACK ? RK_COMPOSE_BLOCKS
           : compose == RK_COMPOSE_SUB         ? RK_COMPOSE_COPY
                                               : compose;
}

/* Of the edges of type t of a row: what x is multiplied with, d floats, by g of the row; and what
 * is added. sum: room for d. */
static float direction_of(const rk_call *call, const work *w, int32_t t, const float *g, float *sum,
                          float *out)
{
    const float *z = w->z ? w->z + t * w->z_cols : NULL;
    const rk_composition phi = {adjoint_of(w->compose), w->size, w->d, z, 0};
    rk__zero_row(sum, w->d);
    for (int64_t h = 0; h < w->heads; h++) {
        const float c = w->n_types > 0    ? (float)(h == t)
                        : w->coefficients ? w->coefficients[t * w->heads + h]
                                          : 1;
        if (c != 0) {
            call->isa->axpy(c, g + h * w->d, w->d, sum);
        }
    }
    rk__zero_row(out, w->d);
    call->isa->compose(&phi, sum, out);
    return w->compose == RK_COMPOSE_SUB ? -call->isa->dot(sum, z, w->d) : 0;
}

/* The edges of the i-th row; memory: twice a row of x. */
static void weights_of_row(const rk_call *call, const work *w, int64_t i, char *memory, float *out)
{
    const int32_t *types = call->in[RK_AGGREGATE_TYPES];
    const int64_t d = w->d, row = w->rows ? w->rows[i] : i;
    float *sum = rk__cpu_take(&memory, 4 * d), *direction = rk__cpu_take(&memory, 4 * d);
    const float factor = w->row_scale ? w->row_scale[row] : 1;
    int32_t now = -1;
    float added = 0;
    for (int64_t k = w->offsets[row]; k < w->offsets[row + 1]; k++) {
        const int64_t e = w->edges ? w->edges[k] : k, column = w->columns[k];
        const int32_t t = types ? types[e] : 0;
        if (t != now) {
            added = direction_of(call, w, t, w->y + i * d * w->heads, sum, direction);
            now = t;
        }
        const float scale = w->column_scale ? factor * w->column_scale[column] : factor;
        out[e] = scale * (call->isa->dot(direction, w->x + column * d, d) + added);
    }
}

void rk__cpu_aggregate_weights_grad(const rk_call *call)
{
    const work w = work_of(call, OF_COEFFICIENTS);
    const int64_t bytes = 2 * rk__cache_lines(4 * w.d);
    float *out = call->out[0];
    memset(out, 0, (size_t)rk__out(call, 0)->rows * sizeof *out);
    RK_CPU_FOR_ROWS(call, i, w.n_rows)
    {
        weights_of_row(call, &w, i, (char *)call->scratch + rk__cpu_thread() * bytes, out);
    }
}

/* ---- which edges ---- */

void rk__cpu_edge_mask(const rk_call *call)
{
    const rk_mask_attr *m = &call->node->attr.mask;
    const int64_t *offsets = call->in[0];
    const int32_t *columns = call->in[1];
    const rk_csr a = {.offsets = offsets, .n = rk__in(call, 0)->rows - 1};
    const rk_row_range all = {0, a.n};
    const rk_edge_draw draw =
        rk__edge_mask_at(call->in[2], m->stream, m->each_step, rk__edge_threshold(m->share));
    float *out = call->out[0];
    const int64_t n_chunks = rk__chunk_count(&a, all);
    RK_CPU_FOR(call, chunk, n_chunks)
    {
        const int64_t end = rk__chunk_start(&a, all, chunk + 1, n_chunks);
        for (int64_t r = rk__chunk_start(&a, all, chunk, n_chunks); r < end; r++) {
            const int64_t e = offsets[r];
            call->isa->mask_edges(&draw, (int32_t)r, columns + e, offsets[r + 1] - e, m->kept,
                                  m->masked, out + e);
        }
    }
}

void rk__cpu_block_degrees(const rk_call *call)
{
    const int64_t *offsets = call->in[0];
    const int32_t *edges = call->in[1];
    const float *weights = call->in[2];
    const double power = call->node->attr.degrees.power, plus = call->node->attr.degrees.plus;
    const rk_csr a = {.offsets = offsets, .n = rk__in(call, 0)->rows - 1};
    const rk_row_range all = {0, a.n};
    float *out = call->out[0];
    const int64_t n_chunks = rk__chunk_count(&a, all);
    RK_CPU_FOR(call, chunk, n_chunks)
    {
        const int64_t end = rk__chunk_start(&a, all, chunk + 1, n_chunks);
        for (int64_t r = rk__chunk_start(&a, all, chunk, n_chunks); r < end; r++) {
            double sum = weights ? 0 : (double)(offsets[r + 1] - offsets[r]);
            for (int64_t k = offsets[r]; k < offsets[r + 1] && weights; k++) {
                sum += (double)weights[edges ? edges[k] : k];
            }
            sum += plus;
            out[r] = sum == 0 ? 0 : (float)pow(sum, power);
        }
    }
}
