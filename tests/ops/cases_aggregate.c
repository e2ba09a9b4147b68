/*
 * Sums over blocks against plain loops over the list of edges that a block is made of, in an order
 * that is not the block's: rows without edges, rows that are longer than what is summed at once,
 * edges of weight 0, rows of a set and rows from a set.
 */
#include "ops/harness.h"

#include <math.h>

#include "graph/block.h"
#include "ops/edge_draw.h"

static const struct block_shape {
    int64_t rows, columns, edges, types, d;
} shapes[] = {{1, 1, 1, 1, 2},    {7, 5, 0, 2, 4},      {20, 31, 150, 3, 8},
              {9, 40, 400, 5, 6}, {3, 50, 9000, 4, 20}, {33, 12, 300, 2, 64}};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0], MANY = 3, SIZE = 2 };

/* How many sums, and by what. */
typedef enum heads { ONE, ONE_COEFFICIENT, MANY_COEFFICIENTS, BY_TYPE, N_HEADS } heads;
typedef enum at { WHOLE, AT_ROWS, FROM_ROWS, N_AT } at;
static const char *const head_names[] = {"one sum", "a coefficient", "coefficients", "by type"};
static const char *const at_names[] = {"", ", at rows", ", from rows"};
static const char *const compose_names[] = {"copy", "sub", "mult", "corr", "blocks", "blocks_back"};

typedef struct world {
    ops_case *c;
    ops_random r;
    struct block_shape s;
    rk_block_edges edges;
    rk_block_values values;
    int64_t n_out, n_in, n_heads;
    int64_t count, capacity; /* of the row set */
    int32_t *set, *map;      /* rows, and of each node its place */
    rk_aggregate_attr attr;
    at where;
    float *x, *coefficients, *z, *row_scale, *column_scale;
    double *y, *size;
    int64_t d_x, d_y;
} world;

/* Every second edge again at the front, so that the list is in no order; some weights are 0. */
static void make_edges(world *w)
{
    const struct block_shape *s = &w->s;
    int32_t *rows = ops_memory(w->c, s->edges, sizeof *rows);
    int32_t *columns = ops_memory(w->c, s->edges, sizeof *columns);
    int32_t *types = ops_memory(w->c, s->edges, sizeof *types);
    float *weights = ops_reals(w->c, s->edges, &w->r);
    for (int64_t e = 0; e < s->edges; e++) {
        const int64_t row = ops_below(&w->r, s->rows);
        rows[e] = (int32_t)(e % 3 ? 0 : row == 1 ? 0 : row);
        columns[e] = (int32_t)ops_below(&w->r, s->columns);
        types[e] = (int32_t)ops_below(&w->r, s->types);
        weights[e] = e % 7 == 3 ? 0 : weights[e];
    }
    w->edges =
        (rk_block_edges){s->rows, s->columns, s->edges, s->types, rows, columns, weights, types};
}

/* Offsets come last: lists without edges take no memory, so that their address may be that of the
 * next tensor, which must be there. */
static rk_block_values block_inputs(ops_case *c, const rk_block *b)
{
    const int64_t n = b->n_edges;
    rk_block_values v = {.columns = ops_input(c, RK_I32, n, 1, b->columns)};
    v.weights = b->weights ? ops_input(c, RK_F32, n, 1, b->weights) : RK_NONE;
    v.types = b->types ? ops_input(c, RK_I32, n, 1, b->types) : RK_NONE;
    v.back_columns = ops_input(c, RK_I32, n, 1, b->back_columns);
    v.back_edges = ops_input(c, RK_I32, n, 1, b->back_edges);
    v.offsets = ops_input(c, RK_I64, b->n_rows + 1, 1, b->offsets);
    v.back_offsets = ops_input(c, RK_I64, b->n_columns + 1, 1, b->back_offsets);
    return v;
}

/* Nodes 0, 2, 4 ... of n, and room for more. */
static void make_set(world *w, int64_t n)
{
    w->set = ops_memory(w->c, n, sizeof *w->set);
    w->map = ops_memory(w->c, n, sizeof *w->map);
    w->capacity = n;
    for (int64_t v = 0; v < n; v++) {
        w->map[v] = v % 2 ? -1 : (int32_t)w->count;
        if (v % 2 == 0) {
            w->set[w->count++] = (int32_t)v;
        }
    }
}

/* ---- plain loops ---- */

