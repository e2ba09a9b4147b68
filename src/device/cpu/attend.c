/*
 * Softmax over all keys of a batch without the matrix of logits.
 *
 * A thread takes a panel of queries, one a lane, and goes over the keys in chunks: the logits of a
 * chunk are a matrix product into a tile, the exponentials are taken in place with the largest
 * logit so far as shift, and the tile times the chunk's keys is added to what the earlier chunks
 * gave, scaled to the new shift (Milakov and Gimelshein, "Online normalizer calculation for
 * softmax", 2018). Memory is a tile a thread and two packed copies of the keys. The cuts depend on
 * the shapes alone, so that threads do not change a bit.
 */
#include <math.h>
#include <string.h>

#include "device/cpu/cpu.h"
#include "ops/logit.h"

enum { CHUNK = 384 }; /* keys in a tile, about: a tile stays in the second-level cache */

/* Sizes of one call, all fixed by the shapes; in floats unless said. */
typedef struct layout {
    int64_t n, d;
    int64_t width, block; /* lanes of a panel of queries; keys or columns in a block */
    int64_t chunk;        /* keys, a multiple of block */
    int64_t n_chunks, n_panels, n_columns; /* n_columns: d filled up to whole blocks */
    int64_t chunk_logits, chunk_values;    /* packed keys of a chunk in the two forms */
} layout;

/* What a thread works in. */
typedef struct workspace {
    float *panel; /* [d][width] */
    float *tile;  /* [chunk][width] */
    float *part;  /* [n_columns][width]: one chunk's share of the weighted sum */
    float *total; /* the same, of all chunks so far */
    float *largest, *shift, *rescale, *chunk_sum; /* [width] */
    double *sum;                                  /* [width] */
} workspace;

static layout layout_of(const rk_call *call)
{
    layout l = {.n = call->node->attr.attend.n,
                .d = rk__in(call, 0)->cols,
                .width = call->isa->panel_width,
                .block = call->isa->block_users};
    l.chunk = rk__blocks(l.n < CHUNK ? l.n : CHUNK, l.block) * l.block;
    l.n_chunks = rk__blocks(l.n, l.chunk);
    l.n_panels = rk__blocks(l.n, l.width);
    l.n_columns = rk__blocks(l.d, l.block) * l.block;
    l.chunk_logits = l.chunk * l.d;
    l.chunk_values = l.chunk * l.n_columns;
    return l;
}

static int64_t floats(int64_t n)
{
    return rk__cache_lines(n * (int64_t)sizeof(float));
}

static int64_t workspace_bytes(const layout *l)
{
    return floats(l->d * l->width) + floats(l->chunk * l->width) +
           2 * floats(l->n_columns * l->width) + 4 * floats(l->width) + 2 * floats(l->width);
}

static workspace take_workspace(const layout *l, char *scratch)
{
    workspace w = {.panel = rk__cpu_take(&scratch, floats(l->d * l->width))};
    w.tile = rk__cpu_take(&scratch, floats(l->chunk * l->width));
    w.part = rk__cpu_take(&scratch, floats(l->n_columns * l->width));
    w.total = rk__cpu_take(&scratch, floats(l->n_columns * l->width));
    w.largest = rk__cpu_take(&scratch, floats(l->width));
    w.shift = rk__cpu_take(&scratch, floats(l->width));
    w.rescale = rk__cpu_take(&scratch, floats(l->width));
    w.chunk_sum = rk__cpu_take(&scratch, floats(l->width));
    w.sum = rk__cpu_take(&scratch, 2 * floats(l->width));
    return w;
}

int64_t rk__cpu_scratch_attend(const rk_call *call)
{
    const layout l = layout_of(call);
    return floats(l.n_chunks * l.chunk_logits) + floats(l.n_chunks * l.chunk_values) +
           call->threads * workspace_bytes(&l);
}

/* Rows [first, first + n) of x as columns of out [d][width], zeros where rows are missing. */
static void pack_columns(const float *x, int64_t d, int64_t first, int64_t n, int64_t width,
                         float *out)
{
    for (int64_t j = 0; j < d; j++) {
        for (int64_t i = 0; i < width; i++) {
            out[j * width + i] = i < n ? x[(first + i) * d + j] : 0;
        }
    }
}

/* The keys of a chunk: as blocks [d][block] for the logits, and as column blocks [keys][block] for
 * the weighted sum. */
static void pack_keys(const layout *l, const float *keys, int64_t chunk, float *logits,
                      float *values)
{
    int64_t first = chunk * l->chunk, n = rk__block_end(chunk, l->chunk, l->n) - first;
    for (int64_t k = 0; k < n; k += l->block) {
        int64_t rest = n - k < l->block ? n - k : l->block;
        pack_columns(keys, l->d, first + k, rest, l->block, logits + k * l->d);
    }
    for (int64_t j = 0; j < l->n_columns; j += l->block) {
        int64_t used = l->d - j < l->block ? l->d - j : l->block;
        for (int64_t k = 0; k < n; k++) {
            float *out = values + j * n + k * l->block;
            for (int64_t i = 0; i < l->block; i++) {
                out[i] = i < used ? keys[(first + k) * l->d + j + i] : 0;
            }
        }
    }
}

