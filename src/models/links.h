/* Encoders of entities and relations, shared by links.c and links_encoder.c. */
#ifndef RK_MODELS_LINKS_H
#define RK_MODELS_LINKS_H

#include "data/triples.h"
#include "models/model.h"

/* Tables of entities f32 [E,d] and of relations f32 [2R,d], read in both directions. */
typedef struct rk_link_tables {
    rk_value entities, relations;
} rk_link_tables;

static inline bool rk__links_are_encoded(const rk_options *options)
{
    return options->model.encoder != RK_LINK_ENCODER_NONE;
}

/* Options against each other. */
rk_status rk__link_encoder_check(const rk_config *config);
/* What is trained, of n relations read in both directions; and constants, behind all that is. */
rk_status rk__link_encoder_declare(rk_model_instance *m, int64_t n_relations);
rk_status rk__link_encoder_add_graph(rk_model_instance *m, const rk_triples *triples);
/* The tables behind all layers; state: of the step, RK_NONE = nobody is training. */
rk_link_tables rk__link_encode(const rk_model_instance *m, rk_program *p, rk_link_tables x,
                               rk_value state);

#endif
