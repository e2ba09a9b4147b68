#include "train/planted.h"

#include <math.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/philox.h"
#include "train/set_up.h"

enum { DRAWN = PLANTED_TRAIN + PLANTED_VALID + PLANTED_TEST };

/* An item with weight 1 / (1 + rank in its cluster), in 9 of 10 cases of the user's cluster. */
static int32_t draw_item(int user, uint32_t attempt)
{
    rk_words w = rk__philox(7, RK_PURPOSE_SYNTH, (uint64_t)user, 0, attempt);
    enum { IN_CLUSTER = PLANTED_ITEMS / PLANTED_CLUSTERS };
    int cluster = rk__uniform(w.v[0]) < 0.9f ? user % PLANTED_CLUSTERS
                                             : (int)rk__bounded(w.v[1], 0, PLANTED_CLUSTERS);
    /* Inverse of the cumulative weight log(1 + rank). */
    int rank = (int)(expm1((double)rk__uniform(w.v[2]) * log1p(IN_CLUSTER)));
    return (int32_t)(rank * PLANTED_CLUSTERS + cluster);
}

static void draw_all(int user, int32_t out[DRAWN])
{
    int n = 0;
    for (uint32_t attempt = 0; n < DRAWN; attempt++) {
        int32_t item = draw_item(user, attempt);
        bool is_new = item < PLANTED_ITEMS;
        for (int i = 0; i < n; i++) {
            is_new = is_new && out[i] != item;
        }
        if (is_new) {
            out[n++] = item;
        }
    }
    /* Popular items are drawn early: a shuffle gives every part the same mix. */
    for (int i = DRAWN - 1; i > 0; i--) {
        rk_words w = rk__philox(8, RK_PURPOSE_SYNTH, (uint64_t)user, (uint64_t)i, 0);
        int j = (int)rk__bounded(w.v[0], w.v[1], (uint64_t)i + 1);
        int32_t held = out[i];
        out[i] = out[j];
        out[j] = held;
    }
}

void planted_items(int user, rk_part part, int32_t *out, int *out_n)
{
    static const int first[] = {0, PLANTED_TRAIN, PLANTED_TRAIN + PLANTED_VALID, DRAWN};
    int32_t all[DRAWN];
    draw_all(user, all);
    *out_n = first[part + 1] - first[part];
    memcpy(out, all + first[part], (size_t)*out_n * sizeof *out);
}

static int ascending(const void *a, const void *b)
{
    return *(const int32_t *)a - *(const int32_t *)b;
}

static void fill_part(rk_dataset *d, rk_part part)
{
    rk_lists *lists = &d->parts[part];
    lists->n_rows = PLANTED_USERS;
    assert_ok(rk__calloc(&lists->offsets, PLANTED_USERS + 1, sizeof *lists->offsets, "offsets"));
    assert_ok(rk__alloc(&lists->items, PLANTED_USERS * DRAWN, sizeof *lists->items, "items"));
    for (int u = 0; u < PLANTED_USERS; u++) {
        int n = 0;
        int32_t *row = lists->items + lists->offsets[u];
        planted_items(u, part, row, &n);
        qsort(row, (size_t)n, sizeof *row, ascending);
        lists->offsets[u + 1] = lists->offsets[u] + n;
    }
}

rk_dataset *planted_dataset(bool with_valid)
{
    rk_dataset *d = NULL;
    assert_ok(rk__calloc(&d, 1, sizeof *d, "a data set"));
    assert_ok(rk__strdup(&d->name, "planted"));
    assert_ok(rk__strdup(&d->path, ""));
    snprintf(d->fingerprint, sizeof d->fingerprint, "%016d", with_valid);
    d->n_users = PLANTED_USERS;
    d->n_items = PLANTED_ITEMS;
    fill_part(d, RK_TRAIN);
    fill_part(d, RK_TEST);
    if (with_valid) {
        fill_part(d, RK_VALID);
    } else {
        d->parts[RK_VALID].n_rows = PLANTED_USERS;
        assert_ok(rk__calloc(&d->parts[RK_VALID].offsets, PLANTED_USERS + 1, 8, "offsets"));
        assert_ok(rk__calloc(&d->parts[RK_VALID].items, 1, 4, "items"));
    }
    d->stats.users = PLANTED_USERS;
    d->stats.items = PLANTED_ITEMS;
    d->stats.train = d->parts[RK_TRAIN].offsets[PLANTED_USERS];
    d->stats.valid = d->parts[RK_VALID].offsets[PLANTED_USERS];
    d->stats.test = d->parts[RK_TEST].offsets[PLANTED_USERS];
    d->stats.valid_users = with_valid ? PLANTED_USERS : 0;
    d->stats.test_users = PLANTED_USERS;
    return d;
}

void planted_free(rk_dataset *d)
{
    for (int part = 0; part < 3; part++) {
        rk__details_free(&d->details[part]);
        rk__free(d->parts[part].offsets);
        rk__free(d->parts[part].items);
    }
    rk__free(d->name);
    rk__free(d->path);
    rk__free(d);
}

static void write_part(const char *directory, rk_part part, const char *name)
{
    rk_buffer buffer = {0};
    char *text = NULL;
    for (int u = 0; u < PLANTED_USERS; u++) {
        int32_t items[DRAWN];
        int n = 0;
        planted_items(u, part, items, &n);
        rk__buffer_add(&buffer, "%d", 100 + u);
        for (int i = 0; i < n; i++) {
            rk__buffer_add(&buffer, " %d", 1000 + items[i]);
        }
        rk__buffer_add(&buffer, "\n");
    }
    assert_ok(rk__buffer_take(&buffer, &text));
    test_write(test_path(directory, name), text, -1);
    rk__free(text);
}

void planted_write(const char *directory)
{
    write_part(directory, RK_TRAIN, "train.txt");
    write_part(directory, RK_VALID, "valid.txt");
    write_part(directory, RK_TEST, "test.txt");
#define SOURCES                                                                                    \
    "data:\n"                                                                                      \
    "    name: planted\n"                                                                          \
    "    cache: cache\n"                                                                           \
    "    sources:\n"                                                                               \
    "        - {file: train.txt, format: adjacency, part: train}\n"                                \
    "        - {file: valid.txt, format: adjacency, part: valid}\n"                                \
    "        - {file: test.txt, format: adjacency, part: test}\n"                                  \
    "eval: {k: [5, 10], metric: ndcg@10}\n"
    test_write(test_path(directory, "plain.yaml"), SOURCES, -1);
    test_write(test_path(directory, "exp.yaml"),
               SOURCES "model: {dim: 16, layers: 2}\n"
                       "train: {epochs: 10, batch: 256, learning_rate: 0.02}\n",
               -1);
#undef SOURCES
}

void planted_set_up_survives_lack_of_memory(const rk_options *options, const rk_dataset *dataset)
{
    rk_engine engine;
    rk_step step;
    rk_scorer *scorer;
    bool done = false;
    for (int64_t n = 0; !done; n++) {
        assert_true(n < 1000);
        rk__alloc_fail_after(n);
        rk_status status = rk__set_up(&engine, &step, &scorer, options, dataset, false, NULL);
        rk__alloc_fail_after(-1);
        done = status == RK_OK;
        assert_true(done || status == RK_ERR_MEMORY);
        rk__tear_down(&engine, &step, &scorer);
    }
}
