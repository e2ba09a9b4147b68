/*
 * The kernels' launchers, callable from C. All pointers are device pointers unless said otherwise;
 * every launcher takes the stream last, does nothing for an empty problem, and returns the launch's
 * error. Shapes in comments: N nodes, d columns, S rows of a row set, L slots of a batch, B
 * triplets.
 *
 * Determinism: no launcher here uses floating-point atomics; sums have a fixed order.
 */
#ifndef RK_KERNELS_H
#define RK_KERNELS_H

#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stdint.h>

#include "ops/half_rows.h"
#include "ops/schedule.h"
#include "ops/slot_loss.h"
#include "ops/step_state.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- ceilings.cu ---- */

enum { RK_CEILING_ROWS_IN_SUM = 64 };

/* table float[n_floats] = 1; rows int32[n_gathers] uniform in [0, n_rows). */
cudaError_t rk_cuda_ceiling_prepare(float *table, int64_t n_floats, int32_t *rows,
                                    int64_t n_gathers, int64_t n_rows, cudaStream_t stream);
/* sums float[n_sums, d]: of RK_CEILING_ROWS_IN_SUM rows each; d must be a multiple of 4. */
cudaError_t rk_cuda_ceiling_gather(const float *table, int64_t d, const int32_t *rows,
                                   int64_t n_sums, float *sums, cudaStream_t stream);
/* Fused multiply-adds, n rounds of them; out float[rk_cuda_ceiling_threads(blocks)]. The two others
 * are host functions. */
cudaError_t rk_cuda_ceiling_multiply(int64_t blocks, int64_t n, float *out, cudaStream_t stream);
int64_t rk_cuda_ceiling_flops(int64_t blocks, int64_t n);
int64_t rk_cuda_ceiling_threads(int64_t blocks);
cudaError_t rk_cuda_ceiling_nothing(cudaStream_t stream);

/* ---- init.cu ---- */

/* Elements [first, end) of a parameter, counted from its beginning; kind: RK_INIT_*. */
cudaError_t rk_cuda_init(float *parameter, int64_t first, int64_t end, int32_t kind, uint64_t seed,
                         int32_t number, double scale, cudaStream_t stream);

/* ---- sample.cu ---- */

typedef struct rk_draw_options {
    int64_t batch, n_users, n_items, n_eligible_users, n_eligible_edges;
    int32_t positives, negatives, n_candidates, pool_size; /* enumerators of base/choices.h */
    float pool_probability;
} rk_draw_options;

/* nodes int32[(2+M)B]; pool, alias_share, alias_item may be NULL. */
cudaError_t rk_cuda_sample_triplets(const int64_t *offsets, const int32_t *columns,
                                    const rk_step_state *state, const int32_t *users,
                                    const int64_t *edge_offsets, const int32_t *pool,
                                    const float *alias_share, const int32_t *alias_item,
                                    rk_draw_options options, int32_t *nodes, cudaStream_t stream);

/* ---- propagate.cu ---- */

/* A piece of a CSR row that one warp works on. slot < 0: the piece is the whole row. */
typedef struct rk_piece {
    int64_t begin, end; /* edges */
    int32_t row;
    int32_t slot; /* where its partial sum goes: row of `partial` */
} rk_piece;

/* A row of several pieces: their slots are consecutive. */
typedef struct rk_long_row {
    int32_t row, first_slot, n_slots;
} rk_long_row;

/* The split rows of a graph; device pointers to arrays built once on the host. */
typedef struct rk_split_rows {
    const rk_piece *pieces;
    const rk_long_row *long_rows;
    int64_t n_pieces, n_long_rows, n_slots;
    int64_t first_x, first_y; /* the node that row 0 of x, of y stands for; 0 where a map says it */
    /* Of a graph with dropped edges: piece p has the edges first[p] to first[p + 1], int64[n_pieces
     * + 1], and those in the piece itself are of the graph that it was drawn from. NULL: not drawn.
     */
    const int64_t *first;
} rk_split_rows;

/* A table that is gathered: float [N,d] with factor NULL, or halves [N,d] with float factor[N]
 * (ops/half_rows.h). */
