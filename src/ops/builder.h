/*
 * Appending operations to a program. Models and the trainer call these, those of builder_solve.h,
 * and nothing else.
 *
 * A failure (wrong shape, no memory) sticks in program->status and makes the later calls return
 * RK_NONE, so that a model's code is straight-line and checks once.
 *
 * Shapes: N nodes, d columns, S rows of a row set, L slots of a batch, B triplets, M candidates per
 * negative.
 */
#ifndef RK_OPS_BUILDER_H
#define RK_OPS_BUILDER_H

#include "ops/program.h"

/* The value of a stored tensor in this program. */
rk_value rk__use(rk_program *p, int32_t stored);

/* The same by its name in the store; it must be there. */
rk_value rk__use_named(rk_program *p, const char *name);
/* Its number in the store, -1 if there is none: with the program's prefix, else without. */
int32_t rk__find_named(const rk_program *p, const char *name);

/* Makes the stored tensor receive a result: the node that computes `value` writes there (a copy is
 * appended when `value` is itself stored). Same shape and type. */
void rk__assign(rk_program *p, int32_t stored, rk_value value);
void rk__assign_named(rk_program *p, const char *name, rk_value value);

/* The graph: three stored tensors, or the outputs of drop_edges. */
typedef struct rk_graph_values {
    rk_value offsets; /* i64 [N+1, 1] */
    rk_value columns; /* i32 [2E, 1] */
    rk_value scale;   /* f32 [N, 1], 1/sqrt(degree) */
} rk_graph_values;

/* A block of graph/block.h: rows [R], columns [C], E edges. */
typedef struct rk_block_values {
    rk_value offsets;      /* i64 [R+1,1] */
    rk_value columns;      /* i32 [E,1] */
    rk_value weights;      /* f32 [E,1], RK_NONE = 1 */
    rk_value types;        /* i32 [E,1], RK_NONE = there are none */
    rk_value back_offsets; /* i64 [C+1,1]; the transpose */
    rk_value back_columns; /* i32 [E,1] */
    rk_value back_edges;   /* i32 [E,1]: numbers of the edges */
} rk_block_values;

/* What sampling reads besides the graph. */
typedef struct rk_sample_values {
    rk_value state;
    rk_value users;        /* i32 [n_eligible_users, 1]: users with a positive and a negative */
    rk_value edge_offsets; /* i64 [n_eligible_users + 1, 1]: their positives, counted up */
    rk_value pool;         /* i32 [pool_size, 1]: most popular items, or RK_NONE */
    rk_value alias_share;  /* f32 [n_items, 1]: alias table of popularity^alpha, or RK_NONE */
    rk_value alias_item;   /* i32 [n_items, 1], or RK_NONE */
    rk_value
        cumulative; /* i64 [n_eligible_edges + 1, 1]: weights of the edges before, or RK_NONE */
} rk_sample_values;

/* A batch's distinct nodes. The slots of a batch are: b = user of triplet b, B + b = its positive,
 * 2B + M b + k = its k-th negative candidate; M may be 0. Unused slots (a short last batch) hold
 * node -1. */
typedef struct rk_row_set {
    rk_value rows;     /* i32 [S, 1]: distinct nodes, ascending; S = min(L, N) */
    rk_value count;    /* i32 [1, 1]: how many there are */
    rk_value map;      /* i32 [N, 1]: node -> its index in rows, -1 = not in the batch */
    rk_value slot_row; /* i32 [L, 1]: slot -> index in rows, -1 = unused */
    rk_value segments; /* i32 [S+1, 1]: slots of row r are order[segments[r] .. segments[r+1]) */
    rk_value order;    /* i32 [L, 1]: slots grouped by row, ascending in each group */
} rk_row_set;

/* i32 [(2+M)B, 1]: the nodes of a batch by slot (items as nodes). */
rk_value rk__sample_triplets(rk_program *p, rk_graph_values graph, rk_sample_values sample,
                             rk_sample_attr attr);

/* The values of a batch's positives: values f32 [E,1] of the users' edges in their order (or [2E,1]
 * with those of the items behind them), nodes of
 * rk__sample_triplets -> f32 [B,1], 0 in unused slots. */
