/*
 * What kernels/ and src/device/cuda/ share: the launchers, and the types of what the device makes
 * for them. All pointers are device pointers unless said otherwise; every launcher queues its work
 * on a stream, does nothing for an empty problem, and returns the launch's error. Shapes in
 * comments: N nodes, d columns.
 *
 * Determinism: no launcher here uses floating-point atomics; sums have a fixed order.
 */
#ifndef RK_KERNELS_H
#define RK_KERNELS_H

#include <cuda_runtime_api.h>

#include "ops/call.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where launches go. */
typedef struct rk_stream {
    cudaStream_t stream;
    /* Programmatic dependent launch: a kernel may be put onto the device while the one before it
     * ends, and waits there (rk::begin). Only where nothing but a kernel of ours is before it. */
    bool overlaps;
    bool is_after_kernel;
} rk_stream;

/* ---- operations ---- */

/* One launcher an operation, but for those with the flag LIBRARY; and the bytes of call->scratch,
 * a host function that looks at shapes, attributes and call->prepared only. */
#define RK_OP_ROW(ENUM, name, min, max, outputs, gradient, traffic, cpu, cuda, ...)                \
    cudaError_t rk_cuda_##name(const rk_call *call);                                               \
    int64_t rk_cuda_scratch_##cuda(const rk_call *call);
#include "ops/ops.def"

/* step.cu: *out = the architecture that the running code was made for, e.g. 900. From the first on
 * kernels wait and can be launched early, from the second on they have products in TF32. */
#define RK_WAITS_FROM 900
#define RK_TF32_FROM 800
cudaError_t rk_cuda_architecture(int *out, rk_stream *stream);

/* ease.cu: the diagonal of a matrix [n,n]; the end of its inverse, whose lower triangle is done.
 * info: two ints, 0 = well; what is not, or has too large an inflation of its diagonal, is noted in
 * the state as a loss of `bad`, and the matrix becomes zeros. */
cudaError_t rk_cuda_keep_diagonal(const float *matrix, int64_t n, float *diagonal,
                                  rk_stream *stream);
cudaError_t rk_cuda_end_inverse(float *matrix, int64_t n, const float *diagonal, int *info,
                                rk_step_state *state, double bad, rk_stream *stream);

/* spectral.cu: the leading part [n,n] of a matrix [width,width]; what ritz makes of its
 * eigenvectors [n,n], a row each, whose values rise. Another info than 0, and values that are not
 * finite, are noted in the state as a loss of `bad`. */
typedef struct rk_eigenvectors {
    const double *vectors, *values;
    const int *info;
    rk_step_state *state;
    int64_t n, width, kept;
    double bad;
} rk_eigenvectors;
cudaError_t rk_cuda_ritz_begin(const double *matrix, int64_t width, double *out, int64_t n,
                               rk_stream *stream);
cudaError_t rk_cuda_ritz_end(const rk_eigenvectors *r, float *out, float *out_roots, double *matrix,
                             rk_stream *stream);

/* ranks.cu: all [rows, ranks * columns] = the blocks [rows, columns] of the ranks, which lie one
 * behind the other, side by side. */
cudaError_t rk_cuda_interleave_columns(const float *blocks, int64_t rows, int64_t columns,
                                       int64_t ranks, float *all, rk_stream *stream);

/* A piece of a CSR row that one warp works on: 32 bytes, what memory is read by. */
typedef struct rk_piece {
    int64_t begin, end; /* edges */
    int32_t row;
    int32_t partial;  /* number of its partial sum; < 0: the piece is the whole row */
    int32_t long_row; /* number of its row among those of several pieces, or -1 */
    int32_t number;   /* of the piece in the order of the rows */
} rk_piece;

/* A row of several pieces: their partials are consecutive. */
typedef struct rk_long_row {
    int32_t row, first_partial, n_partials;
} rk_long_row;

/* The split rows of a graph, or of one side of it, which has pieces of its own and the rest in
 * common with the whole; arrays built once on the host. */
typedef struct rk_split_rows {
    const rk_piece *pieces; /* longest first */
    const rk_long_row *long_rows;
    int64_t n_pieces, n_long_rows, n_partials;
    int64_t first_x, first_y; /* the node that row 0 of x, of y stands for; 0 where a map says it */
    /* Of a graph with dropped edges: piece number n has the edges first[n] to first[n + 1],
     * int64[n_pieces + 1], and those in the piece itself are of the graph that it was drawn from.
     * NULL: not drawn. */
    const int64_t *first;
    const float *weights; /* scale of each edge's column, by edge; NULL: to be gathered */
    unsigned *arrived; /* the node's own: pieces of each long row that are done; 0 between runs */
} rk_split_rows;

/* call->prepared of an operation with the flag GRAPH begins with this. For a scratch function the
 * sizes are enough. */
typedef struct rk_split_graph {
    rk_split_rows rows;
    rk_split_rows small, other; /* SIDE: the rows of the side in attr.fold, and of the other one */
    int64_t *drawn;             /* drop_edges: `first` of the graph that it draws */
    unsigned *arrived;          /* the others: the counters of `rows` */
} rk_split_graph;

/* ---- attend.cu ---- */

/* products [n_queries, n] of queries first .. with all n keys -> softmax weights in place, and the
 * queries' entries of lse and own. */
typedef struct rk_attend_tile {
    float *products;
    const float *bias; /* of the keys */
    float *lse;        /* of all queries */
    double *own;
    int64_t first, n_queries, n;
    double temperature;
    bool skip_diagonal;
} rk_attend_tile;
cudaError_t rk_cuda_softmax_tile(const rk_attend_tile *tile, rk_stream *stream);

