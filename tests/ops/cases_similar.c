/* Items similar to items: every similarity by plain sums over users, tables as lists, sums of rows.
 * Graphs have items that nobody has, users who have nearly everything, and many ties. */
#include <math.h>

#include "ops/harness.h"
#include "ops/similar_value.h"

/* ---- item_neighbours ---- */

static const struct similar_shape {
    int64_t users, items;
    double chance;
    int32_t k;
    bool is_large; /* for one kind with weights and one without */
} shapes[] = {
    {1, 1, 1.0, 1, false},       {3, 4, 0.5, 2, false},   {5, 2, 0.0, 3, false},
    {1, 9, 1.0, 4, false},       {33, 7, 0.4, 50, false}, {9, 60, 0.5, 60, false},
    {40, 300, 0.2, 20, false},   {90, 70, 0.3, 5, false}, {12, 1300, 0.9, 5, true},
    {6, 1100, 0.02, 1100, true},
};

static const struct similar_kind {
    int32_t kind;
    double shrinkage, alpha;
    bool weighted;
} kinds[] = {
    {RK_SIMILARITY_COSINE, 0, 0, false},     {RK_SIMILARITY_COSINE, 2.5, 0, false},
    {RK_SIMILARITY_JACCARD, 0, 0, false},    {RK_SIMILARITY_JACCARD, 10, 0, false},
    {RK_SIMILARITY_TFIDF, 0, 0, true},       {RK_SIMILARITY_TFIDF, 3, 0, true},
    {RK_SIMILARITY_BM25, 0, 0, true},        {RK_SIMILARITY_ASYMMETRIC, 0, 0.5, false},
    {RK_SIMILARITY_ASYMMETRIC, 0, 1, false}, {RK_SIMILARITY_ASYMMETRIC, 1, 0.2, false},
    {RK_SIMILARITY_PEARSON, 0, 0, false},    {RK_SIMILARITY_PEARSON, 5, 0, false},
    {RK_SIMILAR_WALK, 0, 1, true},           {RK_SIMILAR_WALK, 4, 0.7, true},
};

typedef struct similar_case {
    const struct similar_kind *kind;
    ops_graph g;
    const char *has;      /* [users, items] */
    const float *weights; /* [users], ones if the kind has none */
    const float *factors; /* [items], of a walk two of each */
} similar_case;

static char *flags_of(ops_case *c, const ops_graph *g)
{
    char *has = ops_memory(c, g->n_users * g->n_items, 1);
    for (int64_t u = 0; u < g->n_users; u++) {
        for (int64_t e = g->offsets[u]; e < g->offsets[u + 1]; e++) {
            has[u * g->n_items + g->columns[e] - g->n_users] = 1;
        }
    }
    return has;
}

/* The correlation of two columns by their means. Sums that are 0 but for rounding are 0. */
static double correlation(double both, double a, double b, double n)
{
    double alone_a = a - both, alone_b = b - both, none = n - a - b + both;
    double mean_a = a / n, mean_b = b / n;
    double sum = both * (1 - mean_a) * (1 - mean_b) - alone_a * (1 - mean_a) * mean_b -
                 alone_b * mean_a * (1 - mean_b) + none * mean_a * mean_b;
    double squares_a = a * (1 - mean_a) * (1 - mean_a) + (n - a) * mean_a * mean_a;
    double squares_b = b * (1 - mean_b) * (1 - mean_b) + (n - b) * mean_b * mean_b;
    double size = sqrt(squares_a * squares_b);
    return sum < 1e-12 || size < 1e-12 ? 0 : sum / size;
}

static double similarity(const similar_case *s, int64_t i, int64_t j)
{
    double both = 0, together = 0, a = 0, b = 0, value = 0, alpha = s->kind->alpha;
    for (int64_t u = 0; u < s->g.n_users; u++) {
        const char *has = s->has + u * s->g.n_items;
        both += has[i] && has[j];
        together += has[i] && has[j] ? (double)s->weights[u] : 0;
        a += has[i];
        b += has[j];
    }
    if (both == 0) {
        return 0;
    }
    switch (s->kind->kind) {
    case RK_SIMILARITY_COSINE:
        value = both / sqrt(a * b);
        break;
    case RK_SIMILARITY_JACCARD:
        value = both / (a + b - both);
        break;
    case RK_SIMILARITY_TFIDF:
        value = together / sqrt((double)s->factors[i] * (double)s->factors[j]);
        break;
    case RK_SIMILARITY_BM25:
        value = together * (double)s->factors[i] * (double)s->factors[j];
        break;
    case RK_SIMILAR_WALK:
        value = pow(together * (double)s->factors[2 * i] * (double)s->factors[2 * j + 1], alpha);
        break;
    case RK_SIMILARITY_ASYMMETRIC:
        value = both / (pow(a, alpha) * pow(b, 1 - alpha));
        break;
    default:
        value = correlation(both, a, b, (double)s->g.n_users);
        break;
    }
    return value * both / (both + s->kind->shrinkage);
}

