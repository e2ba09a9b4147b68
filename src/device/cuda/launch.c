/*
 * From nodes to launchers: one function an operation, bound to the table by ops.def. Inputs and
 * outputs are in the order of the shape rules (ops/shapes.c).
 */
#include "device/cuda/call.h"

#include "base/choices.h"
#include "ops/edge_draw.h"

static rk_split_rows split_of(const call *c)
{
    int32_t stored = rk__cuda_stored_offsets(c->program, c->node);
    rk_split_rows split = rk__cuda_graph_find(c->loaded->context, stored)->split;
    split.first = rk__cuda_draw_first(c->loaded, c->node->in[0]);
    return split;
}

static rk_status rk__cuda_sample_triplets(const call *c)
{
    const rk_sample_attr *a = &c->node->attr.sample;
    rk_draw_options options = {.batch = a->batch,
                               .n_users = a->n_users,
                               .n_items = a->n_items,
                               .n_eligible_users = a->n_eligible_users,
                               .n_eligible_edges = a->n_eligible_edges,
                               .positives = a->positives,
                               .negatives = a->negatives,
                               .n_candidates = a->n_candidates,
                               .pool_size = a->pool_size,
                               .pool_probability = a->pool_probability};
    RK_TRY_CUDA(rk_cuda_sample_triplets(in(c, 0), in(c, 1), in(c, 2), in(c, 3), in(c, 4), in(c, 5),
                                        in(c, 6), in(c, 7), options, out(c, 0), c->stream));
    return RK_OK;
}

static rk_status rk__cuda_unique_rows(const call *c)
{
    RK_TRY_CUDA(rk_cuda_unique_rows(in(c, 0), in_tensor(c, 0)->rows, c->node->attr.n_nodes,
                                    out(c, 0), out(c, 1), out(c, 2), out(c, 3), out(c, 4),
                                    out(c, 5), c->loaded->scratch, c->stream));
    return RK_OK;
}

static rk_status rk__cuda_drop_edges(const call *c)
{
    const rk_drop_attr *a = &c->node->attr.drop;
    RK_TRY_CUDA(rk_cuda_drop_edges(split_of(c), in(c, 1), in(c, 2), out_tensor(c, 2)->rows,
                                   out_tensor(c, 1)->rows, a->view, rk__edge_threshold(a->ratio),
                                   rk__cuda_draw_first(c->loaded, c->node->out[0]), out(c, 0),
                                   out(c, 1), out(c, 2), c->loaded->scratch, c->stream));
    return RK_OK;
}

static rk_adam_target adam_target(const rk_adam_attr *a, void *parameter, void *m, void *v,
                                  void *state)
{
    return (rk_adam_target){.parameter = parameter,
                            .m = m,
                            .v = v,
                            .state = state,
                            .beta1 = a->beta1,
                            .beta2 = a->beta2,
                            .epsilon = (float)a->epsilon,
                            .weight_decay = (float)a->weight_decay};
}

/* What becomes of the rows of a propagation: its inputs behind the first four, and its output. */
static rk_row_end row_end(const call *c)
{
    bool updates = rk__updated_parameter(c->program, c->node) != RK_NONE;
    int first = updates ? RK_PROPAGATE_ADAM_ADDED : RK_PROPAGATE_ADDED;
    rk_row_end end = {.map = c->node->n_inputs > first ? in(c, 4) : NULL};
    for (int i = first; i < c->node->n_inputs; i++) {
        end.weight[end.n_added] = c->node->attr.weight[1 + end.n_added];
        end.added[end.n_added++] = in(c, i);
    }
    if (updates) {
        end.adam = adam_target(&c->node->attr.update.adam, in(c, 5), in(c, 6), in(c, 7), in(c, 8));
    } else if (out_tensor(c, 0)->dtype == RK_F16) {
        end.halves = out(c, 0);
        end.factor = rk__half_factors(out(c, 0), out_tensor(c, 0)->rows, out_tensor(c, 0)->cols);
    } else {
        end.floats = out(c, 0);
    }
    return end;
}