rk_value rk__triplet_values(rk_program *p, rk_graph_values graph, rk_value values, rk_value nodes,
                            rk_value state, int64_t batch);
/* The fields of a batch's positives: fields i32 [R,F] of the R rows of the users' edges, edge e the
 * rows offsets[e] to offsets[e + 1] - 1 of i64 [E+1,1] (RK_NONE: one each), of several rows one at
 * random -> i32 [BF,1], field f of triplet b in slot bF + f; -1 in unused slots. */
rk_value rk__triplet_fields(rk_program *p, rk_graph_values graph, rk_value offsets, rk_value fields,
                            rk_value nodes, rk_value state, int64_t batch);
rk_row_set rk__unique_rows(rk_program *p, rk_value nodes, int64_t n_nodes);

/* A graph without a share of its edges, both directions of one kept or dropped together (Wu et al.,
 * "Self-supervised graph learning for recommendation", SIGIR 2021: edge dropout); another draw for
 * each epoch and view. The graph that is given must be a stored one. */
rk_graph_values rk__drop_edges(rk_program *p, rk_graph_values graph, rk_value state,
                               rk_drop_attr attr);

/* alpha * A^ x: [N,d] -> [N,d]. Its own adjoint. */
rk_value rk__propagate(rk_program *p, rk_graph_values graph, rk_value x, float alpha);
/* [N,d] -> [S,d]. */
rk_value rk__propagate_rows(rk_program *p, rk_graph_values graph, rk_value x, rk_row_set rows,
                            float alpha);
/* [S,d] -> [N,d]. */
rk_value rk__propagate_from_rows(rk_program *p, rk_graph_values graph, rk_value x, rk_row_set rows,
                                 float alpha);

/* Pair tables [t; q] of the graph's small side (2n rows); models/lightgcn_gram.c says what for.
 * [N,d] -> [2n,d]: t = x's rows of the side, q = the side's rows of A^ x. */
rk_value rk__fold(rk_program *p, rk_graph_values graph, rk_value x, rk_fold_attr side);
/* The same of x [S,d], zero outside of the row set. */
rk_value rk__fold_from_rows(rk_program *p, rk_graph_values graph, rk_value x, rk_row_set rows,
                            rk_fold_attr side);
/* [2n,d] -> [N,d]: t at the side, the rows of A^ q at the other; the adjoint of fold. */
rk_value rk__unfold(rk_program *p, rk_graph_values graph, rk_value pairs, rk_fold_attr side);
/* The same at a row set: [2n,d] -> [S,d]. */
rk_value rk__unfold_rows(rk_program *p, rk_graph_values graph, rk_value pairs, rk_row_set rows,
                         rk_fold_attr side);
/* [C t; C q], gram: C f32 [n,n], symmetric. With halves = 1 [C t; 0]. */
rk_value rk__gram_product(rk_program *p, rk_value gram, rk_value pairs, int32_t halves);
/* sum_j [a_j t_j + b_j q_j; b_j t_j + c_j q_j], a_j, b_j, c_j = weights[2j .. 2j+2]; a weight past
 * the end of the array is 0. */
rk_value rk__mix_pairs(rk_program *p, const rk_value *pairs, const float weights[RK_MAX_LAYERS],
                       int n);
/* [R,d] -> [R,d] as RK_F16. */
rk_value rk__narrow(rk_program *p, rk_value x);

/* sum_k weights[k] * tables[k]: n tables [N,d] -> [N,d]. */
rk_value rk__combine(rk_program *p, const rk_value *tables, const float *weights, int n);
/* The same at the rows of a row set: [N,d] each -> [S,d]. */
rk_value rk__combine_rows(rk_program *p, const rk_value *tables, const float *weights, int n,
                          rk_row_set rows);
/* Rows of a table: [N,d] -> [S,d]. */
rk_value rk__gather_rows(rk_program *p, rk_value table, rk_row_set rows);

