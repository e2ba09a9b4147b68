#include "data/id_runs.h"

#include <string.h>

#include "base/alloc.h"

enum { SHARE_OF_A_MAP = 4 /* of data.memory, for users and for items */ };

void rk__id_runs_init(rk_id_runs *runs, bool is_text, const char *what, rk_work *work)
{
    *runs = (rk_id_runs){.is_text = is_text, .work = work};
    rk__id_map_init(&runs->map, is_text, what);
}

void rk__id_runs_free(rk_id_runs *runs)
{
    rk__id_map_free(&runs->map);
    rk__free(runs->run);
    rk__spill_free(runs->order);
    rk__spill_free(runs->numbers);
    rk__spill_free(runs->starts);
    rk__spill_free(runs->bytes);
    rk__id_runs_init(runs, runs->is_text, runs->map.what, runs->work);
}

/* ---- putting runs away ---- */

static rk_status grow(rk_id_runs *runs, void *pointer, int64_t n, int64_t wanted, size_t size)
{
    return rk__spill_realloc(rk__work_spill(runs->work), pointer, n, wanted, size, "ids");
}

/* The texts of the run in hand behind those that were put away before. */
static rk_status put_texts(rk_id_runs *runs, const int32_t *order)
{
    const rk_id_map *map = &runs->map;
    int64_t end = runs->first > 0 ? runs->starts[runs->first] : 0;
    RK_TRY(grow(runs, &runs->starts, runs->first + (runs->first > 0), runs->first + map->n + 1,
                sizeof *runs->starts));
    RK_TRY(grow(runs, &runs->bytes, end, end + (map->n > 0 ? map->starts[map->n] : 0), 1));
    for (int64_t k = 0; k < map->n; k++) {
        const int64_t start = map->starts[order[k]];
        const int64_t length = map->starts[order[k] + 1] - start;
        memcpy(runs->bytes + end, map->bytes + start, (size_t)length);
        runs->starts[runs->first + k] = end;
        end += length;
    }
    runs->starts[runs->first + map->n] = end;
    return RK_OK;
}

static rk_status put_numbers(rk_id_runs *runs, const int32_t *order)
{
    const rk_id_map *map = &runs->map;
    RK_TRY(grow(runs, &runs->numbers, runs->first, runs->first + map->n, sizeof *runs->numbers));
    for (int64_t k = 0; k < map->n; k++) {
        runs->numbers[runs->first + k] = map->numbers[order[k]];
    }
    return RK_OK;
}

/* The run in hand is sorted and put away; an empty one begins. */
static rk_status put_away(rk_id_runs *runs)
{
    rk_status status = RK_OK;
    rk_id_map *map = &runs->map;
    int32_t *order = NULL;
    rk__id_map_end(map);
    RK_TRY_GOTO(done, rk__id_map_order(map, &order));
    RK_TRY_GOTO(done, rk__realloc(&runs->run, runs->n_runs, runs->n_runs + 1, sizeof *runs->run,
                                  "runs of ids"));
    RK_TRY_GOTO(done,
                grow(runs, &runs->order, runs->first, runs->first + map->n, sizeof *runs->order));
    RK_TRY_GOTO(done, runs->is_text ? put_texts(runs, order) : put_numbers(runs, order));
    memcpy(runs->order + runs->first, order, (size_t)map->n * sizeof *order);
    rk__spill_touch(rk__work_spill(runs->work), map->n * (int64_t)sizeof *runs->numbers);
    runs->run[runs->n_runs++] = runs->first;
    runs->first += map->n;
    rk__id_map_free(map);
done:
    rk__free(order);
    return status;
}

/* Room for n more ids: if the map would grow out of its share, its run ends. */
static rk_status make_room(rk_id_runs *runs, int64_t n)
{
    const rk_id_map *map = &runs->map;
    const int64_t memory = rk__spill_memory(rk__work_spill(runs->work));
    if (runs->first + map->n > INT32_MAX - n) {
        RK_FAIL(RK_ERR_DATA, "there are more than %d %s%s", INT32_MAX, map->what,
                runs->n_runs > 0 ? ", or data.memory is too small for them" : "");
    }
    return rk__id_map_outgrows(map, n, memory / SHARE_OF_A_MAP) ? put_away(runs) : RK_OK;
}