/* cuSPARSE knows neither halves with factors nor what a batch adds. */
static bool is_for_cusparse(const call *c)
{
    return c->loaded->context->options.propagation == RK_PROPAGATION_CUSPARSE &&
           rk__cuda_spmm_takes(c->program, c->node);
}

static rk_status rk__cuda_propagate(const call *c)
{
    if (is_for_cusparse(c)) {
        return rk__cuda_spmm(c->loaded, c->node);
    }
    RK_TRY_CUDA(rk_cuda_propagate(split_of(c), in(c, 1), in(c, 2), gathered(c, 3), row_end(c),
                                  c->loaded->scratch, in_tensor(c, 3)->cols,
                                  c->node->attr.weight[0], c->stream));
    return RK_OK;
}

static rk_status rk__cuda_propagate_adam(const call *c)
{
    return rk__cuda_propagate(c);
}

static rk_status rk__cuda_propagate_rows(const call *c)
{
    const rk_tensor *y = out_tensor(c, 0);
    RK_TRY_CUDA(rk_cuda_propagate_rows(split_of(c), in(c, 1), in(c, 2), in(c, 6), gathered(c, 3),
                                       out(c, 0), c->loaded->scratch, y->rows, y->cols,
                                       c->node->attr.weight[0], c->stream));
    return RK_OK;
}

static rk_status rk__cuda_propagate_from_rows(const call *c)
{
    RK_TRY_CUDA(rk_cuda_propagate_from_rows(
        split_of(c), in(c, 1), in(c, 2), in(c, 4), in_tensor(c, 4)->rows, in(c, 3), row_end(c),
        c->loaded->scratch, in_tensor(c, 3)->cols, c->node->attr.weight[0], c->stream));
    return RK_OK;
}

static rk_status rk__cuda_propagate_from_rows_adam(const call *c)
{
    return rk__cuda_propagate_from_rows(c);
}

static rk_status rk__cuda_narrow(const call *c)
{
    const rk_tensor *x = in_tensor(c, 0);
    RK_TRY_CUDA(rk_cuda_narrow(in(c, 0), out(c, 0), rk__half_factors(out(c, 0), x->rows, x->cols),
                               x->rows, x->cols, c->stream));
    return RK_OK;
}

/* ---- the Gram form ---- */

/* The rows of the small side, or of the other. A pair table's halves begin with the small side's
 * first node. */
static rk_split_rows side_of(const call *c, bool is_small)
{
    const rk_cuda_graph *graph = rk__cuda_graph_find(c->loaded->context, in_tensor(c, 0)->stored);
    int64_t first = c->node->attr.fold.first;
    rk_split_rows split = graph->side[is_small == (first > 0)];
    *(is_small ? &split.first_y : &split.first_x) = first;
    return split;
}

static rk_gathered floats(const float *x)
{
    return (rk_gathered){.rows = x};
}

static rk_row_end into(float *y)
{
    return (rk_row_end){.floats = y};
}

static rk_status copy(const call *c, const float *x, float *y, int64_t n)
{
    RK_TRY_CUDA(cudaMemcpyAsync(y, x, (size_t)n * sizeof *y, cudaMemcpyDeviceToDevice, c->stream));
    return RK_OK;
}

static rk_status rk__cuda_fold(const call *c)
{
    const rk_fold_attr *a = &c->node->attr.fold;
    const float *x = in(c, 3);
    float *t = out(c, 0);
    int64_t d = out_tensor(c, 0)->cols;
    RK_TRY(copy(c, x + a->first * d, t, a->n * d));
    RK_TRY_CUDA(rk_cuda_propagate(side_of(c, true), in(c, 1), in(c, 2), floats(x),
                                  into(t + a->n * d), c->loaded->scratch, d, 1, c->stream));
    return RK_OK;
}

static rk_status rk__cuda_fold_from_rows(const call *c)
{
    const rk_fold_attr *a = &c->node->attr.fold;
    const int32_t *map = in(c, 4);
    float *t = out(c, 0);
    int64_t d = out_tensor(c, 0)->cols;
    RK_TRY_CUDA(rk_cuda_scatter_rows(in(c, 3), map + a->first, t, a->n, d, 1, c->stream));
    RK_TRY_CUDA(rk_cuda_propagate_from_rows(side_of(c, true), in(c, 1), in(c, 2), map,
                                            in_tensor(c, 4)->rows, in(c, 3), into(t + a->n * d),
                                            c->loaded->scratch, d, 1, c->stream));
    return RK_OK;
}