/* sum_k weights[k] * tables[k]: f32 [1,n], n tables of one shape. */
rk_value rk__mix(rk_program *p, rk_value weights, const rk_value *tables, int n);
/* weights[index] * x. */
rk_value rk__weigh(rk_program *p, rk_value weights, rk_value x, int32_t index);
/* f32 [1,n]: softmax of n <= RK_MAX_LAYERS numbers. */
rk_value rk__softmax_weights(rk_program *p, rk_value x);

/* factor[n] * x[n] / (|x[n]| + 1e-12), factor f32 [N,1] or RK_NONE: [N,d] -> [N,d]. */
rk_value rk__unit_rows(rk_program *p, rk_value x, rk_value factor);
/* alpha a + beta b, equal shapes. */
rk_value rk__add(rk_program *p, rk_value a, rk_value b, float alpha, float beta);
/* factor[r] * x[r] for r < count, zero beyond: [R,d], [R,1] -> [R,d]; with rows factor[rows[r]] of
 * [N,1]. rows and count may be RK_NONE; without count all rows. */
rk_value rk__scale_rows(rk_program *p, rk_value x, rk_value factor, rk_value rows, rk_value count);
/* [S,d] -> [N,d]. */
rk_value rk__scatter_rows(rk_program *p, rk_value x, rk_row_set rows, float alpha);
/* In place on table (which must have no later reader): [N,d], [S,d] -> [N,d]. */
rk_value rk__scatter_add_rows(rk_program *p, rk_value table, rk_value x, rk_row_set rows,
                              float alpha);

/* i32 [B,1]: of each triplet's M candidates the one with the largest score in final [S,d]. */
rk_value rk__select_negatives(rk_program *p, rk_value final, rk_row_set rows, rk_value state,
                              int64_t batch);

/* ---- layers of networks ---- */

/* y = x w + bias: [n,k], [k,m], bias [1,m] or RK_NONE -> [n,m]. */
rk_value rk__gemm(rk_program *p, rk_value x, rk_value w, rk_value bias);
/* The same with a factor, of transposed tables; count i32 [1,1] or RK_NONE: rows from there on,
 * which are zeros in x, get no bias. */
rk_value rk__gemm_of(rk_program *p, rk_value x, rk_value w, rk_value bias, rk_value count,
                     rk_gemm_attr attr);
/* [n,m] -> [1,m], in double. */
rk_value rk__column_sums(rk_program *p, rk_value x);
/* ops/activation.h has the functions. */
rk_value rk__activate(rk_program *p, rk_value x, rk_activate_attr attr);
/* Element by element: [n,d], [n,d] -> [n,d]. */
rk_value rk__multiply(rk_program *p, rk_value a, rk_value b);
/* y[r,c] = factor[c] * x[r,c]: [n,d], factor [1,d]. */
rk_value rk__scale_columns(rk_program *p, rk_value x, rk_value factor);
/* Tables of as many rows, 15 at most, side by side. */
rk_value rk__join_columns(rk_program *p, const rk_value *tables, int n);
/* Columns [first, first + n): [R,d] -> [R,n]. */
rk_value rk__take_columns(rk_program *p, rk_value x, int64_t first, int64_t n);
/* x as columns [first, first + d) of a table [R,n], which is zero elsewhere. */
rk_value rk__place_columns(rk_program *p, rk_value x, int64_t first, int64_t n);
/* The same elements in rows of `cols`. */
rk_value rk__reshape(rk_program *p, rk_value x, int64_t cols);
/* Each element is 0 with the chance `ratio`, else divided by 1 - ratio; other draws for each step
 * and layer (Srivastava et al., JMLR 2014). A ratio of 0 and a state of RK_NONE, which is nobody
 * training, leave x as it is. */
rk_value rk__dropout(rk_program *p, rk_value x, rk_value state, rk_dropout_attr attr);

/* Batch normalisation (Ioffe, Szegedy: ICML 2015) by the mean and the variance of all rows, in
 * training and afterwards alike, so that there is no state beside the parameters:
 *   y[r,c] = gain[c] * (x[r,c] - mean[c]) / sqrt(variance[c] + 1e-5) + shift[c].
 * x [N,d], gain and shift [1,d] -> [N,d]. */
