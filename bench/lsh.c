/*
 * Approximate answers (rankine/approximate.h) beside exact ones on generated catalogues: recall of
 * the exact top 10 and 20, time a query, time to make the index, memory.
 *
 *   bench_lsh [WIDTH [PLANES [ITEMS...]]]      default 32 0 10000 100000 1000000 10000000
 *
 * PLANES 0: as many as rk_lsh_options takes by itself. One thread, and its CPU time; a table of
 * Markdown on standard output. Exact answers are the CPU device's programs for one query and for a
 * tile of 256, as every model's whose scores are dot products.
 *
 * Items lie around centres, one for 100 of them but at most 10,000, half as far from it as centres
 * are from one another, with lognormal lengths; queries lie around centres, too. So do the vectors
 * that models learn; of wholly random ones ("noise") no hash finds much at once, see the last rows.
 */
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/philox.h"
#include "device/device.h"
#include "ops/builder.h"
#include "rankine/approximate.h"

enum { QUERIES = 256, MOST_CENTRES = 10000, TOP = 20 };

/* Of one thread: what a machine does beside this does not count. */
static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void must(rk_status status)
{
    if (status != RK_OK) {
        fprintf(stderr, "bench_lsh: %s\n", rk_last_error());
        exit(rk_status_exit_code(status));
    }
}

static void *room(int64_t n, size_t size)
{
    void *memory = malloc((size_t)n * size);
    if (!memory) {
        fprintf(stderr, "bench_lsh: out of memory\n");
        exit(1);
    }
    return memory;
}

/* ---- catalogues ---- */

static void normals(uint64_t of, uint64_t row, int64_t width, float *out)
{
    for (int64_t j = 0; j < width; j += 2) {
        float two[2];
        const rk_words w = rk__philox(1, RK_PURPOSE_SYNTH, of, row * 4096 + (uint64_t)j, 0);
        rk__normal2(w.v[0], w.v[1], two);
        out[j] = two[0];
        if (j + 1 < width) {
            out[j + 1] = two[1];
        }
    }
}

/* Near the centre of its number; spread 0 = the centre does not matter. */
static void draw(uint64_t of, int64_t row, const float *centres, int64_t n_centres, float spread,
                 int64_t width, float *out)
{
    float noise[4096], length[2];
    const rk_words w = rk__philox(2, RK_PURPOSE_SYNTH, of, (uint64_t)row, 0);
    const uint64_t centre = rk__bounded(w.v[0], w.v[1], (uint64_t)n_centres);
    memcpy(out, centres + centre * (uint64_t)width, (size_t)width * sizeof *out);
    normals(of, (uint64_t)row, width, noise);
    rk__normal2(w.v[2], w.v[3], length);
    for (int64_t j = 0; j < width; j++) {
        const float direction = spread > 0 ? out[j] + spread * noise[j] : noise[j];
        out[j] = expf(0.3F * length[0]) * direction;
    }
}

/* ---- exact answers ---- */

typedef struct exact {
    rk_device_context *context;
    rk_store store;
    rk_program program;
    rk_loaded *loaded;
    int32_t table, queries, count, offsets, masked, blocked, items, scores;
} exact;

static void open_exact(exact *x, const float *items, int64_t n, int64_t width, int32_t tile)
{
    const rk_device_options how = {.threads = 1};
    *x = (exact){0};
    must(rk__device_cpu.open(&how, &x->context));
    rk_store *s = &x->store;
    must(rk__store_add(s, "table", RK_F32, n, width, items, &x->table));
    must(rk__store_add(s, "queries", RK_F32, tile, width, NULL, &x->queries));
    must(rk__store_add(s, "count", RK_I32, 1, 1, NULL, &x->count));
    must(rk__store_add(s, "offsets", RK_I64, tile + 1, 1, NULL, &x->offsets));
    must(rk__store_add(s, "masked", RK_I32, 1, 1, NULL, &x->masked));
    must(rk__store_add(s, "blocked", RK_I32, n, 1, NULL, &x->blocked));
    must(rk__store_add(s, "items", RK_I32, tile, TOP, NULL, &x->items));
    must(rk__store_add(s, "scores", RK_F32, tile, TOP, NULL, &x->scores));
    rk_program *p = &x->program;
    rk__program_init(p, s, "rank");
    const rk_range_attr all = {0, n};
    const rk_topk_values v = {.scores =
                                  rk__score_dot(p, rk__use(p, x->queries), rk__use(p, x->table),
                                                rk__use(p, x->count), all),
                              .mask_offsets = rk__use(p, x->offsets),
                              .mask_items = rk__use(p, x->masked),
                              .blocked = rk__use(p, x->blocked),
                              .count = rk__use(p, x->count),
                              .out_items = rk__use(p, x->items),
                              .out_scores = rk__use(p, x->scores)};
    rk__top_k(p, v, 0, TOP);
    must(p->status);
    must(rk__program_prune(p));
    must(rk__program_fuse(p));
    must(rk__program_verify(p));
    must(rk__program_plan(p));
    must(rk__device_cpu.bind(x->context, s));
    must(rk__device_cpu.load(x->context, p, &x->loaded));
    must(rk__device_cpu.write(x->context, x->count, 0, 1, &tile));
}

static void close_exact(exact *x)
{
    rk__device_cpu.close(x->context);
    rk__program_free(&x->program);
    rk__store_free(&x->store);
}

