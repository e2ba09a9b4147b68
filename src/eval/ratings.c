#include "eval/ratings.h"

#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "eval/metrics.h"

enum { BIAS_SWEEPS = 20 };
static const double bias_l2 = 5;

rk_rating_scale rk__rating_scale(const rk_options *options, const rk_dataset *dataset)
{
    const rk_lists *train = &dataset->parts[RK_TRAIN];
    const float *value = dataset->details[RK_TRAIN].value;
    const int64_t n = value && train->n_rows > 0 ? train->offsets[train->n_rows] : 0;
    rk_rating_scale scale = {0, 0};
    if (options->data.value_range.n == 2) {
        return (rk_rating_scale){options->data.value_range.v[0], options->data.value_range.v[1]};
    }
    for (int64_t e = 0; e < n; e++) {
        scale.low = e == 0 ? (double)value[e] : fmin(scale.low, (double)value[e]);
        scale.high = e == 0 ? (double)value[e] : fmax(scale.high, (double)value[e]);
    }
    return scale;
}

/* ---- errors ---- */

typedef struct sums {
    double squares, sizes;
    int64_t pairs;
} sums;

static void errors_of(rk_rating_scale scale, double mse, double mae, double *out)
{
    const double width = scale.high - scale.low;
    out[RK_RATING_MSE] = mse;
    out[RK_RATING_RMSE] = sqrt(mse);
    out[RK_RATING_MAE] = mae;
    out[RK_RATING_MSE_SCALED] = mse / (width * width);
    out[RK_RATING_RMSE_SCALED] = sqrt(mse) / width;
    out[RK_RATING_MAE_SCALED] = mae / width;
}

/* The users with ratings in the part and the offsets of their predictions. */
typedef struct asked {
    int32_t *users;
    int64_t n, *offsets, most; /* of a tile's predictions */
} asked;

static rk_status find_asked(const rk_lists *lists, const int32_t *users, int64_t n, asked *out)
{
    RK_TRY(rk__alloc(&out->users, n, sizeof *out->users, "the users to evaluate"));
    RK_TRY(rk__alloc(&out->offsets, n + 1, sizeof *out->offsets, "the ratings to evaluate"));
    out->offsets[0] = 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t user = users ? users[i] : i, count = rk__lists_count(lists, user);
        if (count > 0) {
            out->users[out->n] = (int32_t)user;
            out->offsets[out->n + 1] = out->offsets[out->n] + count;
            out->n++;
        }
    }
    for (int64_t i = 0; i < out->n; i += RK_RANK_TILE) {
        const int64_t end = i + RK_RANK_TILE < out->n ? i + RK_RANK_TILE : out->n;
        const int64_t pairs = out->offsets[end] - out->offsets[i];
        out->most = pairs > out->most ? pairs : out->most;
    }
    return RK_OK;
}

/* What the ratings of a user add. */
static sums sum_user(const rk_lists *lists, const float *value, int64_t user, const float *scores,
                     rk_rating_scale scale)
{
    const int64_t begin = lists->offsets[user], n = rk__lists_count(lists, user);
    sums s = {.pairs = n};
    for (int64_t j = 0; j < n; j++) {
        const double error = rk__rating_within(scale, (double)scores[j]) - (double)value[begin + j];
        s.squares += error * error;
        s.sizes += fabs(error);
    }
    return s;
}

/* Predictions of the n users from users[first] on, the items of each one after the other. */
static rk_status predict(const rk_ranker *ranker, rk_part part, const rk_lists *lists,
                         const asked *a, int64_t first, int64_t n, const int64_t *offsets,
                         const int32_t *items, float *scores)
{
    int64_t rows[RK_RANK_TILE], each[RK_RANK_TILE + 1], done = 0;
    int32_t users[RK_RANK_TILE];
    int64_t filled = 0;
    if (!ranker->score_rows) {
        return ranker->score(ranker->self, a->users + first, n, offsets, items, scores);
    }
    for (int64_t j = 0; j <= RK_RANK_TILE; j++) {
        each[j] = j;
    }
    for (int64_t i = 0; i < n; i++) {
        const int64_t begin = lists->offsets[a->users[first + i]] - offsets[i];
        for (int64_t j = offsets[i]; j < offsets[i + 1]; j++) {
            rows[filled] = begin + j;
            users[filled++] = a->users[first + i];
            if (filled == RK_RANK_TILE || j + 1 == offsets[n]) {
                RK_TRY(ranker->score_rows(ranker->self, part, rows, users, filled, each,
                                          items + done, scores + done));
                done += filled;
                filled = 0;
            }
        }
    }
    return RK_OK;
}