rk_value rk__normalise_columns(rk_program *p, rk_value x, rk_value gain, rk_value shift);

/* The same by given statistics, mean and 1 / deviation f64 [2,d] (its second output); no gradient.
 */
rk_value rk__normalise_by(rk_program *p, rk_value x, rk_value gain, rk_value shift,
                          rk_value statistics);

/* Rows of x are images [height, width]: their square patches, a row each, place after place in the
 * order of rows: [B, height width] -> [B P, size size], P = (height - size + 1) (width - size + 1).
 * A product with filters [size size, F] is a convolution. */
rk_value rk__patches(rk_program *p, rk_value x, rk_patches_attr attr);

/* Attention over the edges of a block (Velickovic et al., "Graph attention networks", ICLR 2018).
 * a [R,H] of the block's R rows, b [C,H] and x [C,H d] of its C columns -> [R,H d]: of head h
 *   y[v,h] = sum over the edges e = (v, u) of drop(e,h) weight(e,h) x[u,h],
 *   weight(e,h) = softmax over the edges of v of leaky_relu(a[v,h] + b[u,h]).
 * Zeros of a row without edges. weights f32 [E,1], without gradient: an edge counts as so many in
 * the sum, one of 0 is not there; RK_NONE = 1 each. state: of the step, in training; RK_NONE =
 * nothing is dropped. The block's own weights and types are not looked at. */
rk_value rk__edge_attend(rk_program *p, rk_block_values block, rk_value a, rk_value b, rk_value x,
                         rk_value weights, rk_value state, rk_edge_attend_attr attr);
/* The same; *out_sums: the logarithm of the sum of exponentials that a row's weights were divided
 * by, [R,H], 0 of a row without edges. */
rk_value rk__edge_attend_sums(rk_program *p, rk_block_values block, rk_value a, rk_value b,
                              rk_value x, rk_value weights, rk_value state,
                              rk_edge_attend_attr attr, rk_value *out_sums);

/* Rows of a batch's users [B,d] or items [B (1+M),d] (row b (1+M) + k: the k-th item of triplet b,
 * the positive first) of x [S,d] at its row set. Unused slots are zeros. A row set whose slots are
 * something else is one of so many users. */
rk_value rk__gather_slots(rk_program *p, rk_value x, rk_row_set rows, rk_slots_attr attr);
/* [R,d] -> [R times,d]: rows 0 to times - 1 are row 0, and so on; and its adjoint. */
rk_value rk__repeat_rows(rk_program *p, rk_value x, int64_t times);
rk_value rk__sum_groups(rk_program *p, rk_value x, int64_t times);
/* Ids by a table, i32 [L,1], i32 [R,1] -> i32 [L,1]: y = table[x], -1 of -1. */
rk_value rk__lookup(rk_program *p, rk_value x, rk_value table);
/* Lengths of rows, [n,d] -> [n,1]: norm 1 the sum of |x|, 2 the Euclidean one, whose gradient at 0
 * is taken as 0. */
rk_value rk__row_norms(rk_program *p, rk_value x, int32_t norm);
/* y[b,k] = <queries[b], items[b n + k]>: [B,w], [B n,w] -> [B,n]. */
rk_value rk__slot_scores(rk_program *p, rk_value queries, rk_value items);

/* ---- sums over blocks ---- */

/* What an edge counts; each may be RK_NONE. */
typedef struct rk_aggregate_inputs {
    rk_value weights;      /* f32 [E,1] */
    rk_value types;        /* i32 [E,1] */
    rk_value coefficients; /* f32 [T,H]: H sums, side by side, with factors of their own */
    rk_value z;            /* f32 [T,d], of blocks [T, d size]: what phi reads */
    rk_value row_scale;    /* f32 [R,1]: of the nodes that sum; transposed [C,1] */
    rk_value column_scale; /* f32 [C,1]: of those that are summed; transposed [R,1] */
} rk_aggregate_inputs;

/* The weights and types of the block, and no other factor. */
rk_aggregate_inputs rk__block_inputs(rk_block_values block);