/* Seconds of the answers to `tile` queries; their items to out unless that is NULL. */
static double ask_exact(exact *x, const float *queries, int64_t tile, int32_t *out)
{
    const double began = cpu_seconds();
    must(rk__device_cpu.write(x->context, x->queries, 0, tile, queries));
    must(rk__device_cpu.run(x->context, x->loaded, 1));
    must(rk__device_cpu.sync(x->context));
    const double seconds = cpu_seconds() - began;
    if (out) {
        must(rk__device_cpu.read(x->context, x->items, 0, tile, out));
    }
    return seconds;
}

static int by_size(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median(double *v, int64_t n)
{
    qsort(v, (size_t)n, sizeof *v, by_size);
    return v[n / 2];
}

/* ---- a catalogue ---- */

static double recall(const int32_t *found, const int32_t *best, int k)
{
    int64_t n = 0;
    for (int64_t q = 0; q < QUERIES; q++) {
        for (int i = 0; i < k; i++) {
            for (int j = 0; j < k; j++) {
                n += found[q * TOP + i] == best[q * TOP + j];
            }
        }
    }
    return (double)n / (QUERIES * k);
}

/* Median seconds of one query, exactly; and seconds of one in a tile of all. */
static double time_exact(const float *items, int64_t n, int64_t width, const float *queries,
                         int32_t *best, double *out_in_tile)
{
    exact x;
    double times[QUERIES];
    const int64_t singles = n > 1000000 ? 9 : 33;
    open_exact(&x, items, n, width, QUERIES);
    (void)ask_exact(&x, queries, QUERIES, best);
    for (int i = 0; i < 3; i++) {
        times[i] = ask_exact(&x, queries, QUERIES, NULL) / QUERIES;
    }
    *out_in_tile = median(times, 3);
    close_exact(&x);
    open_exact(&x, items, n, width, 1);
    (void)ask_exact(&x, queries, 1, NULL);
    for (int64_t q = 0; q < singles; q++) {
        times[q] = ask_exact(&x, queries + q * width, 1, NULL);
    }
    close_exact(&x);
    return median(times, singles);
}

static void measure(const char *name, float spread, int64_t n, int64_t width, int64_t planes)
{
    static const double shares[] = {0.002, 0.01, 0.02, 0.05, 0.1, 1};
    static int32_t best[QUERIES * TOP], found[QUERIES * TOP];
    static float scores[QUERIES * TOP];
    const int64_t n_centres = n / 100 < MOST_CENTRES ? n / 100 : MOST_CENTRES;
    float *centres = room(n_centres * width, sizeof *centres);
    float *items = room(n * width, sizeof *items),
          *queries = room(QUERIES * width, sizeof *queries);
    rk_lsh *index = NULL;
    double in_tile = 0;
    for (int64_t c = 0; c < n_centres; c++) {
        normals(1, (uint64_t)c, width, centres + c * width);
    }
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i++) {
        draw(2, i, centres, n_centres, spread, width, items + i * width);
    }
    for (int64_t q = 0; q < QUERIES; q++) {
        draw(3, q, centres, n_centres, spread, width, queries + q * width);
    }
    omp_set_num_threads(1);
    const double alone = time_exact(items, n, width, queries, best, &in_tile);
    const double began = cpu_seconds();
    const rk_lsh_options how = {.planes = planes};
    must(rk_lsh_create(items, n, width, &how, &index));
    const double built = cpu_seconds() - began;
    const rk_lsh_facts f = rk_lsh_get_facts(index);
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        const int64_t probes = 1 + (int64_t)(shares[i] * (double)f.buckets);
        double times[QUERIES];
        int64_t scored = 0, all_scored = 0;
        for (int64_t q = 0; q < QUERIES; q++) {
            const rk_lsh_query query = {.vector = queries + q * width};
            const double asked = cpu_seconds();
            must(rk_lsh_top_k(index, &query, 1, probes, NULL, TOP, found + q * TOP,
                              scores + q * TOP, &scored));
            times[q] = cpu_seconds() - asked;
            all_scored += scored;
        }
        const double seconds = median(times, QUERIES);
        printf("| %s | %lld | %lld | %lld | %.2f | %.0f | %.4g | %.4g | %lld | %.2f %% | %.4g | "
               "%.3f | %.3f | %.2g | %.2g |\n",
               name, (long long)n, (long long)f.planes, (long long)f.buckets, built,
               (double)f.bytes / 1e6, 1e3 * alone, 1e3 * in_tile, (long long)probes,
               100 * (double)all_scored / (double)(QUERIES * n), 1e3 * seconds,
               recall(found, best, 10), recall(found, best, TOP), alone / seconds,
               in_tile / seconds);
        fflush(stdout);
    }
    rk_lsh_free(index);
    free(centres);
    free(items);
    free(queries);
    omp_set_num_threads(omp_get_num_procs());
}

int main(int argc, char **argv)
{
    static const int64_t usual[] = {10000, 100000, 1000000, 10000000};
    const int64_t width = argc > 1 ? atoll(argv[1]) : 32;
    const int64_t planes = argc > 2 ? atoll(argv[2]) : 0;
    const int n_sizes = argc > 3 ? argc - 3 : 4;
    if (width < 1 || width > 4096) {
        fprintf(stderr, "bench_lsh: the width is 1 to 4096\n");
        return 2;
    }
    printf("| items are | items | planes | buckets | built in s | MB | exact, alone ms | exact, in "
           "a tile ms | probes | scored | approximate ms | recall@10 | recall@20 | times faster "
           "than alone | than in a tile |\n|");
    for (int i = 0; i < 15; i++) {
        printf(i == 0 ? "---|" : "---:|");
    }
    printf("\n");
    for (int i = 0; i < n_sizes; i++) {
        measure("around centres", 0.5F, argc > 3 ? atoll(argv[3 + i]) : usual[i], width, planes);
    }
    measure("noise", 0, 100000, width, planes);
    return 0;
}