/* The new shift of each lane, and what that makes of the sums so far. */
static void move_shift(const layout *l, workspace *w)
{
    for (int64_t i = 0; i < l->width; i++) {
        float shift = rk__is_logit(w->largest[i]) ? w->largest[i] : 0;
        w->rescale[i] = w->sum[i] > 0 ? expf(w->shift[i] - shift) : 0;
        w->shift[i] = shift;
    }
}

static void attend_chunk(const rk_call *call, const layout *l, int64_t panel, int64_t chunk,
                         const float *logits, const float *values, workspace *w)
{
    const rk_attend_attr *a = &call->node->attr.attend;
    const float *bias = (const float *)call->in[1] + a->first_key + chunk * l->chunk;
    int64_t first = chunk * l->chunk, n = rk__block_end(chunk, l->chunk, l->n) - first;
    for (int64_t k = 0; k < n; k += l->block) {
        call->isa->scores(logits + k * l->d, w->panel, l->d, 1, w->tile + k * l->width);
    }
    for (int64_t i = 0; a->skip_diagonal && i < l->width; i++) {
        int64_t key = panel * l->width + i - first;
        if (key >= 0 && key < n) {
            w->tile[key * l->width + i] = -INFINITY;
        }
    }
    call->isa->logits(w->tile, n, (float)(1 / a->temperature), bias, w->largest);
    move_shift(l, w);
    call->isa->exponents(w->tile, n, w->shift, w->chunk_sum);
    for (int64_t j = 0; j < l->n_columns; j += l->block) {
        call->isa->scores(values + j * n, w->tile, n, 1, w->part + j * l->width);
    }
    for (int64_t i = 0; i < l->width; i++) {
        w->sum[i] = w->sum[i] * (double)w->rescale[i] + (double)w->chunk_sum[i];
    }
    for (int64_t j = 0; j < l->d; j++) {
        for (int64_t i = 0; i < l->width; i++) {
            int64_t at = j * l->width + i;
            w->total[at] = w->total[at] * w->rescale[i] + w->part[at];
        }
    }
}

static void finish_panel(const rk_call *call, const layout *l, int64_t panel, workspace *w)
{
    const rk_attend_attr *a = &call->node->attr.attend;
    const float *x = call->in[0], *bias = call->in[1];
    float *lse = call->out[0], *mean = call->out[1];
    double *own = call->out[2];
    for (int64_t i = 0; i < l->width && panel * l->width + i < l->n; i++) {
        int64_t query = panel * l->width + i;
        bool has_key = rk__is_logit(w->largest[i]);
        float scale = has_key ? (float)(1 / w->sum[i]) : 0;
        lse[query] = has_key ? (float)((double)w->shift[i] + log(w->sum[i])) : RK_NO_LOGIT;
        for (int64_t j = 0; j < l->d; j++) {
            mean[query * l->d + j] = has_key ? w->total[j * l->width + i] * scale : 0;
        }
        const int64_t from = a->first_query + query, key = a->first_key + query;
        double score = (double)call->isa->dot(x + from * l->d, x + key * l->d, l->d);
        own[query] = rk__is_logit(bias[key]) ? score / a->temperature + (double)bias[key]
                                             : (double)RK_NO_LOGIT;
    }
}

static void attend_panel(const rk_call *call, const layout *l, int64_t panel, const float *logits,
                         const float *values, workspace *w)
{
    const float *queries = (const float *)call->in[0] + call->node->attr.attend.first_query * l->d;
    pack_columns(queries, l->d, panel * l->width, l->n - panel * l->width, l->width, w->panel);
    memset(w->total, 0, (size_t)(l->n_columns * l->width) * sizeof *w->total);
    for (int64_t i = 0; i < l->width; i++) {
        w->largest[i] = RK_NO_LOGIT;
        w->shift[i] = 0;
        w->sum[i] = 0;
    }
    for (int64_t chunk = 0; chunk < l->n_chunks; chunk++) {
        attend_chunk(call, l, panel, chunk, logits + chunk * l->chunk_logits,
                     values + chunk * l->chunk_values, w);
    }
    finish_panel(call, l, panel, w);
}

void rk__cpu_attend(const rk_call *call)
{
    const layout l = layout_of(call);
    const float *keys = (const float *)call->in[0] + call->node->attr.attend.first_key * l.d;
    char *scratch = call->scratch;
    float *logits = rk__cpu_take(&scratch, floats(l.n_chunks * l.chunk_logits));
    float *values = rk__cpu_take(&scratch, floats(l.n_chunks * l.chunk_values));
    int32_t saved = call->isa->begin_scores ? call->isa->begin_scores() : 0;
#pragma omp parallel num_threads(call->threads)
    {
        workspace w = take_workspace(&l, scratch + rk__cpu_thread() * workspace_bytes(&l));
#pragma omp for schedule(static)
        for (int64_t chunk = 0; chunk < l.n_chunks; chunk++) {
            pack_keys(&l, keys, chunk, logits + chunk * l.chunk_logits,
                      values + chunk * l.chunk_values);
        }
#pragma omp for schedule(dynamic, 1)
        for (int64_t panel = 0; panel < l.n_panels; panel++) {
            attend_panel(call, &l, panel, logits, values, &w);
        }
    }
    if (call->isa->end_scores) {
        call->isa->end_scores(saved);
    }
}
