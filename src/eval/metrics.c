#include "eval/metrics.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"

const char *rk__metric_name(rk_metric metric)
{
    static const char *const names[RK_METRIC_COUNT] = {
#define NAME(name, of, formula, note) #name,
        RK_METRICS(NAME)
#undef NAME
    };
    return names[metric];
}

rk_metric_of rk__metric_of(rk_metric metric)
{
    static const rk_metric_of kinds[RK_METRIC_COUNT] = {
#define KIND(name, of, formula, note) RK_METRIC_OF_##of,
        RK_METRICS(KIND)
#undef KIND
    };
    return kinds[metric];
}

/* ---- measures ---- */

rk_status rk__measures(const rk_options *options, rk_measure **out, int64_t *out_n)
{
    const rk_ints *metrics = &options->eval.metrics, *k = &options->eval.k;
    int64_t n = 0;
    if (metrics->n == 0 || k->n == 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s is empty: nothing to evaluate",
                k->n == 0 ? "eval.k" : "eval.metrics");
    }
    RK_TRY(rk__alloc(out, metrics->n * k->n, sizeof **out, "metrics"));
    for (int64_t m = 0; m < metrics->n; m++) {
        const rk_metric metric = (rk_metric)metrics->v[m];
        const bool is_cut = rk__metric_of(metric) != RK_METRIC_OF_ORDER;
        for (int64_t j = 0; j < (is_cut ? k->n : 1); j++) {
            (*out)[n++] = (rk_measure){metric, is_cut ? k->v[j] : 0};
        }
    }
    *out_n = n;
    return RK_OK;
}

void rk__measure_name(rk_measure m, char room[RK_MEASURE_BYTES])
{
    if (m.k > 0) {
        snprintf(room, RK_MEASURE_BYTES, "%s@%" PRId64, rk__metric_name(m.metric), m.k);
    } else {
        snprintf(room, RK_MEASURE_BYTES, "%s@all", rk__metric_name(m.metric));
    }
}

bool rk__measure_is_of_order(rk_measure measure)
{
    const rk_metric_of of = rk__metric_of(measure.metric);
    return of == RK_METRIC_OF_ORDER || of == RK_METRIC_OF_PLACE;
}

bool rk__measure_is_of_pairs(rk_measure measure)
{
    return rk__measure_is_of_order(measure) && measure.metric != RK_METRIC_auc;
}

bool rk__measure_is_of_user(rk_measure measure)
{
    return rk__metric_of(measure.metric) != RK_METRIC_OF_ALL;
}

/* ---- metrics of hits ---- */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t count_hits(const rk_hits *h, int64_t k)
{
    int64_t n = 0;
    for (int64_t r = 0; r < k; r++) {
        n += h->hit[r];
    }
    return n;
}

static double metric_capped_recall(const rk_hits *h, int64_t k, int style)
{
    (void)style;
    return (double)count_hits(h, k) / (double)least(k, h->n_targets);
}

static double metric_recall(const rk_hits *h, int64_t k, int style)
{
    if (style == RK_STYLE_LENSKIT) {
        return metric_capped_recall(h, k, style);
    }
    return (double)count_hits(h, k) / (double)h->n_targets;
}

static double metric_precision(const rk_hits *h, int64_t k, int style)
{
    int64_t of = k;
    if (style == RK_STYLE_LENSKIT) {
        of = least(k, h->n_listed);
    } else if (style == RK_STYLE_IMPLICIT) { /* rk__measure_weight makes it one of all users */
        of = least(k, h->n_targets);
    }
    return of > 0 ? (double)count_hits(h, k) / (double)of : 0;
}

static double metric_ndcg(const rk_hits *h, int64_t k, int style)
{
    const bool is_graded = style == RK_STYLE_ELLIOT && h->gain;
    const int64_t n_ideal = style == RK_STYLE_RECTOOLS ? k : h->n_targets;
    double gain = 0, ideal = 0;
    for (int64_t r = 0; r < k; r++) {
        const int64_t rank = style == RK_STYLE_LENSKIT ? (r > 0 ? r : 1) : r + 1;
        const double discount = log2((double)(rank + 1));
        gain += h->hit[r] ? (is_graded ? h->gain[r] : 1) / discount : 0;
        ideal += r < n_ideal ? (is_graded ? h->ideal[r] : 1) / discount : 0;
    }
    return ideal > 0 ? gain / ideal : 0;
}

static double metric_hit(const rk_hits *h, int64_t k, int style)
{
    (void)style;
    return count_hits(h, k) > 0 ? 1 : 0;
}

static double metric_mrr(const rk_hits *h, int64_t k, int style)
{
    (void)style;
    const uint8_t *first = memchr(h->hit, 1, (size_t)k);
    return first ? 1 / (double)(first - h->hit + 1) : 0;
}

static double metric_map(const rk_hits *h, int64_t k, int style)
{
    const bool is_mean = style == RK_STYLE_ELLIOT;
    const bool by_all = style == RK_STYLE_LIGHTGCN || style == RK_STYLE_RECTOOLS;
    double sum = 0;
    int64_t so_far = 0;
    for (int64_t r = 0; r < k; r++) {
        so_far += h->hit[r];
        if (h->hit[r] || is_mean) {
            sum += (double)so_far / (double)(r + 1);
        }
    }
    return sum / (double)(is_mean ? k : by_all ? h->n_targets : least(k, h->n_targets));
}

