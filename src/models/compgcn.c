/*
 * CompGCN (Vashishth, Sanyal, Nitin, Talukdar: Composition-based multi-relational graph
 * convolutional networks, ICLR 2020) as an encoder of users, items and further nodes. The
 * interactions and each of model.relations have a vector z, one for each direction, and
 *   y_v = 1/3 (sum over forward edges of n phi(x_u, z_t) W_f + the same backward W_b
 *              + phi(x_v, z_loop) W_s) + b,
 * with model.gather_dropout on the first two parts; phi of model.composition: difference, product,
 * or circular correlation; n of model.edges over the edges of a direction. The vectors of relations
 * go through a matrix between layers, z' = z W_z.
 *
 * The correlation is a product in the Fourier basis, conj(F x) * (F z), so that with F as a
 * constant matrix it is summed over edges like any other product.
 */
#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "models/relational.h"

static const char *const table = "relation";

enum { FIRST_DROPOUT = 192 }; /* of what is gathered, behind those between layers */

/* ---- a layer ---- */

static rk_value part(rk_program *p, rk_value sums, int64_t number, int64_t width,
                     const rk_compgcn_weights *w, rk_value matrix, rk_value bias)
{
    const rk_gemm_attr third = {.alpha = 1.0F / 3};
    rk_value x = rk__take_columns(p, sums, number * width, width);
    rk_value by = w->inverse == RK_NONE ? matrix : rk__gemm(p, w->inverse, matrix, RK_NONE);
    return rk__gemm_of(p, x, by, bias, RK_NONE, third);
}

rk_value rk__compgcn_layer(rk_program *p, rk_block_values block, rk_value weights, rk_value x,
                           rk_value z, rk_compgcn_weights w)
{
    rk_aggregate_inputs in = rk__block_inputs(block);
    const rk_aggregate_attr attr = {.compose = w.composition == RK_COMPOSITION_SUB ? RK_COMPOSE_SUB
                                               : w.composition == RK_COMPOSITION_MULT
                                                   ? RK_COMPOSE_MULT
                                                   : RK_COMPOSE_CORR};
    if (w.fourier != RK_NONE) {
        x = rk__gemm(p, x, w.fourier, RK_NONE);
        z = rk__gemm(p, z, w.fourier, RK_NONE);
    }
    in.weights = weights;
    in.coefficients = w.directions;
    in.z = z;
    rk_value sums = rk__aggregate(p, block, x, in, attr);
    if (p->status != RK_OK) {
        return RK_NONE;
    }
    const int64_t width = p->tensors[x].cols;
    const bool drops = w.dropout > 0 && w.state != RK_NONE; /* never the bias, which is its own */
    rk_value parts[] = {part(p, sums, 0, width, &w, w.forward, drops ? RK_NONE : w.bias),
                        part(p, sums, 1, width, &w, w.backward, RK_NONE),
                        part(p, sums, 2, width, &w, w.self, drops ? w.bias : RK_NONE)};
    for (int i = 0; i < 2; i++) {
        const rk_dropout_attr draw = {w.dropout, FIRST_DROPOUT + 2 * w.k + i};
        parts[i] = rk__dropout(p, parts[i], w.state, draw);
    }
    return rk__combine(p, parts, (const float[]){1, 1, 1}, 3);
}

rk_value rk__compgcn_relations(rk_program *p, rk_value z, rk_value loop)
{
    rk_value above = rk__gemm(p, rk__use_named(p, "relation.extend"), z, RK_NONE);
    return rk__add(p, above, rk__gemm(p, rk__use_named(p, "relation.last"), loop, RK_NONE), 1, 1);
}

/* ---- constants ---- */

static rk_status declare_zeros(rk_model_instance *m, const char *name, int64_t rows, int64_t cols,
                               float **out)
{
    *out = NULL;
    RK_TRY(rk__calloc(out, rows * cols, sizeof **out, "constants of a model"));
    return rk__declare_constant(m, name, rows, cols, *out);
}

