/* Attention over the edges of a block and its gradients, against plain loops in double. */
#include "ops/harness.h"

#include <math.h>

#include "base/philox.h"

static const struct attention_shape {
    int64_t rows, columns, heads, d;
    double chance;
} shapes[] = {{1, 1, 1, 1, 1},      {5, 7, 2, 3, 0.4},  {20, 30, 8, 8, 0.3},
              {9, 200, 3, 16, 0.8}, {6, 5, 1, 40, 0.5}, {40, 12, 2, 72, 0.6}};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0], LAYER = 3, SEED = 91, STEP = 6 };

/* The variants: with dropout, at the rows of a row set, with weights of which some are 0. */
enum { DROPS = 1, AT_ROWS = 2, COUNTS = 4, N_VARIANTS = 8 };

typedef struct scene {
    ops_case *c;
    ops_random r;
    int64_t rows, columns, heads, d, n_edges;
    int64_t n_out, count; /* rows of the result, in use */
    int64_t *offsets, *back_offsets;
    int32_t *column, *row, *back_column, *back_edge, *at, *map;
    float *a, *b, *x, *counts;
    double *weight, *factor; /* [E, heads]: of the softmax; what it is multiplied with */
    double *y, *size, *lse;  /* of the rows of the result */
    float slope;
    rk_edge_attend_attr attr;
    rk_value in[16];
} scene;

/* Row 0 has every column, the last row none (where there are more than one). */
static void make_edges(scene *s, double chance)
{
    const int64_t most = s->rows * s->columns;
    s->offsets = ops_memory(s->c, s->rows + 1, sizeof *s->offsets);
    s->column = ops_memory(s->c, most, sizeof *s->column);
    s->row = ops_memory(s->c, most, sizeof *s->row);
    for (int64_t v = 0; v < s->rows; v++) {
        for (int64_t u = 0; u < s->columns; u++) {
            const bool is_drawn = ops_real(&s->r) < 2 * chance - 1 && v + 1 < s->rows;
            if (v == 0 || is_drawn) {
                s->column[s->n_edges] = (int32_t)u;
                s->row[s->n_edges++] = (int32_t)v;
            }
        }
        s->offsets[v + 1] = s->n_edges;
    }
    s->back_offsets = ops_memory(s->c, s->columns + 1, sizeof *s->back_offsets);
    s->back_column = ops_memory(s->c, most, sizeof *s->back_column);
    s->back_edge = ops_memory(s->c, most, sizeof *s->back_edge);
    int64_t n = 0;
    for (int64_t u = 0; u < s->columns; u++) {
        for (int64_t e = 0; e < s->n_edges; e++) {
            if (s->column[e] == u) {
                s->back_column[n] = s->row[e];
                s->back_edge[n++] = (int32_t)e;
            }
        }
        s->back_offsets[u + 1] = n;
    }
}

/* All rows, or every second one and one place more than there are such. */
static void choose_rows(scene *s, bool at_rows)
{
    s->at = ops_memory(s->c, s->rows + 1, sizeof *s->at);
    s->map = ops_memory(s->c, s->rows, sizeof *s->map);
    for (int64_t v = 0; v < s->rows; v++) {
        const bool is_in = !at_rows || v % 2 == 0;
        s->map[v] = is_in ? (int32_t)s->count : -1;
        if (is_in) {
            s->at[s->count++] = (int32_t)v;
        }
    }
    s->n_out = at_rows ? s->count + 1 : s->rows;
}

static double leaky(const scene *s, int64_t e, int64_t h)
{
    const double z = (double)(s->a[s->row[e] * s->heads + h] + s->b[s->column[e] * s->heads + h]);
    return z > 0 ? z : (double)s->slope * z;
}

