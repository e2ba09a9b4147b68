/*
 * Neural collaborative filtering (He, Liao, Zhang, Nie, Hu, Chua: Neural collaborative filtering,
 * WWW 2017). p and q are rows of embeddings of users and items.
 *   gmf     score = <h, p * q>
 *   mlp     score = <g, f_n> + c,  f_1 = relu(U p + V q + b_1),  f_k = relu(W_k f_(k-1) + b_k)
 *   neumf   the sum of both, each with embeddings of its own
 * The first layer of a pair is a sum of a row of the user's and a row of the item's, which finish
 * makes for all of them; what is left to do for a pair are the layers behind it. So much is true of
 * no score that is a product: mlp and neumf rank a catalogue in parts. Where a step drops what goes
 * into layers, each pair has a user's embedding of its own.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "models/models.h"

/* ---- tensors ---- */

static bool has_products(const rk_options *o)
{
    return o->model.kind != RK_MODEL_MLP;
}

static bool has_layers(const rk_options *o)
{
    return o->model.kind != RK_MODEL_GMF;
}

/* In the order of their declaration; layer k has its weights at LAYERS + 2 k and its bias behind
 * them, and then come the output's. */
enum { EMBEDDING, OUTPUT, N_PRODUCTS, LAYERS = 1 };

static rk_value use(const rk_model_instance *m, rk_program *p, int64_t number)
{
    return rk__use_named(p, m->parameters[number].name);
}

/* The number of the layers' embedding. */
static int64_t base(const rk_model_instance *m)
{
    return has_products(m->options) ? N_PRODUCTS : 0;
}

static rk_status declare_matrix(rk_model_instance *m, const char *name, int64_t rows, int64_t cols)
{
    rk_parameter p = {
        .rows = rows, .cols = cols, .init = RK_INIT_XAVIER, .block_end = {rows, rows}};
    snprintf(p.name, sizeof p.name, "%s", name);
    return rk__model_add(m, p);
}

static rk_status declare_bias(rk_model_instance *m, const char *name, int64_t cols)
{
    rk_parameter p = {.rows = 1, .cols = cols, .init = RK_INIT_CONSTANT, .block_end = {1, 1}};
    snprintf(p.name, sizeof p.name, "%s", name);
    return rk__model_add(m, p);
}

/* Matrices as [out, in]. */
static rk_status declare_layers(rk_model_instance *m)
{
    const rk_ints *widths = &m->options->model.hidden;
    int64_t in = 2 * m->options->model.dim;
    RK_TRY(rk__declare_factors(m, "mlp.embedding"));
    for (int64_t k = 0; k < widths->n; k++) {
        char name[RK_NAME_LENGTH];
        snprintf(name, sizeof name, "mlp.layer%d", (int)k + 1);
        RK_TRY(declare_matrix(m, name, widths->v[k], in));
        snprintf(name, sizeof name, "mlp.bias%d", (int)k + 1);
        RK_TRY(declare_bias(m, name, widths->v[k]));
        in = widths->v[k];
    }
    RK_TRY(declare_matrix(m, "mlp.output", 1, in));
    return declare_bias(m, "mlp.output_bias", 1);
}

rk_status rk__declare_side(rk_model_instance *m, const char *name, bool of_users)
{
    const int64_t n_users = m->data.n_users, n = n_users + m->data.n_items;
    rk_parameter p = {.rows = n, .cols = 1, .role = RK_CONSTANT};
    float *is_of = NULL;
    snprintf(p.name, sizeof p.name, "%s", name);
    RK_TRY(rk__alloc(&is_of, n, sizeof *is_of, "the sides of nodes"));
    for (int64_t i = 0; i < n; i++) {
        is_of[i] = (i < n_users) == of_users;
    }
    p.constant = is_of;
    return rk__model_add(m, p);
}

static int64_t first_width(const rk_model_instance *m)
{
    return has_layers(m->options) ? m->options->model.hidden.v[0] : 0;
}

static rk_status declare(rk_model_instance *m)
{
    const rk_options *o = m->options;
    rk_parameter final = {.name = "final",
                          .rows = m->data.n_users + m->data.n_items,
                          .cols = first_width(m) + (has_products(o) ? o->model.dim : 0),
                          .role = RK_TABLE};
    if (has_products(o)) {
        RK_TRY(rk__declare_factors(m, "gmf.embedding"));
        RK_TRY(declare_matrix(m, "gmf.output", 1, o->model.dim));
    }
    RK_TRY(has_layers(o) ? declare_layers(m) : RK_OK);
    RK_TRY(rk__model_add(m, final));
    RK_TRY(rk__declare_side(m, "is_user", true));
    return rk__declare_side(m, "is_item", false);
}

/* ---- the network ---- */