typedef struct scored {
    float value;
    int32_t item;
} scored;

static int best_first(const void *left, const void *right)
{
    const scored *a = left, *b = right;
    if (a->value != b->value) {
        return a->value > b->value ? -1 : 1;
    }
    return (a->item > b->item) - (a->item < b->item);
}

/* Of the kinds here the last one lets items be neighbours of themselves. */
static bool has_self(const struct similar_kind *kind)
{
    return kind->kind == RK_SIMILAR_WALK && kind->alpha != 1;
}

static void expected_neighbours(const similar_case *s, int64_t i, int32_t k, scored *work,
                                int32_t *items, double *values)
{
    int64_t n = 0;
    for (int64_t j = 0; j < s->g.n_items; j++) {
        float value = j == i && !has_self(s->kind) ? 0 : (float)similarity(s, i, j);
        if (value > 0) {
            work[n++] = (scored){value, (int32_t)j};
        }
    }
    qsort(work, (size_t)n, sizeof *work, best_first);
    for (int32_t r = 0; r < k; r++) {
        items[r] = r < n ? work[r].item : -1;
        values[r] = r < n ? (double)work[r].value : 0;
    }
}

static float *above_zero(ops_case *c, int64_t n, ops_random *r)
{
    float *x = ops_reals(c, n, r);
    for (int64_t i = 0; i < n; i++) {
        x[i] = 0.1f + fabsf(x[i]);
    }
    return x;
}

static void neighbours_of(const struct similar_shape *shape, const struct similar_kind *kind)
{
    ops_random r = {(uint64_t)(shape->users * 1000 + shape->items)};
    ops_case *c = ops_begin("item_neighbours of %d users and %d items, kind %d, shrinkage %g",
                            (int)shape->users, (int)shape->items, (int)kind->kind, kind->shrinkage);
    similar_case s = {.kind = kind};
    s.g = ops_make_graph(c, shape->users, shape->items, shape->chance, &r);
    s.has = flags_of(c, &s.g);
    s.weights = above_zero(c, shape->users, &r);
    const int64_t factors = kind->kind == RK_SIMILAR_WALK ? 2 : 1;
    s.factors = above_zero(c, factors * shape->items, &r);
    int64_t cells = shape->items * shape->k;
    int32_t *items = ops_memory(c, cells, sizeof *items);
    double *values = ops_doubles(c, cells);
    scored *work = ops_memory(c, shape->items, sizeof *work);
    for (int64_t i = 0; i < shape->items; i++) {
        expected_neighbours(&s, i, shape->k, work, items + i * shape->k, values + i * shape->k);
    }
    rk_graph_values graph = ops_graph_inputs(c, &s.g);
    rk_value weight = RK_NONE, factor = RK_NONE;
    if (kind->weighted) {
        weight = ops_input(c, RK_F32, shape->users, 1, s.weights);
        factor = ops_input(c, RK_F32, shape->items, factors, s.factors);
    }
    rk_value out_items = ops_variable(c, RK_I32, shape->items, shape->k, NULL);
    rk_value out_values = ops_variable(c, RK_F32, shape->items, shape->k, NULL);
    rk__item_neighbours(ops_program(c), (rk_csr_values){graph.offsets, graph.columns, RK_NONE},
                        weight, factor,
                        (rk_similar_attr){.kind = kind->kind,
                                          .k = shape->k,
                                          .shrinkage = kind->shrinkage,
                                          .alpha = kind->alpha,
                                          .with_self = has_self(kind),
                                          .n_users = shape->users,
                                          .n_items = shape->items},
                        out_items, out_values);
    ops_expect_exactly(c, out_items, items);
    ops_expect_reals(c, out_values, values, values, 1e-6);
    ops_run(c, 2); /* twice: nothing is left over from the first */
}

