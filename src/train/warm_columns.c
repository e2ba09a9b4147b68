/*
 * What a run to begin from has parameters of beside nodes, whose rows are matched by ids: words of
 * features, types of edges and values that are such, entities and relations of triples. Their rows
 * are taken as they are, so they must be the same ones.
 */
#include <string.h>

#include "data/triples.h"
#include "models/joined.h"
#include "models/models.h"
#include "rankine/sides.h"
#include "train/warm_start.h"

static bool are_same(const char *const *a, int64_t n_a, const char *const *b, int64_t n_b)
{
    bool same = n_a == n_b;
    for (int64_t i = 0; same && i < n_a; i++) {
        same = strcmp(a[i], b[i]) == 0;
    }
    return same;
}

static rk_status fail_other(const char *run, const char *what)
{
    RK_FAIL(RK_ERR_DATA,
            "%s of the data set are not those of the run to begin from, %s, and parameters of "
            "theirs would be mixed up: train without it",
            what, run);
}

static rk_status check_features(const char *run, const rk_dataset *then, const rk_dataset *now)
{
    for (int64_t i = 0; i < rk_dataset_n_features(now); i++) {
        const rk_features *a = rk_dataset_features(now, i), *b = rk_dataset_features(then, i);
        if (!b || strcmp(a->of, b->of) != 0 ||
            !are_same(a->dense_names, a->n_dense, b->dense_names, b->n_dense) ||
            !are_same(a->sparse_names, a->n_sparse, b->sparse_names, b->n_sparse)) {
            return fail_other(run, "the features");
        }
    }
    return RK_OK;
}

/* Of all relations that both have. */
static rk_status check_types(const char *run, const rk_dataset *then, const rk_dataset *now)
{
    for (int64_t i = 0; i < rk_dataset_n_relations(now); i++) {
        const rk_relation *a = rk_dataset_relation(now, i), *b = NULL;
        for (int64_t j = 0; j < rk_dataset_n_relations(then); j++) {
            const rk_relation *other = rk_dataset_relation(then, j);
            b = strcmp(other->name, a->name) == 0 ? other : b;
        }
        if (b && !are_same(a->type_names, a->n_types, b->type_names, b->n_types)) {
            return fail_other(run, "the types of edges");
        }
    }
    return RK_OK;
}

static rk_status check_triples(const char *run, const rk_dataset *then, const rk_dataset *now)
{
    rk_triples a = {0}, b = {0};
    char room[RK_ID_BYTES], other[RK_ID_BYTES];
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__triples_init(&a, now));
    RK_TRY_GOTO(done, rk__triples_init(&b, then));
    bool same =
        now->n_items == then->n_items && are_same((const char *const *)a.names, a.n_relations,
                                                  (const char *const *)b.names, b.n_relations);
    for (int64_t i = 0; same && i < now->n_items; i++) {
        same = strcmp(rk_dataset_item_id(now, i, room), rk_dataset_item_id(then, i, other)) == 0;
    }
    status = same ? RK_OK : fail_other(run, "the entities or relations");
done:
    rk__triples_free(&a);
    rk__triples_free(&b);
    return status;
}

static rk_status add_levels(rk_levels *out, const rk_dataset *d, rk_part part)
{
    const float *values = d->details[part].value;
    const rk_lists *rows = &d->parts[part];
    return values ? rk__levels_add(out, values, rows->offsets[rows->n_rows]) : RK_OK;
}

static bool are_same_levels(const rk_levels *a, const rk_levels *b)
{
    bool same = a->n == b->n;
    for (int i = 0; same && i < a->n; i++) {
        same = a->v[i] == b->v[i];
    }
    return same;
}

/* The run's are those of its train part, or after a refit those of valid, too. */
static rk_status check_levels(const char *run, const rk_dataset *then, const rk_dataset *now)
{
    rk_levels ours = {0}, theirs = {0};
    RK_TRY(add_levels(&ours, now, RK_TRAIN));
    RK_TRY(add_levels(&theirs, then, RK_TRAIN));
    bool same = are_same_levels(&ours, &theirs);
    RK_TRY(add_levels(&theirs, then, RK_VALID));
    same = same || are_same_levels(&ours, &theirs);
    return same ? RK_OK : fail_other(run, "the values of interactions");
}

rk_status rk__warm_check_columns(const char *run, const rk_dataset *then, const rk_dataset *now,
                                 const rk_options *options)
{
    const int kind = options->model.kind;
    if (rk__model_of(options)->network && options->model.features) {
        RK_TRY(check_features(run, then, now));
    }
    if (kind == RK_MODEL_RGCN || kind == RK_MODEL_COMPGCN) {
        RK_TRY(check_types(run, then, now));
    }
    if (options->model.type_by == RK_WEIGH_BY_VALUE) {
        RK_TRY(check_levels(run, then, now));
    }
    const bool is_of_links =
        kind == RK_MODEL_DISTMULT || kind == RK_MODEL_TRANSE || kind == RK_MODEL_CONVE;
    return is_of_links ? check_triples(run, then, now) : RK_OK;
}