static double phi(const world *w, const float *x, const float *z, int64_t j)
{
    const int64_t block = j / SIZE * SIZE;
    double sum = 0;
    switch (w->attr.compose) {
    case RK_COMPOSE_SUB:
        return (double)x[j] - (double)z[j];
    case RK_COMPOSE_MULT:
        return (double)x[j] * (double)z[j];
    case RK_COMPOSE_CORR: { /* (a - bi)(c + di) = (ac + bd) + (ad - bc)i */
        const double a = (double)x[j - j % 2], b = (double)x[j - j % 2 + 1];
        const double c = (double)z[j - j % 2], d = (double)z[j - j % 2 + 1];
        return j % 2 ? a * d - b * c : a * c + b * d;
    }
    case RK_COMPOSE_BLOCKS:
        for (int64_t i = 0; i < SIZE; i++) {
            sum += (double)x[block + i] * (double)z[(block + i) * SIZE + j - block];
        }
        return sum;
    case RK_COMPOSE_BLOCKS_BACK:
        for (int64_t i = 0; i < SIZE; i++) {
            sum += (double)x[block + i] * (double)z[j * SIZE + i];
        }
        return sum;
    default:
        return (double)x[j];
    }
}

static void add_edge(world *w, int64_t e, const float *x, double *y, double *size)
{
    const int64_t d = w->s.d, t = w->edges.types[e], n_z = d * (w->attr.size ? SIZE : 1);
    const int64_t v = w->attr.transposed ? w->edges.columns[e] : w->edges.rows[e];
    const int64_t u = w->attr.transposed ? w->edges.rows[e] : w->edges.columns[e];
    const double f =
        (double)w->edges.weights[e] * (double)w->row_scale[v] * (double)w->column_scale[u];
    for (int64_t h = 0; h < w->n_heads; h++) {
        double c = f;
        if (w->attr.n_types > 0) {
            c = h == t ? f : 0;
        } else if (w->coefficients) {
            c = f * (double)w->coefficients[t * w->n_heads + h];
        }
        for (int64_t j = 0; j < d && c != 0; j++) {
            const int64_t from = w->attr.sums_heads ? h * d : 0,
                          to = w->attr.sums_heads ? 0 : h * d;
            const double term = c * phi(w, x + from, w->z ? w->z + t * n_z : NULL, j);
            y[to + j] += term;
            size[to + j] += fabs(term) + fabs(c) * (w->z ? 2 : 0);
        }
    }
}

static void expect_sums(world *w)
{
    for (int64_t e = 0; e < w->s.edges; e++) {
        int64_t v = w->attr.transposed ? w->edges.columns[e] : w->edges.rows[e];
        int64_t u = w->attr.transposed ? w->edges.rows[e] : w->edges.columns[e];
        v = w->where == AT_ROWS ? w->map[v] : v;
        u = w->where == FROM_ROWS ? w->map[u] : u;
        if (v >= 0 && u >= 0) {
            add_edge(w, e, w->x + u * w->d_x, w->y + v * w->d_y, w->size + v * w->d_y);
        }
    }
}

/* ---- cases ---- */

static void make_factors(world *w, heads h)
{
    const int64_t d = w->s.d, t = w->s.types;
    w->n_heads = h == BY_TYPE ? t : h == MANY_COEFFICIENTS ? MANY : 1;
    w->d_x = w->attr.sums_heads ? d * w->n_heads : d;
    w->d_y = w->attr.sums_heads ? d : d * w->n_heads;
    w->row_scale = ops_reals(w->c, w->n_out, &w->r);
    w->column_scale = ops_reals(w->c, w->n_in, &w->r);
    w->coefficients = h == ONE_COEFFICIENT || h == MANY_COEFFICIENTS
                          ? ops_reals(w->c, t * w->n_heads, &w->r)
                          : NULL;
    w->z = w->attr.compose == RK_COMPOSE_COPY ? NULL : ops_reals(w->c, t * d * SIZE, &w->r);
}

