/*
 * The hot loops of the CPU device, one table of functions per instruction set.
 *
 * The bodies (isa_propagate.h, isa_dense.h, isa_edges.h, isa_score.h, isa_softmax.h,
 * isa_attention.h, isa_solve.h) are compiled
 * once for each set, in isa_baseline.c, isa_avx2.c and isa_avx512.c; the device takes one table
 * when it is opened. The functions work on ranges and know nothing of threads: the callers cut the
 * work into ranges whose borders do not depend on the number of threads, and every number is
 * computed inside one range in one order, so that threads do not change a bit.
 */
#ifndef RK_DEVICE_CPU_ISA_H
#define RK_DEVICE_CPU_ISA_H

#include <stdbool.h>
#include <stdint.h>

#include "ops/dropout_draw.h"
#include "ops/edge_draw.h"
#include "ops/half_rows.h"

/* The normalised adjacency, all lent: the weight of an edge is scale[row] * scale[column]. */
typedef struct rk_csr {
    const int64_t *offsets; /* n + 1 */
    const int32_t *columns;
    const float *scale; /* n */
    int64_t n;
} rk_csr;

/* The table that a propagation gathers: floats, or the halves of an RK_F16 table. */
typedef struct rk_source {
    const void *rows;    /* [n, d] */
    const float *weight; /* n: the scale of the graph, for halves times the row's factor */
    bool is_half;
} rk_source;

/* Room of one thread for the edges that the two forms at the rows of a batch go by; in
 * propagate_from_rows at least twice the rows of x. */
typedef struct rk_edge_buffer {
    int32_t *index; /* capacity + RK_EDGE_SLACK; row of x */
    float *weight;  /* capacity + RK_EDGE_SLACK */
    int64_t capacity;
} rk_edge_buffer;

enum {
    RK_EDGE_SLACK = 1,  /* an edge is written before it is known to be active */
    RK_EDGE_ROWS = 512, /* most rows that are buffered together */
};

/* Edges [begin, end) of a list, whose sum times `factor` goes to y. */
typedef struct rk_edge_run {
    int64_t begin, end;
    float factor;
    float *y;
} rk_edge_run;

/* phi of rk_aggregate_attr for a row that is the weighted sum of several. */
typedef struct rk_composition {
    int32_t kind;
    int64_t size, d;
    const float *z;
    float weight; /* SUB: sum of the weights */
} rk_composition;

enum { RK_FEW_TOGETHER = 8 }; /* most queries of few_scores */

/* The scalars of an Adam step, see rk__cpu_adam. */
typedef struct rk_adam_scalars {
    float beta1, beta2, rest1, rest2; /* rest = 1 - beta, rounded once */
    float step_size;                  /* learning rate / (1 - beta1^t) */
    float root_correction;            /* 1 / sqrt(1 - beta2^t) */
    float epsilon, weight_decay;
} rk_adam_scalars;

/* The equations of rk_als_attr, but for what differs from row to row. */
typedef struct rk_als_system {
    const float *table;   /* [rows, d] */
    int64_t d, first_row; /* the row of column 0 */
    const float *gram;    /* gram_weight G, [width, width], filled up with zeros */
    int64_t width;        /* d, up to a multiple of RK_ALS_WIDTH */
    float p, q;
    int32_t cg_steps;
    bool is_rating, has_bias;
    float mean;
} rk_als_system;

/* The entries of a row. */
typedef struct rk_als_list {
    const int32_t *columns;
    const float *values; /* NULL = 1 each */
    int64_t n;
    float l2, bias_l2;
} rk_als_list;

enum { RK_ALS_WIDTH = 16 };

/* Attention over edges with heads side by side. Of an edge (v, u) and a head h the weight is
 * counts e^(leaky(a[v,h] + b[u,h]) - lse[v,h]), which drops by `draw`. */
typedef struct rk_edge_attention {
    const float *a, *b;  /* [R, heads], [C, heads] */
    const float *x;      /* [C, heads * d] */
    const float *counts; /* of each edge, as how many it counts; NULL = 1 */
    int64_t heads, d;
    float slope;
    const rk_dropout_draw *draw; /* NULL = nothing drops */
} rk_edge_attention;