/* x w^T + bias */
static rk_value linear(rk_program *p, rk_value x, rk_value w, rk_value bias)
{
    return rk__gemm_of(p, x, w, bias, RK_NONE, (rk_gemm_attr){.alpha = 1, .transposed_w = true});
}

/* U and V: the halves of the first layer's matrix. */
static rk_value half(const rk_model_instance *m, rk_program *p, int second)
{
    const int64_t d = m->options->model.dim;
    return rk__take_columns(p, use(m, p, base(m) + LAYERS), second * d, d);
}

static rk_value first_bias(const rk_model_instance *m, rk_program *p)
{
    return use(m, p, base(m) + LAYERS + 1);
}

static bool drops_inputs(const rk_options *o)
{
    return o->model.dropout_at == RK_DROPOUT_INPUTS && o->model.dropout > 0;
}

/* Scores [P,1] from the sums of the first layer [P,w]; state: RK_NONE unless in training. */
static rk_value layers_behind(const rk_model_instance *m, rk_program *p, rk_value x, rk_value state)
{
    const rk_options *o = m->options;
    const int64_t n = o->model.hidden.n, first = base(m) + LAYERS;
    for (int64_t k = 0; k <= n; k++) {
        if (k > 0) {
            x = linear(p, x, use(m, p, first + 2 * k), use(m, p, first + 2 * k + 1));
        }
        if (k < n) {
            const rk_dropout_attr dropout = {.ratio = o->model.dropout, .layer = (int32_t)k};
            x = rk__activate(p, x, (rk_activate_attr){.kind = RK_ACTIVATION_RELU});
            x = k + 1 < n || !drops_inputs(o) ? rk__dropout(p, x, state, dropout) : x;
        }
    }
    return x;
}

/* ---- training ---- */

static rk_value scores_of_products(const rk_model_instance *m, rk_program *p, rk_value x,
                                   const rk_batch_values *b)
{
    rk_value users = rk__gather_slots(p, x, b->rows, (rk_slots_attr){b->batch, false});
    rk_value items = rk__gather_slots(p, x, b->rows, (rk_slots_attr){b->batch, true});
    return rk__slot_scores(p, rk__scale_columns(p, users, use(m, p, OUTPUT)), items);
}

static rk_value scores_of_layers(const rk_model_instance *m, rk_program *p, rk_value x,
                                 const rk_batch_values *b)
{
    const int64_t n = 1 + b->n_candidates;
    rk_value users = rk__gather_slots(p, x, b->rows, (rk_slots_attr){b->batch, false});
    rk_value items = rk__gather_slots(p, x, b->rows, (rk_slots_attr){b->batch, true});
    if (drops_inputs(m->options)) {
        const int32_t layers = (int32_t)m->options->model.hidden.n;
        rk_dropout_attr dropout = {.ratio = m->options->model.dropout, .layer = layers};
        users = rk__dropout(p, rk__repeat_rows(p, users, n), b->state, dropout);
        dropout.layer++;
        items = rk__dropout(p, items, b->state, dropout);
    }
    rk_value of_users = linear(p, users, half(m, p, 0), first_bias(m, p));
    rk_value of_items = linear(p, items, half(m, p, 1), RK_NONE);
    of_users = drops_inputs(m->options) ? of_users : rk__repeat_rows(p, of_users, n);
    rk_value sums = rk__add(p, of_users, of_items, 1, 1);
    return rk__reshape(p, layers_behind(m, p, sums, b->state), n);
}

static rk_scored scores(const rk_model_instance *m, rk_program *p, const rk_value *values,
                        const rk_batch_values *b)
{
    rk_value rows[2], of[2];
    int n = 0;
    if (has_products(m->options)) {
        rows[n] = rk__gather_rows(p, values[EMBEDDING], b->rows);
        of[n] = scores_of_products(m, p, rows[n], b);
        n++;
    }
    if (has_layers(m->options)) {
        rows[n] = rk__gather_rows(p, values[base(m)], b->rows);
        of[n] = scores_of_layers(m, p, rows[n], b);
        n++;
    }
    return (rk_scored){n == 1 ? of[0] : rk__add(p, of[0], of[1], 1, 1),
                       rk__join_columns(p, rows, n)};
}

/* ---- scoring ---- */

/* A table that is `users` at users and `items` at items. */
static rk_value of_sides(rk_program *p, rk_value users, rk_value items)
{
    rk_value left = rk__scale_rows(p, users, rk__use_named(p, "is_user"), RK_NONE, RK_NONE);
    rk_value right = rk__scale_rows(p, items, rk__use_named(p, "is_item"), RK_NONE, RK_NONE);
    return rk__add(p, left, right, 1, 1);
}

/* Rows of the first layer, then those whose products count: p of users, of gmf alone h * p, so that
 * its score is a dot product; q of items. */
