/*
 * Contexts: the fields of rows (data.fields) as a model reads them.
 *
 * A model that reads fields has a table with a row for each value of each field that it reads,
 * field by field, and of each field one row more, its first, for rows in which it is empty. With
 * model.scorer fm that table is the one of users and items, whose rows come first. A value
 * that no train row has was never learnt: it counts as nothing, row -1.
 */
#ifndef RK_DATA_CONTEXTS_H
#define RK_DATA_CONTEXTS_H

#include "data/dataset.h"

typedef struct rk_contexts {
    const rk_dataset *dataset; /* lent */
    int n;                     /* fields that are read; 0: everything else is of no meaning */
    int *fields;               /* [n], their numbers in the data set, ascending; owned */
    int64_t *first;  /* [n + 1], row of a field's empty value; value v is row first + 1 + v;
                      * first[n] = rows in all; owned */
    int32_t *known;  /* [first[n]]: the row itself, -1 = of no train row; owned */
    int64_t n_train; /* train rows */
    int32_t *train;  /* [n_train, n]: their rows of the table; owned */
    /* [train pairs + 1]: pair e has the train rows from offsets[e] on; NULL = one each. Owned. */
    int64_t *offsets;
} rk_contexts;

/* Which of data.fields the option model.fields names: chosen[f] of options->n_fields; *out_n of
 * them. RK_ERR_CONFIG for a name that is none. */
rk_status rk__contexts_choose(const rk_options *options, bool *chosen, int *out_n);

/* Of the fields that options->model.fields names. A zeroed one is fine to free. */
rk_status rk__contexts_init(rk_contexts *out, const rk_dataset *dataset, const rk_options *options);
void rk__contexts_free(rk_contexts *contexts);

/* Numbers of values of the fields that are read, in their order, -1 = empty. RK_ERR_CONFIG for a
 * number that is none. */
rk_status rk__contexts_check(const rk_contexts *contexts, const int32_t *values);
/* The row of such a value in the table; -1 where no train row has it. */
static inline int32_t rk__contexts_row(const rk_contexts *contexts, int field, int32_t value)
{
    return contexts->known[contexts->first[field] + 1 + value];
}

/* The lists of rows of a part whose fields are known: with data.repeats keep, all of them. */
const rk_lists *rk__contexts_lists(const rk_dataset *dataset, rk_part part);
/* The values of the fields that are read in row `row` of rk__contexts_lists. */
void rk__contexts_of_row(const rk_contexts *contexts, rk_part part, int64_t row,
                         int32_t *out_values);

#endif