static rk_status rk__cuda_unfold(const call *c)
{
    const rk_fold_attr *a = &c->node->attr.fold;
    const float *t = in(c, 3);
    float *y = out(c, 0);
    int64_t d = out_tensor(c, 0)->cols;
    RK_TRY(copy(c, t, y + a->first * d, a->n * d));
    RK_TRY_CUDA(rk_cuda_propagate(side_of(c, false), in(c, 1), in(c, 2), floats(t + a->n * d),
                                  into(y), c->loaded->scratch, d, 1, c->stream));
    return RK_OK;
}

static rk_status rk__cuda_unfold_rows(const call *c)
{
    const rk_fold_attr *a = &c->node->attr.fold;
    const rk_tensor *y = out_tensor(c, 0);
    const float *t = in(c, 3);
    const int32_t *map = in(c, 6);
    RK_TRY_CUDA(rk_cuda_propagate_rows(side_of(c, false), in(c, 1), in(c, 2), map,
                                       floats(t + a->n * y->cols), out(c, 0), c->loaded->scratch,
                                       y->rows, y->cols, 1, c->stream));
    RK_TRY_CUDA(rk_cuda_spread_rows(t, map + a->first, out(c, 0), a->n, y->cols, c->stream));
    return RK_OK;
}

static rk_status rk__cuda_gram_product(const call *c)
{
    return rk__cuda_gram_multiply(c->loaded, c->node);
}

/* One half of the result: w[2j + half] t_j + w[2j + half + 1] q_j over the tables. */
static rk_status mix_half(const call *c, int half)
{
    const float *w = c->node->attr.weight;
    int64_t n = out_tensor(c, 0)->rows / 2 * out_tensor(c, 0)->cols;
    float *y = (float *)out(c, 0) + half * n;
    rk_tables terms = {0};
    for (int i = 0; i < 2 * c->node->n_inputs; i++) {
        int at = i / 2 * 2 + half + i % 2;
        if (at < RK_MAX_LAYERS && w[at] != 0) {
            terms.x[terms.n] = (const float *)in(c, i / 2) + i % 2 * n;
            terms.weight[terms.n++] = w[at];
        }
    }
    if (terms.n > 0) {
        RK_TRY_CUDA(rk_cuda_combine(terms, y, n, c->stream));
    } else {
        RK_TRY_CUDA(cudaMemsetAsync(y, 0, (size_t)n * sizeof *y, c->stream));
    }
    return RK_OK;
}

static rk_status rk__cuda_mix_pairs(const call *c)
{
    RK_TRY(mix_half(c, 0));
    return mix_half(c, 1);
}

/* ---- sums and rows ---- */

static rk_status rk__cuda_combine(const call *c)
{
    const rk_tensor *y = out_tensor(c, 0);
    RK_TRY_CUDA(rk_cuda_combine(tables_of(c, 0), out(c, 0), y->rows * y->cols, c->stream));
    return RK_OK;
}

static rk_status rk__cuda_combine_rows(const call *c)
{
    const rk_tensor *y = out_tensor(c, 0);
    RK_TRY_CUDA(rk_cuda_combine_rows(tables_of(c, 2), in(c, 0), in(c, 1), out(c, 0), y->rows,
                                     y->cols, c->stream));
    return RK_OK;
}

static rk_status rk__cuda_add(const call *c)
{
    return rk__cuda_combine(c); /* the same: two tables, two weights */
}

static rk_status rk__cuda_scale_rows(const call *c)
{
    const rk_tensor *y = out_tensor(c, 0);
    RK_TRY_CUDA(
        rk_cuda_scale_rows(in(c, 0), in(c, 1), in(c, 2), out(c, 0), y->rows, y->cols, c->stream));
    return RK_OK;
}

