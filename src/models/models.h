/* Shared by the files of this room: the models, and the parameters that several of them have. */
#ifndef RK_MODELS_MODELS_H
#define RK_MODELS_MODELS_H

#include "models/model.h"

extern const rk_model_kind rk__model_lightgcn;
extern const rk_model_kind rk__model_mf;
extern const rk_model_kind rk__model_lightgcn_pp;
extern const rk_model_kind rk__model_popularity;
extern const rk_model_kind rk__model_item_knn;
extern const rk_model_kind rk__model_user_knn;
extern const rk_model_kind rk__model_slim;
extern const rk_model_kind rk__model_rp3beta;
extern const rk_model_kind rk__model_turbo_cf;
extern const rk_model_kind rk__model_ease;
extern const rk_model_kind rk__model_gf_cf;
extern const rk_model_kind rk__model_pure_svd;
extern const rk_model_kind rk__model_ials;
extern const rk_model_kind rk__model_als;
extern const rk_model_kind rk__model_svd;
extern const rk_model_kind rk__model_fm;
extern const rk_model_kind rk__model_fm_ratings;
extern const rk_model_kind rk__model_irgnn;
extern const rk_model_kind rk__model_ensemble;
extern const rk_model_kind rk__model_gmf;
extern const rk_model_kind rk__model_mlp;
extern const rk_model_kind rk__model_neumf;
extern const rk_model_kind rk__model_mbgcn;
extern const rk_model_kind rk__model_gcn;
extern const rk_model_kind rk__model_ngcf;
extern const rk_model_kind rk__model_rgcn;
extern const rk_model_kind rk__model_compgcn;
extern const rk_model_kind rk__model_gat;
extern const rk_model_kind rk__model_mbgcn_cascade;

/* fm.c: model.fields names fields; the trained tables "context" [contexts, model.dim] and, where
 * has_weights, "context_weight" [contexts, 1]. */
rk_status rk__fm_check_fields(const rk_config *config);
rk_status rk__fm_declare_contexts(rk_model_instance *instance, bool has_weights);

/* What a factorisation machine reads, whoever makes it. */
typedef struct rk_fm_tables {
    rk_value nodes, weights;            /* f32 [n_nodes, d], [n_nodes, 1] */
    rk_value contexts, context_weights; /* likewise, of contexts, which may be nodes themselves;
                                         * RK_NONE without fields */
    rk_value bias;                      /* f32 [1,1], where rk__fm_is_pointwise; else RK_NONE */
    int32_t first_layer;                /* three numbers for dropout */
} rk_fm_tables;
/* The loss is of the score itself, not only of what it is against others. */
bool rk__fm_is_pointwise(const rk_options *options);
/* "weight" [n_nodes, 1]; where it is pointwise "bias" [1,1]; the table "candidate", constants. */
rk_status rk__fm_declare_weights(rk_model_instance *instance);
rk_status rk__fm_declare_bias(rk_model_instance *instance);
rk_status rk__fm_declare_tables(rk_model_instance *instance);
/* The scores [B, 1+M] of a batch; x: the nodes at its rows. */
rk_value rk__fm_scores(const rk_model_instance *instance, rk_program *p, const rk_fm_tables *tables,
                       rk_value x, const rk_batch_values *batch);
/* The table "candidate"; the queries of a tile, of the vectors of its people; their scores. */
void rk__fm_assign_candidates(const rk_model_instance *instance, rk_program *p,
                              const rk_fm_tables *tables);
rk_value rk__fm_query(const rk_model_instance *instance, rk_program *p, const rk_fm_tables *tables,
                      const rk_tile *tile, rk_value people);
rk_value rk__fm_score(const rk_model_instance *instance, rk_program *p, const rk_tile *tile,
                      rk_value queries);
extern const rk_model_kind rk__model_distmult;
extern const rk_model_kind rk__model_transe;
extern const rk_model_kind rk__model_conve;

/* lightgcn_gram.c: the sum of the layers with these weights (one a layer, at least one layer). x:
 * layer 0. */
rk_value rk__lightgcn_gram(const rk_model_instance *instance, rk_program *program,
                           rk_graph_values graph, rk_value x, const float *weights);

/* w_0 .. w_K of model.layer_weights, where they are fixed. */
void rk__lightgcn_weights(const rk_options *options, float w[RK_MAX_LAYERS]);

/* lightgcn.c: the sum of the layers over a graph. values: of the parameters. */
rk_value rk__lightgcn_final(const rk_model_instance *instance, rk_program *p, rk_graph_values graph,
                            const rk_value *values);

/* The sum of the layers [0, n) with fixed weights; one of weight 0 is not read. */
rk_value rk__lightgcn_sum(rk_program *p, const rk_value *layers, const float *weights, int n);

/* lightgcn_views.c: final embeddings and views for loss.contrast. */
void rk__lightgcn_views(const rk_model_instance *instance, rk_program *p, rk_graph_values graph,
                        const rk_value *values, rk_value state, rk_encoded *out);

/* One table [users + items, model.dim], users and items initialised apart. */
rk_status rk__declare_factors(rk_model_instance *instance, const char *name);
/* model.l2 is 0 or more, or -1. */
rk_status rk__check_l2(const rk_config *config);
/* A table of that shape that finish makes. */
rk_status rk__declare_table(rk_model_instance *instance, const char *name);