static void find_weights(scene *s, bool drops)
{
    const rk_words w = rk__philox(SEED, RK_PURPOSE_DROPOUT, STEP, 0, LAYER);
    s->weight = ops_doubles(s->c, s->n_edges * s->heads);
    s->factor = ops_doubles(s->c, s->n_edges * s->heads);
    double *sum = ops_doubles(s->c, s->rows * s->heads);
    for (int64_t i = 0; i < s->n_edges * s->heads; i++) {
        uint64_t z = ((uint64_t)w.v[0] << 32 | w.v[1]) + (uint64_t)i;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        const bool is_kept = (double)((z ^ z >> 31) >> 32) * 0x1p-32 >= 0.4;
        s->factor[i] = !drops ? 1 : is_kept ? 1 / 0.6 : 0;
        s->weight[i] = (double)s->counts[i / s->heads] * exp(leaky(s, i / s->heads, i % s->heads));
        sum[s->row[i / s->heads] * s->heads + i % s->heads] += s->weight[i];
    }
    for (int64_t i = 0; i < s->n_edges * s->heads; i++) {
        const double total = sum[s->row[i / s->heads] * s->heads + i % s->heads];
        s->weight[i] = total > 0 ? s->weight[i] / total : 0;
    }
    s->lse = ops_doubles(s->c, s->n_out * s->heads);
    for (int64_t r = 0; r < s->count; r++) {
        for (int64_t h = 0; h < s->heads; h++) {
            const double total = sum[s->at[r] * s->heads + h];
            s->lse[r * s->heads + h] = total > 0 ? log(total) : 0;
        }
    }
}

static void find_result(scene *s)
{
    const int64_t width = s->heads * s->d;
    s->y = ops_doubles(s->c, s->n_out * width);
    s->size = ops_doubles(s->c, s->n_out * width);
    for (int64_t e = 0; e < s->n_edges; e++) {
        for (int64_t j = 0; j < width && s->map[s->row[e]] >= 0; j++) {
            const int64_t i = e * s->heads + j / s->d, to = s->map[s->row[e]] * width + j;
            ops_add(&s->y[to], &s->size[to],
                    s->weight[i] * s->factor[i] * (double)s->x[s->column[e] * width + j]);
        }
    }
}

static scene begin(const char *what, int i, int variant)
{
    const struct attention_shape *t = &shapes[i];
    scene s = {.c = ops_begin("%s, shape %d, variant %d", what, i, variant),
               .r = {(uint64_t)(10 * i + variant + 1)},
               .rows = t->rows,
               .columns = t->columns,
               .heads = t->heads,
               .d = t->d,
               .slope = i % 3 == 2 ? 0 : 0.2f};
    const bool drops = variant & DROPS, at_rows = variant & AT_ROWS, counts = variant & COUNTS;
    const rk_step_state state = {.seed = SEED, .step = STEP};
    const int64_t width = t->heads * t->d;
    make_edges(&s, t->chance);
    choose_rows(&s, at_rows);
    s.a = ops_reals(s.c, t->rows * t->heads, &s.r);
    s.b = ops_reals(s.c, t->columns * t->heads, &s.r);
    s.x = ops_reals(s.c, t->columns * width, &s.r);
    s.counts = ops_memory(s.c, s.n_edges, sizeof *s.counts);
    for (int64_t e = 0; e < s.n_edges; e++) { /* none of the row before the last one */
        const bool is_out = s.row[e] == s.rows - 2 || e % 5 == 3;
        s.counts[e] = !counts ? 1 : is_out ? 0 : (float)(1 + e % 3);
    }
    find_weights(&s, drops);
    find_result(&s);
    s.attr = (rk_edge_attend_attr){.heads = (int32_t)t->heads, .slope = s.slope, .layer = LAYER};
    s.attr.dropout = drops ? 0.4 : 0;
    const int32_t count = (int32_t)s.count;
    const rk_value in[] = {
        ops_input(s.c, RK_I64, t->rows + 1, 1, s.offsets),
        ops_input(s.c, RK_I32, s.n_edges, 1, s.column),
        ops_input(s.c, RK_I64, t->columns + 1, 1, s.back_offsets),
        ops_input(s.c, RK_I32, s.n_edges, 1, s.back_column),
        ops_input(s.c, RK_I32, s.n_edges, 1, s.back_edge),
        ops_input(s.c, RK_F32, t->rows, t->heads, s.a),
        ops_input(s.c, RK_F32, t->columns, t->heads, s.b),
        ops_input(s.c, RK_F32, t->columns, width, s.x),
        drops ? ops_variable(s.c, RK_STATE, 1, 1, &state) : RK_NONE,
        counts ? ops_input(s.c, RK_F32, s.n_edges, 1, s.counts) : RK_NONE,
        at_rows ? ops_input(s.c, RK_I32, t->rows, 1, s.map) : RK_NONE,
        at_rows ? ops_input(s.c, RK_I32, s.n_out, 1, s.at) : RK_NONE,
        at_rows ? ops_input(s.c, RK_I32, 1, 1, &count) : RK_NONE,
    };
    memcpy(s.in, in, sizeof in);
    return s;
}

