/* Rows with fields, for tests of models that read them. */
#ifndef RK_TESTS_TRAIN_FM_WORLD_H
#define RK_TESTS_TRAIN_FM_WORLD_H

#include "train/fitted.h"

enum { USERS = 24, ITEMS = 20, STEPS = 10, ROWS = USERS * STEPS };

#define FIELDS "data.fields=[{name: mood, column: mood}, {name: before, derive: previous_item}]"

/* Everybody goes from an item to the next one, sometimes to any other; the last user has no train
 * row and the last item is in none. */
typedef struct world {
    int64_t users[ROWS], items[ROWS];
    double times[ROWS];
    uint8_t parts[ROWS];
    double values[ROWS]; /* ratings, 1 to 5; columns has them where a test says so */
    const char *mood[ROWS];
    const char *const *fields[2];
    rk_columns columns;
} world;

/* with_repeats: some rows say the pair of the row before again. */
void make_world(world *w, bool with_repeats);

/* Below n; the same numbers on every machine. */
uint32_t draw(uint32_t *state, uint32_t n);

#endif