/* y[v] = row_scale[v] * sum over the edges e of v, to u of type t, of
 *        weights[e] * column_scale[u] * coefficients[t,h] * phi(x[u], z[t]):
 * x [C,d] -> [R, H d], the H sums side by side; transposed [R,d] -> [C, H d]. attr.sums_heads is
 * for gradients and must be false. Edges of weight 0 are not looked at. Gradients by x, weights,
 * coefficients and z; scales have none. */
rk_value rk__aggregate(rk_program *p, rk_block_values block, rk_value x, rk_aggregate_inputs in,
                       rk_aggregate_attr attr);
/* f32 [E,1]: of the edges between two nodes, in any direction and of any type, either all or none
 * are masked, and get attr.masked; edges from a node to itself never are, and are 1. By
 * ops/edge_draw.h. */
rk_value rk__edge_mask(rk_program *p, rk_block_values block, rk_value state, rk_mask_attr attr);
/* (plus + sum of the weights of each row)^power: f32 [R,1], or of each column [C,1]. weights: f32
 * [E,1], RK_NONE = 1. */
rk_value rk__block_degrees(rk_program *p, rk_block_values block, rk_value weights,
                           rk_degrees_attr attr);

/* ---- loss terms ---- */

/* Part of what is minimised: f64 [1,1], weight already in it. The functions below call it; the
 * gradients come from rk__program_backward. */
void rk__program_add_term(rk_program *p, const char *name, rk_value value);

/* x, final: [S,d] at the row set. chosen: of rk__select_negatives, or RK_NONE. */
void rk__l2_loss(rk_program *p, rk_value x, rk_row_set rows, rk_value chosen, rk_value state,
                 rk_l2_attr attr);

/* Softmax over the batch's items (Wu et al., "On the effectiveness of sampled softmax loss for item
 * recommendation", TOIS 2024; its bilateral form by the power: Wu et al., "BSL", ICDE 2024):
 *   mean over users of  -s_bb + power * log(sum over j of e^s_bj),
 *   s_bj = <user b, positive j> / temperature + logit_bias of the node of j,
 * vectors of unit length if cosine, j = b left out if exclude_positive (a user alone in its batch
 * then has no term). logit_bias: f32 [N,1] or RK_NONE. The batch needs no candidates. */
typedef struct rk_softmax_rule {
    int64_t batch;
    double temperature, power;
    bool cosine, exclude_positive;
} rk_softmax_rule;
void rk__softmax_loss(rk_program *p, rk_value final, rk_row_set rows, rk_value logit_bias,
                      rk_value state, rk_softmax_rule rule);
/* Alignment and uniformity (Wang et al., "DirectAU", KDD 2022) on rows of length 1:
 *   mean |u - p|^2 + uniformity / 2 * (the log of the mean of e^(-2 |x - y|^2) over all pairs of
 * the batch's users, and the same of its items); a batch of one has no pairs. */
void rk__align_uniform_loss(rk_program *p, rk_value final, rk_row_set rows, rk_value state,
                            rk_align_attr attr);
/* A loss of slot_loss.h over M >= 1 drawn negatives, on rows of length 1 if cosine. */
typedef struct rk_slot_inputs {
    rk_value state;
    rk_value factor; /* f32 [N,1]: beta is the product of the user's and the item's; or RK_NONE */
    rk_value chosen; /* i32 [B,1]: the one negative that counts; RK_NONE: all */
    rk_value weight; /* f32 [B,1]: of each triplet, see ops/slot_loss.h; RK_NONE = 1 */
} rk_slot_inputs;
void rk__slot_loss(rk_program *p, rk_value final, rk_row_set rows, rk_slot_inputs inputs,
                   bool cosine, rk_slot_attr attr);
/* A loss of slot_loss.h of scores [B,1+M], M >= 1, the positive's first. With labels M is 0, and it
 * is the mean over the batch of weight (score - label)^2, whatever the rule. */