typedef struct rk_gathered {
    const void *rows;
    const float *factor;
} rk_gathered;

/* What an Adam step updates, and with what; parameter NULL = none. */
typedef struct rk_adam_target {
    float *parameter, *m, *v;
    const rk_step_state *state;
    double beta1, beta2;
    float epsilon, weight_decay;
} rk_adam_target;

/* What becomes of the rows of a propagation: weight[k] * added[k][map[r]] is added where map[r] >=
 * 0, then the row is stored as floats [N,d] or halves [N,d] with their factors, or is the gradient
 * of an Adam step. One of the three is there. */
enum { RK_KERNEL_MAX_ADDED = 9 };
typedef struct rk_row_end {
    const int32_t *map; /* int32[N] */
    const float *added[RK_KERNEL_MAX_ADDED];
    float weight[RK_KERNEL_MAX_ADDED];
    int32_t n_added;
    float *floats;
    rk_half *halves;
    float *factor;
    rk_adam_target adam;
} rk_row_end;

/* Scratch bytes of each of the three. Host function. */
int64_t rk_cuda_propagate_scratch(int64_t n_slots, int64_t n_nodes, int64_t d);
/* alpha * scale[row] * sum over edges of scale[column] * x[column], N rows of d columns. */
cudaError_t rk_cuda_propagate(rk_split_rows split, const int32_t *columns, const float *scale,
                              rk_gathered x, rk_row_end end, void *scratch, int64_t d, float alpha,
                              cudaStream_t stream);
/* Only rows with map[row] >= 0, written to y[map[row]]: [N,d] -> [S,d]; the rest of y is zeroed. */
cudaError_t rk_cuda_propagate_rows(rk_split_rows split, const int32_t *columns, const float *scale,
                                   const int32_t *map, rk_gathered x, float *y, void *scratch,
                                   int64_t n_slots, int64_t d, float alpha, cudaStream_t stream);
/* Only columns with map[column] >= 0, read from x[map[column]]: x float [S,d]. */
cudaError_t rk_cuda_propagate_from_rows(rk_split_rows split, const int32_t *columns,
                                        const float *scale, const int32_t *map, int64_t n_nodes,
                                        const float *x, rk_row_end end, void *scratch, int64_t d,
                                        float alpha, cudaStream_t stream);

/* ---- rows.cu ---- */

/* Scratch bytes that rk_cuda_unique_rows needs. Host function. */
int64_t rk_cuda_unique_rows_scratch(int64_t n_slots, int64_t n_nodes);
/* nodes int32[L], -1 = unused -> the row set (builder.h). */
cudaError_t rk_cuda_unique_rows(const int32_t *nodes, int64_t n_slots, int64_t n_nodes,
                                int32_t *rows, int32_t *count, int32_t *map, int32_t *slot_row,
                                int32_t *segments, int32_t *order, void *scratch,
                                cudaStream_t stream);

/* ---- dense.cu ---- */

enum { RK_KERNEL_MAX_TABLES = 12 };
typedef struct rk_tables {
    const float *x[RK_KERNEL_MAX_TABLES];
    const float *factor[RK_KERNEL_MAX_TABLES]; /* where there is one, x are halves: rk_gathered */
    float weight[RK_KERNEL_MAX_TABLES];
    int32_t n;
} rk_tables;

/* x float [R,d] -> halves [R,d] and their factors float[R]. */
cudaError_t rk_cuda_narrow(const float *x, rk_half *y, float *factor, int64_t n_rows, int64_t d,
                           cudaStream_t stream);

/* y = sum_k w_k x_k over n elements. */
cudaError_t rk_cuda_combine(rk_tables tables, float *y, int64_t n, cudaStream_t stream);
/* y[r] = sum_k w_k x_k[rows[r]] for r < *count, zero beyond: [S,d]. */
cudaError_t rk_cuda_combine_rows(rk_tables tables, const int32_t *rows, const int32_t *count,
                                 float *y, int64_t n_slots, int64_t d, cudaStream_t stream);
/* y[r] = factor[r] * x[r] for r < *count, zero beyond: [S,d]. */
cudaError_t rk_cuda_scale_rows(const float *x, const float *factor, const int32_t *count, float *y,
                               int64_t n_slots, int64_t d, cudaStream_t stream);