static void inputs_of(world *w, const rk_block *block, rk_value in[RK_AGGREGATE_INPUTS])
{
    ops_case *c = w->c;
    const int64_t t = w->s.types, n_z = w->s.d * (w->attr.size ? SIZE : 1);
    const bool at_rows = w->where == AT_ROWS;
    const int64_t n_x = w->where == FROM_ROWS ? w->capacity : w->n_in;
    const int32_t count = (int32_t)w->count;
    const rk_block_values b = block_inputs(c, block);
    const rk_value values[RK_AGGREGATE_INPUTS] = {
        b.offsets,
        b.columns,
        b.back_offsets,
        b.back_columns,
        b.back_edges,
        ops_input(c, RK_F32, n_x, w->d_x, w->x),
        b.weights,
        b.types,
        w->coefficients ? ops_input(c, RK_F32, t, w->n_heads, w->coefficients) : RK_NONE,
        w->z ? ops_input(c, RK_F32, t, n_z, w->z) : RK_NONE,
        ops_input(c, RK_F32, w->n_out, 1, w->row_scale),
        ops_input(c, RK_F32, w->n_in, 1, w->column_scale),
        at_rows ? ops_input(c, RK_I32, w->capacity, 1, w->set) : RK_NONE,
        at_rows ? ops_input(c, RK_I32, 1, 1, &count) : RK_NONE,
        w->where == FROM_ROWS ? ops_input(c, RK_I32, w->n_in, 1, w->map) : RK_NONE,
    };
    memcpy(in, values, sizeof values);
}

static rk_value append(world *w, const rk_block *block)
{
    rk_value in[RK_AGGREGATE_INPUTS];
    inputs_of(w, block, in);
    return ops_append(w->c, RK_OP_AGGREGATE, in, RK_AGGREGATE_INPUTS,
                      (rk_attr){.aggregate = w->attr});
}

static void sum_of(int i, heads h, int32_t compose, bool sums_heads, int variant)
{
    world w = {.r = {(uint64_t)(i * 100 + variant) + 1}, .s = shapes[i]};
    w.attr.transposed = variant % 2;
    w.attr.compose = compose;
    w.attr.size = compose >= RK_COMPOSE_BLOCKS ? SIZE : 0;
    w.attr.n_types = h == BY_TYPE ? w.s.types : 0;
    w.attr.sums_heads = sums_heads;
    w.where = (at)(variant / 2 % N_AT);
    w.c = ops_begin("aggregate, shape %d, %s, %s%s%s%s", i, head_names[h], compose_names[compose],
                    sums_heads ? ", sums of heads" : "", w.attr.transposed ? ", transposed" : "",
                    at_names[w.where]);
    rk_block block = {0};
    make_edges(&w);
    assert_ok(rk__block_build(&block, &w.edges));
    w.n_out = w.attr.transposed ? w.s.columns : w.s.rows;
    w.n_in = w.attr.transposed ? w.s.rows : w.s.columns;
    make_set(&w, w.where == FROM_ROWS ? w.n_in : w.n_out);
    make_factors(&w, h);
    w.x = ops_reals(w.c, w.n_in * w.d_x, &w.r);
    w.y = ops_doubles(w.c, w.n_out * w.d_y);
    w.size = ops_doubles(w.c, w.n_out * w.d_y);
    expect_sums(&w);
    ops_expect_reals(w.c, append(&w, &block), w.y, w.size, 4e-6);
    ops_run(w.c, 1);
    rk__block_free(&block);
}

static void aggregate(void)
{
    int variant = 0;
    for (int i = 0; i < N_SHAPES; i++) {
        for (int h = 0; h < N_HEADS; h++) {
            for (int32_t compose = 0; compose <= RK_COMPOSE_BLOCKS_BACK; compose++) {
                for (int sums = 0; sums < 2; sums++) {
                    /* the adjoint of a difference is a copy */
                    if ((h != BY_TYPE || compose == RK_COMPOSE_COPY) &&
                        (!sums || compose != RK_COMPOSE_SUB)) {
                        sum_of(i, (heads)h, compose, sums, variant++);
                    }
                }
            }
        }
        for (int v = 0; v < 2 * N_AT; v++) {
            sum_of(i, ONE, RK_COMPOSE_COPY, false, v);
        }
        variant++; /* the order of variants shifts against that of shapes */
    }
}