rk_status rk__compgcn_directions(rk_model_instance *m, int64_t n_types)
{
    float *values = NULL;
    RK_TRY(declare_zeros(m, "relation.directions", n_types + 1, 3, &values));
    for (int64_t t = 0; t <= n_types; t++) {
        values[3 * t + (t == n_types ? 2 : t % 2)] = 1;
    }
    RK_TRY(declare_zeros(m, "relation.extend", n_types + 1, n_types, &values));
    for (int64_t t = 0; t < n_types; t++) {
        values[t * n_types + t] = 1;
    }
    RK_TRY(declare_zeros(m, "relation.last", n_types + 1, 1, &values));
    values[n_types] = 1;
    return RK_OK;
}

rk_status rk__compgcn_fourier(rk_model_instance *m, const char *name, int64_t width)
{
    const int64_t pairs = width / 2 + 1;
    const double pi = 3.14159265358979323846;
    char full[RK_NAME_LENGTH];
    float *there = NULL, *back = NULL;
    snprintf(full, sizeof full, "%s.fourier", name);
    RK_TRY(declare_zeros(m, full, width, 2 * pairs, &there));
    snprintf(full, sizeof full, "%s.inverse", name);
    RK_TRY(declare_zeros(m, full, 2 * pairs, width, &back));
    for (int64_t j = 0; j < width; j++) {
        for (int64_t k = 0; k < pairs; k++) {
            const double angle = 2 * pi * (double)(j * k % width) / (double)width;
            const double both = k == 0 || 2 * k == width ? 1 : 2; /* k and width - k */
            there[j * 2 * pairs + 2 * k] = (float)cos(angle);
            there[j * 2 * pairs + 2 * k + 1] = (float)-sin(angle);
            back[2 * k * width + j] = (float)(both * cos(angle) / (double)width);
            back[(2 * k + 1) * width + j] = (float)(-both * sin(angle) / (double)width);
        }
    }
    return RK_OK;
}

/* ---- tensors ---- */

static rk_status check(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    RK_TRY(rk__relational_check(config));
    if (o->model.self != RK_SELF_LOOP) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s, in which a node is composed with a relation to itself; "
                "leave it at loop",
                rk__config_says(config, "model.self").text,
                rk__config_says(config, "model.kind").text);
    }
    if (rk__splits_messages(o) && o->model.edges != RK_NORMALISE_SUM) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: compgcn leaves edges out of sums only",
                rk__config_says(config, "train.message_share").text,
                rk__config_says(config, "model.edges").text);
    }
    return RK_OK;
}

static rk_status declare_layer(rk_model_instance *m, int k, int64_t in, int64_t out)
{
    RK_TRY(rk__declare_layer_matrix(m, k, "forward", in, out));
    RK_TRY(rk__declare_layer_matrix(m, k, "backward", in, out));
    RK_TRY(rk__declare_layer_matrix(m, k, "self", in, out));
    RK_TRY(rk__declare_layer_matrix(m, k, "loop", 1, in));
    if (k + 1 < m->options->model.layers) { /* nobody reads those of the last layer */
        RK_TRY(rk__declare_layer_matrix(m, k, "relations", in, out));
    }
    return rk__declare_layer_row(m, k, "bias", out, 0);
}

static rk_status declare_trained(rk_model_instance *m)
{
    rk_parameter p = {.cols = rk__layer_width(m->options, 0), .init = RK_INIT_XAVIER};
    RK_TRY(rk__relational_types(m, &p.rows));
    snprintf(p.name, sizeof p.name, "%s", table);
    p.block_end[0] = p.block_end[1] = p.rows;
    return rk__model_add(m, p);
}

/* An edge from each of so many columns to itself, of one type. */
static rk_status declare_unit(rk_model_instance *m, const char *name, int64_t width)
{
    rk_block block = {0};
    int32_t *at = NULL, *types = NULL;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__alloc(&at, width, sizeof *at, "columns of a layer"));
    RK_TRY_GOTO(done, rk__calloc(&types, width, sizeof *types, "columns of a layer"));
    for (int64_t i = 0; i < width; i++) {
        at[i] = (int32_t)i;
    }
    const rk_block_edges edges = {.n_rows = width,
                                  .n_columns = width,
                                  .n_edges = width,
                                  .n_types = 1,
                                  .rows = at,
                                  .columns = at,
                                  .types = types};
    RK_TRY_GOTO(done, rk__block_build(&block, &edges));
    status = rk__model_add_block(m, name, &block);