/* y[n] = alpha * x[map[n]], zero where map[n] < 0: [S,d] -> [N,d]. */
cudaError_t rk_cuda_scatter_rows(const float *x, const int32_t *map, float *y, int64_t n_nodes,
                                 int64_t d, float alpha, cudaStream_t stream);
/* y[map[i]] = x[i] for the i < n with map[i] >= 0: rows of a side into those of a row set. */
cudaError_t rk_cuda_spread_rows(const float *x, const int32_t *map, float *y, int64_t n, int64_t d,
                                cudaStream_t stream);
/* y[rows[r]] += alpha * x[r] for r < *count. */
cudaError_t rk_cuda_scatter_add_rows(float *y, const float *x, const int32_t *rows,
                                     const int32_t *count, int64_t n_slots, int64_t d, float alpha,
                                     cudaStream_t stream);

/* ---- edges.cu ---- */

/* Scratch bytes that rk_cuda_drop_edges needs. Host function. */
int64_t rk_cuda_drop_edges_scratch(int64_t n_pieces);
/* The edges of a graph that a draw keeps (ops/edge_draw.h): first int64[n_pieces + 1] as in
 * rk_split_rows, out_offsets int64[N+1], out_columns int32[n_edges], -1 behind the last, scale
 * float[N] = 1/sqrt(degree), 0 for none. */
cudaError_t rk_cuda_drop_edges(rk_split_rows split, const int32_t *columns,
                               const rk_step_state *state, int64_t n_nodes, int64_t n_edges,
                               int32_t view, uint32_t threshold, int64_t *first,
                               int64_t *out_offsets, int32_t *out_columns, float *scale,
                               void *scratch, cudaStream_t stream);

/* ---- loss.cu ---- */

/* chosen[b] = argmax over the M candidates of <user, candidate>, the first on ties; -1 behind the
 * step's last triplet. */
cudaError_t rk_cuda_select_negatives(const float *final, const int32_t *slot_row,
                                     const rk_step_state *state, int32_t *chosen, int64_t batch,
                                     int64_t n_candidates, int64_t d, cudaStream_t stream);
/* loss double[1], coefficient float[B]; terms double[B]: scratch; chosen may be NULL (M = 1). */
cudaError_t rk_cuda_bpr_loss(const float *final, const int32_t *slot_row,
                             const rk_step_state *state, const int32_t *chosen, double *loss,
                             float *coefficient, double *terms, int64_t batch, int64_t n_candidates,
                             int64_t d, cudaStream_t stream);
/* y float [S,d]. */
cudaError_t rk_cuda_bpr_grad(const float *final, const float *coefficient, const int32_t *slot_row,
                             const int32_t *segments, const int32_t *order, const int32_t *count,
                             const int32_t *chosen, float *y, int64_t n_slots, int64_t batch,
                             int64_t n_candidates, int64_t d, cudaStream_t stream);
/* loss double[1], factor float[S]; terms double[5 S + 4]: scratch. form, rows, divisor: RK_L2_*. */
cudaError_t rk_cuda_l2_loss(const float *x, const int32_t *segments, const int32_t *order,
                            const int32_t *count, const rk_step_state *state, const int32_t *chosen,
                            double *loss, float *factor, double *terms, int64_t n_slots,
                            int64_t batch, int64_t n_candidates, int64_t d, double weight,
                            int32_t form, int32_t rows, int32_t divisor, cudaStream_t stream);
/* loss = sum of double[B] / triplets in the step. */
cudaError_t rk_cuda_mean_of_terms(const double *terms, const rk_step_state *state, double *loss,
                                  int64_t batch, cudaStream_t stream);
enum { RK_KERNEL_MAX_LOSSES = 8 };
typedef struct rk_losses {
    const double *value[RK_KERNEL_MAX_LOSSES];
    int32_t slot[RK_KERNEL_MAX_LOSSES];
    int32_t n;
} rk_losses;
cudaError_t rk_cuda_step_loss(rk_losses losses, rk_step_state *state, cudaStream_t stream);
cudaError_t rk_cuda_step_advance(rk_step_state *state, cudaStream_t stream);