static rk_status rk__cuda_scatter_rows(const call *c)
{
    const rk_tensor *y = out_tensor(c, 0);
    RK_TRY_CUDA(rk_cuda_scatter_rows(in(c, 0), in(c, 1), out(c, 0), y->rows, y->cols,
                                     c->node->attr.weight[0], c->stream));
    return RK_OK;
}

static rk_status rk__cuda_scatter_add_rows(const call *c)
{
    const rk_tensor *x = in_tensor(c, 1);
    RK_TRY_CUDA(rk_cuda_scatter_add_rows(out(c, 0), in(c, 1), in(c, 2), in(c, 3), x->rows, x->cols,
                                         c->node->attr.weight[0], c->stream));
    return RK_OK;
}

/* M of a batch; input i has an entry for each slot. */
static int64_t candidates_of(const call *c, int i, int64_t batch)
{
    return in_tensor(c, i)->rows / batch - 2;
}

static rk_status rk__cuda_select_negatives(const call *c)
{
    const rk_tensor *final = in_tensor(c, 0);
    int64_t batch = c->node->attr.batch;
    RK_TRY_CUDA(rk_cuda_select_negatives(in(c, 0), in(c, 1), in(c, 2), out(c, 0), batch,
                                         candidates_of(c, 1, batch), final->cols, c->stream));
    return RK_OK;
}

static rk_status rk__cuda_bpr_loss(const call *c)
{
    const rk_tensor *final = in_tensor(c, 0);
    int64_t batch = c->node->attr.batch;
    RK_TRY_CUDA(rk_cuda_bpr_loss(in(c, 0), in(c, 1), in(c, 2), in(c, 3), out(c, 0), out(c, 1),
                                 c->loaded->scratch, batch, candidates_of(c, 1, batch), final->cols,
                                 c->stream));
    return RK_OK;
}

static rk_status rk__cuda_bpr_grad(const call *c)
{
    const rk_tensor *final = in_tensor(c, 0);
    int64_t batch = c->node->attr.batch;
    RK_TRY_CUDA(rk_cuda_bpr_grad(in(c, 0), in(c, 1), in(c, 2), in(c, 3), in(c, 4), in(c, 5),
                                 in(c, 6), out(c, 0), final->rows, batch,
                                 candidates_of(c, 2, batch), final->cols, c->stream));
    return RK_OK;
}

static rk_status rk__cuda_l2_loss(const call *c)
{
    const rk_tensor *x = in_tensor(c, 0);
    const rk_l2_attr *a = &c->node->attr.l2;
    RK_TRY_CUDA(rk_cuda_l2_loss(in(c, 0), in(c, 1), in(c, 2), in(c, 3), in(c, 4), in(c, 5),
                                out(c, 0), out(c, 1), c->loaded->scratch, x->rows, a->batch,
                                candidates_of(c, 2, a->batch), x->cols, a->weight, a->form, a->rows,
                                a->divisor, c->stream));
    return RK_OK;
}

static rk_status rk__cuda_unit_slots(const call *c)
{
    const rk_tensor *x = in_tensor(c, 0);
    RK_TRY_CUDA(rk_cuda_unit_slots(in(c, 0), in(c, 1), in(c, 2), in(c, 3), out(c, 0), out(c, 1),
                                   in_tensor(c, 1)->rows, x->cols, c->node->attr.unit.cosine,
                                   c->stream));
    return RK_OK;
}

static rk_status rk__cuda_unit_slots_grad(const call *c)
{
    const rk_tensor *x = in_tensor(c, 0);
    const rk_unit_attr *a = &c->node->attr.unit;
    RK_TRY_CUDA(rk_cuda_unit_slots_grad(in(c, 0), in(c, 1), in(c, 2), in(c, 3), in(c, 4), in(c, 5),
                                        out(c, 0), x->rows, x->cols, a->alpha, a->cosine,
                                        c->stream));
    return RK_OK;
}

