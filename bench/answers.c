/*
 * Answers of a fitted model, asked through the public C API as anybody would: how long they take,
 * and what they are, so that another library's can be laid beside them.
 *
 *   bench_answers RUN
 *
 * RUN is a run folder. Commands come as lines of words on standard input, an answer is a line of
 * JSON on standard output. Before the first command the facts of the model are printed.
 *
 *   lists DIR       train and test as raw arrays by dense index, DIR/train.offsets.i64 (users + 1),
 *                   DIR/train.items.i32, ...
 *   users K         seconds of the K best items for all users, what they have in train left out
 *   write K FILE    the items of those answers, i32 [users, K]
 *   known N K       median seconds of a request: one known user, K answers; N requests of
 *                   different users, after some that warm up
 *   folded N K      the same of people who are known by a list of items only (those of a user)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rankine/model.h"

typedef struct answers {
    rk_model *model;
    const rk_dataset *dataset;
    int64_t users, items;
} answers;

enum { WARM_UP = 20 };

static double now(void)
{
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A program that measures has nothing to go on with. */
static void must(rk_status status)
{
    if (status != RK_OK) {
        fprintf(stderr, "bench_answers: %s\n", rk_last_error());
        exit(rk_status_exit_code(status));
    }
}

static void *room(int64_t n, size_t size)
{
    void *memory = calloc(n > 0 ? (size_t)n : 1, size);
    if (!memory) {
        fprintf(stderr, "bench_answers: out of memory\n");
        exit(1);
    }
    return memory;
}

static void say_seconds(double seconds)
{
    printf("{\"seconds\": %.9f}\n", seconds);
    fflush(stdout);
}

static void write_file(const char *path, const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, bytes, file) != bytes || fclose(file) != 0) {
        fprintf(stderr, "bench_answers: %s cannot be written\n", path);
        exit(1);
    }
}

/* ---- the split ---- */

static void write_part(const answers *a, const char *folder, rk_part part)
{
    const rk_dataset_stats *s = rk_dataset_get_stats(a->dataset);
    int64_t n = part == RK_TRAIN ? s->train : part == RK_TEST ? s->test : s->valid;
    int64_t *offsets = room(a->users + 1, sizeof *offsets);
    int32_t *items = room(n, sizeof *items);
    char path[4096];
    for (int64_t u = 0; u < a->users; u++) {
        const int32_t *list = NULL;
        int64_t count = 0;
        must(rk_dataset_items(a->dataset, part, u, &list, &count));
        if (count > 0) {
            memcpy(items + offsets[u], list, (size_t)count * sizeof *items);
        }
        offsets[u + 1] = offsets[u] + count;
    }
    snprintf(path, sizeof path, "%s/%s.offsets.i64", folder, rk_part_name(part));
    write_file(path, offsets, (size_t)(a->users + 1) * sizeof *offsets);
    snprintf(path, sizeof path, "%s/%s.items.i32", folder, rk_part_name(part));
    write_file(path, items, (size_t)n * sizeof *items);
    free(offsets);
    free(items);
}

/* ---- all users ---- */

static rk_selection not_in_train(void)
{
    rk_selection selection = rk_selection_defaults();
    selection.seen = 1u << RK_TRAIN;
    return selection;
}

static double rank_all(const answers *a, int64_t k, rk_recommendation *out)
{
    const rk_selection selection = not_in_train();
    rk_query *queries = room(a->users, sizeof *queries);
    for (int64_t u = 0; u < a->users; u++) {
        queries[u].user = u;
    }
    double began = now();
    must(rk_model_top_k(a->model, queries, a->users, &selection, k, out));
    double seconds = now() - began;
    free(queries);
    return seconds;
}

/* file NULL: the time only. */
static void answer_all(const answers *a, int64_t k, const char *file)
{
    rk_recommendation *found = room(a->users * k, sizeof *found);
    double seconds = rank_all(a, k, found);
    if (file) {
        int32_t *items = room(a->users * k, sizeof *items);
        for (int64_t i = 0; i < a->users * k; i++) {
            items[i] = found[i].item;
        }
        write_file(file, items, (size_t)(a->users * k) * sizeof *items);
        free(items);
    }
    free(found);
    say_seconds(seconds);
}

/* ---- one at a time ---- */

static int ascending(const void *left, const void *right)
{
    const double *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

static void answer_one(const answers *a, int64_t n, int64_t k, bool is_folded)
{
    rk_recommendation *found = room(k, sizeof *found);
    double *seconds = room(n, sizeof *seconds);
    for (int64_t i = -WARM_UP; i < n; i++) {
        const int64_t user = (i + WARM_UP) * 7919 % a->users;
        rk_query query = {.user = user};
        if (is_folded) {
            query.user = -1;
            must(rk_dataset_items(a->dataset, RK_TRAIN, user, &query.items, &query.n_items));
        }
        double began = now();
        must(rk_model_top_k(a->model, &query, 1, NULL, k, found));
        if (i >= 0) {
            seconds[i] = now() - began;
        }
    }
    qsort(seconds, (size_t)n, sizeof *seconds, ascending);
    printf("{\"seconds\": %.9f, \"p10\": %.9f, \"p90\": %.9f}\n", seconds[n / 2], seconds[n / 10],
           seconds[n * 9 / 10]);
    fflush(stdout);
    free(found);
    free(seconds);
}

/* ---- commands ---- */

static void obey(const answers *a, const char *line)
{
    char verb[16] = "", path[4096] = "";
    long long n = 0, k = 0;
    if (sscanf(line, "lists %4095s", path) == 1) {
        write_part(a, path, RK_TRAIN);
        write_part(a, path, RK_TEST);
        say_seconds(0);
    } else if (sscanf(line, "users %lld", &k) == 1 && k > 0) {
        answer_all(a, k, NULL);
    } else if (sscanf(line, "write %lld %4095s", &k, path) == 2 && k > 0) {
        answer_all(a, k, path);
    } else if (sscanf(line, "%15s %lld %lld", verb, &n, &k) == 3 && n > 0 && k > 0 &&
               (strcmp(verb, "known") == 0 || strcmp(verb, "folded") == 0)) {
        answer_one(a, n, k, strcmp(verb, "folded") == 0);
    } else {
        fprintf(stderr, "bench_answers: no command: %s", line);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    answers a = {0};
    char *line = NULL;
    size_t capacity = 0;
    if (argc != 2) {
        fprintf(stderr, "usage: bench_answers RUN\n");
        return 2;
    }
    must(rk_model_open(argv[1], NULL, NULL, NULL, &a.model));
    const rk_model_facts facts = rk_model_get_facts(a.model);
    a.dataset = rk_model_dataset(a.model);
    a.users = facts.users;
    a.items = facts.items;
    printf("{\"kind\": \"%s\", \"users\": %lld, \"items\": %lld}\n", facts.kind,
           (long long)facts.users, (long long)facts.items);
    fflush(stdout);
    while (getline(&line, &capacity, stdin) > 0) {
        obey(&a, line);
    }
    free(line);
    rk_model_free(a.model);
    return 0;
}