/* ---- clip.cu ---- */

/* state->learning_rate = the rule's rate at state->step. */
cudaError_t rk_cuda_schedule(rk_schedule rule, rk_step_state *state, cudaStream_t stream);
enum { RK_KERNEL_MAX_GRADIENTS = 8 };
typedef struct rk_gradients {
    const float *x[RK_KERNEL_MAX_GRADIENTS];
    int64_t n[RK_KERNEL_MAX_GRADIENTS]; /* elements */
    int32_t count;
} rk_gradients;
/* Scratch bytes that rk_cuda_clip_factor needs; looks at the sizes only. Host function. */
int64_t rk_cuda_clip_factor_scratch(const rk_gradients *gradients);
/* factor float[1] = min(1, limit / (norm + 1e-6)), the norm over all gradients together. */
cudaError_t rk_cuda_clip_factor(rk_gradients gradients, float limit, float *factor, void *scratch,
                                cudaStream_t stream);
/* y = x * factor[0] (NULL = 1), each of n elements limited to [-limit, limit]. */
cudaError_t rk_cuda_clip(const float *x, const float *factor, float *y, int64_t n, float limit,
                         cudaStream_t stream);

/* ---- batch_loss.cu ---- */

/* unit float [S,d]: the slots' rows, of length 1 if cosine; bias float[S]: table[rows[slot_row]],
 * 0 without a table (NULL), RK_NO_LOGIT in unused slots. */
cudaError_t rk_cuda_unit_slots(const float *x, const int32_t *slot_row, const int32_t *rows,
                               const float *table, float *unit, float *bias, int64_t n_slots,
                               int64_t d, bool cosine, cudaStream_t stream);
/* y float [S,d] by rows of the row set. */
cudaError_t rk_cuda_unit_slots_grad(const float *x, const float *unit, const float *gradient,
                                    const int32_t *segments, const int32_t *order,
                                    const int32_t *count, float *y, int64_t n_slots, int64_t d,
                                    float alpha, bool cosine, cudaStream_t stream);
/* products [n_queries, n] of queries first .. with all keys -> softmax weights in place, and the
 * queries' entries of lse. */
cudaError_t rk_cuda_softmax_tile(float *products, const float *bias, float *lse, int64_t first,
                                 int64_t n_queries, int64_t n, float scale, bool skip_diagonal,
                                 cudaStream_t stream);
/* loss double[1], user_bias float[S]; terms double[B]: scratch. */
cudaError_t rk_cuda_softmax_loss(const float *unit, const float *bias, const float *lse,
                                 const rk_step_state *state, double *loss, float *user_bias,
                                 double *terms, int64_t n_slots, int64_t batch, int64_t d,
                                 double temperature, double power, cudaStream_t stream);
/* y float [S,d] by slots. */
cudaError_t rk_cuda_softmax_grad(const float *unit, const float *bias, const float *item_mean,
                                 const float *user_bias, const float *user_lse,
                                 const float *user_mean, const rk_step_state *state, float *y,
                                 int64_t n_slots, int64_t batch, int64_t d, double temperature,
                                 double power, cudaStream_t stream);

/* loss double[1], total float[2]; terms double[B]: scratch. */
cudaError_t rk_cuda_align_uniform_loss(const float *unit, const float *user_lse,
                                       const float *item_lse, const rk_step_state *state,
                                       double *loss, float *total, double *terms, int64_t batch,
                                       int64_t d, double uniformity, cudaStream_t stream);
/* y float [S,d] by slots. */
cudaError_t rk_cuda_align_uniform_grad(const float *unit, const float *user_lse,
                                       const float *user_mean, const float *item_lse,
                                       const float *item_mean, const rk_step_state *state,
                                       const float *total, float *y, int64_t n_slots, int64_t batch,
                                       int64_t d, double uniformity, cudaStream_t stream);

/* ---- contrast.cu ---- */

/* rows, count NULL: every row its own node. */
cudaError_t rk_cuda_perturb(const float *x, const rk_step_state *state, const int32_t *rows,
                            const int32_t *count, float *y, int64_t n, int64_t d, float epsilon,
                            int32_t view, int32_t layer, cudaStream_t stream);