rk_status rk__rating_errors(const rk_dataset *dataset, rk_rating_scale scale, rk_part part,
                            const int32_t *users, int64_t n_users, const rk_ranker *ranker,
                            double out[RK_RATING_ERROR_COUNT], int64_t *out_pairs, double *each)
{
    const rk_lists *lists = &dataset->parts[part];
    const float *value = dataset->details[part].value;
    asked a = {0};
    int64_t *offsets = NULL;
    int32_t *items = NULL;
    float *scores = NULL;
    sums all = {0};
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, find_asked(lists, users, users ? n_users : dataset->n_users, &a));
    if (!value || a.n == 0) {
        RK_FAIL_GOTO(done, RK_ERR_DATA, "there is no rating in %s to evaluate", rk_part_name(part));
    }
    RK_TRY_GOTO(done, rk__alloc(&scores, a.most, sizeof *scores, "predicted ratings"));
    RK_TRY_GOTO(done, rk__alloc(&items, a.most, sizeof *items, "predicted ratings"));
    RK_TRY_GOTO(done, rk__alloc(&offsets, RK_RANK_TILE + 1, sizeof *offsets, "predicted ratings"));
    for (int64_t first = 0; first < a.n; first += RK_RANK_TILE) {
        const int64_t n = a.n - first < RK_RANK_TILE ? a.n - first : RK_RANK_TILE;
        for (int64_t i = 0; i < n; i++) {
            const int64_t at = a.offsets[first + i] - a.offsets[first];
            const int64_t begin = lists->offsets[a.users[first + i]];
            offsets[i] = at;
            offsets[i + 1] = a.offsets[first + i + 1] - a.offsets[first];
            for (int64_t j = at; j < offsets[i + 1]; j++) {
                items[j] = lists->items[begin + j - at];
            }
        }
        RK_TRY_GOTO(done, predict(ranker, part, lists, &a, first, n, offsets, items, scores));
        for (int64_t i = 0; i < n; i++) {
            const sums s = sum_user(lists, value, a.users[first + i], scores + offsets[i], scale);
            all.squares += s.squares;
            all.sizes += s.sizes;
            all.pairs += s.pairs;
            if (each) { /* the mean over users of these is the mean over ratings */
                const double by = (double)a.n / (double)a.offsets[a.n];
                double *row = each + (first + i) * RK_RATING_ERROR_COUNT;
                errors_of(scale, s.squares * by, s.sizes * by, row);
                row[RK_RATING_RMSE] = row[RK_RATING_RMSE_SCALED] = (double)NAN;
            }
        }
    }
    errors_of(scale, all.squares / (double)all.pairs, all.sizes / (double)all.pairs, out);
    *out_pairs = all.pairs;
done:
    rk__free(a.users);
    rk__free(a.offsets);
    rk__free(offsets);
    rk__free(items);
    rk__free(scores);
    return status;
}

/* Values and their names are one block, as an evaluation makes it. */
rk_status rk__rating_errors_append(rk_metrics *metrics, const double errors[RK_RATING_ERROR_COUNT])
{
    const int64_t before = metrics->count, n = before + RK_RATING_ERROR_COUNT;
    rk_metric_value *values = NULL;
    RK_TRY(rk__alloc(&values, n, sizeof *values + RK_MEASURE_BYTES, "metrics"));
    char *name = (char *)(values + n);
    for (int64_t v = 0; v < n; v++, name += RK_MEASURE_BYTES) {
        const int error = (int)(v - before);
        values[v] = v < before ? metrics->values[v]
                               : (rk_metric_value){.value = errors[error], .expected = (double)NAN};
        snprintf(name, RK_MEASURE_BYTES, "%s",
                 v < before ? metrics->values[v].name : rk__rating_error_name(error));
        values[v].name = name;
    }
    rk__free(metrics->values);
    metrics->values = values;
    metrics->count = n;
    return RK_OK;
}

/* ---- simple predictions ---- */

/* b = sum(r - mean - other's b) / (n + 5), of the users that `lists` has rows of. */
static void solve_users(const rk_lists *lists, const float *value, rk_simple_ratings *s)
{
    for (int64_t u = 0; u < lists->n_rows; u++) {
        double sum = 0;
        for (int64_t e = lists->offsets[u]; e < lists->offsets[u + 1]; e++) {
            sum += (double)value[e] - s->mean - s->item_bias[lists->items[e]];
        }
        const int64_t n = rk__lists_count(lists, u);
        s->user_bias[u] = n > 0 ? sum / ((double)n + bias_l2) : s->user_bias[u];
    }
}

static void solve_items(const rk_lists *lists, const float *value, const int64_t *counts,
                        int64_t n_items, rk_simple_ratings *s)
{
    for (int64_t i = 0; i < n_items; i++) {
        s->item_bias[i] = 0;
    }
    for (int64_t u = 0; u < lists->n_rows; u++) {
        for (int64_t e = lists->offsets[u]; e < lists->offsets[u + 1]; e++) {
            s->item_bias[lists->items[e]] += (double)value[e] - s->mean - s->user_bias[u];
        }
    }
    for (int64_t i = 0; i < n_items; i++) {
        s->item_bias[i] /= (double)counts[i] + bias_l2;
    }
}