rk_status rk__id_runs_numbers(rk_id_runs *runs, const int64_t *ids, int64_t n, int32_t *out)
{
    RK_TRY(make_room(runs, n));
    RK_TRY(rk__id_map_numbers(&runs->map, ids, n, out));
    for (int64_t k = 0; runs->first > 0 && k < n; k++) {
        out[k] += (int32_t)runs->first;
    }
    return RK_OK;
}

rk_status rk__id_runs_text(rk_id_runs *runs, const char *text, int64_t length, int32_t *out)
{
    RK_TRY(make_room(runs, 1));
    RK_TRY(rk__id_map_text(&runs->map, text, length, out));
    *out += (int32_t)runs->first;
    return RK_OK;
}

/* ---- merging runs ---- */

/* Runs that are merged: a heap, the one with the least next id on top. */
typedef struct merger {
    const rk_id_runs *runs;
    int64_t *at;   /* by run: its next id */
    int64_t *heap; /* runs that have one */
    int64_t n;
} merger;

static int compare_ids(const rk_id_runs *runs, int64_t a, int64_t b)
{
    if (runs->is_text) {
        return strcmp(runs->bytes + runs->starts[a], runs->bytes + runs->starts[b]);
    }
    return (runs->numbers[a] > runs->numbers[b]) - (runs->numbers[a] < runs->numbers[b]);
}

static int64_t end_of(const rk_id_runs *runs, int64_t run)
{
    return run + 1 < runs->n_runs ? runs->run[run + 1] : runs->first;
}

static void sift_down(merger *m, int64_t place)
{
    const int64_t run = m->heap[place];
    for (;;) {
        int64_t child = 2 * place + 1;
        if (child + 1 < m->n &&
            compare_ids(m->runs, m->at[m->heap[child + 1]], m->at[m->heap[child]]) < 0) {
            child++;
        }
        if (child >= m->n || compare_ids(m->runs, m->at[run], m->at[m->heap[child]]) <= 0) {
            break;
        }
        m->heap[place] = m->heap[child];
        place = child;
    }
    m->heap[place] = run;
}

static rk_status open_merger(merger *m, const rk_id_runs *runs)
{
    *m = (merger){.runs = runs};
    RK_TRY(rk__alloc(&m->at, runs->n_runs, sizeof *m->at, "runs of ids"));
    RK_TRY(rk__alloc(&m->heap, runs->n_runs, sizeof *m->heap, "runs of ids"));
    for (int64_t run = 0; run < runs->n_runs; run++) {
        m->at[run] = runs->run[run];
        m->heap[m->n++] = run;
    }
    for (int64_t place = m->n / 2; place-- > 0;) {
        sift_down(m, place);
    }
    return RK_OK;
}

/* The place of the least id that is left. */
static int64_t next(merger *m)
{
    const int64_t run = m->heap[0], place = m->at[run]++;
    if (m->at[run] == end_of(m->runs, run)) {
        m->heap[0] = m->heap[--m->n];
    }
    if (m->n > 0) {
        sift_down(m, 0);
    }
    return place;
}

/* The different ids in ascending order. */
typedef struct merged {
    int64_t n;
    int64_t *numbers, *starts;
    char *bytes;
} merged;

static rk_status alloc_merged(merged *out, const rk_id_runs *runs)
{
    rk_spill *spill = rk__work_spill(runs->work);
    if (!runs->is_text) {
        return rk__spill_alloc(spill, &out->numbers, runs->first, sizeof *out->numbers, "ids");
    }
    RK_TRY(rk__spill_alloc(spill, &out->starts, runs->first + 1, sizeof *out->starts, "ids"));
    out->starts[0] = 0;
    return rk__spill_alloc(spill, &out->bytes, runs->starts[runs->first], 1, "ids");
}

