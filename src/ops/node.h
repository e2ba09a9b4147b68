/*
 * What a node of a program is: an operation, the values that it reads and writes, its attributes;
 * and what the table of operations says of an operation.
 *
 * Shared with the kernels: C and C++, nothing but fixed-width members.
 */
#ifndef RK_OPS_NODE_H
#define RK_OPS_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "ops/half_rows.h"
#include "ops/schedule.h"
#include "ops/slot_loss.h"
#include "ops/step_state.h"

typedef enum rk_op {
#define RK_OP_ROW(ENUM, ...) RK_OP_##ENUM,
#include "ops/ops.def"
    RK_OP_COUNT
} rk_op;

/* What an operation is, for passes and devices. */
enum {
    RK_OP_IS_GRAPH = 1,    /* inputs 0 and 1 are offsets and columns of a graph */
    RK_OP_IS_SIDE = 2,     /* works at one side of a stored graph, which attr.fold names */
    RK_OP_IS_ADDS = 4,     /* a propagation that may have tables to add behind its other inputs */
    RK_OP_IS_GATHERS = 8,  /* a propagation that reads a row of input 3 for every edge */
    RK_OP_IS_SHARES = 16,  /* equal inputs and attributes mean an equal result */
    RK_OP_IS_SCALES = 64,  /* restricted to rows, it multiplies by a factor at no cost */
    RK_OP_IS_LIBRARY = 32, /* on CUDA it is made with cuBLAS or cuSOLVER */
};

/* How it works where each rank has some columns of the tables; the words of ops.def. */
typedef enum rk_shards {
    RK_SHARDS_none,
    RK_SHARDS_local,
    RK_SHARDS_sums,
    RK_SHARDS_parts,
    RK_SHARDS_whole,
} rk_shards;

typedef struct rk_op_info {
    const char *name, *help;
    int32_t min_inputs, max_inputs, n_outputs;
    bool has_gradient;
    bool can_restrict; /* to the rows of a row set */
    uint32_t at_rows;  /* bit i: for rows of the output only rows of input i are read */
    rk_shards shards;
    uint32_t by_columns;            /* bit i: of input i it has its own columns */
    uint32_t updates;               /* bit i: writes to input i */
    uint32_t halves_in, halves_out; /* bit i: input i, output i may be RK_F16 */
    uint32_t flags;                 /* RK_OP_IS_* */
} rk_op_info;

/* RK_F16: rows of halves, each row with a factor of its own; see ops/half_rows.h. Never a constant.
 */
typedef enum rk_dtype { RK_F32, RK_F64, RK_I32, RK_I64, RK_STATE, RK_F16 } rk_dtype;

enum {
    RK_MAX_INPUTS = 15,
    RK_MAX_OUTPUTS = 6,
    RK_MAX_LAYERS = 12,
    RK_NAME_LENGTH = 48,
    RK_LANES = 2
};

/* Index of a tensor in a program; RK_NONE is an absent optional one. */
typedef int32_t rk_value;
enum { RK_NONE = -1 };

/* How triplets are drawn; enumerators of base/choices.h. Fixed for a program. */
typedef struct rk_sample_attr {
    int64_t batch; /* B */
    int32_t positives, negatives;
    int32_t n_candidates; /* M */
    int32_t pool_size;
    float pool_probability;
    int64_t n_users, n_items;
    int64_t n_eligible_users, n_eligible_edges;
} rk_sample_attr;

typedef struct rk_l2_attr {
    double weight; /* lambda */
    int64_t batch; /* B: slots below are users, below 2B positives, the rest candidates */
    int32_t form, rows, divisor; /* enumerators of base/choices.h */
} rk_l2_attr;

typedef struct rk_unit_attr {
    bool cosine; /* rows of length 1, else as they are */
    float alpha; /* unit_slots_grad: factor of the gradient */
} rk_unit_attr;

typedef struct rk_attend_attr {
    int64_t first_query, first_key, n; /* slots: n queries, n keys */
    double temperature;                /* logit = <query, key> / temperature + bias of the key */
    bool skip_diagonal;                /* query i has no key i */
} rk_attend_attr;

typedef struct rk_softmax_attr {
    int64_t batch;
    double power;
    double temperature; /* softmax_grad: of the attention */
} rk_softmax_attr;

