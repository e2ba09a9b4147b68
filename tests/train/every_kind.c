#include "train/every_kind.h"

/* One of every way to score; the first goes by dot products of vectors. */
static const struct {
    const char *config, *settings[4];
} kinds[] = {
    {NULL, {"train.epochs=4"}},
    {NULL, {"train.epochs=2", "model.kind=lightgcn++"}},
    {NULL, {"train.epochs=2", "model.kind=mf"}},
    {"plain.yaml", {"model.kind=popularity"}},
    {"plain.yaml", {"model.kind=item_knn", "model.neighbours=20"}},
    {"plain.yaml", {"model.kind=item_knn", "model.neighbours=20", "model.aggregate=bars"}},
    {"plain.yaml", {"model.kind=ease"}},
    {"plain.yaml", {"model.kind=gf_cf", "model.dim=8"}},
    {"plain.yaml", {"model.kind=pure_svd", "model.dim=8"}},
    {"plain.yaml", {"model.kind=ials", "train.epochs=2", "model.dim=8"}},
};
_Static_assert(sizeof kinds / sizeof kinds[0] == N_KINDS, "one model each");

run_how kind_how(int kind)
{
    const char *const *s = kinds[kind].settings;
    return (run_how){.settings = {s[0], s[1], s[2], s[3]}, .config = kinds[kind].config};
}

int open_world(void **state)
{
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    runs_begin(&w->r);
    FILE *file = fopen(test_path(w->r.data, "test.txt"), "ab");
    assert_non_null(file);
    fputs("9999 1000 5555\n", file);
    fclose(file);
    for (int i = 0; i < N_KINDS; i++) {
        assert_ok(runs_fit(&w->r, kind_how(i), &w->models[i]));
    }
    *state = w;
    return 0;
}

int close_world(void **state)
{
    world *w = *state;
    for (int i = 0; i < N_KINDS; i++) {
        rk_model_free(w->models[i]);
    }
    runs_end(&w->r);
    free(w);
    return 0;
}

void mixed_queries(rk_query out[N_MIXED])
{
    static const int32_t few[] = {77, 3, 12}, twice[] = {9, 4, 9, 9, 4}, one[] = {149};
    static const float weights[] = {0.5f, 0, 2}, nothing[] = {0, 0, 0};
    static const rk_query queries[N_MIXED] = {
        {.user = 0},
        {.user = 17},
        {.user = COLD_USER},
        {.user = 239},
        {.user = -1, .items = few, .n_items = 3},
        {.user = -1, .items = few, .n_items = 3, .weights = weights},
        {.user = -1, .items = twice, .n_items = 5},
        {.user = -1, .items = few, .n_items = 3, .weights = nothing},
        {.user = -1},
        {.user = -1, .items = one, .n_items = 1},
        {.user = 100},
        {.user = COLD_USER},
    };
    memcpy(out, queries, sizeof queries);
}