static void append(merged *out, const rk_id_runs *runs, int64_t place)
{
    if (runs->is_text) {
        const int64_t length = runs->starts[place + 1] - runs->starts[place];
        memcpy(out->bytes + out->starts[out->n], runs->bytes + runs->starts[place], (size_t)length);
        out->starts[out->n + 1] = out->starts[out->n] + length;
    } else {
        out->numbers[out->n] = runs->numbers[place];
    }
    out->n++;
}

/* rank: by place in the runs. */
static rk_status merge(const rk_id_runs *runs, merged *out, int32_t *rank)
{
    rk_status status = RK_OK;
    merger m = {0};
    int64_t last = -1; /* the place of the id before */
    RK_TRY_GOTO(done, open_merger(&m, runs));
    rk__work_begin(runs->work, "merging ids", runs->first);
    while (m.n > 0) {
        RK_TRY_GOTO(done, rk__work_add(runs->work, 1));
        const int64_t place = next(&m);
        if (last < 0 || compare_ids(runs, last, place) != 0) {
            append(out, runs, place);
        }
        last = place;
        rank[place] = (int32_t)(out->n - 1);
    }
done:
    rk__free(m.at);
    rk__free(m.heap);
    return status;
}

/* Ranks by place in the runs become ranks by index. */
static rk_status place_ranks(const rk_id_runs *runs, const int32_t *by_place, int32_t *rank)
{
    rk__work_begin(runs->work, "ranking ids", runs->first);
    for (int64_t run = 0; run < runs->n_runs; run++) {
        const int64_t first = runs->run[run];
        for (int64_t k = first; k < end_of(runs, run); k++) {
            RK_TRY(rk__work_add(runs->work, 1));
            rank[first + runs->order[k]] = by_place ? by_place[k] : (int32_t)k;
        }
    }
    return RK_OK;
}

static rk_status merge_runs(rk_id_runs *runs, int32_t *rank)
{
    rk_status status = RK_OK;
    merged all = {0};
    int32_t *by_place = NULL;
    RK_TRY_GOTO(done, alloc_merged(&all, runs));
    RK_TRY_GOTO(done, rk__spill_alloc(rk__work_spill(runs->work), &by_place, runs->first,
                                      sizeof *by_place, "the ranks of ids"));
    RK_TRY_GOTO(done, merge(runs, &all, by_place));
    RK_TRY_GOTO(done, place_ranks(runs, by_place, rank));
    const merged before = {.numbers = runs->numbers, .starts = runs->starts, .bytes = runs->bytes};
    runs->n = all.n;
    runs->numbers = all.numbers;
    runs->starts = all.starts;
    runs->bytes = all.bytes;
    all = before;
done:
    rk__spill_free(by_place);
    rk__spill_free(all.numbers);
    rk__spill_free(all.starts);
    rk__spill_free(all.bytes);
    return status;
}

rk_status rk__id_runs_rank(rk_id_runs *runs, int32_t **out_rank)
{
    rk_status status = RK_OK;
    int32_t *rank = NULL;
    RK_TRY_GOTO(done, put_away(runs));
    if (runs->work) {
        enum { IN_AND_OUT = 2 };
        const int64_t texts =
            runs->is_text && runs->first > 0 ? runs->starts[runs->first] / runs->first + 1 : 0;
        runs->work->row_bytes =
            IN_AND_OUT * (texts + (int64_t)(sizeof *runs->numbers + sizeof *runs->order));
    }
    RK_TRY_GOTO(done, rk__spill_alloc(rk__work_spill(runs->work), &rank, runs->first, sizeof *rank,
                                      "the ranks of ids"));
    if (runs->n_runs == 1) {
        runs->n = runs->first;
        RK_TRY_GOTO(done, place_ranks(runs, NULL, rank));
    } else {
        RK_TRY_GOTO(done, merge_runs(runs, rank));
    }
    rk__spill_free(runs->order);
    runs->order = NULL;
    *out_rank = rank;
    rank = NULL;
done:
    rk__spill_free(rank);
    return status;
}
