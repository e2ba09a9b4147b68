#include "device/cpu/strips.h"

enum {
    SLAB_BYTES = 2 << 20,    /* packed items that all threads share, about a last-level share */
    STRIP_BYTES = 256 << 10, /* packed items that a thread goes over again and again */
    MAX_STRIP_ITEMS = 1024,
    MAX_GROUP_BLOCKS = 8,
    PART_FLOATS = 512 << 10, /* about 60 us, which is what waking another thread may cost */
};

/* Sizes of one run. */
typedef struct tiling {
    int64_t n_blocks;                  /* of isa->block_users */
    int64_t slab_panels, strip_panels; /* of isa->panel_width */
    int64_t group_blocks, n_groups;
} tiling;

static int64_t at_most(int64_t value, int64_t limit)
{
    return value < limit ? value : limit;
}

static int64_t at_least(int64_t value, int64_t limit)
{
    return value > limit ? value : limit;
}

static int64_t panel_bytes(const rk_call *call, int64_t d)
{
    return at_least(call->isa->panel_width * d * (int64_t)sizeof(float), 1);
}

static int64_t strip_panels(const rk_call *call, int64_t d)
{
    int64_t width = call->isa->panel_width;
    return at_least(at_most(STRIP_BYTES / panel_bytes(call, d), MAX_STRIP_ITEMS / width), 1);
}

int64_t rk__strips_most(const rk_call *call, int64_t d)
{
    return strip_panels(call, d) * call->isa->panel_width;
}

static tiling tiling_of(const rk_call *call, int64_t n_queries, int64_t n_items, int64_t d)
{
    tiling t = {.strip_panels = strip_panels(call, d)};
    int64_t n_panels = rk__blocks(n_items, call->isa->panel_width);
    t.slab_panels = at_least(SLAB_BYTES / panel_bytes(call, d), t.strip_panels);
    t.slab_panels = at_most(t.slab_panels, n_panels);
    t.n_blocks = rk__blocks(n_queries, call->isa->block_users);
    t.group_blocks = at_most(rk__blocks(t.n_blocks, 4 * call->threads), MAX_GROUP_BLOCKS);
    t.n_groups = t.n_blocks ? rk__blocks(t.n_blocks, t.group_blocks) : 0;
    return t;
}

static int64_t score_bytes(const rk_call *call, int64_t d)
{
    const int64_t rows = at_least(call->isa->block_users, RK_FEW_TOGETHER);
    return rk__cache_lines(rows * rk__strips_most(call, d) * 4);
}

static int64_t block_floats(const rk_call *call, int64_t d)
{
    return call->isa->block_users * d;
}

static int64_t slab_bytes(const rk_call *call, const tiling *t, int64_t d)
{
    return rk__cache_lines(t->slab_panels * call->isa->panel_width * d * 4);
}

int64_t rk__strips_scratch(const rk_call *call, int64_t n_queries, int64_t n_items, int64_t d)
{
    const tiling t = tiling_of(call, n_queries, n_items, d);
    return slab_bytes(call, &t, d) + rk__cache_lines(t.n_blocks * block_floats(call, d) * 4) +
           call->threads * score_bytes(call, d);
}

/* ---- a few queries ---- */

static bool is_few(const rk_call *call, const rk_strips *s)
{
    return call->isa->few_scores && s->n_queries <= RK_FEW_QUERIES;
}

int64_t rk__strips_parts(const rk_call *call, const rk_strips *s)
{
    int64_t passes = rk__blocks(s->n_queries, RK_FEW_TOGETHER);
    int64_t worth = at_least(passes * s->n_items * s->d / PART_FLOATS, 1);
    return is_few(call, s) ? at_most(worth, call->threads) : 1;
}

static void run_few(const rk_call *call, const rk_strips *s, char *scratch, rk_strip_taker take,
                    void *self)
{
    int64_t n_parts = rk__strips_parts(call, s), most = rk__strips_most(call, s->d);
    int64_t n_strips = rk__blocks(s->n_items, most);
#pragma omp parallel for schedule(static, 1) num_threads((int)n_parts) if (n_parts > 1)
    for (int64_t part = 0; part < n_parts; part++) {
        float *scores = (void *)(scratch + part * score_bytes(call, s->d));
        int64_t end = at_most((part + 1) * n_strips / n_parts * most, s->n_items);
        for (int64_t first = part * n_strips / n_parts * most; first < end; first += most) {
            int64_t n = at_most(end - first, most);
            for (int64_t query = 0; query < s->n_queries; query += RK_FEW_TOGETHER) {
                int64_t together = at_most(s->n_queries - query, RK_FEW_TOGETHER);
                call->isa->few_scores(s->queries + query * s->d, together, s->items + first * s->d,
                                      n, s->d, scores);
                for (int64_t i = 0; i < together; i++) {
                    take(self, part, query + i, scores + i * n, first, n);
                }
            }
        }
    }
}