/* ---- gemm.cu ---- */

/* Every row of y, of this shape, = bias [1, cols]; rows from *count on, unless that is NULL, 0. */
cudaError_t rk_cuda_repeat_bias(const float *bias, const int32_t *count, const rk_tensor *shape,
                                float *y, rk_stream *stream);

/* ---- gram.cu ---- */

/* 2^14 gram = high + low; rows of n become rows of `stride`. */
cudaError_t rk_cuda_gram_cut(const float *gram, int64_t n, int64_t stride, rk_half *high,
                             rk_half *low, rk_stream *stream);
typedef struct rk_pair_product {
    int64_t n, d, halves;
    rk_half *packed; /* [n, 2 halves d], high parts before low ones */
    int *largest;    /* bits of the largest magnitude, which the factor follows from */
    float *sums;     /* [n, 2 halves d], the products of C with the packed columns */
} rk_pair_product;
/* x [halves][n,d] -> packed, largest. */
cudaError_t rk_cuda_gram_pack(const rk_pair_product *p, const float *x, rk_stream *stream);
/* sums -> y [halves][n,d]. */
cudaError_t rk_cuda_gram_unpack(const rk_pair_product *p, float *y, rk_stream *stream);

/* ---- topk.cu ---- */

/* A ranking of the items for a tile of T queries (topk.cu has the method). */
typedef struct rk_ranking {
    const float *queries, *table; /* [T, d]; [n_items, d] */
    const float *given; /* [T, n_items]: their scores, without queries and table; or NULL */
    int64_t first_item; /* of the given scores; else 0 */
    int64_t n_items, n_queries, d;
    const int64_t *mask_offsets;                 /* [T+1] */
    const int32_t *mask_items, *blocked, *count; /* blocked [n_items] may be NULL */
    int32_t k;
    float epsilon;      /* |score of a tile - exact score| <= epsilon |query| |item| */
    int32_t *out_items; /* [T,K], best first; -1 = no item left */
    float *out_scores;  /* [T,K] */
    /* Of the launchers, set by rk_cuda_topk_begin. */
    int32_t size;    /* room of a list */
    void *lists;     /* candidates [T, size] */
    int32_t *counts; /* [T]; more than there is room for: ranked by all items */
    int *largest;    /* bits of the items' largest sum of squares */
    float *bars;     /* [T], set by rk_cuda_topk_tensor: items with a lower score are none of the
                        K best */
} rk_ranking;
/* Scores [T, n] of the items from first_item on, rows at multiples of `stride`. */
typedef struct rk_score_tile {
    const float *scores;
    int64_t stride, n, first_item;
} rk_score_tile;
/* Scratch bytes for it, and how many candidates a query has room for. Host functions. */
int64_t rk_cuda_topk_room(int64_t k);
int64_t rk_cuda_topk_scratch(int64_t n_queries, int64_t k);
cudaError_t rk_cuda_topk_begin(rk_ranking *ranking, void *scratch, rk_stream *stream);
cudaError_t rk_cuda_topk_merge(const rk_ranking *ranking, const rk_score_tile *tile,
                               rk_stream *stream);
/* After all tiles: items and scores. */
cudaError_t rk_cuda_topk_finish(const rk_ranking *ranking, rk_stream *stream);

/* ---- topk_tensor.cu ---- */

/* In place of all merges, on devices of compute capability 8.0 and newer and for the K that it
 * takes; scratch is besides that of rk_cuda_topk_begin. The first two are host functions. */
bool rk_cuda_topk_tensor_takes(int64_t k);
int64_t rk_cuda_topk_tensor_scratch(int64_t n_queries, int64_t n_items, int64_t k);
cudaError_t rk_cuda_topk_tensor(rk_ranking *ranking, void *scratch, rk_stream *stream);

/* ---- init.cu ---- */

/* How to draw elements [first, end) of a parameter, counted from its beginning; kind: RK_INIT_*. */
typedef struct rk_init {
    int64_t first, end;
    uint64_t seed;
    double scale;
    int32_t kind, number;
} rk_init;
cudaError_t rk_cuda_init(float *parameter, const rk_init *how, rk_stream *stream);

/* ---- ceilings.cu ---- */

enum { RK_CEILING_ROWS_IN_SUM = 64 };

/* table float[n_floats] = 1; rows int32[n_gathers] uniform in [0, n_rows). */
cudaError_t rk_cuda_ceiling_prepare(float *table, int64_t n_floats, int32_t *rows,
                                    int64_t n_gathers, int64_t n_rows, rk_stream *stream);
/* sums float[n_sums, d]: of RK_CEILING_ROWS_IN_SUM rows each; d must be a multiple of 4. */
cudaError_t rk_cuda_ceiling_gather(const float *table, int64_t d, const int32_t *rows,
                                   int64_t n_sums, float *sums, rk_stream *stream);
/* Fused multiply-adds, n rounds of them; out float[rk_cuda_ceiling_threads(blocks)]. The two others
 * are host functions. */
cudaError_t rk_cuda_ceiling_multiply(int64_t blocks, int64_t n, float *out, rk_stream *stream);
int64_t rk_cuda_ceiling_flops(int64_t blocks, int64_t n);
int64_t rk_cuda_ceiling_threads(int64_t blocks);
cudaError_t rk_cuda_ceiling_nothing(rk_stream *stream);

#ifdef __cplusplus
}
#endif
#endif