/* A constant f32 [rows, cols]; the values are the instance's from then on, also when this fails. */
rk_status rk__declare_constant(rk_model_instance *instance, const char *name, int64_t rows,
                               int64_t cols, float *values);
/* ncf.c: a constant f32 [users + items, 1]: 1 at users and 0 at items, or the other way round. */
rk_status rk__declare_side(rk_model_instance *instance, const char *name, bool of_users);
/* A tensor of the store, or RK_NONE. */
rk_value rk__use_if_there(rk_program *p, const char *name);

/* item_lists.c: check_data, tensors, finish, score and similar of a model that keeps the nearest
 * model.neighbours of each item, "neighbours" i32 [I, K] and "similarities" f32 [I, K] as
 * rk__item_neighbours makes them. */
rk_status rk__check_neighbours(const rk_options *options, const rk_model_data *data);
/* The same of n things, each called `one`: "user". */
rk_status rk__check_neighbours_among(const rk_options *options, int64_t n, const char *one);
/* K: model.neighbours, for 0 as many as there can be. */
int64_t rk__kept_neighbours(const rk_model_instance *instance);
rk_status rk__declare_item_lists(rk_model_instance *instance);
/* The lists of a rule; finish takes the one of model.aggregate. */
void rk__make_item_lists(rk_program *p, rk_neighbour_lists_attr attr);
void rk__finish_item_lists(const rk_model_instance *instance, rk_program *p);
rk_value rk__score_item_lists(const rk_model_instance *instance, rk_program *p, const rk_tile *tile,
                              rk_value queries);
rk_value rk__similar_item_lists(const rk_model_instance *instance, rk_program *p,
                                const rk_tile *tile, rk_value item_nodes);

/* query and score of a model whose scores are dot products of the rows of its embeddings. */
rk_value rk__query_embeddings(const rk_model_instance *instance, rk_program *p,
                              const rk_tile *tile);
rk_value rk__score_embeddings(const rk_model_instance *instance, rk_program *p, const rk_tile *tile,
                              rk_value queries);
/* similar of such a model: the cosines of the rows of items. */
rk_value rk__similar_embeddings(const rk_model_instance *instance, rk_program *p,
                                const rk_tile *tile, rk_value item_nodes);
/* ratings.c: of models of ratings, which have fold_equations. Their tensors are "factors"
 * [N,dim], with biases [N,dim + 1]; and the table "ratings", whose products are the ratings.
 * rk__rating_values: a name for the ratings beside the edges of the graph. */
extern const char *const rk__rating_values;
rk_status rk__rating_declare_trained(rk_model_instance *instance, bool has_bias);
rk_status rk__rating_declare_table(rk_model_instance *instance);
/* Of those that are fitted by gradients, with biases. A constant f32 [train.batch,1], the mean
 * rating beside each score of a batch. */
rk_status rk__rating_declare_mean(rk_model_instance *instance, const char *name);
/* There is an L2 term, and there are no negatives. */
rk_status rk__rating_check_steps(const rk_config *config);
rk_status rk__rating_check_negatives(const rk_config *config); /* the latter alone */
/* fold_equations: what the gradients of one user alone would come to rest at. */
rk_als_attr rk__rating_step_equations(const rk_model_instance *instance);
double rk__rating_mean(const rk_model_instance *instance); /* of train */
/* The values of train interactions. */
unsigned rk__rating_needs(const rk_options *options);
/* There is something to learn. */
rk_status rk__rating_check_data(const rk_options *options, const rk_model_data *data);
void rk__rating_finish(const rk_model_instance *instance, rk_program *p);
rk_value rk__rating_fold_in(const rk_model_instance *instance, rk_program *p, const rk_tile *tile);
rk_value rk__rating_similar(const rk_model_instance *instance, rk_program *p, const rk_tile *tile,
                            rk_value item_nodes);

/* The same of the rows of a table [users + items, w]. */
rk_value rk__similar_rows(const rk_model_instance *instance, rk_program *p, const rk_tile *tile,
                          rk_value item_nodes, const char *table);
/* fold_in of a model that has fold_sum. */
rk_value rk__fold_by_sum(const rk_model_instance *instance, rk_program *p, const rk_tile *tile);

/* singular.c: singular vectors of the items' side of a matrix of users by items. */
#define RK_SINGULAR_VECTORS "singular.items" /* f32 [items, model.dim]: orthonormal columns */
#define RK_SINGULAR_VALUES "singular.values" /* f32 [model.dim, 1]: falling */
/* RK_ERR_CONFIG where there are not as many as model.dim. */
rk_status rk__check_singular(const rk_options *options, const rk_model_data *data);
/* Those two, which are saved; what else is needed, behind all tensors that are saved. */
rk_status rk__declare_singular(rk_model_instance *instance);
rk_status rk__declare_singular_count(rk_model_instance *instance);
/* Both, of the matrix with an entry scale_u * value * scale_i for each edge of the graph; values
 * and scale (f32 [N, 1]) RK_NONE = 1. */
void rk__singular_vectors(const rk_model_instance *instance, rk_program *p, rk_csr_values rows,
                          rk_value scale, rk_value state);

#endif
