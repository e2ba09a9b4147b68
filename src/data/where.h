/* The row filter of a source: COLUMN OP NUMBER, e.g. "rating >= 4". */
#ifndef RK_DATA_WHERE_H
#define RK_DATA_WHERE_H

#include <stdbool.h>

#include "base/error.h"

typedef enum rk_where_op {
    RK_WHERE_GREATER_EQUAL,
    RK_WHERE_LESS_EQUAL,
    RK_WHERE_EQUAL,
    RK_WHERE_NOT_EQUAL,
    RK_WHERE_GREATER,
    RK_WHERE_LESS,
} rk_where_op;

typedef struct rk_where {
    char *column; /* owned; NULL = no filter */
    rk_where_op op;
    double number;
} rk_where;

/* Empty text means no filter. RK_ERR_CONFIG says what is wrong with the text. */
rk_status rk__where_parse(rk_where *where, const char *text);
void rk__where_free(rk_where *where);

static inline bool rk__where_holds(const rk_where *where, double value)
{
    switch (where->op) {
    case RK_WHERE_GREATER_EQUAL:
        return value >= where->number;
    case RK_WHERE_LESS_EQUAL:
        return value <= where->number;
    case RK_WHERE_EQUAL:
        return value == where->number;
    case RK_WHERE_NOT_EQUAL:
        return value != where->number;
    case RK_WHERE_GREATER:
        return value > where->number;
    case RK_WHERE_LESS:
        return value < where->number;
    }
    return false;
}

#endif
