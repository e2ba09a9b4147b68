/*
 * Appending operations that compute models in closed form or by phases: similar items, equations,
 * singular vectors. As in builder.h, which has what programs of all models are made of.
 */
#ifndef RK_OPS_BUILDER_SOLVE_H
#define RK_OPS_BUILDER_SOLVE_H

#include "ops/builder.h"

/* ---- lists and similar items ---- */

/* Of each item the K most similar others by their common users; similar_value.h has the formulas.
 * graph: the stored one of attr.n_users and attr.n_items, without values. user_weight f32 [U, 1]
 * (RK_NONE = 1) and item_factor f32 [I, 1] (tfidf, bm25: of rk__similarity_weights in graph/) or
 * [I, 2] (walk: f and g). Into stored tensors out_items i32 [I, K] and out_values f32 [I, K]: best
 * first, by the value as a float, ties to the smaller item; only values above 0; -1 and 0 behind
 * the last. K may be larger than I. Every device finds the same (asymmetric, walk: to the rounding
 * of a power). Time: the sum over users of degree^2. */
void rk__item_neighbours(rk_program *p, rk_csr_values graph, rk_value user_weight,
                         rk_value item_factor, rk_similar_attr attr, rk_value out_items,
                         rk_value out_values);

/* The weights of a sparse linear model (slim_step.h) by coordinate descent, until a pass over an
 * item's candidates has no step that counts. Of each item j the K largest by size, as of
 * item_neighbours: out_items i32 [I, K], out_values f32 [I, K] (stored), the weight of item
 * out_items[j,k] in the score of j, which attr.has_negative lets be below 0. graph: the stored one,
 * without values. out_stopped i32 [I, 1] (stored): 1 where attr.passes were over before that, else
 * 0. The CPU gives the same bits for any number of threads; devices agree to the
 * tolerance. Time without has_negative: passes times the sum over pairs of items with common users
 * of the users of one; memory: 4 (users + 5 items) bytes a thread, on CUDA a block. */
void rk__slim_columns(rk_program *p, rk_csr_values graph, rk_slim_attr attr, rk_value out_items,
                      rk_value out_values, rk_value out_stopped);

/* items i32 [I, K] and values f32 [I, K] of item_neighbours, S_jk the value of j's neighbour k
 * (with unit_sum: divided by the sum over j's neighbours), as I lists:
 *   plain        row i has i's neighbours in their order, with S_ik: what somebody adds to scores
 *                who likes i
 *   transposed   row i has all j with i among their neighbours, ascending, with S_ji: the score of
 *                j is the sum over those of its own neighbours that are liked
 * offsets i64 [I+1, 1], columns i32 [I*K, 1] (items), values f32 [I*K, 1]; from offsets[I] on both
 * are 0.
 * bias f32 [I, 1]: m_i - sum over k of S_ik m_k, so that transposed lists and the bias give
 * S (x - m) + m (Zhu et al., "BARS", SIGIR 2022: its item-based filtering); 0 without mean. */
typedef struct rk_neighbour_lists {
    rk_value offsets, columns, values, bias;
} rk_neighbour_lists;
rk_neighbour_lists rk__neighbour_lists(rk_program *p, rk_value items, rk_value values,
                                       rk_value mean /* f32 [I, 1] or RK_NONE */,
                                       rk_neighbour_lists_attr attr);

/* f32 [n, 1]: sums of the values of the rows in the range, in double; powers of `plus` more than
 * them, 0 of 0. */
rk_value rk__row_sums(rk_program *p, rk_csr_values rows, rk_range_attr range);
rk_value rk__row_powers(rk_program *p, rk_csr_values rows, rk_range_attr range, double plus,
                        double power);

/* The K most similar rows of a side to each query, as lists: items i32 [T*K, 1] (rows), best first
 * as of item_neighbours, then rows 0 of weight 0; weights f32 [T*K, 1]. common f32 [T,n]: of query
 * and row the sum of the query's weights that they have in common (rk__score_lists); sizes f32
 * [n,1]: the row's number; that of a query is the sum of its squared weights, so that lists of
 * weight 1 are compared as sets. self i32 [T,1]: a row that is no neighbour, -1 = none; or RK_NONE.
 * attr: kinds without factors; attr.n_users is the number of what rows share, attr.n_items is not
 * looked at. */
rk_tile_lists rk__nearest_lists(rk_program *p, rk_value common, rk_tile_lists lists, rk_value sizes,
                                rk_value self, rk_value count, rk_similar_attr attr);

/* ---- models that are solved ---- */

/* V^T V of rows of a table [R,d]: f32 [d,d], symmetric. */
rk_value rk__side_gram(rk_program *p, rk_value table, rk_range_attr range);
/* Solves attr's equations for each of its rows of `table` (stored f32 [R,d], updated in place);
 * `rows` counts both sides as the table does, [R rows], and no column of the range may be a row of
 * it. gram f32 [d,d]: of the other side (rk__side_gram); of ratings RK_NONE, and rows.values are
 * the ratings. A row without entries becomes zeros.
 * Conjugate gradients start from the present row. A system that is not positive definite leaves
 * its row as it is and is noted in the state as a loss that is not finite. */
void rk__als_sweep(rk_program *p, rk_csr_values rows, rk_value table, rk_value gram, rk_value state,
                   rk_als_attr attr);