done:
    rk__free(at);
    rk__free(types);
    return status;
}

static rk_status declare_constants(rk_model_instance *m)
{
    const rk_options *o = m->options;
    int64_t n_types = 0;
    RK_TRY(rk__relational_types(m, &n_types));
    RK_TRY(rk__compgcn_directions(m, n_types));
    for (int k = 0; k < o->model.layers && o->model.composition == RK_COMPOSITION_CORR; k++) {
        char name[RK_NAME_LENGTH];
        rk__layer_name(name, k, "relations");
        RK_TRY(rk__compgcn_fourier(m, name, rk__layer_width(o, k)));
        rk__layer_name(name, k, "unit");
        RK_TRY(rk__relational_folds(o) ? declare_unit(m, name, rk__layer_width(o, k)) : RK_OK);
    }
    return rk__relational_join(m, true, RK_BLOCK_OF_DIRECTION);
}

/* ---- layers ---- */

static void begin(const rk_model_instance *m, rk_program *p, rk_layer_values *v)
{
    (void)m;
    v->relations = rk__use_named(p, table);
}

static rk_value layer(const rk_model_instance *m, rk_program *p, int k, rk_layer_values *v)
{
    const rk_block_values block = rk__use_block(p, RK_NETWORK_EDGES);
    const rk_compgcn_weights w = {.forward = rk__use_layer(p, k, "forward"),
                                  .backward = rk__use_layer(p, k, "backward"),
                                  .self = rk__use_layer(p, k, "self"),
                                  .bias = rk__use_layer(p, k, "bias"),
                                  .directions = rk__use_named(p, "relation.directions"),
                                  .fourier = rk__use_layer(p, k, "relations.fourier"),
                                  .inverse = rk__use_layer(p, k, "relations.inverse"),
                                  .composition = m->options->model.composition,
                                  .state = v->state,
                                  .dropout = m->options->model.gather_dropout,
                                  .k = k};
    rk_value z = rk__compgcn_relations(p, v->relations, rk__use_layer(p, k, "loop"));
    rk_value y = rk__compgcn_layer(p, block, rk__relational_weights(m, p, block, v), v->x, z, w);
    rk_value matrix = rk__use_layer(p, k, "relations");
    if (matrix != RK_NONE) {
        v->relations = rk__gemm(p, v->relations, matrix, RK_NONE);
    }
    return y;
}

/* ---- somebody with a list of items ---- */

/* Their edges are all of one type, the interactions' forward one, so that phi, linear in x but for
 * a constant, is a matrix: y = (g P + n q) + (x P_s + q_s) + b, g and n what is gathered of the
 * items and of ones, P and q of the matrix of forward edges and the vector of that type, P_s and
 * q_s of those of loops. */
static rk_status declare_fold(rk_model_instance *m, int k)
{
    static const char *const matrices[] = {"fold_list", "fold_self"};
    static const char *const rows[] = {"fold_count", "fold_bias"};
    const int64_t out = rk__layer_width(m->options, k + 1);
    for (int i = 0; i < 2; i++) {
        rk_parameter p = {.rows = rk__layer_width(m->options, k), .cols = out, .role = RK_TABLE};
        rk__layer_name(p.name, k, matrices[i]);
        RK_TRY(rk__model_add(m, p));
    }
    for (int i = 0; i < 2; i++) {
        rk_parameter p = {.rows = 1, .cols = out, .role = RK_TABLE};
        rk__layer_name(p.name, k, rows[i]);
        RK_TRY(rk__model_add(m, p));
    }
    return RK_OK;
}

