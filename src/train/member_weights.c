#include "train/member_weights.h"

#include <math.h>

#include "base/alloc.h"

enum { MOST_ROUNDS = 4 };
/* What a weight is multiplied by; and what is tried where it is 0, as shares of the largest. */
static const double factors[] = {0, 0.5, 0.75, 1.33, 2}, starts[] = {0.03, 0.1, 0.2, 0.4, 0.8};
enum { N_FACTORS = sizeof factors / sizeof factors[0] };
_Static_assert(sizeof starts == sizeof factors, "as many of one as of the other");

typedef struct search {
    rk_trainer *run;
    int32_t *users; /* owned; NULL = all */
    int64_t n_users;
    double *best, *tried; /* weights; owned */
    double value;         /* of best */
} search;

static void set(search *s, const double *weights)
{
    const rk_members *m = &s->run->members;
    double sum = 0;
    for (int64_t i = 0; i < m->n; i++) {
        sum += weights[i];
    }
    for (int64_t i = 0; i < m->n; i++) {
        m->of[i].weight = weights[i] / sum;
    }
}

/* eval.metric with the weights of `tried`; they become the best if they are. */
static rk_status look(search *s, double *out)
{
    rk_trainer *t = s->run;
    const char *name = t->options->eval.metric;
    rk_metrics metrics = {0};
    double sum = 0;
    *out = NAN;
    for (int64_t i = 0; i < t->members.n; i++) {
        sum += s->tried[i];
    }
    if (sum == 0) {
        return RK_OK;
    }
    if (rk__should_stop(&t->log.hooks)) {
        RK_FAIL(RK_ERR_INTERRUPTED, "interrupted while the weights of members are chosen; resume "
                                    "begins that anew");
    }
    set(s, s->tried);
    RK_TRY(rk__members_write_weights(&t->members, &t->engine));
    rk_ranker ranker = rk__scorer_ranker(t->scorer);
    RK_TRY(rk__evaluate(t->dataset, t->options, RK_VALID, s->users, s->n_users, &ranker,
                        &t->log.hooks, &metrics));
    *out = rk__metric_find(&metrics, name);
    rk_metrics_free(&metrics);
    if (isnan(s->value) || *out > s->value) {
        s->value = *out;
        for (int64_t i = 0; i < t->members.n; i++) {
            s->best[i] = s->tried[i] / sum;
        }
    }
    return RK_OK;
}

/* Equal weights first, so that they win a tie; then each member alone. */
static rk_status look_at_corners(search *s)
{
    rk_trainer *t = s->run;
    double value = 0;
    for (int64_t only = -1; only < t->members.n; only++) {
        for (int64_t i = 0; i < t->members.n; i++) {
            s->tried[i] = only < 0 || i == only ? 1 : 0;
        }
        RK_TRY(look(s, &value));
        if (only < 0) {
            rk__log(&t->log, RK_LOG_INFO, "equal weights: %s %.5f on valid",
                    t->options->eval.metric, value);
        } else {
            t->members.of[only].on_valid = value;
            rk__log(&t->log, RK_LOG_INFO, "member %lld alone, %s: %s %.5f on valid",
                    (long long)only + 1, t->members.of[only].run, t->options->eval.metric, value);
        }
    }
    return RK_OK;
}

static double largest(const search *s)
{
    double most = 0;
    for (int64_t i = 0; i < s->run->members.n; i++) {
        most = s->best[i] > most ? s->best[i] : most;
    }
    return most;
}

/* One weight after the other. */
static rk_status look_around(search *s, bool *out_better)
{
    const int64_t n = s->run->members.n;
    const double before = s->value;
    double ignored = 0;
    for (int64_t member = 0; member < n; member++) {
        const double own = s->best[member], most = largest(s);
        double base[RK_MAX_LAYERS];
        for (int64_t i = 0; i < n; i++) {
            base[i] = s->best[i];
        }
        for (int f = 0; f < N_FACTORS; f++) {
            for (int64_t i = 0; i < n; i++) {
                s->tried[i] = base[i];
            }
            s->tried[member] = own > 0 ? own * factors[f] : most * starts[f];
            RK_TRY(look(s, &ignored));
        }
    }
    *out_better = s->value > before;
    return RK_OK;
}

static rk_status choose(search *s)
{
    rk_trainer *t = s->run;
    bool better = true;
    RK_TRY(rk__alloc(&s->best, t->members.n, sizeof *s->best, "the weights of members"));
    RK_TRY(rk__alloc(&s->tried, t->members.n, sizeof *s->tried, "the weights of members"));
    RK_TRY(rk__eval_subset(t->dataset, RK_VALID, t->options->eval.users,
                           (uint64_t)t->options->run.seed, &s->users, &s->n_users));
    RK_TRY(look_at_corners(s));
    for (int round = 0; round < MOST_ROUNDS && better; round++) {
        RK_TRY(look_around(s, &better));
        rk__log(&t->log, RK_LOG_INFO, "weights of members, round %d: %s %.5f on valid", round + 1,
                t->options->eval.metric, s->value);
    }
    set(s, s->best);
    return rk__members_write_weights(&t->members, &t->engine);
}

rk_status rk__member_weights_choose(rk_trainer *run)
{
    search s = {.run = run, .value = NAN};
    if (run->members.n == 0) {
        return RK_OK;
    }
    if (run->options->model.member_weights.v[0] >= 0 || run->dataset->stats.valid_users == 0) {
        if (run->options->model.member_weights.v[0] < 0) {
            rk__log(&run->log, RK_LOG_WARNING,
                    "the valid part is empty, so the members' weights are all the same; give them "
                    "by model.member_weights");
        }
        return rk__members_read_weights(&run->members, &run->engine);
    }
    rk_status status = choose(&s);
    rk__free(s.users);
    rk__free(s.best);
    rk__free(s.tried);
    return status == RK_OK ? rk__train_checkpoint(run) : status;
}