/* Those of the items, of the order and of all lists together have no value of hits alone. */
static double no_value(const rk_hits *h, int64_t k, int style)
{
    (void)h, (void)k, (void)style;
    return 0;
}
#define metric_coverage no_value
#define metric_gini no_value
#define metric_novelty no_value
#define metric_avg_popularity no_value
#define metric_auc no_value
#define metric_filtered_mrr no_value
#define metric_filtered_mr no_value
#define metric_filtered_hit no_value

double rk__metric_of_hits(rk_measure measure, int style, const rk_hits *hits)
{
    static double (*const of_hits[])(const rk_hits *, int64_t, int) = {
#define FUNCTION(name, of, formula, note) metric_##name,
        RK_METRICS(FUNCTION)
#undef FUNCTION
    };
    return of_hits[measure.metric](hits, measure.k, style);
}

/* Of one that is never ranked: as behind all others, or nothing. */
double rk__metric_of_place(rk_measure measure, rk_place p)
{
    const bool is_ranked = p.above >= 0;
    const double ahead = (double)p.above + 0.5 * (double)p.tied;
    switch (measure.metric) {
    case RK_METRIC_auc:
        if (!is_ranked || p.others == 0) {
            return is_ranked;
        }
        return ((double)p.others - (double)p.above - 0.5 * (double)p.tied) / (double)p.others;
    case RK_METRIC_filtered_mrr:
        return is_ranked ? 1 / (1 + ahead) : 0;
    case RK_METRIC_filtered_mr:
        return 1 + (is_ranked ? ahead : (double)p.others);
    default: /* filtered_hit */
        return is_ranked && 1 + ahead <= (double)measure.k;
    }
}

double rk__measure_weight(rk_measure measure, int style, int64_t n_targets)
{
    if (rk__measure_is_of_pairs(measure)) {
        return (double)n_targets;
    }
    bool is_of_all = style == RK_STYLE_IMPLICIT && measure.metric == RK_METRIC_precision;
    return is_of_all ? (double)least(measure.k, n_targets) : 1;
}

/* ---- as text ---- */

rk_status rk__metrics_text(char **out)
{
    rk_buffer text = {0};
    rk__buffer_add(
        &text,
        "Metrics of rankings\n"
        "\n"
        "Each user's list holds all items of the catalogue that the user has not seen, best score\n"
        "first. Seen are the user's items in train, and, when test is evaluated, in valid too;\n"
        "with eval.seen=rank they are ranked like others. Items with equal scores are ranked by\n"
        "their ids, the smaller one first.\n"
        "\n"
        "  K       the cut-off: each metric is given at every K of eval.k\n"
        "  T       the user's items in the part that is evaluated (valid or test)\n"
        "  hit(r)  1 if the item at rank r is in T, else 0; the best item has rank 1\n"
        "  hits@r  hit(1) + ... + hit(r)\n"
        "  n_i     users who have item i in train\n"
        "  place(t)  rank of t of T among the items that are neither seen nor in T, itself among\n"
        "            them\n"
        "\n");
#define LINES(name, of, formula, note)                                                             \
    rk__buffer_add(&text, "  %-16s = %s\n  %-16s   (%s)\n",                                        \
                   RK_METRIC_OF_##of == RK_METRIC_OF_ORDER ? #name "@all" : #name "@K", formula,   \
                   "", note);
    RK_METRICS(LINES)
#undef LINES
    rk__buffer_add(
        &text,
        "\n"
        "Values are means over the users who have at least one item in T; other users do not\n"
        "count; of filtered_* over all of their held-out items alike, where those that tie share "
        "the\n"
        "mean of their ranks. Items that occur only in T and never in train stay in the catalogue "
        "and in |T|.\n"
        "Sums are in double precision, in the order of users; nothing is rounded.\n"
        "\n"
        "With eval.among=candidates each held-out item is ranked among the candidates that were\n"
        "drawn for it, the user's other held-out items not among them: T is that item alone. A\n"
        "user's value is the mean over their held-out items. Beside it stands the expectation\n"
        "over all draws of so many candidates, which is exact: how many of those drawn are ahead\n"
        "is hypergeometric, and every order of those that tie is alike. auc@all is of the whole\n"
        "order there, too, T all held-out items: no draw changes it.\n"
        "\n"
        "eval.style counts as other software does, where that is something else:\n"
        "\n");
#define STYLE(style, name, formula)                                                                \
    rk__buffer_add(&text, "  %-10s%-11s= %s\n", #style, #name "@K", formula);
    RK_METRIC_STYLES(STYLE)
#undef STYLE
    rk__buffer_add(&text,
                   "\n"
                   "Models of ratings (als, svd) have errors over all held-out ratings r, too, of\n"
                   "predictions p within the scale [low, high]; less is better:\n"
                   "\n");
#define ERROR(NAME, name, formula) rk__buffer_add(&text, "  %-12s= %s\n", #name, formula);
    RK_RATING_ERROR_LIST(ERROR)
#undef ERROR
    return rk__buffer_take(&text, out);
}