typedef struct rk_slot_attr {
    int64_t batch;
    rk_slot_rule rule;
} rk_slot_attr;

/* y = alpha op(x) op(w) + bias */
typedef struct rk_gemm_attr {
    float alpha;
    bool transposed_x, transposed_w;
} rk_gemm_attr;

typedef struct rk_activate_attr {
    int32_t kind; /* RK_ACTIVATION_* of base/choices.h */
    float slope;  /* leaky_relu: below 0; elu: its limit is -slope */
} rk_activate_attr;

typedef struct rk_columns_attr {
    int64_t first, n; /* take_columns: the range; place_columns: where it begins, all columns */
} rk_columns_attr;

typedef struct rk_dropout_attr {
    double ratio;  /* share of the elements, below 1 */
    int32_t layer; /* so that no two dropouts share draws; below 2^20 */
} rk_dropout_attr;

/* Attention over the edges of a block, with heads of equal width side by side. */
typedef struct rk_edge_attend_attr {
    int32_t heads;
    float slope;    /* of the leaky relu below 0; at least 0 */
    double dropout; /* share of the weights that become 0 in training, below 1; each edge and head
                     * is drawn for itself */
    int32_t layer;  /* shares no draws with other layers, and with rk_dropout_attr's neither */
} rk_edge_attend_attr;

typedef struct rk_slots_attr {
    int64_t batch;
    bool of_items; /* else of users */
} rk_slots_attr;

/* Rows that are images, height x width, and their square patches. */
typedef struct rk_patches_attr {
    int64_t height, width, size;
} rk_patches_attr;

typedef struct rk_list_loss_attr {
    double smoothing; /* of the labels, ops/list_loss.h; 0 = none */
    int64_t first;    /* node of item 0 */
} rk_list_loss_attr;

typedef struct rk_neighbour_attr {
    int64_t batch, n_users;
    double weight; /* neighbour_loss: of the term */
} rk_neighbour_attr;

typedef struct rk_align_attr {
    int64_t batch;
    double uniformity; /* weight */
} rk_align_attr;

typedef struct rk_drop_attr {
    double ratio; /* share of edges that is dropped */
    int32_t view; /* views drop different edges */
} rk_drop_attr;

/* Inputs of the operations aggregate and aggregate_*_grad; those of the gradients have the gradient
 * in place of the map. */
enum {
    RK_AGGREGATE_OFFSETS,      /* i64 [R+1,1] */
    RK_AGGREGATE_COLUMNS,      /* i32 [E,1] */
    RK_AGGREGATE_BACK_OFFSETS, /* i64 [C+1,1] */
    RK_AGGREGATE_BACK_COLUMNS, /* i32 [E,1] */
    RK_AGGREGATE_BACK_EDGES,   /* i32 [E,1] */
    RK_AGGREGATE_X,
    RK_AGGREGATE_WEIGHTS,      /* f32 [E,1], optional as all that follow */
    RK_AGGREGATE_TYPES,        /* i32 [E,1] */
    RK_AGGREGATE_COEFFICIENTS, /* f32 [T,H] */
    RK_AGGREGATE_Z,            /* f32 [T,w] */
    RK_AGGREGATE_ROW_SCALE,    /* f32, one for each node that sums */
    RK_AGGREGATE_COLUMN_SCALE, /* f32, one for each node that is summed */
    RK_AGGREGATE_ROWS,         /* i32 [S,1]: the rows that are wanted */
    RK_AGGREGATE_COUNT,        /* i32 [1,1] */
    RK_AGGREGATE_MAP,          /* i32: of a node that is summed its row of x, -1 = it is zero */
    RK_AGGREGATE_INPUTS,
    RK_AGGREGATE_GRADIENT = RK_AGGREGATE_MAP,
};

/* What an edge of type t makes of a row x of its column: phi(x, z), z = row t of the table. */
enum {
    RK_COMPOSE_COPY,        /* x */
    RK_COMPOSE_SUB,         /* x - z */
    RK_COMPOSE_MULT,        /* x * z */
    RK_COMPOSE_CORR,        /* conj(x) * z, pairs of columns being complex numbers */
    RK_COMPOSE_BLOCKS,      /* x as a row times a matrix of blocks on the diagonal */
    RK_COMPOSE_BLOCKS_BACK, /* the same with the transposed blocks */
};