/* Neither weights nor any other factor: sums of rows. */
static void plain_sums(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        world w = {.r = {(uint64_t)i + 1}, .s = shapes[i]};
        w.c = ops_begin("aggregate, shape %d, no factors", i);
        rk_block block = {0};
        make_edges(&w);
        w.edges.weights = NULL;
        w.edges.types = NULL;
        w.edges.n_types = 0;
        assert_ok(rk__block_build(&block, &w.edges));
        w.x = ops_reals(w.c, w.s.columns * w.s.d, &w.r);
        w.y = ops_doubles(w.c, w.s.rows * w.s.d);
        w.size = ops_doubles(w.c, w.s.rows * w.s.d);
        for (int64_t k = 0; k < w.s.edges * w.s.d; k++) {
            const int64_t e = k / w.s.d, to = w.edges.rows[e] * w.s.d + k % w.s.d;
            ops_add(&w.y[to], &w.size[to], (double)w.x[w.edges.columns[e] * w.s.d + k % w.s.d]);
        }
        rk_block_values b = block_inputs(w.c, &block);
        rk_value x = ops_input(w.c, RK_F32, w.s.columns, w.s.d, w.x);
        rk_value y = rk__aggregate(ops_program(w.c), b, x, rk__block_inputs(b),
                                   (rk_aggregate_attr){.compose = RK_COMPOSE_COPY});
        ops_expect_reals(w.c, y, w.y, w.size, 1e-5);
        ops_run(w.c, 1);
        rk__block_free(&block);
    }
}

static void all_sums(void)
{
    aggregate();
    plain_sums();
}

/* ---- gradients by factors ---- */

/* An edge of the block, and what is behind it. */
typedef struct edge {
    int64_t number, v, u, t;
    double weight, scale; /* scale: of both nodes */
} edge;

static edge edge_of(const world *w, const rk_block *b, int64_t row, int64_t e)
{
    const bool back = w->attr.transposed;
    edge of = {.number = e, .v = back ? b->columns[e] : row, .u = back ? row : b->columns[e]};
    of.t = b->types[e];
    of.weight = (double)b->weights[e];
    of.scale = (double)w->row_scale[of.v] * (double)w->column_scale[of.u];
    return of;
}

/* <g of sum h of the row, phi of the edge> */
static double product(const world *w, const edge *e, const float *g, int64_t h, const float *z,
                      double *size)
{
    double sum = 0;
    for (int64_t j = 0; j < w->s.d; j++) {
        const double term = (double)g[h * w->s.d + j] * phi(w, w->x + e->u * w->s.d, z, j);
        sum += term;
        *size += fabs(term) + fabs((double)g[h * w->s.d + j]);
    }
    return sum;
}

/* phi is linear in z but for a constant: its derivative by element k is what one there adds. */
static void add_by_z(const world *w, const edge *e, const float *g, int64_t n_z, float *unit,
                     double *out, double *size)
{
    for (int64_t k = 0; k < n_z; k++) {
        for (int64_t h = 0; h < w->n_heads; h++) {
            const double c = w->coefficients ? (double)w->coefficients[e->t * w->n_heads + h] : 1;
            const double f = c * e->weight * e->scale;
            double ignored = 0, term = -product(w, e, g, h, unit, &ignored);
            unit[k] = 1;
            term += product(w, e, g, h, unit, &ignored);
            unit[k] = 0;
            ops_add(&out[e->t * n_z + k], &size[e->t * n_z + k], f * term);
        }
    }
}

static void expect_gradient(const world *w, const rk_block *b, rk_op op, const float *g,
                            double *out, double *size)
{
    const int64_t n_z = w->s.d * (w->attr.size ? SIZE : 1);
    float *zero = ops_memory(w->c, n_z, sizeof *zero);
    for (int64_t row = 0; row < b->n_rows; row++) {
        for (int64_t k = b->offsets[row]; k < b->offsets[row + 1]; k++) {
            const edge e = edge_of(w, b, row, k);
            const int64_t at_row = w->where == AT_ROWS ? w->map[e.v] : e.v;
            const float *of_row = g + at_row * w->n_heads * w->s.d;
            const float *z = w->z ? w->z + e.t * n_z : NULL;
            if (at_row < 0) {
                continue;
            }
            if (op == RK_OP_AGGREGATE_Z_GRAD) {
                add_by_z(w, &e, of_row, n_z, zero, out, size);
                continue;
            }
            for (int64_t h = 0; h < w->n_heads; h++) {
                const double c = w->attr.n_types > 0 ? (double)(h == e.t)
                                 : w->coefficients   ? (double)w->coefficients[e.t * w->n_heads + h]
                                                     : 1;
                const bool of_weight = op == RK_OP_AGGREGATE_WEIGHTS_GRAD;
                const double f = e.scale * (of_weight ? c : e.weight);
                const int64_t to = of_weight ? e.number : e.t * w->n_heads + h;
                double terms = 0;
                out[to] += f * product(w, &e, of_row, h, z, &terms);
                size[to] += fabs(f) * terms;
            }
        }
    }
}

