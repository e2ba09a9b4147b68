#include "train/fm_world.h"

static const char *const moods[] = {"calm", "dull", "glad"};

uint32_t draw(uint32_t *state, uint32_t n)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % n;
}

void make_world(world *w, bool with_repeats)
{
    uint32_t r = 5;
    int n = 0;
    *w = (world){.fields = {w->mood, NULL}};
    for (int u = 0; u < USERS; u++) {
        int64_t item = draw(&r, ITEMS - 1);
        for (int t = 0; t < STEPS; t++) {
            const bool jumps = draw(&r, 6) == 0;
            item = jumps ? draw(&r, ITEMS - 1) : (item + 1) % (ITEMS - 1);
            if (with_repeats && t % 4 == 3) {
                item = w->items[n - 1];
            }
            w->users[n] = u;
            w->items[n] = u == 0 && t == STEPS - 1 ? ITEMS - 1 : item;
            w->times[n] = t;
            w->parts[n] = t < 6 && u < USERS - 1 ? RK_TRAIN : t < 8 ? RK_VALID : RK_TEST;
            w->values[n] = 1 + (double)((7 * u + 3 * t + w->items[n]) % 5);
            w->mood[n++] = draw(&r, 7) == 0 ? NULL : moods[draw(&r, 3)];
        }
    }
    w->columns = rk_columns_defaults();
    w->columns.n = n;
    w->columns.users = w->users;
    w->columns.items = w->items;
    w->columns.times = w->times;
    w->columns.parts = w->parts;
    w->columns.fields = w->fields;
}