/* What the gradients of an attention read beside it: of its rows, or of those of a row set. */
typedef struct rk_attention_gradient {
    const float *lse;   /* [R, heads] */
    const float *g;     /* [R, heads * d] */
    const float *sums;  /* [R, heads]: the products of g and y, by heads */
    const int32_t *map; /* where each row of the block is among them, -1 = nowhere; NULL = as is */
} rk_attention_gradient;

enum { RK_ATTENDED_TOGETHER = 64 }; /* edges */

/* Floats of a thread's scratch for the functions of an attention. */
static inline int64_t rk__attention_floats(int64_t heads)
{
    return 2 * (heads * RK_ATTENDED_TOGETHER + 16) + 2 * heads;
}

typedef struct rk_isa {
    const char *name;

    /* Row v of an attention, whose edges are n of `columns`, numbered from `first`: y [heads * d],
     * lse [heads]. */
    void (*attend_row)(const rk_edge_attention *t, int64_t v, const int32_t *columns, int64_t n,
                       int64_t first, float *scratch, float *y, float *lse);
    /* The gradient of a[v] [heads], of row v, which is row r of what `of` has. */
    void (*attend_row_grad)(const rk_edge_attention *t, const rk_attention_gradient *of, int64_t v,
                            int64_t r, const int32_t *columns, int64_t n, int64_t first,
                            float *scratch, float *da);
    /* Those of b[u] [heads] and x[u] [heads * d], whose edges come from n `rows` and have these
     * `numbers`. */
    void (*attend_column_grad)(const rk_edge_attention *t, const rk_attention_gradient *of,
                               int64_t u, const int32_t *rows, const int32_t *numbers, int64_t n,
                               float *scratch, float *db, float *dx);

    /* y[r - first] = alpha * scale[r] * sum over the columns c of row r of scale[c] * x[c], for the
     * rows [first, last). y: float [last - first, d]. */
    void (*propagate)(const rk_csr *a, const rk_source *x, int64_t d, float alpha, int64_t first,
                      int64_t last, float *y);
    /* The same for the rows rows[first..last) into y[first..last); in_place: to their rows of y. */
    void (*propagate_rows)(const rk_csr *a, const rk_source *x, int64_t d, float alpha,
                           const int32_t *rows, int64_t first, int64_t last, rk_edge_buffer *buffer,
                           float *y, bool in_place);
    /* The same as propagate, where row c of x is x[map[c]], float [S, d], and zero unless bit c of
     * `active`. */
    void (*propagate_from_rows)(const rk_csr *a, const float *x, int64_t d, float alpha,
                                const int32_t *map, const uint32_t *active, int64_t first,
                                int64_t last, rk_edge_buffer *buffer, float *y);

    /* Of n runs of a list of edges: y = factor * sum over its edges of weight * x[index], float
     * [d]. end: of the list. */
    void (*sum_runs)(const float *x, int64_t d, const int32_t *index, const float *weight,
                     int64_t end, const rk_edge_run *runs, int32_t n);
    /* y += phi(x) */
    void (*compose)(const rk_composition *phi, const float *x, float *y);
    /* z += the gradient of <g, phi(x)> by the z of phi. */
    void (*compose_grad)(const rk_composition *phi, const float *x, const float *g, double *z);

    /* Of the n edges of a row: how many a draw keeps; and those into out, in their order. */
    int64_t (*count_kept)(const rk_edge_draw *draw, int32_t row, const int32_t *columns, int64_t n);
    void (*write_kept)(const rk_edge_draw *draw, int32_t row, const int32_t *columns, int64_t n,
                       int32_t *out);

    /* masked for each that a draw drops, kept for the others, and 1 for one from the row to itself.
     */
    void (*mask_edges)(const rk_edge_draw *draw, int32_t row, const int32_t *columns, int64_t n,
                       float kept, float masked, float *out);

    /* y = x with some elements dropped, of the table's elements from `first` on. */
    void (*drop)(const rk_dropout_draw *draw, int64_t first, const float *x, int64_t n, float *y);

    /* y[i] = sum_k weights[k] * tables[k][i] for i < n, in the order of k. */
    void (*combine)(const float *const *tables, const float *weights, int32_t n_tables, int64_t n,
                    float *y);
    float (*dot)(const float *a, const float *b, int64_t n);
    /* y += w * x */
    void (*axpy)(float w, const float *x, int64_t n, float *y);
    void (*axpy_half)(float w, const rk_half *x, int64_t n, float *y);
    /* Rows of an RK_F16 table: y, factor of x, float [rows, d]. */
    void (*narrow)(const float *x, int64_t rows, int64_t d, rk_half *y, uint8_t *exponent);

    void (*adam)(const rk_adam_scalars *s, int64_t n, const float *gradient, float *parameter,
                 float *m, float *v);
    void (*sgd)(float learning_rate, float weight_decay, int64_t n, const float *gradient,
                float *parameter);

    /* sum[j] = sum over the n rows of table[row][j], j < d: the fetching of rows by itself, for
     * rk_device.measure; d must be a multiple of 16. */
    void (*gather)(const float *table, int64_t d, const int32_t *rows, int64_t n, float *sum);

    /* multiply_flops * n multiplications and additions in registers; the result is of no use but
     * to keep them. */
    float (*multiply)(int64_t n);
    int32_t multiply_flops;

    /* The upper triangle of a [width, width] += the sum over n rows of left[j]^T right[j], both
     * [n, width]; below the diagonal a is overwritten. */
    void (*symmetric_update)(const float *left, const float *right, int64_t n, int64_t width,
                             float *a);
    /* The solution of a list's equations into x [d], with conjugate gradients from x; false, and x
     * is left, where there is none. scratch: rk__als_floats(width). */
    bool (*solve_list)(const rk_als_system *s, const rk_als_list *list, float *x, float *scratch);

    /* Scores for ranking: items in panels [d][panel_width], users in blocks [d][block_users], both
     * filled up with zeros. Every user of a block with every item of n_panels panels; the scores of
     * user i start at out + i * n_panels * panel_width. */
    int32_t panel_width, block_users;
    int32_t (*begin_scores)(void); /* before and after, on the calling thread; NULL = nothing; */
    void (*end_scores)(int32_t);   /* the second is given what the first returned */
    void (*scores)(const float *block, const float *panels, int64_t d, int64_t n_panels,
                   float *out);
    /* The same scores, to the last bit, of at most RK_FEW_TOGETHER queries [n_queries, d] with the
     * rows [n, d] as they are: out [n_queries, n]. NULL: the set has no such loop. */
    void (*few_scores)(const float *queries, int64_t n_queries, const float *rows, int64_t n,
                       int64_t d, float *out);
    /* Between the products of an attention, on a tile [n][panel_width] in place:
     * x = scale * x + bias[row], largest[lane] = the largest of it and x; */
    void (*logits)(float *tile, int64_t n, float scale, const float *bias, float *largest);
    /* x = e^(x - shift[lane]), sum[lane] = the sum of them. */
    void (*exponents)(float *tile, int64_t n, const float *shift, float *sum);
    /* out[i] = factor * (1 / (1 + e^-x_i) - label); the sum of log(1 + e^x_i) - label * x_i. */
    double (*logistic)(const float *x, int64_t n, float label, float factor, float *out);
    /* The indices i < n with scores[i] > threshold, ascending; out has room for n + 16. */
    int64_t (*above)(const float *scores, int64_t n, float threshold, int32_t *out);
} rk_isa;

/* A matrix, two vectors, 256 packed rows; or four vectors and as many rows. */
static inline int64_t rk__als_floats(int64_t width)
{
    return width * (width + 4 + 256);
}

extern const rk_isa rk__isa_baseline;
#if defined(__x86_64__)
extern const rk_isa rk__isa_avx2;
extern const rk_isa rk__isa_avx512;
#endif

/* All tables of this build, best first, NULL-terminated. */
const rk_isa *const *rk__isa_all(void);
/* Does this processor, with this operating system, run it? */
bool rk__isa_is_supported(const rk_isa *isa);

#endif