rk_status rk__simple_ratings_init(rk_simple_ratings *out, const rk_dataset *d)
{
    const rk_lists *train = &d->parts[RK_TRAIN], *given = &d->parts[RK_GIVEN];
    const float *value = d->details[RK_TRAIN].value;
    const int64_t n = train->offsets[train->n_rows];
    int64_t *counts = NULL;
    rk_status status = RK_OK;
    *out = (rk_simple_ratings){0};
    RK_TRY_GOTO(done, rk__calloc(&counts, d->n_items, sizeof *counts, "simple predictions"));
    RK_TRY_GOTO(done,
                rk__calloc(&out->item_mean, d->n_items, sizeof(double), "simple predictions"));
    RK_TRY_GOTO(done,
                rk__calloc(&out->item_bias, d->n_items, sizeof(double), "simple predictions"));
    RK_TRY_GOTO(done,
                rk__calloc(&out->user_bias, d->n_users, sizeof(double), "simple predictions"));
    for (int64_t e = 0; e < n; e++) {
        out->mean += (double)value[e] / (double)n;
        out->item_mean[train->items[e]] += (double)value[e];
        counts[train->items[e]]++;
    }
    for (int64_t i = 0; i < d->n_items; i++) {
        out->item_mean[i] = counts[i] > 0 ? out->item_mean[i] / (double)counts[i] : out->mean;
    }
    for (int sweep = 0; sweep < BIAS_SWEEPS; sweep++) {
        solve_users(train, value, out);
        solve_items(train, value, counts, d->n_items, out);
    }
    if (given->n_rows > 0) {
        solve_users(given, d->details[RK_GIVEN].value, out);
    }
done:
    rk__free(counts);
    if (status != RK_OK) {
        rk__simple_ratings_free(out);
    }
    return status;
}

void rk__simple_ratings_free(rk_simple_ratings *simple)
{
    rk__free(simple->item_mean);
    rk__free(simple->user_bias);
    rk__free(simple->item_bias);
    *simple = (rk_simple_ratings){0};
}

/* rk_ranker.score of each of them. */
static rk_status score_mean(void *self, const int32_t *users, int64_t n, const int64_t *offsets,
                            const int32_t *items, float *scores)
{
    const rk_simple_ratings *s = self;
    (void)users, (void)items;
    for (int64_t e = 0; e < offsets[n]; e++) {
        scores[e] = (float)s->mean;
    }
    return RK_OK;
}

static rk_status score_item_mean(void *self, const int32_t *users, int64_t n,
                                 const int64_t *offsets, const int32_t *items, float *scores)
{
    const rk_simple_ratings *s = self;
    (void)users;
    for (int64_t e = 0; e < offsets[n]; e++) {
        scores[e] = (float)s->item_mean[items[e]];
    }
    return RK_OK;
}

static rk_status score_biases(void *self, const int32_t *users, int64_t n, const int64_t *offsets,
                              const int32_t *items, float *scores)
{
    const rk_simple_ratings *s = self;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t e = offsets[i]; e < offsets[i + 1]; e++) {
            scores[e] = (float)(s->mean + s->user_bias[users[i]] + s->item_bias[items[e]]);
        }
    }
    return RK_OK;
}

rk_status rk__evaluate_ratings(const rk_dataset *dataset, const rk_options *options, rk_part part,
                               const int32_t *users, int64_t n_users, const rk_ranker *ranker,
                               rk_ratings *out)
{
    const rk_rating_scale scale = rk__rating_scale(options, dataset);
    rk_simple_ratings simple = {0};
    rk_status status = RK_OK;
    *out = (rk_ratings){.low = scale.low, .high = scale.high};
    RK_TRY_GOTO(done, rk__simple_ratings_init(&simple, dataset));
    const struct {
        rk_ranker ranker;
        double *out;
    } all[] = {{*ranker, out->model},
               {{.self = &simple, .score = score_mean}, out->global_mean},
               {{.self = &simple, .score = score_item_mean}, out->item_mean},
               {{.self = &simple, .score = score_biases}, out->biases}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        RK_TRY_GOTO(done, rk__rating_errors(dataset, scale, part, users, n_users, &all[i].ranker,
                                            all[i].out, &out->pairs, NULL));
    }
done:
    rk__simple_ratings_free(&simple);
    return status;
}

const char *rk_rating_error_name(int64_t index)
{
    return index >= 0 && index < RK_RATING_ERROR_COUNT ? rk__rating_error_name((int)index) : NULL;
}