/* ---- many ---- */

/* Rows [first, first + n) of x, as columns of out [d][width]; zeros where rows are missing. */
static void pack(const float *x, int64_t d, int64_t first, int64_t n, int64_t width, float *out)
{
    for (int64_t j = 0; j < d; j++) {
        for (int64_t i = 0; i < n; i++) {
            out[j * width + i] = x[(first + i) * d + j];
        }
        for (int64_t i = n; i < width; i++) {
            out[j * width + i] = 0;
        }
    }
}

typedef struct walk {
    const rk_call *call;
    const rk_strips *s;
    tiling t;
    float *blocks, *slab;
    rk_strip_taker take;
    void *self;
} walk;

/* A group of blocks of queries against the items [first, end) of a slab. */
static void score_group(const walk *w, int64_t group, int64_t first, int64_t end, float *scores)
{
    const rk_isa *isa = w->call->isa;
    int64_t d = w->s->d, most = w->t.strip_panels * isa->panel_width;
    int64_t end_block = at_most((group + 1) * w->t.group_blocks, w->t.n_blocks);
    for (int64_t item = first; item < end; item += most) {
        int64_t n = at_most(end - item, most), n_panels = rk__blocks(n, isa->panel_width);
        for (int64_t block = group * w->t.group_blocks; block < end_block; block++) {
            isa->scores(w->blocks + block * block_floats(w->call, d), w->slab + (item - first) * d,
                        d, n_panels, scores);
            int64_t query = block * isa->block_users;
            int64_t end_query = at_most(query + isa->block_users, w->s->n_queries);
            for (const float *row = scores; query < end_query; query++) {
                w->take(w->self, 0, query, row, item, n);
                row += n_panels * isa->panel_width;
            }
        }
    }
}

static void run_many(const walk *w, char *scratch)
{
    const rk_call *call = w->call;
    const rk_strips *s = w->s;
    int64_t width = call->isa->panel_width, slab_items = w->t.slab_panels * width;
    int64_t block_users = call->isa->block_users;
    int32_t saved = call->isa->begin_scores ? call->isa->begin_scores() : 0;
#pragma omp parallel num_threads(call->threads)
    {
        float *scores = (void *)(scratch + rk__cpu_thread() * score_bytes(call, s->d));
#pragma omp for schedule(static)
        for (int64_t block = 0; block < w->t.n_blocks; block++) {
            int64_t first = block * block_users;
            pack(s->queries, s->d, first, at_most(s->n_queries - first, block_users), block_users,
                 w->blocks + block * block_floats(call, s->d));
        }
        for (int64_t first = 0; first < s->n_items; first += slab_items) {
            int64_t end = at_most(first + slab_items, s->n_items);
#pragma omp for schedule(static)
            for (int64_t panel = 0; panel < rk__blocks(end - first, width); panel++) {
                int64_t row = first + panel * width;
                pack(s->items, s->d, row, at_most(end - row, width), width,
                     w->slab + panel * width * s->d);
            }
#pragma omp for schedule(dynamic, 1)
            for (int64_t group = 0; group < w->t.n_groups; group++) {
                score_group(w, group, first, end, scores);
            }
        }
    }
    if (call->isa->end_scores) {
        call->isa->end_scores(saved);
    }
}

void rk__strips_run(const rk_call *call, const rk_strips *s, char *scratch, rk_strip_taker take,
                    void *self)
{
    if (s->n_queries == 0 || s->n_items == 0) {
        return;
    }
    if (is_few(call, s)) {
        run_few(call, s, scratch, take, self);
        return;
    }
    walk w = {.call = call,
              .s = s,
              .t = tiling_of(call, s->n_queries, s->n_items, s->d),
              .take = take,
              .self = self};
    w.slab = rk__cpu_take(&scratch, slab_bytes(call, &w.t, s->d));
    w.blocks = rk__cpu_take(&scratch, w.t.n_blocks * block_floats(call, s->d) * 4);
    run_many(&w, scratch);
}