static rk_status rk__cuda_attend(const call *c)
{
    const rk_attend_attr *a = &c->node->attr.attend;
    int64_t d = in_tensor(c, 0)->cols, tile = rk__cuda_tile_queries(a->n);
    const float *queries = (const float *)in(c, 0) + a->first_query * d;
    const float *keys = (const float *)in(c, 0) + a->first_key * d;
    const float *bias = (const float *)in(c, 1) + a->first_key;
    float *products = c->loaded->scratch, *mean = out(c, 1);
    for (int64_t first = 0; first < a->n; first += tile) {
        int64_t n = a->n - first < tile ? a->n - first : tile;
        RK_TRY(rk__cuda_blas_scores(c->loaded->context, queries + first * d, n, keys, a->n, d,
                                    products, a->n));
        RK_TRY_CUDA(rk_cuda_softmax_tile(products, bias, out(c, 0), first, n, a->n, (float)a->scale,
                                         a->skip_diagonal, c->stream));
        RK_TRY(rk__cuda_blas_weighted(c->loaded->context, products, n, keys, a->n, d,
                                      mean + first * d));
    }
    return RK_OK;
}

static rk_status rk__cuda_softmax_loss(const call *c)
{
    const rk_tensor *unit = in_tensor(c, 0);
    const rk_softmax_attr *a = &c->node->attr.softmax;
    RK_TRY_CUDA(rk_cuda_softmax_loss(in(c, 0), in(c, 1), in(c, 2), in(c, 4), out(c, 0), out(c, 1),
                                     c->loaded->scratch, unit->rows, a->batch, unit->cols,
                                     a->temperature, a->power, c->stream));
    return RK_OK;
}

static rk_status rk__cuda_softmax_grad(const call *c)
{
    const rk_tensor *unit = in_tensor(c, 0);
    const rk_softmax_attr *a = &c->node->attr.softmax;
    RK_TRY_CUDA(rk_cuda_softmax_grad(in(c, 0), in(c, 1), in(c, 2), in(c, 3), in(c, 4), in(c, 5),
                                     in(c, 6), out(c, 0), unit->rows, a->batch, unit->cols,
                                     a->temperature, a->power, c->stream));
    return RK_OK;
}

static rk_status rk__cuda_align_uniform_loss(const call *c)
{
    const rk_align_attr *a = &c->node->attr.align;
    RK_TRY_CUDA(rk_cuda_align_uniform_loss(in(c, 0), in(c, 1), in(c, 3), in(c, 5), out(c, 0),
                                           out(c, 1), c->loaded->scratch, a->batch,
                                           in_tensor(c, 0)->cols, a->uniformity, c->stream));
    return RK_OK;
}

static rk_status rk__cuda_align_uniform_grad(const call *c)
{
    const rk_tensor *unit = in_tensor(c, 0);
    const rk_align_attr *a = &c->node->attr.align;
    RK_TRY_CUDA(rk_cuda_align_uniform_grad(in(c, 0), in(c, 1), in(c, 2), in(c, 3), in(c, 4),
                                           in(c, 5), in(c, 6), out(c, 0), unit->rows, a->batch,
                                           unit->cols, a->uniformity, c->stream));
    return RK_OK;
}

static rk_status rk__cuda_slot_loss(const call *c)
{
    const rk_tensor *x = in_tensor(c, 0);
    const rk_slot_attr *a = &c->node->attr.slot;
    RK_TRY_CUDA(rk_cuda_slot_loss(in(c, 0), in(c, 1), in(c, 2), in(c, 3), in(c, 4), out(c, 0),
                                  out(c, 1), c->loaded->scratch, a->batch,
                                  candidates_of(c, 1, a->batch), x->cols, &a->rule, c->stream));
    return RK_OK;
}

static rk_status rk__cuda_slot_grad(const call *c)
{
    const rk_tensor *x = in_tensor(c, 0);
    int64_t batch = c->node->attr.slot.batch;
    RK_TRY_CUDA(rk_cuda_slot_grad(in(c, 0), in(c, 1), in(c, 2), in(c, 3), in(c, 4), in(c, 5),
                                  out(c, 0), x->rows, batch, candidates_of(c, 2, batch), x->cols,
                                  c->stream));
    return RK_OK;
}