/* Sizes of numbers around 1 and more. */
static const double *sizes(const scene *s, const double *of, int64_t n)
{
    double *size = ops_doubles(s->c, n);
    for (int64_t i = 0; i < n; i++) {
        size[i] = 1 + fabs(of[i]);
    }
    return size;
}

static void edge_attend(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        for (int variant = 0; variant < N_VARIANTS; variant++) {
            scene s = begin("edge_attend", i, variant);
            rk_program *p = ops_program(s.c);
            rk_value y =
                ops_append(s.c, RK_OP_EDGE_ATTEND, s.in, 13, (rk_attr){.edge_attend = s.attr});
            rk_value lse = p->nodes[p->n_nodes - 1].out[1];
            ops_expect_reals(s.c, y, s.y, s.size, 2e-6);
            ops_expect_reals(s.c, lse, s.lse, sizes(&s, s.lse, s.n_out * s.heads), 1e-6);
            ops_run(s.c, 1);
        }
    }
}

/* Each exponent's derivative by the whole matrix of the softmax. */
static void edge_attend_grad(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        for (int variant = 0; variant < N_VARIANTS; variant++) {
            scene s = begin("edge_attend_grad", i, variant);
            const int64_t heads = s.heads, width = heads * s.d;
            float *g = ops_reals(s.c, s.n_out * width, &s.r);
            float *y = ops_memory(s.c, s.n_out * width, sizeof *y);
            float *lse = ops_memory(s.c, s.n_out * heads, sizeof *lse);
            double *product = ops_doubles(s.c, s.n_edges * heads);
            double *da = ops_doubles(s.c, s.n_out * heads),
                   *db = ops_doubles(s.c, s.columns * heads);
            double *dx = ops_doubles(s.c, s.columns * width);
            double *of_a = ops_doubles(s.c, s.n_out * heads);
            double *of_b = ops_doubles(s.c, s.columns * heads);
            double *of_x = ops_doubles(s.c, s.columns * width);
            for (int64_t j = 0; j < s.n_out * width; j++) {
                y[j] = (float)s.y[j];
            }
            for (int64_t j = 0; j < s.n_out * heads; j++) {
                lse[j] = (float)s.lse[j];
            }
            for (int64_t e = 0; e < s.n_edges; e++) {
                const int64_t r = s.map[s.row[e]];
                for (int64_t j = 0; j < width && r >= 0; j++) {
                    const int64_t at = e * heads + j / s.d, to = s.column[e] * width + j;
                    const double of_y = (double)g[r * width + j] * s.factor[at];
                    product[at] += of_y * (double)s.x[to];
                    ops_add(&dx[to], &of_x[to], of_y * s.weight[at]);
                }
            }
            for (int64_t e = 0; e < s.n_edges; e++) {
                const int64_t v = s.row[e], r = s.map[v];
                for (int64_t h = 0; h < heads && r >= 0; h++) {
                    double sum = 0, size = 0;
                    for (int64_t f = s.offsets[v]; f < s.offsets[v + 1]; f++) {
                        const double term = s.weight[e * heads + h] * product[f * heads + h];
                        ops_add(&sum, &size, f == e ? term : 0);
                        ops_add(&sum, &size, -term * s.weight[f * heads + h]);
                    }
                    sum *= leaky(&s, e, h) > 0 ? 1 : (double)s.slope;
                    da[r * heads + h] += sum;
                    of_a[r * heads + h] += size;
                    db[s.column[e] * heads + h] += sum;
                    of_b[s.column[e] * heads + h] += size;
                }
            }
            s.in[11] = ops_input(s.c, RK_F32, s.n_out, width, y);
            s.in[12] = ops_input(s.c, RK_F32, s.n_out, heads, lse);
            s.in[13] = ops_input(s.c, RK_F32, s.n_out, width, g);
            rk_program *p = ops_program(s.c);
            rk_value out =
                ops_append(s.c, RK_OP_EDGE_ATTEND_GRAD, s.in, 14, (rk_attr){.edge_attend = s.attr});
            const rk_node *node = &p->nodes[p->n_nodes - 1];
            ops_expect_reals(s.c, out, da, of_a, 1e-5);
            ops_expect_reals(s.c, node->out[1], db, of_b, 1e-5);
            ops_expect_reals(s.c, node->out[2], dx, of_x, 4e-6);
            ops_run(s.c, 1);
        }
    }
}

const ops_entry ops_cases_attention[] = {
    {RK_OP_EDGE_ATTEND, edge_attend},
    {RK_OP_EDGE_ATTEND_GRAD, edge_attend_grad},
    {RK_OP_COUNT, NULL},
};
