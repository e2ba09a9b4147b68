/*
 * Gradients of a program against central differences of its loss, on the CPU device: a store with
 * parameters, nodes of a batch and a step state, a program over it that a test writes, and the
 * comparison.
 *
 *     quotients_open(&q, "networks", &world, parameters, N_PARAMETERS);
 *     rk_value x = quotients_use(&q, TABLE);  ...  scores of rows of quotients_rows(&q)
 *     quotients_load(&q, scores, rule, restricts);
 *     quotients_check(&q, 0);
 *     quotients_close(&q);
 */
#ifndef RK_TESTS_QUOTIENTS_H
#define RK_TESTS_QUOTIENTS_H

#include "device/device.h"
#include "ops/builder.h"
#include "support/support.h"

enum { QUOTIENTS_MOST = 8 };

/* rows = 0: the test has no such parameter this time. */
typedef struct quotients_parameter {
    const char *name;
    int64_t rows, cols;
} quotients_parameter;

/* The batch, and where contents of parameters lie: evenly between -reach and reach. */
typedef struct quotients_world {
    const int32_t *nodes; /* [n_slots] < n_nodes, -1 = an unused slot */
    int64_t n_slots, n_nodes, batch, triplets;
    float reach;
} quotients_world;

typedef struct quotients {
    rk_store store;
    rk_program program;
    quotients_world world;
    quotients_parameter parameters[QUOTIENTS_MOST];
    int n_parameters;
    int32_t nodes, state, sums, values[QUOTIENTS_MOST], gradients[QUOTIENTS_MOST];
    float *contents[QUOTIENTS_MOST];
    rk_device_context *context;
    rk_loaded *loaded;
} quotients;

void quotients_open(quotients *q, const char *name, const quotients_world *world,
                    const quotients_parameter *parameters, int n_parameters);

/* What the program reads: a parameter (RK_NONE without rows), the step state, the batch's nodes. */
rk_value quotients_use(quotients *q, int parameter);
rk_value quotients_state(quotients *q);
rk_row_set quotients_rows(quotients *q);

/* The loss of the scores, restricted to the batch's rows or not, its gradients by all parameters,
 * and the program made ready on the device. */
void quotients_load(quotients *q, rk_value scores, rk_slot_rule rule, bool restricts);

/* Every element of every parameter, with two steps each, whose quotients agree: where they do not,
 * a kink lies between, and at most this share of a parameter's elements may be left out for it. */
void quotients_check(quotients *q, double kinks);

void quotients_close(quotients *q);

#endif