typedef struct rk_score_inputs {
    rk_value state;
    rk_value labels; /* f32 [B,1] or RK_NONE */
    rk_value weight; /* f32 [B,1]: of each triplet, see ops/slot_loss.h; RK_NONE = 1 */
} rk_score_inputs;
void rk__score_loss(rk_program *p, rk_value scores, rk_score_inputs inputs, rk_slot_rule rule);
/* Scores f32 [B,I] of all items for each user of a batch: binary cross-entropy with labels that say
 * which of them the user has (ops/list_loss.h), the mean over users and items. */
typedef struct rk_list_inputs {
    rk_value nodes;            /* of the batch: its users come first */
    rk_value offsets, columns; /* of the graph */
    rk_value state;
} rk_list_inputs;
void rk__list_loss(rk_program *p, rk_value scores, rk_list_inputs inputs, rk_list_loss_attr attr);
/* Neighbours of items (the item-item part of Mao et al., "UltraGCN", CIKM 2021). items i32 [I,K],
 * weights f32 [I,K]: of each item its neighbours as nodes (-1 = no more) and what they count.
 * The nodes [(1+K)B,1] whose rows the loss needs; the users of the batch, then neighbours. */
rk_value rk__neighbour_slots(rk_program *p, rk_value nodes, rk_value items, rk_neighbour_attr attr);
/* attr.weight times the mean over triplets (u, i) of
 *   sum over the neighbours j of i of  -weights[i,j] log sigmoid(<u, j>),
 * on rows of length 1 if cosine. x [S,d] and rows: of rk__neighbour_slots; nodes: the batch's. */
void rk__neighbour_loss(rk_program *p, rk_value x, rk_row_set rows, rk_value nodes,
                        rk_value weights, rk_value state, bool cosine, rk_neighbour_attr attr);

/* Parts of softmax_loss, for other losses that compare a batch with itself. unit f32 [S,d], bias
 * f32 [S,1]. */
typedef struct rk_unit_values {
    rk_value unit, bias;
} rk_unit_values;
rk_unit_values rk__unit_slots(rk_program *p, rk_value x, rk_row_set rows, rk_value table,
                              bool cosine);
/* lse f32 [n,1], mean f32 [n,d], own f64 [n,1]: the logit of query i with key i. */
typedef struct rk_attend_values {
    rk_value lse, mean, own;
} rk_attend_values;
rk_attend_values rk__attend(rk_program *p, rk_value unit, rk_value bias, rk_attend_attr attr);
/* Of an attention, given by its lse: the same with the roles of queries and keys changed and other
 * biases; its temperature. */
rk_attend_values rk__attend_back(rk_program *p, rk_value lse, rk_value bias);
double rk__temperature_of(const rk_program *p, rk_value lse);

/* x + epsilon * sign(x) * noise of length 1, by rows (Yu et al., SimGCL, SIGIR 2022): [N,d], or
 * with rows [S,d]. The noise of a node is the same in both, a function of seed, step, view and
 * layer. */
rk_value rk__perturb(rk_program *p, rk_value x, rk_value state, const rk_row_set *rows,
                     rk_perturb_attr attr);
/* InfoNCE between two views [S,d] of a batch: weight times, over the distinct users, the mean of
 *   -log(e^(<u_i, v_i> / temperature) / sum over j of e^(<u_i, v_j> / temperature))
 * with u and v of unit length, and the same over the distinct positives. */
typedef struct rk_contrast_rule {
    int64_t batch;
    double weight, temperature;
} rk_contrast_rule;
void rk__contrast_loss(rk_program *p, rk_value first, rk_value second, rk_row_set rows,
                       rk_contrast_rule rule);

/* ---- the step ---- */

/* Adds the loss terms to sums f64 [1 + terms, 1], a stored tensor: their total to entry 0, then
 * each term to its own entry, in the order of p->terms. */
void rk__step_loss(rk_program *p, rk_value state, rk_value sums);

/* The learning rate of the step, into the step state; before the updates. */
void rk__schedule(rk_program *p, rk_value state, rk_schedule rule);
/* f32 [1,1]: what the gradients (any number) are to be multiplied with so that the norm over all of
 * them together is at most `limit`. */
