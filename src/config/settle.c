/* What follows from other options where nobody has said it. */
#include <string.h>

#include "base/alloc.h"
#include "config/internal.h"

static bool is_default(const rk_config *config, const char *key)
{
    return strcmp(rk__config_origin(config, key), "default") == 0;
}

rk_status rk_config_settle(rk_config *config, char **out_text)
{
    const rk_options *o = &config->options;
    const char *origin = "since no source has a part";
    bool has_parts = false, has_times = true;
    *out_text = NULL;
    for (int64_t i = 0; i < o->n_sources; i++) {
        const rk_source_options *source = &o->sources[i];
        has_parts = has_parts || source->part != RK_PART_ALL;
        has_times = has_times && (source->time[0] != '\0' || source->format == RK_FORMAT_MOVIELENS);
    }
    if (o->n_sources == 0 || has_parts || !is_default(config, "split.kind")) {
        return RK_OK;
    }
    RK_TRY(rk_config_set(config, "split.kind=ratio", origin));
    if (has_times && is_default(config, "split.order")) {
        RK_TRY(rk_config_set(config, "split.order=time", origin));
    }
    return rk__format(
        out_text,
        "split.kind is not set: of each user's items %s %g %% are taken as test, %g %% "
        "as valid and the rest as train (split.kind ratio, split.order %s); set "
        "split.kind to have it otherwise",
        o->split.order == RK_ORDER_TIME ? "the latest" : "a random", 100 * o->split.test,
        100 * o->split.valid, rk__option_choice("split.order", o->split.order));
}