/* pair float [4B,d], bias float [4B]. */
cudaError_t rk_cuda_contrast_slots(const float *first, const float *second, const int32_t *slot_row,
                                   const int32_t *segments, const int32_t *order, float *pair,
                                   float *bias, int64_t batch, int64_t d, cudaStream_t stream);
/* y float [n,d] by rows of the row set. */
cudaError_t rk_cuda_contrast_slots_grad(const float *x, const float *pair, const float *gradient,
                                        const int32_t *segments, const int32_t *order,
                                        const int32_t *count, float *y, int64_t n, int64_t batch,
                                        int64_t d, bool is_second, cudaStream_t stream);
/* key_bias, factor float [4B]; terms double [2B]: scratch. */
cudaError_t rk_cuda_contrast_loss(const float *pair, const float *bias, const float *user_lse,
                                  const float *item_lse, double *loss, float *key_bias,
                                  float *factor, double *terms, int64_t batch, int64_t d,
                                  double weight, double temperature, cudaStream_t stream);
typedef struct rk_contrast_means { /* users, positives */
    const float *of_query[2], *key_lse[2], *of_key[2];
} rk_contrast_means;
cudaError_t rk_cuda_contrast_grad(rk_contrast_means means, const float *pair, const float *factor,
                                  float *y, int64_t batch, int64_t d, double temperature,
                                  cudaStream_t stream);

/* ---- mix.cu ---- */

/* y = sum_k weights[k] x_k over n elements; weights: device memory (tables.weight is not used). */
cudaError_t rk_cuda_mix(rk_tables tables, const float *weights, float *y, int64_t n,
                        cudaStream_t stream);
/* y = weights[index] * x. */
cudaError_t rk_cuda_weigh(const float *x, const float *weights, int32_t index, float *y, int64_t n,
                          cudaStream_t stream);
/* Scratch bytes that rk_cuda_table_dots needs. Host function. */
int64_t rk_cuda_table_dots_scratch(int64_t n, int32_t n_tables);
/* y[k] = alpha * sum of g * x_k over n elements. */
cudaError_t rk_cuda_table_dots(rk_tables tables, const float *g, float *y, int64_t n, float alpha,
                               void *scratch, cudaStream_t stream);
/* Rows of n numbers, n at most a dozen. */
cudaError_t rk_cuda_softmax_weights(const float *x, float *w, int64_t n, cudaStream_t stream);
cudaError_t rk_cuda_softmax_weights_grad(const float *w, const float *g, float *y, int64_t n,
                                         cudaStream_t stream);
/* y[r] = factor[r] * x[r] / (|x[r]| + 1e-12): [n,d]; factor NULL = 1. */
cudaError_t rk_cuda_unit_rows(const float *x, const float *factor, float *y, int64_t n, int64_t d,
                              cudaStream_t stream);
/* Its gradient by x, given that by y. */
cudaError_t rk_cuda_unit_rows_grad(const float *x, const float *g, const float *factor, float *y,
                                   int64_t n, int64_t d, cudaStream_t stream);
/* y[r] = factor[rows[r]] * x[r] for r < *count, zero beyond: [n,d]; rows, count NULL: every r, its
 * own factor. */
cudaError_t rk_cuda_scale_nodes(const float *x, const float *factor, const int32_t *rows,
                                const int32_t *count, float *y, int64_t n, int64_t d,
                                cudaStream_t stream);

/* ---- slot_loss.cu ---- */

/* loss double[1], by_score float [B,1+M]; terms double[B]: scratch; factor may be NULL. rule: host
 * memory. */
cudaError_t rk_cuda_slot_loss(const float *x, const int32_t *slot_row, const int32_t *rows,
                              const rk_step_state *state, const float *factor, double *loss,
                              float *by_score, double *terms, int64_t batch, int64_t m, int64_t d,
                              const rk_slot_rule *rule, cudaStream_t stream);
/* y float [S,d]. */
cudaError_t rk_cuda_slot_grad(const float *x, const float *by_score, const int32_t *slot_row,
                              const int32_t *segments, const int32_t *order, const int32_t *count,
                              float *y, int64_t n_slots, int64_t batch, int64_t m, int64_t d,
                              cudaStream_t stream);