rk_value rk__clip_factor(rk_program *p, const rk_value *gradients, int n, float limit);
/* x * factor (RK_NONE = 1), each element limited to [-limit, limit]; limit may be infinite. */
rk_value rk__clip(rk_program *p, rk_value x, rk_value factor, float limit);

/* Updates, in place on the stored tensors. */
void rk__adam(rk_program *p, rk_value parameter, rk_value gradient, rk_value m, rk_value v,
              rk_value state, rk_adam_attr attr);
void rk__sgd(rk_program *p, rk_value parameter, rk_value gradient, rk_value state,
             double weight_decay);
/* Counts the step; behind rk__step_loss it is done in the same node. */
void rk__step_advance(rk_program *p, rk_value state);

/* ---- scores of a tile of queries ---- */

/*
 * A tile has room for T queries of which the first `count` (i32 [1,1]) are in use. Beyond them a
 * result is zeros (items: -1) and costs next to nothing. Scores are f32 [T,I] for all I items.
 */

/* Rows of a table: [R,w], rows i32 [T,1] -> [T,w]; zeros for row -1. */
rk_value rk__take_rows(rk_program *p, rk_value table, rk_value rows);

/* Rows t n + i of the result [T n,n_columns]: columns of queries[t] and of table[first + i] (with
 * items i32 [T,n]: of table[first + items[t,i]]), added, or multiplied. queries [T,w], table [R,w].
 * Zeros for item -1 and of queries that are not in use. */
rk_value rk__pair_rows(rk_program *p, rk_value queries, rk_value table, rk_value items,
                       rk_value count, rk_pair_rows_attr attr);

/* y[t,i] = <queries[t], table[first + i]>: [T,w], [R,w] -> [T,n]; one chain of multiply-adds over
 * the columns in order. */
rk_value rk__score_dot(rk_program *p, rk_value queries, rk_value table, rk_value count,
                       rk_range_attr items);

/* Lists of items with weights, one of each query. Unused queries have empty lists. */
typedef struct rk_tile_lists {
    rk_value offsets; /* i64 [T+1, 1] */
    rk_value items;   /* i32 [C, 1]: ascending and distinct within a list; C may be a capacity */
    rk_value weights; /* f32 [C, 1]: finite, not negative */
} rk_tile_lists;

/* Rows of entries (column, value), the columns of a row distinct. */
typedef struct rk_csr_values {
    rk_value offsets; /* i64 [R+1, 1] */
    rk_value columns; /* i32 [E, 1]; E may be a capacity: only entries below offsets[R] count */
    rk_value values;  /* f32 [E, 1], or RK_NONE: all are 1 */
} rk_csr_values;

/* y[t] = (sum_j weight_j)^-power * sum_j weight_j table[first + item_j]: [R,w] -> [T,w]; zeros of
 * an empty list and, unless power is 0, of one whose weights are all 0. */
rk_value rk__sum_lists(rk_program *p, rk_value table, rk_tile_lists lists, int64_t first,
                       double power);

/* y[t,c] = bias[c] + sum_j weight_j * (the value at column c of row first_row + item_j), bias f32
 * [n,1] or RK_NONE -> [T,n]. */
rk_value rk__score_lists(rk_program *p, rk_tile_lists lists, rk_csr_values rows, rk_value bias,
                         rk_value count, int64_t first_row, int64_t n);
/* The same of rows whose columns go from first_column to first_column + n. */
rk_value rk__score_lists_at(rk_program *p, rk_tile_lists lists, rk_csr_values rows, rk_value bias,
                            rk_value count, rk_rows_attr at);

/* y[t] = sum_j weight_j matrix[item_j]: [m,n] -> [T,n]. */
rk_value rk__score_dense(rk_program *p, rk_tile_lists lists, rk_value matrix, rk_value count);

/* y[t,i] = factor[i] * sum over the entries e of row first + i of values[e] *
 * queries[t,columns[e]]: queries [T,m], factor f32 [n,1] or RK_NONE -> [T,n]. */
