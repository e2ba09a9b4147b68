/*
 * Entries are scattered into rows in the order of the relations, and the rows transposed: that
 * changes nothing in a symmetric matrix but that the columns ascend in each row, entries of the
 * same pair in the order of the relations.
 */
#include "graph/joined.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

/* Rows of entries; weights may be NULL. */
typedef struct rows {
    int64_t n, *offsets;
    int32_t *columns;
    float *weights;
} rows;

static void free_rows(rows *r)
{
    rk__free(r->offsets);
    rk__free(r->columns);
    rk__free(r->weights);
    *r = (rows){0};
}

static rk_status allocate(rows *r, int64_t n, int64_t n_entries, bool with_weights)
{
    static const char what[] = "the joined graph";
    r->n = n;
    RK_TRY(rk__calloc(&r->offsets, n + 1, sizeof *r->offsets, what));
    RK_TRY(rk__alloc(&r->columns, n_entries, sizeof *r->columns, what));
    return with_weights ? rk__alloc(&r->weights, n_entries, sizeof *r->weights, what) : RK_OK;
}

/* Counts in offsets[1 ..] become the rows' first entries in offsets[0 ..]; put moves them on, so
 * that they are the rows' ends when all entries are there. */
static void begin_rows(rows *r)
{
    int64_t first = 0;
    for (int64_t v = 0; v < r->n; v++) {
        const int64_t count = r->offsets[v + 1];
        r->offsets[v] = first;
        first += count;
    }
    r->offsets[r->n] = first;
}

static void put(rows *r, int64_t row, int64_t column, float weight)
{
    const int64_t at = r->offsets[row]++;
    r->columns[at] = (int32_t)column;
    if (r->weights) {
        r->weights[at] = weight;
    }
}

static void end_rows(rows *r)
{
    memmove(r->offsets + 1, r->offsets, (size_t)r->n * sizeof *r->offsets);
    r->offsets[0] = 0;
}

/* Every row of the result ascends; equal columns keep the order of their entries. */
static rk_status transpose(const rows *from, rows *out)
{
    RK_TRY(allocate(out, from->n, from->offsets[from->n], from->weights));
    for (int64_t e = 0; e < from->offsets[from->n]; e++) {
        out->offsets[from->columns[e] + 1]++;
    }
    begin_rows(out);
    for (int64_t v = 0; v < from->n; v++) {
        for (int64_t e = from->offsets[v]; e < from->offsets[v + 1]; e++) {
            put(out, from->columns[e], v, from->weights ? from->weights[e] : 1);
        }
    }
    end_rows(out);
    return RK_OK;
}

/* ---- one relation ---- */

static float weight_of(const rk_joined_part *part, int64_t e)
{
    return (float)(part->weight * (part->weights ? (double)part->weights[e] : 1));
}

static rk_status check(const rk_joined_part *part)
{
    const int64_t n = part->offsets[part->n_from];
    for (int64_t e = 0; part->weights && e < n; e++) {
        if (!(part->weights[e] >= 0)) {
            RK_FAIL(RK_ERR_DATA,
                    "edge %lld of a relation has the weight %g; weights of a graph "
                    "are not negative",
                    (long long)e, (double)part->weights[e]);
        }
    }
    return RK_OK;
}

static bool is_weighted(const rk_joined_part *part)
{
    return part->weight != 1 || part->weights;
}

/* The larger of A and its transpose, element by element: two ascending rows are merged. */
static void merge_row(const rows *a, const rows *b, int64_t v, rows *out)
{
    int64_t i = a->offsets[v], j = b->offsets[v];
    while (i < a->offsets[v + 1] || j < b->offsets[v + 1]) {
        const int32_t left = i < a->offsets[v + 1] ? a->columns[i] : INT32_MAX;
        const int32_t right = j < b->offsets[v + 1] ? b->columns[j] : INT32_MAX;
        const int32_t column = left < right ? left : right;
        float weight = 0;
        if (left == column) {
            weight = a->weights[i++];
        }
        if (right == column) {
            weight = fmaxf(weight, b->weights[j]);
            j++;
        }
        put(out, v, column, weight);
    }
}

/* A relation between nodes of one type as a symmetric matrix of its own nodes, with weights. */
static rk_status symmetric(const rk_joined_part *part, rows *out)
{
    const int64_t n = part->n_from, n_edges = part->offsets[n];
    rows as_is = {0}, across = {0};
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, allocate(&as_is, n, n_edges, true));
    memcpy(as_is.offsets, part->offsets, (size_t)(n + 1) * sizeof *as_is.offsets);
    memcpy(as_is.columns, part->columns, (size_t)n_edges * sizeof *as_is.columns);
    for (int64_t e = 0; e < n_edges; e++) {
        as_is.weights[e] = weight_of(part, e);
    }
    RK_TRY_GOTO(done, transpose(&as_is, &across));
    RK_TRY_GOTO(done, allocate(out, n, 2 * n_edges, true));
    for (int64_t v = 0; v < n; v++) { /* put moves a row's beginning on, to where the next one is */
        out->offsets[v] = v > 0 ? out->offsets[v - 1] : 0;
        merge_row(&as_is, &across, v, out);
    }
    end_rows(out);
