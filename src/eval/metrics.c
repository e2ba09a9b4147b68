#include "eval/metrics.h"

#include <math.h>
#include <string.h>

#include "base/buffer.h"

const char *rk__metric_name(rk_metric metric)
{
    static const char *const names[RK_METRIC_COUNT] = {
#define NAME(name, of_user, formula, note) #name,
        RK_METRICS(NAME)
#undef NAME
    };
    return names[metric];
}

bool rk__metric_is_of_user(rk_metric metric)
{
    static const bool is_of_user[RK_METRIC_COUNT] = {
#define OF_USER(name, of_user, formula, note) of_user,
        RK_METRICS(OF_USER)
#undef OF_USER
    };
    return is_of_user[metric];
}

static int64_t count_hits(const uint8_t *hits, int64_t k)
{
    int64_t n = 0;
    for (int64_t r = 0; r < k; r++) {
        n += hits[r];
    }
    return n;
}

static double metric_recall(const uint8_t *hits, int64_t k, int64_t n_targets)
{
    return (double)count_hits(hits, k) / (double)n_targets;
}

static double metric_precision(const uint8_t *hits, int64_t k, int64_t n_targets)
{
    (void)n_targets;
    return (double)count_hits(hits, k) / (double)k;
}

static double metric_ndcg(const uint8_t *hits, int64_t k, int64_t n_targets)
{
    double gain = 0, ideal = 0;
    for (int64_t r = 0; r < k; r++) {
        gain += hits[r] ? 1 / log2((double)(r + 2)) : 0;
        ideal += r < n_targets ? 1 / log2((double)(r + 2)) : 0;
    }
    return gain / ideal;
}

static double metric_hit(const uint8_t *hits, int64_t k, int64_t n_targets)
{
    (void)n_targets;
    return count_hits(hits, k) > 0 ? 1 : 0;
}

static double metric_mrr(const uint8_t *hits, int64_t k, int64_t n_targets)
{
    (void)n_targets;
    const uint8_t *first = memchr(hits, 1, (size_t)k);
    return first ? 1 / (double)(first - hits + 1) : 0;
}

static double metric_map(const uint8_t *hits, int64_t k, int64_t n_targets)
{
    double sum = 0;
    int64_t so_far = 0;
    for (int64_t r = 0; r < k; r++) {
        if (hits[r]) {
            sum += (double)++so_far / (double)(r + 1);
        }
    }
    return sum / (double)(k < n_targets ? k : n_targets);
}

/* Coverage is a property of all lists together; evaluate.c computes it. */
static double metric_coverage(const uint8_t *hits, int64_t k, int64_t n_targets)
{
    (void)hits, (void)k, (void)n_targets;
    return 0;
}

double rk__metric_of_user(rk_metric metric, const uint8_t *hits, int64_t k, int64_t n_targets)
{
    static double (*const of_user[])(const uint8_t *, int64_t, int64_t) = {
#define FUNCTION(name, of_user, formula, note) metric_##name,
        RK_METRICS(FUNCTION)
#undef FUNCTION
    };
    return of_user[metric](hits, k, n_targets);
}

rk_status rk__metrics_text(char **out)
{
    rk_buffer text = {0};
    rk__buffer_add(
        &text,
        "Metrics of full ranking\n"
        "\n"
        "Each user's list holds all items of the catalogue that the user has not seen, best score\n"
        "first. Seen are the user's items in train, and, when test is evaluated, in valid too.\n"
        "Items with equal scores are ranked by their ids, the smaller one first.\n"
        "\n"
        "  K       the cut-off: each metric is given at every K of eval.k\n"
        "  T       the user's items in the part that is evaluated (valid or test)\n"
        "  hit(r)  1 if the item at rank r is in T, else 0; the best item has rank 1\n"
        "  hits@r  hit(1) + ... + hit(r)\n"
        "\n");
#define LINES(name, of_user, formula, note)                                                        \
    rk__buffer_add(&text, "  %-12s= %s\n  %-12s  (%s)\n", #name "@K", formula, "", note);
    RK_METRICS(LINES)
#undef LINES
    rk__buffer_add(
        &text,
        "\n"
        "Values are means over the users who have at least one item in T; other users do not\n"
        "count. Items that occur only in T and never in train stay in the catalogue and in |T|.\n"
        "Sums are in double precision, in the order of users; nothing is rounded.\n");
    return rk__buffer_take(&text, out);
}