static rk_status rk__cuda_step_loss(const call *c)
{
    rk_losses losses = {.n = c->node->n_inputs - 1};
    for (int i = 0; i < losses.n; i++) {
        losses.value[i] = in(c, 1 + i);
        losses.slot[i] = c->node->attr.loss_slot[i];
    }
    RK_TRY_CUDA(rk_cuda_step_loss(losses, in(c, 0), c->stream));
    return RK_OK;
}

static rk_status rk__cuda_adam(const call *c)
{
    const rk_tensor *p = in_tensor(c, 0);
    rk_adam_target target =
        adam_target(&c->node->attr.adam, in(c, 0), in(c, 2), in(c, 3), in(c, 4));
    RK_TRY_CUDA(rk_cuda_adam(target, in(c, 1), p->rows * p->cols, c->stream));
    return RK_OK;
}

static rk_status rk__cuda_sgd(const call *c)
{
    const rk_tensor *p = in_tensor(c, 0);
    RK_TRY_CUDA(rk_cuda_sgd(in(c, 0), in(c, 1), in(c, 2), p->rows * p->cols,
                            c->node->attr.adam.weight_decay, c->stream));
    return RK_OK;
}

static rk_status rk__cuda_step_advance(const call *c)
{
    RK_TRY_CUDA(rk_cuda_step_advance(in(c, 0), c->stream));
    return RK_OK;
}

/* Rounding of a score relative to the product of the norms. fp32, in any order of additions, and
 * the exact chain: 2^-24 an addition each. TF32 keeps 10 bits of each factor, and it is not said
 * whether it rounds or cuts; tensor cores cut the sums, 2^-23 an addition. The rest is for the
 * arithmetic of the margin itself. */
static float ranking_epsilon(const call *c, int64_t d)
{
    double sums = (double)(d + 8) * 0x1p-21;
    bool is_tensor = c->loaded->context->options.ranking == RK_RANKING_TENSOR;
    return (float)(is_tensor ? sums + 0x1.01p-9 : sums);
}

/* Scratch: what the ranking needs, the users' rows [T,d], then a tile of scores [T,tile]. */
static rk_status rk__cuda_score_topk(const call *c)
{
    const rk_topk_attr *a = &c->node->attr.topk;
    int64_t d = in_tensor(c, 0)->cols, n = in_tensor(c, 1)->rows;
    int64_t tile = rk__cuda_tile_items(n, a->n_items);
    rk_ranking r = {.final = in(c, 0),
                    .users = in(c, 1),
                    .n_users = a->n_users,
                    .n_items = a->n_items,
                    .n_tile_users = n,
                    .d = d,
                    .train_offsets = in(c, 2),
                    .train_columns = in(c, 3),
                    .other_offsets = in(c, 4),
                    .other_columns = in(c, 5),
                    .k = a->k,
                    .epsilon = ranking_epsilon(c, d),
                    .items = out(c, 0),
                    .scores = out(c, 1)};
    char *rest = (char *)c->loaded->scratch + rk_cuda_topk_scratch(n, a->k);
    float *users = (float *)(void *)rest, *scores = users + n * d;
    RK_TRY_CUDA(rk_cuda_topk_begin(&r, c->loaded->scratch, c->stream));
    RK_TRY_CUDA(rk_cuda_gather_users(r.final, r.users, users, n, d, c->stream));
    for (int64_t first = 0; first < a->n_items; first += tile) {
        int64_t width = a->n_items - first < tile ? a->n_items - first : tile;
        const float *items = r.final + (a->n_users + first) * d;
        RK_TRY(rk__cuda_blas_ranking(c->loaded->context, users, n, items, width, d, scores, tile));
        RK_TRY_CUDA(rk_cuda_topk_merge(r, scores, tile, width, first, c->stream));
    }
    RK_TRY_CUDA(rk_cuda_topk_finish(r, c->stream));
    return RK_OK;
}

/* ---- the table ---- */

typedef rk_status (*launcher)(const call *c);

static const launcher launchers[RK_OP_COUNT] = {
#define RK_OP_ROW(ENUM, name, ...) rk__cuda_##name,
#include "ops/ops.def"
};

rk_status rk__cuda_launch(rk_loaded *loaded, const rk_node *node)
{
    call c = {loaded, node, loaded->program, loaded->context->stream};
    return launchers[node->op](&c);
}