static void item_neighbours(void)
{
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
            const bool is_middling = shapes[i].users * shapes[i].items > 6000;
            if (shapes[i].is_large ? k == 0 || k == 5 : !is_middling || (i + k) % 2 == 0) {
                neighbours_of(&shapes[i], &kinds[k]);
            }
        }
    }
}

/* ---- neighbour_lists ---- */

static const struct table_shape {
    int64_t items, k;
    int missing; /* of 4 items so many have fewer neighbours than K */
} tables[] = {{1, 1, 4}, {2, 1, 0}, {7, 5, 2}, {40, 3, 1}, {65, 64, 3}, {300, 20, 2}, {1500, 2, 1}};

/* Distinct neighbours; item 0 is one of most items. */
static void make_table(int64_t n, int64_t k, int missing, ops_random *r, int32_t *items,
                       float *values)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t has = ops_below(r, 4) < missing ? ops_below(r, k + 1) : k;
        int64_t step = 1 + (n > 2 ? ops_below(r, n / 2 > k ? n / (2 * k) + 1 : 1) : 0);
        int64_t first = i % 3 == 0 ? i + 1 : n - (i % 2) * step;
        for (int64_t e = 0; e < k; e++) {
            items[i * k + e] = e < has && k < n ? (int32_t)((first + e * step) % n) : -1;
            values[i * k + e] = items[i * k + e] < 0 ? 0 : 0.1f + fabsf(values[i * k + e]);
        }
    }
}

/* S_ik of entry e of the table, as a float. */
static double entry_value(const float *values, int64_t e, int64_t k, bool unit_sum)
{
    double sum = 0;
    for (int64_t j = e / k * k; j < (e / k + 1) * k; j++) {
        sum += (double)values[j];
    }
    return unit_sum ? (double)(float)((double)values[e] / sum) : (double)values[e];
}

static void lists_of(const struct table_shape *t, bool transposed, bool unit_sum, bool has_mean)
{
    int64_t n = t->items, k = t->k, at = 0;
    ops_random r = {(uint64_t)(n * 100 + k)};
    ops_case *c = ops_begin("neighbour_lists of %d items, %d neighbours, transposed %d, unit %d",
                            (int)n, (int)k, transposed, unit_sum);
    int32_t *items = ops_memory(c, n * k, sizeof *items);
    float *values = ops_reals(c, n * k, &r), *mean = above_zero(c, n, &r);
    make_table(n, k, t->missing, &r, items, values);
    int64_t *offsets = ops_memory(c, n + 1, sizeof *offsets);
    int32_t *columns = ops_memory(c, n * k, sizeof *columns);
    double *y = ops_doubles(c, n * k), *bias = ops_doubles(c, n), *size = ops_doubles(c, n);
    for (int64_t row = 0; row < n; row++) {
        for (int64_t e = 0; e < n * k; e++) {
            if (items[e] >= 0 && row == (transposed ? items[e] : e / k)) {
                columns[at] = (int32_t)(transposed ? e / k : items[e]);
                y[at++] = entry_value(values, e, k, unit_sum);
            }
        }
        offsets[row + 1] = at;
        for (int64_t e = row * k; has_mean && e < (row + 1) * k; e++) {
            if (items[e] >= 0) {
                double m = (double)mean[items[e]];
                ops_add(&bias[row], &size[row], -entry_value(values, e, k, unit_sum) * m);
            }
        }
        if (has_mean) {
            ops_add(&bias[row], &size[row], (double)mean[row]);
        }
    }
    rk_neighbour_lists lists = rk__neighbour_lists(
        ops_program(c), ops_input(c, RK_I32, n, k, items), ops_input(c, RK_F32, n, k, values),
        has_mean ? ops_input(c, RK_F32, n, 1, mean) : RK_NONE,
        (rk_neighbour_lists_attr){transposed, unit_sum});
    ops_expect_exactly(c, lists.offsets, offsets);
    ops_expect_exactly(c, lists.columns, columns);
    ops_expect_reals(c, lists.values, y, y, 1e-6);
    ops_expect_reals(c, lists.bias, bias, size, 1e-6);
    ops_run(c, 2);
}

static void neighbour_lists(void)
{
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        for (int form = 0; form < 4; form++) {
            lists_of(&tables[i], form & 1, form & 2, form != 1);
        }
    }
}

/* ---- row_sums ---- */

