#include "data/details.h"

#include <string.h>

#include "base/alloc.h"

rk_status rk__details_alloc(rk_details *out, const rk_details *like, int64_t n, rk_spill *spill)
{
    *out = (rk_details){0};
    if (like->part) {
        RK_TRY(rk__spill_alloc(spill, &out->part, n, sizeof *out->part, "parts of interactions"));
    }
    if (like->time) {
        RK_TRY(rk__spill_alloc(spill, &out->time, n, sizeof *out->time, "times of interactions"));
    }
    if (like->value) {
        RK_TRY(
            rk__spill_alloc(spill, &out->value, n, sizeof *out->value, "values of interactions"));
    }
    if (like->order) {
        RK_TRY(rk__spill_alloc(spill, &out->order, n, sizeof *out->order,
                               "the order of interactions"));
    }
    if (like->n_fields > 0) {
        RK_TRY(rk__calloc(&out->field, like->n_fields, sizeof *out->field, "fields"));
        out->n_fields = like->n_fields;
    }
    for (int f = 0; f < out->n_fields; f++) {
        RK_TRY(rk__spill_alloc(spill, &out->field[f], n, sizeof *out->field[f],
                               "a field of interactions"));
    }
    return RK_OK;
}

void rk__details_free(rk_details *details)
{
    rk__spill_free(details->part);
    rk__spill_free(details->time);
    rk__spill_free(details->value);
    rk__spill_free(details->order);
    for (int f = 0; f < details->n_fields; f++) {
        rk__spill_free(details->field[f]);
    }
    rk__free(details->field);
    *details = (rk_details){0};
}

int64_t rk__details_bytes(const rk_details *like)
{
    return (like->part ? (int64_t)sizeof *like->part : 0) +
           (like->time ? (int64_t)sizeof *like->time : 0) +
           (like->value ? (int64_t)sizeof *like->value : 0) +
           (like->order ? (int64_t)sizeof *like->order : 0) +
           like->n_fields * (int64_t)sizeof **like->field;
}

static void discard(void *column, int64_t from, int64_t to, size_t size)
{
    if (column) {
        rk__spill_discard(column, from * (int64_t)size, to * (int64_t)size);
    }
}

void rk__details_discard(const rk_details *details, int64_t from, int64_t to)
{
    discard(details->part, from, to, sizeof *details->part);
    discard(details->time, from, to, sizeof *details->time);
    discard(details->value, from, to, sizeof *details->value);
    discard(details->order, from, to, sizeof *details->order);
    for (int f = 0; f < details->n_fields; f++) {
        discard(details->field[f], from, to, sizeof *details->field[f]);
    }
}

#define PERMUTE(type_, column_)                                                                    \
    do {                                                                                           \
        type_ *row_ = (column_) + first, *copy_ = scratch;                                         \
        memcpy(copy_, row_, (size_t)n * sizeof *row_);                                             \
        for (int64_t k_ = 0; k_ < n; k_++) {                                                       \
            row_[k_] = copy_[by[k_].value];                                                        \
        }                                                                                          \
    } while (0)

void rk__details_permute(const rk_details *details, int64_t first, const rk_keyed *by, int64_t n,
                         void *scratch)
{
    if (details->part) {
        PERMUTE(uint8_t, details->part);
    }
    if (details->time) {
        PERMUTE(double, details->time);
    }
    if (details->value) {
        PERMUTE(float, details->value);
    }
    if (details->order) {
        PERMUTE(int32_t, details->order);
    }
    for (int f = 0; f < details->n_fields; f++) {
        PERMUTE(int32_t, details->field[f]);
    }
}