rk_value rk__score_columns(rk_program *p, rk_value queries, rk_csr_values rows, rk_value factor,
                           rk_value count, rk_range_attr items);
/* The same of rows whose columns go from first_column to first_column + m. */
rk_value rk__score_columns_at(rk_program *p, rk_value queries, rk_csr_values rows, rk_value factor,
                              rk_value count, rk_rows_attr at);

/* a / b, 0 where b is 0: [n,d], [n,d] -> [n,d]. */
rk_value rk__ratio(rk_program *p, rk_value a, rk_value b);

/* scores[t,i] + (weight of i in list t) * (alpha + beta * factor[i]), in place on scores (which
 * must have no later reader); factor f32 [I,1], or RK_NONE = 0. */
rk_value rk__add_lists(rk_program *p, rk_value scores, rk_tile_lists lists, rk_value factor,
                       double alpha, double beta);

/* y[t,c] = scores[t,items[t,c]], 0 for item -1: items i32 [T,C] -> [T,C]. */
rk_value rk__take_scores(rk_program *p, rk_value scores, rk_value items);

/* Each query's scores minus their mean, over their standard deviation, so that those of several
 * models can be added: [T,I] -> [T,I]. Zeros where all are equal, and of queries >= count. */
rk_value rk__standardise_scores(rk_program *p, rk_value scores, rk_value count);

/* Ranks among all scores of the query, from 1 for the best; those that tie share their mean. As
 * numbers that are larger for better ones, [T,I] -> [T,I]: with an offset above 0 offset / (offset
 * + rank), else (I - rank) / (I - 1), from 0 to 1. Zeros of queries >= count. A query with a score
 * that is not a number has no others. */
rk_value rk__rank_scores(rk_program *p, rk_value scores, rk_value count, double offset);

/* The K best items of each query, best first, ties to the smaller item. Not ranked are the items in
 * a query's mask list, those with a `blocked` other than 0, and scores that are NaN or -inf. Where
 * fewer than K are left there are items of -1 with scores of 0. After rk__program_fuse the scores
 * of a rk__score_dot that nobody else reads are never written. */
typedef struct rk_topk_values {
    rk_value scores;                /* f32 [T,I] */
    rk_value mask_offsets;          /* i64 [T+1, 1] */
    rk_value mask_items;            /* i32 [M, 1]: ascending within a query; M may be a capacity */
    rk_value blocked;               /* i32 [I, 1] or RK_NONE */
    rk_value count;                 /* i32 [1, 1] */
    rk_value out_items, out_scores; /* i32 [T,K], f32 [T,K]: stored tensors that the host reads */
} rk_topk_values;
typedef struct rk_ranked_values {
    rk_value items, scores; /* [T,K] */
} rk_ranked_values;
/* first: the item that column 0 of the scores is, of as many as `blocked` has; masks count all of
 * them. With outputs of RK_NONE into temporaries. */
rk_ranked_values rk__top_k(rk_program *p, rk_topk_values v, int64_t first, int32_t k);
/* The best k of two lists [T,Ka], [T,Kb] as rk__top_k makes them, of different items; into `out`,
 * whose members may be RK_NONE. */
rk_ranked_values rk__merge_top_k(rk_program *p, rk_ranked_values a, rk_ranked_values b, int32_t k,
                                 rk_ranked_values out);

/* Where given items of each query stand among the items that its mask list does not have, whether
 * they are in that list or not: how many of those score higher, and how many as high, the item
 * itself not counted. Both are -1 for an item of -1 and for one that is never ranked: with a
 * `blocked` other than 0, or a score that is NaN or -inf. The mask list may have an item several
 * times. */
typedef struct rk_standing_values {
    rk_value scores;       /* f32 [T,I] */
    rk_value items;        /* i32 [T,P] */
    rk_value mask_offsets; /* as of rk_topk_values, and so are the next three */
    rk_value mask_items;
    rk_value blocked;
    rk_value count;
    rk_value out_above, out_tied; /* i32 [T,P]: stored tensors that the host reads */
} rk_standing_values;
void rk__standing(rk_program *p, rk_standing_values v);

#endif
