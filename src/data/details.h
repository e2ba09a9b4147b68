/*
 * What interactions say besides user and item, as arrays beside their rows: every array has one
 * element a row, or is NULL where nobody asked for it and costs nothing then.
 *
 * Whoever sorts, filters or divides rows moves their details with the functions below, so that a
 * new one is added here and nowhere else.
 */
#ifndef RK_DATA_DETAILS_H
#define RK_DATA_DETAILS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/order.h"
#include "io/spill.h"

typedef struct rk_details {
    uint8_t *part;   /* of rk_part */
    double *time;    /* finite, in seconds */
    float *value;    /* rating, count or confidence; finite */
    int32_t *order;  /* place among the rows of the same user, in the order of the sources */
    int32_t **field; /* n_fields arrays of indices into the field's values, -1 = empty */
    int n_fields;    /* 0: field is NULL */
} rk_details;

/* Arrays for n rows, of uninitialised values, of the same kinds as those of `like`. After a failure
 * `out` is to be freed, too. spill: NULL = in memory. */
rk_status rk__details_alloc(rk_details *out, const rk_details *like, int64_t n, rk_spill *spill);

/* Bytes of a row with such details. */
int64_t rk__details_bytes(const rk_details *like);

/* Rows [from, to) will not be read any more (rk__spill_discard). */
void rk__details_discard(const rk_details *details, int64_t from, int64_t to);

/* A zeroed one is fine. */
void rk__details_free(rk_details *details);

/* Rows first + by[0].value, first + by[1].value ... become rows first, first + 1 ... of the n there
 * from `first` on. scratch: n * 8 bytes. */
void rk__details_permute(const rk_details *details, int64_t first, const rk_keyed *by, int64_t n,
                         void *scratch);

/* Row `from` of one becomes row `to` of another of the same kinds; they may be one. */
static inline void rk__details_move(const rk_details *out, int64_t to, const rk_details *in,
                                    int64_t from)
{
    if (out->part) {
        out->part[to] = in->part[from];
    }
    if (out->time) {
        out->time[to] = in->time[from];
    }
    if (out->value) {
        out->value[to] = in->value[from];
    }
    if (out->order) {
        out->order[to] = in->order[from];
    }
    for (int f = 0; f < out->n_fields; f++) {
        out->field[f][to] = in->field[f][from];
    }
}

#endif
