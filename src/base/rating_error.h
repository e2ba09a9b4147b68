/* The errors of predicted ratings by their names (base/metrics.def); less is better. */
#ifndef RK_BASE_RATING_ERROR_H
#define RK_BASE_RATING_ERROR_H

#include <string.h>

#include "base/metrics.def"

typedef enum rk_rating_error {
#define RK_RATING_ERROR_ENUM(NAME, name, formula) RK_RATING_##NAME,
    RK_RATING_ERROR_LIST(RK_RATING_ERROR_ENUM)
#undef RK_RATING_ERROR_ENUM
        RK_RATING_ERROR_COUNT
} rk_rating_error;

static inline const char *rk__rating_error_name(int error)
{
    static const char *const names[RK_RATING_ERROR_COUNT] = {
#define RK_RATING_ERROR_NAME(NAME, name, formula) #name,
        RK_RATING_ERROR_LIST(RK_RATING_ERROR_NAME)
#undef RK_RATING_ERROR_NAME
    };
    return names[error];
}

/* -1 = the name of none, e.g. of a metric of rankings. */
static inline int rk__rating_error_find(const char *name)
{
    int found = RK_RATING_ERROR_COUNT - 1;
    while (found >= 0 && strcmp(rk__rating_error_name(found), name) != 0) {
        found--;
    }
    return found;
}

#endif