typedef struct rk_aggregate_attr {
    bool transposed; /* columns sum their rows, along the transpose */
    int32_t compose; /* RK_COMPOSE_*; all but COPY need types and z */
    int64_t size;    /* BLOCKS: s, z is [T, d s], element (i, j) of block b at (b s + i) s + j */
    int64_t n_types; /* > 0: one sum for each type, n_types of them side by side */
    bool sums_heads; /* the adjoint of several sums: x has them side by side, y one row */
} rk_aggregate_attr;

typedef struct rk_mask_attr {
    double share;   /* of the edges that are masked, in (0, 1) */
    float kept;     /* the value of the others */
    float masked;   /* and of those that are masked */
    int32_t stream; /* masks of one stream and time are the same */
    bool each_step; /* drawn anew in each step, else in each epoch */
} rk_mask_attr;

typedef struct rk_degrees_attr {
    bool transposed; /* of columns */
    double plus;     /* added to each sum */
    double power;    /* of what that makes; 0 of 0 */
} rk_degrees_attr;

typedef struct rk_perturb_attr {
    float epsilon;
    int32_t view, layer; /* so that no two perturbations share noise; layer below 16 */
} rk_perturb_attr;

typedef struct rk_contrast_attr {
    int64_t batch;
    double weight;
    double temperature; /* contrast_grad: of the attention */
    bool second;        /* contrast_slots_grad: by the second view */
} rk_contrast_attr;

typedef struct rk_step_attr {
    int32_t first; /* entry of the sums for the node's first term */
    bool is_last;  /* its total is the step's */
    bool advances; /* and the step is counted then, as by step_advance */
} rk_step_attr;

typedef struct rk_adam_attr {
    double beta1, beta2, epsilon, weight_decay;
} rk_adam_attr;

/* A propagation that ends in an update. The weights are first, as in a plain propagation. */
typedef struct rk_update_attr {
    float weight[RK_MAX_LAYERS];
    rk_adam_attr adam;
} rk_update_attr;

/* Where the tables begin that a propagation adds at the rows of a row set, among its inputs; their
 * factors are weight[1], weight[2], ... Those of propagate_rows are whole tables. */
enum { RK_PROPAGATE_ADDED = 5, RK_PROPAGATE_ROWS_ADDED = 7, RK_PROPAGATE_ADAM_ADDED = 10 };

/* Inputs of operations that sum over columns, where those are divided among ranks: what the sums
 * are over all of them. */
enum {
    RK_SELECT_NEGATIVES_DOTS = 3,
    RK_SLOT_LOSS_DOTS = 7,
    RK_UNIT_ROWS_SQUARES = 2,
    RK_UNIT_ROWS_GRAD_SQUARES = 3,
    RK_UNIT_ROWS_GRAD_ALONG = 4,
    RK_L2_LOSS_SQUARES = 6,
};

/* The input of a propagation with Adam's step that takes the new parameter as rows of halves. */
enum { RK_PROPAGATE_ADAM_HALVES = 9 };

/* A range of rows of a table: [first, first + n). */
typedef struct rk_range_attr {
    int64_t first, n;
} rk_range_attr;

/* Such a range of rows of a CSR whose columns begin with one that is not 0. */
typedef struct rk_rows_attr {
    int64_t first, n;
    int64_t first_column;
} rk_rows_attr;

typedef struct rk_rank_attr {
    double
        offset; /* 0 = shares of the other scores that are smaller; else offset / (offset + rank) */
} rk_rank_attr;

typedef struct rk_row_sums_attr {
    int64_t first, n;
    double plus;  /* added to each sum */
    double power; /* of what that makes */
} rk_row_sums_attr;

typedef struct rk_topk_attr {
    int32_t k;
    rk_range_attr items; /* rows of the table; top_k: the items that the columns are */
} rk_topk_attr;

/* Columns [first_column, first_column + n_columns) of pairs of rows. */
typedef struct rk_pair_rows_attr {
    rk_range_attr items; /* rows of the table: of item 0 and, unless items are given, how many */
    int64_t first_column, n_columns;
    bool multiplies; /* else adds */
} rk_pair_rows_attr;

