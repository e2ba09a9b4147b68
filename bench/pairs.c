#include "pairs.h"

#include <stdio.h>

#include "base/alloc.h"
#include "data/synth_world.h"

rk_status add_pair(pairs *p, int64_t user, int64_t item)
{
    if (p->n == p->capacity) {
        int64_t capacity = p->capacity ? 2 * p->capacity : 1 << 20;
        RK_TRY(rk__realloc(&p->users, p->n, capacity, sizeof *p->users, "users"));
        RK_TRY(rk__realloc(&p->items, p->n, capacity, sizeof *p->items, "items"));
        p->capacity = capacity;
    }
    p->users[p->n] = (int32_t)user;
    p->items[p->n++] = (int32_t)item;
    p->n_users = user >= p->n_users ? user + 1 : p->n_users;
    p->n_items = item >= p->n_items ? item + 1 : p->n_items;
    return RK_OK;
}

rk_status read_pairs(const char *path, pairs *p)
{
    FILE *file = fopen(path, "r");
    if (!file) {
        RK_FAIL(RK_ERR_IO, "%s cannot be read", path);
    }
    rk_status status = RK_OK;
    int64_t user = -1, number = -1;
    for (int c = fgetc(file); status == RK_OK; c = fgetc(file)) {
        if (c >= '0' && c <= '9') {
            number = 10 * (number < 0 ? 0 : number) + (c - '0');
            continue;
        }
        if (number >= 0 && user >= 0) {
            status = add_pair(p, user, number);
        } else if (number >= 0) {
            user = number;
        }
        number = -1;
        user = c == '\n' ? -1 : user;
        if (c == EOF) {
            break;
        }
    }
    fclose(file);
    return status;
}

rk_status draw_pairs(const rk_synth_options *options, pairs *p)
{
    rk_synth_world world = {0};
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__synth_world_create(&world, options));
    for (int64_t u = 0; u < options->users; u++) {
        rk_synth_user user = rk__synth_user(&world, u);
        rk_synth_row row;
        while (rk__synth_next(&world, &user, &row)) {
            RK_TRY_GOTO(done, add_pair(p, u, row.item));
        }
    }
    p->n_items = options->items;
done:
    rk__synth_world_free(&world);
    return status;
}

void free_pairs(pairs *p)
{
    rk__free(p->users);
    rk__free(p->items);
    *p = (pairs){0};
}