/* The same equations for lists of items, whose rows are attr.first + item: f32 [T,d]. Conjugate
 * gradients start from zeros. An empty list and one whose system is not positive definite give
 * zeros. */
rk_value rk__als_fold(rk_program *p, rk_tile_lists lists, rk_value table, rk_value gram,
                      rk_als_attr attr);
/* Rows [R,w] of a rating model as rows f32 [R,d+2] whose products, a user's with an item's, are
 * predicted ratings. offsets i64 [R+1]: nothing was learnt of a row without entries, so what it has
 * is not looked at.
 *                with biases (w = d + 1, the last one)    without (w = d)
 *   user         [x, mean + bias, 1]                      [x, 0, 1]
 *     no entries [0, mean, 1]                             [0, mean, 1]
 *   item         [y, 1, bias]                             [y, 1, 0]
 *     no entries [0, 1, 0]                                [0, 0, mean]
 * so that without biases whatever was not learnt is rated with the mean. is_plain: the factors
 * alone, [R,d]. */
rk_value rk__rating_rows(rk_program *p, rk_value offsets, rk_value rows, rk_rating_attr attr);

/* into (stored f32 [n,n]): entry a,b = common neighbours in `rows` (the graph; values count as 1)
 * of nodes first + a and first + b; `ridge` is added on the diagonal. */
void rk__count_gram(rk_program *p, rk_csr_values rows, rk_range_attr side, double ridge,
                    rk_value into);
/* The inverse of a symmetric positive definite matrix (stored f32 [n,n]), in place and in full;
 * only its lower triangle is read. One that is not positive definite becomes zeros, and is noted in
 * the state as a loss that is not finite. */
void rk__spd_inverse(rk_program *p, rk_value matrix, rk_value state);
/* Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019: of P = (X^T X + l2 I)^-1
 * (stored f32 [n,n]), in place, B_ij = -P_ij / P_jj with a diagonal of zeros. */
void rk__ease_weights(rk_program *p, rk_value matrix);
/* The same model through the users: inverse f32 [m,m] = (X X^T + ridge I)^-1 gives the diagonal
 * P_ii = (1 - x_i^T inverse x_i) / ridge; factor_i = -1 / P_ii, f32 [n,1], for the rows
 * [first, first + n) of `rows`, whose columns are below m (values count as 1). */
rk_value rk__ease_factor(rk_program *p, rk_csr_values rows, rk_value inverse, rk_range_attr items,
                         double ridge);

/* ---- singular vectors ---- */

/* A X for the rows A of the graph's range side, X [m, d] a table of the m nodes of the other side:
 * [n, d]. Row i is scale_i * sum over its entries e of values_e * scale_j * X_j; scale f32 [N, 1]
 * or RK_NONE = 1. whole: [N, d], with X in place of the other side's rows. */
rk_value rk__side_product(rk_program *p, rk_csr_values rows, rk_value scale, rk_value x,
                          rk_side_attr attr);

/* f32 [rows, columns]: the first `drawn` columns from the standard normal distribution, a pure
 * function of the seed, the stream and the element; the others 0. */
rk_value rk__draw_columns(rk_program *p, rk_value state, int64_t rows, int64_t columns,
                          int64_t drawn, int32_t stream);
/* y - Q C with C = Q^T y, Q the first `used` columns of basis [n, w]; y [n, b] in place (it must
 * have no later reader). */
typedef struct rk_projected {
    rk_value y;            /* f32 [n, b] */
    rk_value coefficients; /* C, f64 [used, b] */
} rk_projected;
rk_projected rk__project_out(rk_program *p, rk_value basis, rk_value y, int64_t used);
/* A symmetric matrix f64 [size, size], in place or, with RK_NONE, of zeros: its columns from
 * `first` on become the coefficients [used, b], used = first + b, and its rows across from them. */
rk_value rk__put_coefficients(rk_program *p, rk_value matrix, rk_value coefficients, int64_t first,
                              int64_t size);
/* y [n, b] with orthonormal columns that span the same space, in place. A column that depends on
 * those before it (ops/basis_draw.h) is with fills drawn anew, of about unit length, but not
 * orthonormal; else made 0. Columns were of about unit length or, with fills, of any. */
rk_value rk__orthonormalise(rk_program *p, rk_value y, rk_value state, bool fills, int32_t stream);
/* basis [n, w] with the columns from `first` on those of x; in place. */
rk_value rk__put_columns(rk_program *p, rk_value basis, rk_value x, int64_t first);
/* The `kept` largest eigenvalues of the leading matrix [used, used] of a symmetric one f64 [w, w]
 * that is a Gram matrix, so that none is below 0, and its eigenvectors of unit length, whose
 * largest component is positive. Where there are none, the state notes a loss that is not finite.
 */
typedef struct rk_ritz_values {
    rk_value vectors; /* f32 [kept, w]: rows, 0 from column `used` on */
    rk_value roots;   /* f32 [kept, 1]: of the values, falling */
    rk_value matrix; /* f64 [w, w], in place of the given one: the values on its diagonal, else 0 */
} rk_ritz_values;
rk_ritz_values rk__ritz(rk_program *p, rk_value matrix, rk_value state, int64_t used, int64_t kept);

#endif