typedef struct rk_sum_lists_attr {
    int64_t first; /* row of the table that item 0 is */
    double power;  /* the sum is divided by (the sum of the weights)^power */
} rk_sum_lists_attr;

/* A weight of a list counts weight * (alpha + beta * factor of the item). */
typedef struct rk_add_lists_attr {
    double alpha, beta;
} rk_add_lists_attr;

/* The small side of the graph for operations on pair tables. */
typedef struct rk_fold_attr {
    int64_t first, n; /* its nodes: all users or all items */
} rk_fold_attr;

typedef struct rk_similar_attr {
    int32_t kind; /* RK_SIMILARITY_* of base/choices.h; similar_value.h has the formulas */
    int32_t k;
    double shrinkage; /* 0 = none */
    double alpha;     /* asymmetric: the part of the item whose neighbours are looked for; walk: the
                         power */
    bool with_self;   /* an item may be among its own neighbours */
    int64_t n_users, n_items;
} rk_similar_attr;

typedef struct rk_slim_attr {
    double l1, l2;     /* slim_step.h has the objective */
    double tolerance;  /* a step counts that gains more than this share of the item's users / 2 */
    int64_t passes;    /* over the candidates of an item, at most */
    bool has_negative; /* weights may be below 0 */
    int32_t k;
    int64_t n_users, n_items;
} rk_slim_attr;

typedef struct rk_neighbour_lists_attr {
    bool transposed; /* the lists are of the items that have the row's item as a neighbour */
    bool unit_sum;   /* the values of an item's neighbours are divided by their sum */
} rk_neighbour_lists_attr;
/* The equations of a row x of a factor model, given the rows v_j of the other side's entries with
 * weights w_j (without values 1):
 *   (gram_weight G + sum_j (p w_j - q) v_j v_j^T + l2_u I) x = sum_j p w_j v_j,
 *   l2_u = l2 * number of entries + l2_constant.
 * Of ratings (is_rating) the values are fitted themselves, and there is no Gram matrix:
 *   (sum_j v_j v_j^T + l2_u I) x = sum_j (w_j - mean) v_j;
 * with has_bias the last element of a row is its bias: v_j has 1 in its place, w_j is lowered by
 * it, and the last element of the diagonal gets bias_l2 * entries + bias_l2_constant. */
typedef struct rk_als_attr {
    int64_t first, n; /* als_sweep: the rows that are solved; als_fold: first = row of item 0 */
    double gram_weight;
    double p, q;
    double l2, l2_constant;
    int32_t cg_steps; /* 0 = Cholesky; else so many steps of conjugate gradients at most */
    bool is_rating, has_bias;
    double mean, bias_l2, bias_l2_constant;
} rk_als_attr;

/* rating_rows: rows [0, n_users) are users, the others items. */
typedef struct rk_rating_attr {
    int64_t n_users;
    double mean;
    bool has_bias;
    bool is_plain; /* the factors alone */
} rk_rating_attr;

/* With P = A^-1, A_ii P_ii = 1 / (1 - R^2), how well row i follows from the others (the variance
 * inflation factor of regression). Rounding is about 1 / 1e7 of A_ii, so above this the inverse of
 * floats is noise, and spd_inverse fails though every pivot may be above 0. */
#define RK_MOST_INFLATION 1e6F

/* Scores whose standard deviation is this share of their mean are equal but for rounding. */
#define RK_FLAT_SCORES 1e-9

/* A square matrix of the nodes of a side: what is added to its diagonal. */
typedef struct rk_ridge_attr {
    int64_t first, n; /* the nodes */
    double ridge;
} rk_ridge_attr;

/* side_product: the rows [first, first + n) of the graph, which are all of a side. */
typedef struct rk_side_attr {
    int64_t first, n;
    bool whole; /* the result has the other side, too: the table itself */
} rk_side_attr;

typedef struct rk_basis_attr {
    int64_t rows, columns; /* draw_columns: the shape; put_coefficients: columns of the matrix */
    int64_t first;         /* put_*: the first column */
    int64_t used;          /* draw_columns: drawn columns; project_out, ritz: columns that count */
    int64_t kept;          /* ritz: eigenvalues */
    int32_t stream;        /* of random numbers: no two of them share any */
    bool fills;            /* orthonormalise: columns that depend on others are drawn anew */
} rk_basis_attr;

