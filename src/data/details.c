#include "data/details.h"

#include <string.h>

#include "base/alloc.h"

rk_status rk__details_alloc(rk_details *out, const rk_details *like, int64_t n)
{
    *out = (rk_details){0};
    if (like->part) {
        RK_TRY(rk__alloc(&out->part, n, sizeof *out->part, "parts of interactions"));
    }
    if (like->time) {
        RK_TRY(rk__alloc(&out->time, n, sizeof *out->time, "times of interactions"));
    }
    if (like->value) {
        RK_TRY(rk__alloc(&out->value, n, sizeof *out->value, "values of interactions"));
    }
    if (like->order) {
        RK_TRY(rk__alloc(&out->order, n, sizeof *out->order, "the order of interactions"));
    }
    if (like->n_fields > 0) {
        RK_TRY(rk__calloc(&out->field, like->n_fields, sizeof *out->field, "fields"));
        out->n_fields = like->n_fields;
    }
    for (int f = 0; f < out->n_fields; f++) {
        RK_TRY(rk__alloc(&out->field[f], n, sizeof *out->field[f], "a field of interactions"));
    }
    return RK_OK;
}

void rk__details_free(rk_details *details)
{
    rk__free(details->part);
    rk__free(details->time);
    rk__free(details->value);
    rk__free(details->order);
    for (int f = 0; f < details->n_fields; f++) {
        rk__free(details->field[f]);
    }
    rk__free(details->field);
    *details = (rk_details){0};
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
