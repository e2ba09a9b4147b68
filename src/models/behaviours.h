/*
 * Behaviours: relations from users to items beside the interactions (model.relations), each with a
 * graph of its own, for models that tell them apart.
 */
#ifndef RK_MODELS_BEHAVIOURS_H
#define RK_MODELS_BEHAVIOURS_H

#include "models/model.h"

/* With the interactions. */
enum { RK_MOST_BEHAVIOURS = 12 };

/* The relations exist, are not more than that, and have no weights of their own. */
rk_status rk__behaviours_check(const rk_config *config);
/* All of them go from users to items. */
rk_status rk__behaviours_check_data(const rk_options *options, const rk_model_data *data);

/* Users and items with edges in one of the relations are known, also without interactions. */
rk_status rk__know_behaviours(rk_model_instance *instance);

/* Behind the tensors that are saved: the graphs of the relations, without that of the
 * interactions. */
rk_status rk__declare_behaviours(rk_model_instance *instance);
rk_graph_values rk__use_behaviour(rk_program *p, int number);

#endif