/* ---- neighbours.cu ---- */

/* n neighbours of each item: items int32[I,n] -> slots int32[(1+n)B]; nodes int32[(2+M)B]. */
cudaError_t rk_cuda_neighbour_slots(const int32_t *nodes, const int32_t *items, int32_t *slots,
                                    int64_t batch, int64_t n, int64_t n_users, cudaStream_t stream);
/* loss double[1], by_score float [B,n]; slot_row int32[(1+n)B], nodes int32[(2+M)B], weights
 * float [I,n]; terms double[B]: scratch. */
cudaError_t rk_cuda_neighbour_loss(const float *x, const int32_t *slot_row, const int32_t *nodes,
                                   const float *weights, const rk_step_state *state, double *loss,
                                   float *by_score, double *terms, int64_t batch, int64_t n,
                                   int64_t n_users, int64_t d, double weight, cudaStream_t stream);

/* ---- optimizer.cu ---- */

/* gradient float[n] */
cudaError_t rk_cuda_adam(rk_adam_target target, const float *gradient, int64_t n,
                         cudaStream_t stream);
cudaError_t rk_cuda_sgd(float *parameter, const float *gradient, const rk_step_state *state,
                        int64_t n, double weight_decay, cudaStream_t stream);

/* ---- gram.cu ---- */

/* 2^14 gram = high + low; rows of n become rows of `stride`. */
cudaError_t rk_cuda_gram_cut(const float *gram, int64_t n, int64_t stride, rk_half *high,
                             rk_half *low, cudaStream_t stream);
/* x [halves][n,d] -> packed [n, 2 halves d], high parts before low ones; *largest: bits of the
 * largest magnitude, which the factor follows from. */
cudaError_t rk_cuda_gram_pack(const float *x, int64_t n, int64_t d, int64_t halves, rk_half *packed,
                              int *largest, cudaStream_t stream);
/* sums [n, 2 halves d], the products of C with the packed columns -> y [halves][n,d]. */
cudaError_t rk_cuda_gram_unpack(const float *sums, const int *largest, int64_t n, int64_t d,
                                int64_t halves, float *y, cudaStream_t stream);

/* ---- topk.cu ---- */

/* y[t] = final[users[t]], zero where users[t] < 0: [T,d]. */
cudaError_t rk_cuda_gather_users(const float *final, const int32_t *users, float *y,
                                 int64_t n_tile_users, int64_t d, cudaStream_t stream);
/* A ranking of the items for a tile of T users (topk.cu has the method). Seen items do not count:
 * train lists hold nodes (item + n_users), other lists hold items and may be NULL. */
typedef struct rk_ranking {
    const float *final;   /* [n_users + n_items, d] */
    const int32_t *users; /* [T], -1 = unused */
    int64_t n_users, n_items, n_tile_users, d;
    const int64_t *train_offsets, *other_offsets;
    const int32_t *train_columns, *other_columns;
    int32_t k;
    float epsilon;  /* |score of a tile - exact score| <= epsilon |user| |item| */
    int32_t *items; /* [T,K], best first; -1 = no item left */
    float *scores;  /* [T,K] */
    /* Of the launchers, set by rk_cuda_topk_begin. */
    int32_t size;    /* room of a list */
    void *lists;     /* candidates [T, size] */
    int32_t *counts; /* [T] */
    int *largest;    /* bits of the items' largest sum of squares */
} rk_ranking;
/* Scratch bytes for it. Host function. */
int64_t rk_cuda_topk_scratch(int64_t n_tile_users, int64_t k);
cudaError_t rk_cuda_topk_begin(rk_ranking *ranking, void *scratch, cudaStream_t stream);
/* Looks through a tile of scores [T, n_tile] of the items [first_item, first_item + n_tile). */
cudaError_t rk_cuda_topk_merge(rk_ranking ranking, const float *tile, int64_t tile_stride,
                               int64_t n_tile, int64_t first_item, cudaStream_t stream);
/* After all tiles: items and scores. */
cudaError_t rk_cuda_topk_finish(rk_ranking ranking, cudaStream_t stream);

#ifdef __cplusplus
}
#endif
#endif