static void finish(const rk_model_instance *m, rk_program *p)
{
    rk_value parts[2];
    int n = 0;
    if (has_layers(m->options)) {
        rk_value x = use(m, p, base(m));
        parts[n++] = of_sides(p, linear(p, x, half(m, p, 0), first_bias(m, p)),
                              linear(p, x, half(m, p, 1), RK_NONE));
    }
    if (has_products(m->options)) {
        rk_value x = use(m, p, EMBEDDING);
        parts[n] = n > 0 ? x : of_sides(p, rk__scale_columns(p, x, use(m, p, OUTPUT)), x);
        n++;
    }
    rk__assign_named(p, "final", rk__join_columns(p, parts, n));
}

static rk_value query(const rk_model_instance *m, rk_program *p, const rk_tile *tile)
{
    (void)m;
    return rk__take_rows(p, rk__use_named(p, "final"), tile->users);
}

/* Products of pairs, whose sums count, or sums for the first layer. */
static rk_value pairs(const rk_model_instance *m, rk_program *p, const rk_tile *tile,
                      rk_value queries, const rk_tile_items *items, bool multiplies)
{
    const rk_pair_rows_attr attr = {.items = {m->data.n_users + items->range.first, items->range.n},
                                    .first_column = multiplies ? first_width(m) : 0,
                                    .n_columns =
                                        multiplies ? m->options->model.dim : first_width(m),
                                    .multiplies = multiplies};
    return rk__pair_rows(p, queries, rk__use_named(p, "final"), items->items, tile->count, attr);
}

static rk_value score_items(const rk_model_instance *m, rk_program *p, const rk_tile *tile,
                            rk_value queries, const rk_tile_items *items)
{
    rk_value sums = pairs(m, p, tile, queries, items, false);
    rk_value score = layers_behind(m, p, sums, RK_NONE);
    const int64_t n = p->status == RK_OK ? p->tensors[score].rows / p->tensors[queries].rows : 1;
    if (has_products(m->options)) {
        rk_value products = pairs(m, p, tile, queries, items, true);
        score = rk__add(p, score, linear(p, products, use(m, p, OUTPUT), RK_NONE), 1, 1);
    }
    return rk__reshape(p, score, n);
}

/* Two layers at a time, and the products. */
static int64_t pair_floats(const rk_model_instance *m)
{
    const rk_ints *widths = &m->options->model.hidden;
    int64_t floats = 2 + m->options->model.dim + widths->v[0];
    for (int64_t k = 0; k < widths->n; k++) {
        floats += widths->v[k];
    }
    return floats;
}

/* The cosines of the embeddings of items, of both halves side by side. */
static rk_value similar(const rk_model_instance *m, rk_program *p, const rk_tile *tile,
                        rk_value item_nodes)
{
    const rk_range_attr items = {0, m->data.n_items};
    const rk_value tables[] = {use(m, p, base(m)), use(m, p, EMBEDDING)};
    rk_value asking[2], asked[2];
    const int n = has_products(m->options) ? 2 : 1;
    for (int i = 0; i < n; i++) {
        asking[i] = rk__take_rows(p, tables[i], tile->users);
        asked[i] = rk__take_rows(p, tables[i], item_nodes);
    }
    return rk__score_dot(p, rk__unit_rows(p, rk__join_columns(p, asking, n), RK_NONE),
                         rk__unit_rows(p, rk__join_columns(p, asked, n), RK_NONE), tile->count,
                         items);
}

const rk_model_kind rk__model_gmf = {
    .name = "gmf",
    .help = "generalised matrix factorisation (He et al. 2017)",
    .declare = declare,
    .scores = scores,
    .finish = finish,
    .query = query,
    .score = rk__score_embeddings,
    .similar = rk__similar_embeddings,
    .embeddings = "final",
    .scores_by_dot = true,
};

const rk_model_kind rk__model_mlp = {
    .name = "mlp",
    .help = "layers on the embeddings of a user and an item (He et al. 2017)",
    .declare = declare,
    .scores = scores,
    .finish = finish,
    .query = query,
    .score_items = score_items,
    .pair_floats = pair_floats,
    .similar = similar,
};

/* Section 3.4.1 of the paper, with alpha = 1/2. */
static const rk_model_half halves[RK_MODEL_HALVES] = {
    {RK_MODEL_GMF, "gmf.", {"gmf.output"}},
    {RK_MODEL_MLP, "mlp.", {"mlp.output", "mlp.output_bias"}},
};

const rk_model_kind rk__model_neumf = {
    .name = "neumf",
    .help = "gmf and mlp together (He et al. 2017)",
    .declare = declare,
    .scores = scores,
    .finish = finish,
    .query = query,
    .score_items = score_items,
    .pair_floats = pair_floats,
    .similar = similar,
    .halves = halves,
};