done:
    free_rows(&as_is);
    free_rows(&across);
    return status;
}

/* ---- all of them ---- */

static void count_part(const rk_joined_part *part, int64_t *counts)
{
    for (int64_t v = 0; v < part->n_from; v++) {
        counts[part->from + v] += part->offsets[v + 1] - part->offsets[v];
        for (int64_t e = part->offsets[v]; e < part->offsets[v + 1] && !part->is_within; e++) {
            counts[part->to + part->columns[e]]++;
        }
    }
}

static void put_part(const rk_joined_part *part, rows *out)
{
    for (int64_t v = 0; v < part->n_from; v++) {
        for (int64_t e = part->offsets[v]; e < part->offsets[v + 1]; e++) {
            const int64_t a = part->from + v, b = part->to + part->columns[e];
            const float weight = weight_of(part, e);
            put(out, a, b, weight);
            if (!part->is_within) {
                put(out, b, a, weight);
            }
        }
    }
}

/* Parts of which those within a type are symmetric already. */
static rk_status join(rk_joined *out, int64_t n_nodes, const rk_joined_part *parts, int n,
                      bool with_weights)
{
    rk_status status = RK_OK;
    rows scattered = {0}, sorted = {0};
    int64_t n_entries = 0;
    for (int i = 0; i < n; i++) {
        const int64_t n_edges = parts[i].offsets[parts[i].n_from];
        n_entries += parts[i].is_within ? n_edges : 2 * n_edges;
    }
    RK_TRY_GOTO(done, allocate(&scattered, n_nodes, n_entries, with_weights));
    for (int i = 0; i < n; i++) {
        count_part(&parts[i], scattered.offsets + 1);
    }
    begin_rows(&scattered);
    for (int i = 0; i < n; i++) {
        put_part(&parts[i], &scattered);
    }
    end_rows(&scattered);
    RK_TRY_GOTO(done, transpose(&scattered, &sorted));
    *out = (rk_joined){.n_nodes = n_nodes,
                       .n_entries = n_entries,
                       .offsets = sorted.offsets,
                       .columns = sorted.columns,
                       .weights = sorted.weights};
    sorted = (rows){0};
done:
    free_rows(&scattered);
    free_rows(&sorted);
    return status;
}

static rk_status normalise(rk_joined *j)
{
    RK_TRY(rk__alloc(&j->scale, j->n_nodes, sizeof *j->scale, "the joined graph"));
    for (int64_t v = 0; v < j->n_nodes; v++) {
        double sum = 0;
        for (int64_t e = j->offsets[v]; e < j->offsets[v + 1]; e++) {
            sum += j->weights ? (double)j->weights[e] : 1;
        }
        j->scale[v] = sum > 0 ? (float)(1 / sqrt(sum)) : 0;
    }
    return RK_OK;
}

rk_status rk__joined_build(rk_joined *out, int64_t n_nodes, const rk_joined_part *parts, int n)
{
    rk_status status = RK_OK;
    rk_joined_part *mine = NULL;
    rows *within = NULL;
    bool with_weights = false;
    int n_mine = 0;
    *out = (rk_joined){0};
    if (n_nodes > INT32_MAX) {
        RK_FAIL(RK_ERR_DATA, "a graph of %lld nodes is too large: at most %lld", (long long)n_nodes,
                (long long)INT32_MAX);
    }
    RK_TRY_GOTO(done, rk__alloc(&mine, n, sizeof *mine, "the joined graph"));
    RK_TRY_GOTO(done, rk__calloc(&within, n, sizeof *within, "the joined graph"));
    for (int i = 0; i < n; i++) {
        RK_TRY_GOTO(done, check(&parts[i]));
        if (parts[i].weight == 0) {
            continue;
        }
        with_weights = with_weights || is_weighted(&parts[i]);
        mine[n_mine] = parts[i];
        if (parts[i].is_within) {
            RK_TRY_GOTO(done, symmetric(&parts[i], &within[i]));
            mine[n_mine].offsets = within[i].offsets;
            mine[n_mine].columns = within[i].columns;
            mine[n_mine].weights = within[i].weights;
            mine[n_mine].weight = 1;
        }
        n_mine++;
    }
    RK_TRY_GOTO(done, join(out, n_nodes, mine, n_mine, with_weights));
    RK_TRY_GOTO(done, normalise(out));
done:
    for (int i = 0; within && i < n; i++) {
        free_rows(&within[i]);
    }
    rk__free(within);
    rk__free(mine);
    if (status != RK_OK) {
        rk__joined_free(out);
    }
    return status;
}

void rk__joined_free(rk_joined *j)
{
    rk__free(j->offsets);
    rk__free(j->columns);
    rk__free(j->weights);
    rk__free(j->scale);
    *j = (rk_joined){0};
}