static void sums_of(int64_t rows, int64_t longest, rk_range_attr range, bool has_values,
                    double plus, double power)
{
    ops_random r = {(uint64_t)(rows * 7 + longest)};
    ops_case *c = ops_begin("row_sums of %d rows, values %d", (int)rows, has_values);
    int64_t *offsets = ops_memory(c, rows + 1, sizeof *offsets);
    for (int64_t i = 0; i < rows; i++) {
        offsets[i + 1] = offsets[i] + (i % 3 == 1 ? 0 : ops_below(&r, longest + 1));
    }
    int64_t capacity = offsets[rows] + 5; /* more than there is */
    int32_t *columns = ops_memory(c, capacity, sizeof *columns);
    float *values = ops_reals(c, capacity, &r);
    double *y = ops_doubles(c, range.n), *size = ops_doubles(c, range.n);
    for (int64_t i = 0; i < range.n; i++) {
        for (int64_t e = offsets[range.first + i]; e < offsets[range.first + i + 1]; e++) {
            ops_add(&y[i], &size[i], has_values ? (double)values[e] : 1);
        }
    }
    for (int64_t i = 0; i < range.n && power != 1; i++) {
        y[i] += plus;
        y[i] = y[i] == 0 ? 0 : pow(y[i], power);
        size[i] = y[i];
    }
    rk_csr_values csr = {ops_input(c, RK_I64, rows + 1, 1, offsets),
                         ops_input(c, RK_I32, capacity, 1, columns),
                         has_values ? ops_input(c, RK_F32, capacity, 1, values) : RK_NONE};
    rk_value sums = power == 1 ? rk__row_sums(ops_program(c), csr, range)
                               : rk__row_powers(ops_program(c), csr, range, plus, power);
    ops_expect_reals(c, sums, y, size, 1e-6);
    ops_run(c, 1);
}

static void row_sums(void)
{
    for (int has_values = 0; has_values < 2; has_values++) {
        sums_of(1, 3, (rk_range_attr){0, 1}, has_values, 0, 1);
        sums_of(9, 1, (rk_range_attr){2, 6}, has_values, 0, 1);
        sums_of(200, 40, (rk_range_attr){0, 200}, has_values, 0, 1);
        sums_of(150, 400, (rk_range_attr){50, 100}, has_values, 0, 1);
        sums_of(40, 0, (rk_range_attr){39, 1}, has_values, 0, 1);
    }
    sums_of(60, 9, (rk_range_attr){10, 40}, false, 0, -0.4);
    sums_of(60, 9, (rk_range_attr){10, 40}, true, 40, -0.5);
    sums_of(3, 0, (rk_range_attr){0, 3}, false, 0, -0.4);
}

/* ---- nearest_lists ---- */

static const struct nearest_shape {
    int64_t tile, count, rows, columns;
    int32_t k;
    bool has_self;
} nearest_shapes[] = {
    {1, 1, 1, 1, 1, false},      {3, 3, 7, 5, 2, true}, {5, 2, 40, 12, 9, true},
    {2, 2, 30, 9, 45, false},    {4, 0, 6, 6, 3, true}, {3, 2, 2500, 14, 20, true},
    {2, 2, 1500, 8, 1500, true},
};

/* A query of these weights (0: not in its list) and a row as vectors. */
static double nearness(const struct similar_kind *kind, const double *query, const char *row,
                       int64_t n)
{
    double both = 0, size = 0, own = 0, all = (double)n;
    for (int64_t i = 0; i < n; i++) {
        both += row[i] ? query[i] : 0;
        own += query[i] * query[i];
        size += row[i];
    }
    double value = 0;
    switch (both > 0 ? kind->kind : -1) {
    case RK_SIMILARITY_COSINE:
        value = both / (sqrt(own) * sqrt(size));
        break;
    case RK_SIMILARITY_JACCARD:
        value = both / (own + size - both);
        break;
    case RK_SIMILARITY_ASYMMETRIC:
        value = both / (pow(own, kind->alpha) * pow(size, 1 - kind->alpha));
        break;
    case RK_SIMILARITY_PEARSON:
        value = correlation(both, own, size, all);
        break;
    default:
        break;
    }
    return both > 0 ? value * both / (both + kind->shrinkage) : 0;
}

