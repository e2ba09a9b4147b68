#include "page/look.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "page/samples.h"

/* Those of lists, and what they are made of. */
static const char metrics_of_lists[] =
    "recall,ndcg,precision,hit,mrr,map,coverage,gini,novelty,avg_popularity";
static const char metrics_of_links[] =
    "filtered_hit,recall,ndcg,precision,hit,mrr,map,coverage,gini,novelty,avg_popularity";

double rk__page_metric(const rk_metrics *metrics, const char *name, int64_t k)
{
    char full[64];
    snprintf(full, sizeof full, k > 0 ? "%s@%lld" : "%s", name, (long long)k);
    for (int64_t i = 0; i < metrics->count; i++) {
        if (strcmp(metrics->values[i].name, full) == 0) {
            return metrics->values[i].value;
        }
    }
    return (double)NAN;
}

static void choose_k(rk_page_look *look, int64_t n_items)
{
    static const int64_t all[] = {1, 2, 5, 10, 20, 50, 100};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i] <= n_items) {
            look->k[look->n_k++] = all[i];
        }
    }
}

/* The users with an item in the part, `most` of them at equal distances; *out NULL: all. 0 = any
 * number. */
static rk_status choose_users(rk_page_look *look, const rk_dataset *d, int64_t most, int32_t **out,
                              int64_t *out_n)
{
    const int64_t n_users = rk_dataset_get_stats(d)->users;
    int32_t *users = NULL;
    int64_t n = 0, kept = 0;
    RK_TRY(rk__alloc(&users, n_users, sizeof *users, "the users of a page"));
    for (int64_t u = 0; u < n_users; u++) {
        const int32_t *items = NULL;
        int64_t count = 0;
        rk_status status = rk_dataset_items(d, look->part, u, &items, &count);
        if (status != RK_OK) {
            rk__free(users);
            return status;
        }
        if (count > 0) {
            users[n++] = (int32_t)u;
        }
    }
    look->of_users = n;
    kept = most > 0 && most < n ? most : n;
    for (int64_t i = 0; i < kept; i++) {
        users[i] = users[(int64_t)((double)i * ((double)n / (double)kept))];
    }
    look->users = kept;
    *out = users;
    *out_n = kept;
    return RK_OK;
}

static rk_status evaluate(rk_page_look *look, const rk_model *model, const int32_t *users,
                          const rk_hooks *hooks)
{
    rk_evaluate_options how = rk_evaluate_defaults();
    how.part = look->part;
    how.metrics = look->is_links ? metrics_of_links : metrics_of_lists;
    how.k = look->k;
    how.n_k = look->n_k;
    how.slices = true;
    if (look->users < look->of_users) {
        how.users = users;
        how.n_users = look->users;
    }
    RK_TRY(rk_evaluate(model, &how, hooks, &look->model));
    how.popularity = true;
    return rk_evaluate(model, &how, hooks, &look->popularity);
}

static rk_status ask(rk_page_look *look, rk_page_run *run, const rk_model *model,
                     const rk_page_options *how, const rk_hooks *hooks)
{
    const rk_dataset *d = rk_model_dataset(model);
    const rk_dataset_stats *stats = rk_dataset_get_stats(d);
    const char *among = "all", *metrics = "";
    rk_buffer samples = {0};
    int32_t *users = NULL;
    int64_t n = 0;
    rk_status status = RK_OK;
    if (run->is_file) {
        RK_TRY(rk__page_run_take_config(run, rk_model_config(model)));
    }
    snprintf(look->fingerprint, sizeof look->fingerprint, "%s", rk_dataset_fingerprint(d));
    look->part = how->part == RK_VALID || stats->test == 0 ? RK_VALID : RK_TEST;
    look->compat = rk_model_get_facts(model).compat;
    look->is_sampled = rk_config_get(rk_model_config(model), "eval.among", &among) == RK_OK &&
                       strcmp(among, "candidates") == 0;
    look->is_links = rk_config_get(rk_model_config(model), "eval.metrics", &metrics) == RK_OK &&
                     strstr(metrics, "filtered_");
    RK_TRY(choose_users(look, d, how->users, &users, &n));
    choose_k(look, stats->items);
    if (n > 0) {
        RK_TRY_GOTO(done, evaluate(look, model, users, hooks));
    }
    if (n > 0 && how->samples > 0) {
        RK_TRY_GOTO(done, rk__samples_add(&samples, model, users, n, look->part, how->samples));
        RK_TRY_GOTO(done, rk__buffer_take(&samples, &look->samples));
    }
    look->is_there = n > 0;
done:
    rk__buffer_free(&samples);
    rk__free(users);
    return status;
}

/* What nobody can do anything about here ends the page; of the rest the page tells. */
static bool is_fatal(rk_status status)
{
    return status == RK_ERR_MEMORY || status == RK_ERR_INTERRUPTED || status == RK_ERR_INTERNAL ||
           status == RK_ERR_DEVICE;
}

rk_status rk__page_look_take(rk_page_look *out, rk_page_run *run, const char *path,
                             const rk_page_options *how, const rk_hooks *hooks)
{
    rk_model *model = NULL;
    out->of = run->of;
    out->colour = run->colour;
    RK_TRY(rk__strdup(&out->name, run->name));
    rk_status status = rk_model_open(path, how->device, how->data_root, hooks, &model);
    if (status == RK_OK) {
        status = ask(out, run, model, how, hooks);
        rk_model_free(model);
    } else if (!is_fatal(status) && !run->is_file) {
        char *text = NULL;
        RK_TRY(rk__strdup(&out->why_not, rk_last_error()));
        RK_TRY(rk__format(&text,
                          "%s: the model cannot be asked, so the page shows what the run "
                          "wrote itself: %s",
                          path, out->why_not));
        if (hooks && hooks->log) {
            hooks->log(hooks->user, RK_LOG_WARNING, text);
        }
        rk__free(text);
        status = RK_OK;
    }
    return status;
}

void rk__page_look_free(rk_page_look *look)
{
    rk_evaluation_free(&look->model);
    rk_evaluation_free(&look->popularity);
    rk__free(look->name);
    rk__free(look->why_not);
    rk__free(look->samples);
    *look = (rk_page_look){.is_there = false};
}
