/*
 * Do the parameters of a run to begin from fit? All of them must have a place: what is left behind
 * was part of every score of that run, so that what remains of it would be another model.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "config/schema.h"
#include "train/warm_start.h"

rk_status rk__warm_differences(const rk_config *before, const rk_config *now, bool is_mf,
                               char **out)
{
    /* Options of section model that decide which parameters there are, and their shapes. */
    static const char *const keys[] = {
        "model.layers",     "model.layer_weights", "model.widths", "model.hidden",
        "model.relations",  "model.type_by",       "model.ids",    "model.features",
        "model.scorer",     "model.maps",          "model.self",   "model.heads",
        "model.join_heads", "model.batch_norm",    "model.bases",  "model.blocks",
        "model.encoder",    "model.filters",       "model.kernel", "model.image_width",
        "model.composition"};
    enum { N_KEYS = sizeof keys / sizeof keys[0] };
    rk_buffer text = {0};
    rk_status status = RK_OK;
    for (size_t i = 0; i < N_KEYS && !is_mf; i++) {
        const char *then = NULL, *value = NULL;
        bool was_read = false, is_read = false;
        RK_TRY_GOTO(failed, rk_config_is_read(before, keys[i], &was_read));
        RK_TRY_GOTO(failed, rk_config_is_read(now, keys[i], &is_read));
        RK_TRY_GOTO(failed, rk_config_get(before, keys[i], &then));
        RK_TRY_GOTO(failed, rk_config_get(now, keys[i], &value));
        if ((was_read || is_read) && strcmp(then, value) != 0) {
            rk__buffer_add(&text, "%s%s, not %s", text.length > 0 ? "; " : "",
                           rk__config_says(now, keys[i]).text, then);
        }
    }
    if (is_mf) { /* of the same dim */
        rk__buffer_add(&text, "%s, and its first number is the width of embeddings",
                       rk__config_says(now, "model.widths").text);
    } else if (text.length == 0) {
        rk__buffer_add(&text, "relations or features of the data set are others");
    }
    return rk__buffer_take(&text, out);
failed:
    rk__buffer_free(&text);
    return status;
}

/* ---- what is left ---- */

typedef struct left {
    const rk_warm_source *source;
    const rk_model_instance *model;
    rk_buffer names;
} left;

/* Moments of the optimizer begin anew in any case. */
static bool is_moment(const char *name)
{
    const size_t length = strlen(name);
    return length > 2 && (strcmp(name + length - 2, ".m") == 0 || //
                          strcmp(name + length - 2, ".v") == 0);
}

static rk_status look_at(void *user, const char *name)
{
    left *l = user;
    const rk_model_half *half = l->source->half;
    bool is_wanted = is_moment(name) || (half && strncmp(name, half->prefix, strlen(half->prefix)));
    for (int i = 0; i < l->model->n_parameters && !is_wanted; i++) {
        is_wanted = strcmp(l->model->parameters[i].name, name) == 0;
    }
    if (!is_wanted) {
        rk__buffer_add(&l->names, "%s%s", l->names.length > 0 ? ", " : "", name);
    }
    return l->names.status;
}

rk_status rk__warm_check_left(const rk_warm_source *source, const rk_model_instance *model)
{
    left l = {.source = source, .model = model};
    if (source->is_mf) {
        return RK_OK;
    }
    rk_status status = rk__h5_each(source->file, RK_H5_F32, look_at, &l);
    if (status == RK_OK && l.names.length > 0) {
        status = rk__fail(RK_ERR_CONFIG, __FILE__, __LINE__, __func__,
                          "%s, to begin from, has parameters that would be left behind, as this "
                          "model has no place for them, %s: %s; take the same, or train without it",
                          source->run, l.names.at, source->differs);
    }
    rk__buffer_free(&l.names);
    return status;
}