static void gradient_of(rk_op op, int i, heads h, int32_t compose, int variant)
{
    world w = {.r = {(uint64_t)(i * 100 + variant) + 1}, .s = shapes[i]};
    w.attr.transposed = variant % 2;
    w.attr.compose = compose;
    w.attr.size = compose >= RK_COMPOSE_BLOCKS ? SIZE : 0;
    w.attr.n_types = h == BY_TYPE ? w.s.types : 0;
    w.where = variant / 2 % 2 ? AT_ROWS : WHOLE;
    w.c = ops_begin("%s, shape %d, %s, %s%s%s", rk__op_name(op), i, head_names[h],
                    compose_names[compose], w.attr.transposed ? ", transposed" : "",
                    at_names[w.where]);
    rk_block block = {0};
    make_edges(&w);
    assert_ok(rk__block_build(&block, &w.edges));
    w.n_out = w.attr.transposed ? w.s.columns : w.s.rows;
    w.n_in = w.attr.transposed ? w.s.rows : w.s.columns;
    make_set(&w, w.n_out);
    make_factors(&w, h);
    w.x = ops_reals(w.c, w.n_in * w.d_x, &w.r);
    float *g = ops_reals(w.c, w.n_out * w.d_y, &w.r);
    const int64_t n_z = w.s.d * (w.attr.size ? SIZE : 1);
    const int64_t n = op == RK_OP_AGGREGATE_Z_GRAD         ? w.s.types * n_z
                      : op == RK_OP_AGGREGATE_WEIGHTS_GRAD ? w.s.edges
                                                           : w.s.types * w.n_heads;
    double *out = ops_doubles(w.c, n), *size = ops_doubles(w.c, n);
    expect_gradient(&w, &block, op, g, out, size);
    rk_attr attr = {.aggregate = w.attr};
    rk_value in[RK_AGGREGATE_INPUTS];
    inputs_of(&w, &block, in);
    in[RK_AGGREGATE_GRADIENT] = ops_input(w.c, RK_F32, w.n_out, w.d_y, g);
    ops_expect_reals(w.c, ops_append(w.c, op, in, RK_AGGREGATE_INPUTS, attr), out, size, 4e-6);
    ops_run(w.c, 1);
    rk__block_free(&block);
}

static void coefficients_grad(void)
{
    for (int i = 0, variant = 0; i < N_SHAPES; i++, variant++) {
        for (int32_t compose = 0; compose <= RK_COMPOSE_BLOCKS_BACK; compose++) {
            gradient_of(RK_OP_AGGREGATE_COEFFICIENTS_GRAD, i, ONE_COEFFICIENT, compose, variant++);
            gradient_of(RK_OP_AGGREGATE_COEFFICIENTS_GRAD, i, MANY_COEFFICIENTS, compose,
                        variant++);
        }
    }
}

static void z_grad(void)
{
    for (int i = 0, variant = 0; i < N_SHAPES; i++, variant++) {
        for (int32_t compose = RK_COMPOSE_SUB; compose <= RK_COMPOSE_BLOCKS_BACK; compose++) {
            for (int h = ONE; h <= MANY_COEFFICIENTS && shapes[i].edges * shapes[i].d < 20000;
                 h++) {
                gradient_of(RK_OP_AGGREGATE_Z_GRAD, i, (heads)h, compose, variant++);
            }
        }
    }
    gradient_of(RK_OP_AGGREGATE_Z_GRAD, 4, ONE, RK_COMPOSE_CORR, 0);
}

static void weights_grad(void)
{
    for (int i = 0, variant = 0; i < N_SHAPES; i++, variant++) {
        for (int32_t compose = 0; compose <= RK_COMPOSE_BLOCKS_BACK; compose++) {
            gradient_of(RK_OP_AGGREGATE_WEIGHTS_GRAD, i, ONE, compose, variant++);
            gradient_of(RK_OP_AGGREGATE_WEIGHTS_GRAD, i, MANY_COEFFICIENTS, compose, variant++);
        }
        gradient_of(RK_OP_AGGREGATE_WEIGHTS_GRAD, i, BY_TYPE, RK_COMPOSE_COPY, variant++);
    }
}

/* ---- which edges ---- */