typedef union rk_attr {
    float weight[RK_MAX_LAYERS]; /* combine*: w_k; propagate*, scatter*: alpha = weight[0];
                                    clip*: limit = weight[0]; table_dots: alpha = weight[0];
                                    mix_pairs: table j has a, b, c = weight[2j], weight[2j+1],
                                    weight[2j+2] */
    rk_schedule schedule;
    rk_sample_attr sample;
    rk_l2_attr l2;
    rk_unit_attr unit;
    rk_attend_attr attend;
    rk_softmax_attr softmax;
    rk_align_attr align;
    rk_slot_attr slot;
    rk_gemm_attr gemm;
    rk_activate_attr activate; /* activate, activate_grad */
    rk_columns_attr columns;   /* take_columns, place_columns */
    rk_dropout_attr dropout;
    rk_edge_attend_attr edge_attend; /* edge_attend, edge_attend_grad */
    rk_slots_attr slots;             /* gather_slots, sum_slots */
    int64_t cols;                    /* reshape */
    int64_t times;                   /* repeat_rows, sum_groups */
    int32_t norm;                    /* row_norms*: 1 = sum of sizes, 2 = Euclidean */
    rk_list_loss_attr list_loss;
    rk_patches_attr patches;     /* patches, patches_grad */
    rk_neighbour_attr neighbour; /* neighbour_slots, neighbour_loss */
    rk_drop_attr drop;
    rk_aggregate_attr aggregate; /* aggregate, aggregate_*_grad */
    rk_mask_attr mask;
    rk_degrees_attr degrees;
    rk_perturb_attr perturb;
    rk_contrast_attr contrast;
    rk_adam_attr adam;
    rk_update_attr update; /* propagate_adam, propagate_from_rows_adam */
    rk_topk_attr topk;     /* top_k, merge_top_k, score_topk */
    rk_pair_rows_attr pair_rows;
    rk_fold_attr fold;   /* fold*, unfold* */
    int32_t halves;      /* gram_product: 1 = of t only, C q is taken as 0; 2 = of both */
    int64_t n_nodes;     /* unique_rows */
    int32_t index;       /* weigh */
    int64_t batch;       /* select_negatives */
    rk_step_attr step;   /* step_loss */
    rk_range_attr range; /* side_gram; score_dot: rows of items */
    rk_rows_attr rows;   /* score_columns: rows of items; score_lists: first row, columns */
    rk_rank_attr rank;   /* rank_scores */
    rk_row_sums_attr row_sums;
    rk_sum_lists_attr sum_lists;
    rk_add_lists_attr add_lists;
    rk_similar_attr similar; /* item_neighbours, nearest_lists */
    rk_neighbour_lists_attr neighbour_lists;
    rk_slim_attr slim;     /* slim_columns */
    rk_als_attr als;       /* als_* */
    rk_rating_attr rating; /* rating_rows* */
    rk_ridge_attr ridge;   /* count_gram, ease_factor */
    rk_side_attr side;
    rk_basis_attr basis; /* of the family spectral, but side_product */
} rk_attr;

typedef struct rk_node {
    rk_op op;
    int32_t n_inputs, n_outputs;
    rk_value in[RK_MAX_INPUTS];
    rk_value out[RK_MAX_OUTPUTS];
    rk_attr attr;
    int32_t lane; /* ops/lanes.h */
} rk_node;

typedef struct rk_tensor {
    char name[RK_NAME_LENGTH];
    rk_dtype dtype;
    int64_t rows, cols;
    /* Of a table of which each rank has some columns: which columns these are, of how many; 0, 0:
     * it has them all. */
    int64_t first_column, all_columns;
    int32_t stored;    /* number in the store, or -1: a temporary */
    int32_t producer;  /* node that writes it, or -1 */
    rk_value alias_of; /* the temporary whose memory this in-place output takes over, or RK_NONE */
    int64_t offset;    /* bytes into the arena, set by the plan; -1 for stored tensors */
} rk_tensor;

#endif
