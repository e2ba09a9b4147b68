/*
 * The row filter of a source: conditions joined by and, or, not and parentheses.
 *
 *   rating >= 4        COLUMN OP VALUE, OP one of >= <= > < == !=
 *   event in [buy, 3]  one of several values; also: event not in [...]
 *
 * Numbers are compared as numbers, dates (2020-09-20) by >= <= > < as times, everything else by ==,
 * != and in as text, exactly. A column or a value with odd characters is quoted, "a \"\" b" or 'a';
 * a quoted value is a text. Of `a and b`, b is not looked at where a is false; likewise with or.
 */
#ifndef RK_DATA_WHERE_H
#define RK_DATA_WHERE_H

#include <stdbool.h>

#include "base/error.h"
#include "data/table.h"

typedef enum rk_where_op {
    RK_WHERE_GREATER_EQUAL,
    RK_WHERE_LESS_EQUAL,
    RK_WHERE_EQUAL,
    RK_WHERE_NOT_EQUAL,
    RK_WHERE_GREATER,
    RK_WHERE_LESS,
    RK_WHERE_IN,
    RK_WHERE_AND, /* these two of the nodes left and right, not of left */
    RK_WHERE_OR,
    RK_WHERE_NOT,
} rk_where_op;

typedef enum rk_where_as { RK_WHERE_NUMBER, RK_WHERE_TIME, RK_WHERE_TEXT } rk_where_as;

typedef struct rk_where_value {
    char *text; /* owned */
    double number;
    bool is_quoted;
} rk_where_value;

typedef struct rk_where_node {
    rk_where_op op;
    int left, right;     /* nodes */
    int column;          /* of a comparison */
    rk_where_as as;      /* how it compares */
    int first, n_values; /* what with */
} rk_where_node;

typedef struct rk_where {
    int n_columns, n_nodes, n_values;
    char **columns;         /* each once; owned */
    int *places;            /* of the columns, once bound; owned */
    rk_where_node *nodes;   /* owned */
    rk_where_value *values; /* owned */
    int root;               /* -1 = no filter */
} rk_where;

/* Empty text means no filter. RK_ERR_CONFIG says what is wrong with the text. */
rk_status rk__where_parse(rk_where *where, const char *text);

/* Looks up the columns in the table, which is then to be the one whose rows are tested. */
rk_status rk__where_bind(rk_where *where, rk_table *table);

/* Whether the filter holds for the current row. RK_ERR_DATA where a number or time is none. */
rk_status rk__where_test(const rk_where *where, const rk_table *table, bool *out);

static inline bool rk__where_is_set(const rk_where *where)
{
    return where->n_nodes > 0;
}

void rk__where_free(rk_where *where); /* a zeroed one is fine */

#endif
