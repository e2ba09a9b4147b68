/* Statistics that follow from the parts. */
#include <string.h>

#include "base/alloc.h"
#include "data/dataset_internal.h"

enum { IN_TRAIN = 1, IN_VALID = 2, IN_TEST = 4 };

/* The smallest degree that at least tenths / 10 of the nodes do not exceed. histogram: number of
 * nodes by degree. */
static int64_t quantile(const int64_t *histogram, int64_t n, int64_t tenths)
{
    int64_t wanted = (n * tenths + 9) / 10, seen = histogram[0], degree = 0;
    while (seen < wanted) {
        seen += histogram[++degree];
    }
    return degree;
}

static rk_status measure_degrees(rk_degrees *out, const int64_t *degree, int64_t n)
{
    int64_t *histogram = NULL, sum = 0;
    *out = (rk_degrees){.min = n > 0 ? degree[0] : 0};
    if (n == 0) {
        return RK_OK;
    }
    for (int64_t i = 0; i < n; i++) {
        out->min = degree[i] < out->min ? degree[i] : out->min;
        out->max = degree[i] > out->max ? degree[i] : out->max;
        sum += degree[i];
    }
    RK_TRY(rk__calloc(&histogram, out->max + 1, sizeof *histogram, "a histogram of degrees"));
    for (int64_t i = 0; i < n; i++) {
        histogram[degree[i]]++;
    }
    out->mean = (double)sum / (double)n;
    out->median = quantile(histogram, n, 5);
    for (int64_t tenths = 1; tenths <= 9; tenths++) {
        out->decile[tenths - 1] = quantile(histogram, n, tenths);
    }
    rk__free(histogram);
    return RK_OK;
}

/* degree: counts how often an item comes; NULL = not wanted. */
static void mark(uint8_t *where, rk_spill *spill, const rk_lists *lists, uint8_t bit,
                 int64_t *degree)
{
    const int64_t n = lists->offsets[lists->n_rows];
    for (int64_t from = 0, to = 0; from < n; from = to) {
        to = rk__spill_piece(spill, from, n, sizeof *lists->items);
        for (int64_t k = from; k < to; k++) {
            where[lists->items[k]] |= bit;
        }
        for (int64_t k = from; degree && k < to; k++) {
            degree[lists->items[k]]++;
        }
    }
}

static rk_status measure_items(rk_dataset *d)
{
    rk_status status = RK_OK;
    rk_dataset_stats *s = &d->stats;
    int64_t *degree = NULL;
    uint8_t *where = NULL;
    RK_TRY_GOTO(done, rk__calloc(&degree, d->n_items, sizeof *degree, "item degrees"));
    RK_TRY_GOTO(done, rk__calloc(&where, d->n_items, sizeof *where, "items of the parts"));
    mark(where, d->spill, &d->parts[RK_TRAIN], IN_TRAIN, degree);
    mark(where, d->spill, &d->parts[RK_VALID], IN_VALID, NULL);
    mark(where, d->spill, &d->parts[RK_TEST], IN_TEST, NULL);
    s->cold_items = s->cold_valid_items = s->cold_test_items = 0;
    for (int64_t item = 0; item < d->n_items; item++) {
        s->cold_items += !(where[item] & IN_TRAIN);
        s->cold_valid_items += (where[item] & IN_VALID) && !(where[item] & IN_TRAIN);
        s->cold_test_items += (where[item] & IN_TEST) && !(where[item] & IN_TRAIN);
    }
    RK_TRY_GOTO(done, measure_degrees(&s->item_degrees, degree, d->n_items));
done:
    rk__free(degree);
    rk__free(where);
    return status;
}

static int64_t row_length(const rk_lists *lists, int64_t row)
{
    return lists->offsets[row + 1] - lists->offsets[row];
}

static rk_status measure_users(rk_dataset *d)
{
    rk_dataset_stats *s = &d->stats;
    int64_t *degree = NULL;
    RK_TRY(rk__spill_alloc(d->spill, &degree, d->n_users, sizeof *degree, "user degrees"));
    s->empty_users = s->valid_users = s->test_users = s->cold_test_users = s->given_users = 0;
    for (int64_t user = 0; user < d->n_users; user++) {
        degree[user] = row_length(&d->parts[RK_TRAIN], user);
        bool in_test = row_length(&d->parts[RK_TEST], user) > 0;
        s->empty_users += degree[user] == 0;
        s->valid_users += row_length(&d->parts[RK_VALID], user) > 0;
        s->given_users += rk__lists_count(&d->parts[RK_GIVEN], user) > 0;
        s->test_users += in_test;
        s->cold_test_users += in_test && degree[user] == 0;
    }
    rk_status status = measure_degrees(&s->user_degrees, degree, d->n_users);
    rk__spill_free(degree);
    return status;
}

rk_status rk__dataset_measure(rk_dataset *dataset)
{
    rk_dataset_stats *s = &dataset->stats;
    s->users = dataset->n_users;
    s->items = dataset->n_items;
    s->train = dataset->parts[RK_TRAIN].offsets[dataset->n_users];
    s->valid = dataset->parts[RK_VALID].offsets[dataset->n_users];
    s->test = dataset->parts[RK_TEST].offsets[dataset->n_users];
    const rk_lists *given = &dataset->parts[RK_GIVEN];
    s->given = given->n_rows > 0 ? given->offsets[given->n_rows] : 0;
    s->repeats = 0;
    for (int part = 0; part < RK_PARTS; part++) {
        const rk_lists *repeats = &dataset->repeats[part];
        s->repeats += repeats->n_rows > 0 ? repeats->offsets[repeats->n_rows] : 0;
    }
    s->interactions = s->train + s->valid + s->test;
    double cells = (double)s->users * (double)s->items;
    s->density = cells > 0 ? (double)s->interactions / cells : 0;
    RK_TRY(measure_users(dataset));
    return measure_items(dataset);
}