/* P = a third of the matrix C W of phi(x, z) W = x C W + constant; z [1, in], w [in, out]. */
static rk_value phi_matrix(const rk_model_instance *m, rk_program *p, int k, rk_value z, rk_value w)
{
    const float third = 1.0F / 3;
    if (m->options->model.composition == RK_COMPOSITION_MULT) {
        w = rk__scale_rows(p, w, rk__reshape(p, z, 1), RK_NONE, RK_NONE);
    } else if (m->options->model.composition == RK_COMPOSITION_CORR) {
        char name[RK_NAME_LENGTH];
        rk__layer_name(name, k, "unit");
        const rk_block_values unit = rk__use_block(p, name);
        rk_aggregate_inputs in = rk__block_inputs(unit);
        rk_value fourier = rk__use_layer(p, k, "relations.fourier");
        in.z = rk__gemm(p, z, fourier, RK_NONE);
        rk_value c =
            rk__aggregate(p, unit, fourier, in, (rk_aggregate_attr){.compose = RK_COMPOSE_CORR});
        w = rk__gemm(p, c, rk__gemm(p, rk__use_layer(p, k, "relations.inverse"), w, RK_NONE),
                     RK_NONE);
    }
    return rk__combine(p, &w, &third, 1);
}

/* q, of differences alone. */
static rk_value phi_constant(const rk_model_instance *m, rk_program *p, rk_value z, rk_value w)
{
    const bool is_sub = m->options->model.composition == RK_COMPOSITION_SUB;
    const float factor = is_sub ? -1.0F / 3 : 0;
    rk_value y = rk__gemm(p, z, w, RK_NONE);
    return rk__combine(p, &y, &factor, 1);
}

static void assign(rk_program *p, int k, const char *name, rk_value value)
{
    char full[RK_NAME_LENGTH];
    rk__layer_name(full, k, name);
    rk__assign_named(p, full, value);
}

static rk_value fold_table(const rk_model_instance *m, rk_program *p, int k,
                           const rk_layer_values *v)
{
    rk_value forward = rk__use_layer(p, k, "forward"), self = rk__use_layer(p, k, "self");
    rk_value z = rk__first_row(p, v->relations), loop = rk__use_layer(p, k, "loop");
    assign(p, k, "fold_list", phi_matrix(m, p, k, z, forward));
    assign(p, k, "fold_self", phi_matrix(m, p, k, loop, self));
    assign(p, k, "fold_count", phi_constant(m, p, z, forward));
    assign(p, k, "fold_bias",
           rk__add(p, phi_constant(m, p, loop, self), rk__use_layer(p, k, "bias"), 1, 1));
    return rk__relational_scaled(m, p, v->x);
}

static rk_value fold_layer(const rk_model_instance *m, rk_program *p, int k, const rk_tile *tile,
                           rk_value x, rk_value items)
{
    rk_value counts =
        rk__network_gather(m, p, tile, rk__use_named(p, RK_RELATIONAL_SCALE), RK_NONE);
    rk_value parts[] = {
        rk__gemm(p, rk__network_gather(m, p, tile, items, RK_NONE),
                 rk__use_layer(p, k, "fold_list"), RK_NONE),
        rk__gemm(p, counts, rk__use_layer(p, k, "fold_count"), RK_NONE),
        rk__gemm(p, x, rk__use_layer(p, k, "fold_self"), rk__use_layer(p, k, "fold_bias"))};
    return rk__combine(p, parts, (const float[]){1, 1, 1}, 3);
}

static const rk_model_kind ratings;

static const struct rk_network network = {.check = check,
                                          .declare_layer = declare_layer,
                                          .declare_trained = declare_trained,
                                          .declare_constants = declare_constants,
                                          .begin = begin,
                                          .layer = layer,
                                          .folds = rk__relational_folds,
                                          .declare_fold = declare_fold,
                                          .fold_table = fold_table,
                                          .fold_layer = fold_layer,
                                          .ratings = &ratings};

static const char help[] =
    "CompGCN (Vashishth et al., ICLR 2020): neighbours composed with relations";

static const rk_model_kind ratings = {
    RK_NETWORK_COMMON("compgcn", help, network, rk__network_fold_in),
    .scores = rk__network_scores,
    .rates = true,
};

const rk_model_kind rk__model_compgcn = {
    RK_NETWORK_COMMON("compgcn", help, network, rk__network_fold_in),
    .encode = rk__network_encode,
};
