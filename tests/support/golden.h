/*
 * Golden files: results of other programs, as text. tools/make_golden.py describes the format:
 * comments, "set KEY=VALUE", and arrays of numbers by name.
 */
#ifndef RK_TESTS_GOLDEN_H
#define RK_TESTS_GOLDEN_H

#include "rankine/config.h"
#include "support/support.h"

typedef struct golden_array {
    char name[32];
    int64_t rows, cols;
    double *v; /* rows * cols, owned */
} golden_array;

typedef struct golden {
    golden_array arrays[64];
    int n;
} golden;

/* tests/golden/<name>.txt; its settings go to the config. Free with golden_free. */
void golden_read(golden *out, const char *name, rk_config *config);
void golden_free(golden *g);

/* The array "name", or "name.step" for step > 0; NULL if it is not there. */
const golden_array *golden_find(const golden *g, const char *name, int step);

/* The same; the test fails if it is not there. */
const golden_array *golden_get(const golden *g, const char *name, int step);

#endif