static void nearest_of(const struct nearest_shape *s, const struct similar_kind *kind)
{
    ops_random r = {(uint64_t)(s->tile * 1000 + s->rows)};
    ops_case *c = ops_begin("nearest_lists of %d rows, %d columns, kind %d, shrinkage %g",
                            (int)s->rows, (int)s->columns, (int)kind->kind, kind->shrinkage);
    /* the weights of pearson are 1: correlations of sets */
    const bool is_weighted = kind->kind != RK_SIMILARITY_PEARSON && s->columns > 5;
    const int64_t n = s->columns, cells = s->tile * s->k;
    char *rows = ops_memory(c, s->rows * n, 1);
    float *sizes = ops_memory(c, s->rows, sizeof *sizes);
    float *common = ops_memory(c, s->tile * s->rows, sizeof *common);
    float *weights = ops_memory(c, s->tile * n + 1, sizeof *weights);
    int64_t *offsets = ops_memory(c, s->tile + 1, sizeof *offsets);
    int64_t *out_offsets = ops_memory(c, s->tile + 1, sizeof *out_offsets);
    int32_t *self = ops_memory(c, s->tile, sizeof *self);
    int32_t *items = ops_memory(c, cells, sizeof *items);
    double *values = ops_doubles(c, cells), *query = ops_doubles(c, n);
    scored *work = ops_memory(c, s->rows, sizeof *work);
    for (int64_t e = 0; e < s->rows * n; e++) {
        rows[e] = ops_below(&r, 3) == 0;
        sizes[e / n] += rows[e];
    }
    for (int64_t t = 0; t < s->tile; t++) {
        int64_t found = 0;
        self[t] = t % 2 ? -1 : (int32_t)ops_below(&r, s->rows);
        offsets[t + 1] = offsets[t];
        out_offsets[t + 1] = (t < s->count ? t + 1 : s->count) * s->k;
        for (int64_t i = 0; i < n; i++) {
            bool has = t < s->count && ops_below(&r, 2) == 0;
            query[i] = !has ? 0 : is_weighted ? (double)(1 + ops_below(&r, 4)) / 2 : 1;
            if (has) {
                weights[offsets[t + 1]++] = (float)query[i];
            }
        }
        for (int64_t row = 0; row < s->rows; row++) {
            double both = 0;
            for (int64_t i = 0; i < n; i++) {
                both += rows[row * n + i] ? query[i] : 0;
            }
            common[t * s->rows + row] = (float)both;
            float value = (float)nearness(kind, query, rows + row * n, n);
            if (value > 0 && !(s->has_self && row == self[t])) {
                work[found++] = (scored){value, (int32_t)row};
            }
        }
        qsort(work, (size_t)found, sizeof *work, best_first);
        for (int64_t i = 0; i < s->k && i < found && t < s->count; i++) {
            items[t * s->k + i] = work[i].item;
            values[t * s->k + i] = (double)work[i].value;
        }
    }
    const int32_t count = (int32_t)s->count;
    const rk_tile_lists lists = {ops_input(c, RK_I64, s->tile + 1, 1, offsets), RK_NONE,
                                 ops_input(c, RK_F32, s->tile * n + 1, 1, weights)};
    rk_tile_lists nearest =
        rk__nearest_lists(ops_program(c), ops_input(c, RK_F32, s->tile, s->rows, common), lists,
                          ops_input(c, RK_F32, s->rows, 1, sizes),
                          s->has_self ? ops_input(c, RK_I32, s->tile, 1, self) : RK_NONE,
                          ops_input(c, RK_I32, 1, 1, &count),
                          (rk_similar_attr){.kind = kind->kind,
                                            .k = s->k,
                                            .shrinkage = kind->shrinkage,
                                            .alpha = kind->alpha,
                                            .n_users = n});
    ops_expect_exactly(c, nearest.offsets, out_offsets);
    if (kind->kind != RK_SIMILARITY_PEARSON) { /* whose ties are only as near as rounding */
        ops_expect_exactly(c, nearest.items, items);
    }
    ops_expect_reals(c, nearest.weights, values, values, 2e-6);
    ops_run(c, 2);
}

static void nearest_lists(void)
{
    for (size_t i = 0; i < sizeof nearest_shapes / sizeof nearest_shapes[0]; i++) {
        for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
            bool is_set = !kinds[k].weighted;
            if (is_set && (nearest_shapes[i].rows < 1000 || k % 3 == 0)) {
                nearest_of(&nearest_shapes[i], &kinds[k]);
            }
        }
    }
}

const ops_entry ops_cases_similar[] = {
    {RK_OP_ITEM_NEIGHBOURS, item_neighbours},
    {RK_OP_NEIGHBOUR_LISTS, neighbour_lists},
    {RK_OP_ROW_SUMS, row_sums},
    {RK_OP_NEAREST_LISTS, nearest_lists},
    {RK_OP_COUNT, NULL},
};