/* The number that decides, by hand; both directions of an edge alike, loops never. */
static void edge_mask(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        world w = {.r = {(uint64_t)i + 1}, .s = shapes[i]};
        const rk_mask_attr a = {
            .share = 0.4, .kept = 1.5f, .masked = 0.25f, .stream = i, .each_step = i % 2};
        const rk_step_state state = {.seed = 77, .step = 12, .epoch = 5};
        w.s.rows = w.s.columns = w.s.columns < w.s.rows ? w.s.rows : w.s.columns;
        w.c = ops_begin("edge_mask, shape %d", i);
        rk_block block = {0};
        make_edges(&w);
        assert_ok(rk__block_build(&block, &w.edges));
        const rk_words words =
            rk__philox(77, RK_PURPOSE_MASK, i % 2 ? 12 : 5, (uint64_t)i, i % 2 ? 1 : 0);
        float *out = ops_memory(w.c, w.s.edges, sizeof *out);
        int64_t n_masked = 0;
        for (int64_t v = 0; v < w.s.rows; v++) {
            for (int64_t e = block.offsets[v]; e < block.offsets[v + 1]; e++) {
                const uint64_t u = (uint64_t)block.columns[e], row = (uint64_t)v;
                uint64_t z = ((uint64_t)words.v[0] << 32 | words.v[1]) +
                             (u < row ? u << 32 | row : row << 32 | u);
                z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
                z = (z ^ z >> 27) * 0x94d049bb133111ebu;
                const bool is_masked = (double)((z ^ z >> 31) >> 32) * 0x1p-32 < 0.4;
                out[e] = u == row ? 1 : is_masked ? 0.25f : 1.5f;
                n_masked += is_masked;
            }
        }
        assert_true(w.s.edges < 100 || (n_masked > w.s.edges / 5 && n_masked < w.s.edges * 3 / 5));
        ops_expect_exactly(w.c,
                           rk__edge_mask(ops_program(w.c), block_inputs(w.c, &block),
                                         ops_variable(w.c, RK_STATE, 1, 1, &state), a),
                           out);
        ops_run(w.c, 1);
        rk__block_free(&block);
    }
}

static void degrees_of(int i, bool transposed, bool has_weights)
{
    world w = {.r = {(uint64_t)i + 1}, .s = shapes[i]};
    w.c =
        ops_begin("block_degrees, shape %d, transposed %d, weights %d", i, transposed, has_weights);
    rk_block block = {0};
    make_edges(&w);
    float *weights = ops_memory(w.c, w.s.edges, sizeof *weights);
    for (int64_t e = 0; e < w.s.edges; e++) {
        weights[e] = has_weights ? fabsf(w.edges.weights[e]) : 1;
    }
    w.edges.weights = weights;
    assert_ok(rk__block_build(&block, &w.edges));
    const int64_t n = transposed ? w.s.columns : w.s.rows;
    const double plus = i % 2;
    double *sum = ops_doubles(w.c, n);
    for (int64_t e = 0; e < w.s.edges; e++) {
        sum[transposed ? w.edges.columns[e] : w.edges.rows[e]] += (double)weights[e];
    }
    for (int64_t v = 0; v < n; v++) {
        sum[v] += plus;
        sum[v] = sum[v] == 0 ? 0 : 1 / sqrt(sum[v]);
    }
    rk_block_values b = block_inputs(w.c, &block);
    rk_value y = rk__block_degrees(ops_program(w.c), b, has_weights ? b.weights : RK_NONE,
                                   (rk_degrees_attr){transposed, plus, -0.5});
    ops_expect_reals(w.c, y, sum, sum, 1e-6);
    ops_run(w.c, 1);
    rk__block_free(&block);
}

static void block_degrees(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        for (int variant = 0; variant < 4; variant++) {
            degrees_of(i, variant & 1, variant & 2);
        }
    }
}

const ops_entry ops_cases_aggregate[] = {
    {RK_OP_AGGREGATE, all_sums},
    {RK_OP_AGGREGATE_COEFFICIENTS_GRAD, coefficients_grad},
    {RK_OP_AGGREGATE_Z_GRAD, z_grad},
    {RK_OP_AGGREGATE_WEIGHTS_GRAD, weights_grad},
    {RK_OP_EDGE_MASK, edge_mask},
    {RK_OP_BLOCK_DEGREES, block_degrees},
    {RK_OP_COUNT, NULL},
};
