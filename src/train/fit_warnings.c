/* What is told before fitting: whom the model knows nothing of, and settings that it suffers by. */
#include "train/fit_warnings.h"

/* People and items that nothing was learnt about, and what they get. */
static void warn_of_unknown(const rk_model_instance *m, const rk_dataset *dataset, rk_run_log *log)
{
    const rk_dataset_stats *s = &dataset->stats;
    const rk_model_kind *kind = m->model;
    const int64_t folded = rk__instance_folds_in(m) ? s->given_users : 0;
    if (m->options->eval.among == RK_AMONG_CANDIDATES) {
        rk__log(log, RK_LOG_INFO,
                "each held-out item is ranked among %lld candidates of its own, not all items",
                (long long)dataset->n_candidates);
    }
    if (folded > 0 && !kind->is_same_for_all) {
        rk__log(log, RK_LOG_INFO,
                "%lld users are held out: the model knows them by %lld given interactions",
                (long long)folded, (long long)s->given);
    }
    if (s->empty_users > folded && !kind->is_same_for_all) {
        const bool knows = rk__instance_knows_any(m, true);
        rk__log(log, RK_LOG_WARNING,
                "%lld of %lld users have no train interaction (%lld of them are tested): %s%s",
                (long long)(s->empty_users - folded), (long long)s->users,
                (long long)(folded > 0 ? 0 : s->cold_test_users),
                knows && kind->knows_by ? "the model knows them "
                : knows                 ? "the model knows those who have features or relations"
                : kind->rates ? "their ratings are predicted as those of nobody in particular"
                : rk__model_fields(&m->data) > 0
                    ? "they are ranked for by the context of the row alone"
                    : "they are ranked for by popularity",
                knows && kind->knows_by ? kind->knows_by : "");
    }
    if (s->cold_items > 0) {
        const bool knows = rk__instance_knows_any(m, false);
        rk__log(log, RK_LOG_WARNING,
                "%lld of %lld items have no train interaction: %s%s (%lld of them are wanted in "
                "test)",
                (long long)s->cold_items, (long long)s->items,
                knows && kind->knows_by ? "they are ranked "
                : knows                 ? "those with features or relations are ranked"
                                        : "they are never ranked",
                knows && kind->knows_by ? kind->knows_by : "", (long long)s->cold_test_items);
    }
}

/* Interactions that the loss looks at are few, and each counts as many times more. */
static void warn_of_messages(const rk_options *o, rk_run_log *log)
{
    const double left = 1 - o->train.message_share;
    if (rk__splits_messages(o) && left < 0.05) {
        rk__log(log, RK_LOG_WARNING,
                "train.message_share %g leaves the loss %.2g %% of the interactions, about %.3g of "
                "a batch of %lld, each with a weight of %.3g: training will be slow and unsteady; "
                "0.5 is usual",
                o->train.message_share, 100 * left, left * (double)o->train.batch,
                (long long)o->train.batch, 1 / left);
    }
}

void rk__fit_warn(const rk_model_instance *model, const rk_dataset *dataset, rk_run_log *log)
{
    warn_of_unknown(model, dataset, log);
    warn_of_messages(model->options, log);
}
