/*
 * RecBole's names (https://recbole.io, 1.2.1) of what the table of options has: one row a parameter
 * that is one option here, for whoever reads RecBole's files (hyper.test; its configs). A parameter
 * that means different things for different models has a row for each; one that is no single option
 * (eval_args, train_neg_sample_args, SLIM's alpha and l1_ratio ...) has none.
 */
#ifndef RK_CONFIG_RECBOLE_H
#define RK_CONFIG_RECBOLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "config/schema.h"

/* How a value is written here. */
typedef enum rk_recbole_form {
    RK_RECBOLE_SAME,     /* as there */
    RK_RECBOLE_LOWER,    /* in lower case: Recall -> recall, MRR@10 -> mrr@10 */
    RK_RECBOLE_ONE_MORE, /* an integer and 1 */
    RK_RECBOLE_COUNT,    /* the number of elements of a list */
} rk_recbole_form;

typedef struct rk_recbole_key {
    const char *name;  /* RecBole's */
    const char *kinds; /* the words of model.kind that it is read by, '|' between; "" = any */
    const char *key;   /* the option: "model.dim" */
    rk_recbole_form form;
    const char *note; /* what about the meaning is not plain from the two names; "" = nothing */
} rk_recbole_key;

/* All rows; those of a name lie side by side. */
const rk_recbole_key *rk__recbole_keys(int64_t *out_n);

/* The row of name[0, length) for a model.kind; NULL: none. */
const rk_recbole_key *rk__recbole_find(const char *name, size_t length, const char *kind);

/* Whether some model has a row of this name. */
bool rk__recbole_knows(const char *name, size_t length);

/* Appends "; did you mean 'n_layers'?" of the names of the table; nothing where none is near. */
void rk__recbole_suggest(rk_buffer *out, const char *name, size_t length);

/* Appends the text of one value, as the option of the row takes it: a scalar, of a list one of its
 * elements (RK_RECBOLE_COUNT: `value` is the number). RK_ERR_CONFIG, which begins with `place`, for
 * a value that has no counterpart. */
rk_status rk__recbole_value(rk_buffer *out, const rk_recbole_key *row, const char *value,
                            size_t length, const char *place);

#endif
