/* Approximate answers of a model: rankine/approximate.h. */
#include "rankine/approximate.h"

#include "api/model_internal.h"
#include "base/alloc.h"

rk_status rk_lsh_of_model(const rk_model *model, const rk_lsh_options *options, rk_lsh **out)
{
    return rk__scorer_lsh(model->scorer, options, out);
}

rk_status rk_lsh_model_top_k(const rk_lsh *index, const rk_model *model, const rk_query *queries,
                             int64_t n, const rk_selection *selection, int64_t probes, int64_t k,
                             rk_recommendation *out)
{
    const rk_selection defaults = rk_selection_defaults();
    int64_t elements = 0;
    int32_t *items = NULL;
    float *scores = NULL;
    rk_status status = RK_OK;
    if (n < 0 || k < 1) {
        RK_FAIL(RK_ERR_CONFIG,
                "%lld recommendations for %lld queries are wanted; take 1 or more for 0 or more",
                (long long)k, (long long)n);
    }
    RK_TRY(rk__mul(&elements, n, k, "answers"));
    RK_TRY_GOTO(done, rk__alloc(&items, elements, sizeof *items, "the answers of a model"));
    RK_TRY_GOTO(done, rk__alloc(&scores, elements, sizeof *scores, "the answers of a model"));
    RK_TRY_GOTO(done, rk__scorer_lsh_top_k(model->scorer, index, probes, queries, n,
                                           selection ? selection : &defaults, k, items, scores));
    for (int64_t i = 0; i < elements; i++) {
        out[i] = (rk_recommendation){items[i], scores[i]};
    }
done:
    rk__free(items);
    rk__free(scores);
    return status;
}
