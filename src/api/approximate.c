/* Approximate answers of a model: rankine/approximate.h. */
#include "rankine/approximate.h"

#include "api/model_internal.h"

rk_status rk_lsh_of_model(const rk_model *model, const rk_lsh_options *options, rk_lsh **out)
{
    return rk__scorer_lsh(model->scorer, options, out);
}

rk_status rk_lsh_model_top_k(const rk_lsh *index, const rk_model *model, const rk_query *queries,
                             int64_t n, const rk_selection *selection, int64_t probes, int64_t k,
                             rk_recommendation *out)
{
    return rk__model_answer(model,
                            &(rk_asking){.queries = queries, .index = index, .probes = probes}, n,
                            selection, k, out);
}
