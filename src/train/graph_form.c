/*
 * A step's time is predicted from what it moves and computes:
 *
 *  direct, K layers: 2 (K - 1) full propagations, i.e. 2 m row gathers each for m interactions, and
 *    the first and the last one at the rows of the batch only;
 *  gram: two halves, m gathers each, two at the batch's rows of the large side, and 2 (K - 1)
 *    products of C [n,n] with a table [n,d];
 *  both: Adam over all parameters.
 *
 * The rates are constants and not measured at the start: with a measured one two runs of the same
 * seed could take different forms and end in different bits. Only their ratio decides.
 */
#include "train/graph_form.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"

typedef struct rates {
    double near, far; /* bytes a second of random rows of a table of up to `cached` bytes; beyond */
    double cached;
    double stream;             /* bytes a second of what is read once */
    double flops, split_flops; /* of the product with C, plain and by cuda.gram = split */
    double fixed;              /* seconds a step that neither form changes */
} rates;

/* CPU, one core: measured on an EPYC with AVX-512 (MovieLens-100k, lastfm, Gowalla). CUDA, an H200,
 * predicted and not measured: random 256-byte rows at 7 TB/s of the 9.7 TB/s that the second-level
 * cache gives to streams up to 44 MB, 3.9 TB/s of memory beyond; 50 of the 67 TFLOP/s of fp32; of
 * halves, 600 of 990 TFLOP/s for three products. */
static const rates cpu_core = {75e9, 43e9, 4e6, 20e9, 100e9, 100e9, 0};
static const rates cuda_device = {7e12, 3.9e12, 44e6, 3.9e12, 50e12, 200e12, 30e-6};

/* What the gram form must save to be taken. */
static const double LEAST_GAIN = 1.1;

/* Of the edges of nodes [first, end), the share at nodes that a batch touches: node v is drawn with
 * chance uniform + by_degree * degree in each of `draws`. */
static double touched_share(const rk_graph *g, int64_t first, int64_t end, double draws,
                            double uniform, double by_degree)
{
    double touched = 0;
    for (int64_t v = first; v < end; v++) {
        double degree = (double)rk__graph_degree(g, v);
        touched += degree * -expm1(-draws * (uniform + by_degree * degree));
    }
    return g->n_edges > 0 ? touched / (double)g->n_edges : 0;
}

typedef struct shares {
    double users, items; /* of the interactions, those at rows of the batch */
} shares;

static shares batch_shares(const rk_graph *g, const rk_options *o)
{
    double batch = (double)o->train.batch, edges = (double)g->n_edges;
    bool by_user = o->sampling.positives == RK_POSITIVES_USER ||
                   o->sampling.positives == RK_POSITIVES_EACH_USER;
    double negatives =
        o->sampling.negatives == RK_NEGATIVES_DYNAMIC ? (double)o->sampling.candidates : 1;
    return (shares){
        touched_share(g, 0, g->n_users, batch, by_user ? 1 / (double)g->n_users : 0,
                      by_user ? 0 : 1 / edges),
        touched_share(g, g->n_users, g->n_nodes, batch, negatives / (double)g->n_items, 1 / edges)};
}

static void predict(rk_graph_form *out, const rk_graph *g, const rk_options *o, rates r)
{
    double layers = (double)o->model.layers, width = 4 * (double)o->model.dim;
    double table = (double)g->n_nodes * width, n = (double)out->n;
    shares share = batch_shares(g, o);
    double large = out->first > 0 ? share.users : share.items;
    double gather = table > r.cached ? r.far : r.near;
    double half = (double)g->n_edges * (width + 4) / gather;
    double common = r.fixed + 7 * table / r.stream;
    out->direct_seconds = common + half * (4 * (layers - 1) + 2 * (share.users + share.items)) +
                          table / r.stream * (2 * layers - 1);
    /* C is read once for both halves of a pair table. */
    double flops = o->cuda.gram == RK_GRAM_FP32 ? r.flops : r.split_flops;
    double products = fmax(2 * (layers - 1) * 2 * n * n * (double)o->model.dim / flops,
                           2 * floor(layers / 2) * 4 * n * n / r.stream);
    out->gram_seconds = common + half * (2 + 2 * large) + table / r.stream + products +
                        2 * (layers - 1) * 4 * n * width / r.stream;
}

static const char *small_name(const rk_graph_form *form)
{
    return form->first > 0 ? "items" : "users";
}

/* C is on the host, too. */
static rk_status check_memory(const rk_graph_form *form, const rk_device_info *memory)
{
    int64_t host = (int64_t)sysconf(_SC_PAGESIZE) * (int64_t)sysconf(_SC_PHYS_PAGES);
    int64_t room = memory->memory_free < host / 2 ? memory->memory_free : host / 2;
    if (form->gram_bytes > room) {
        RK_FAIL(RK_ERR_MEMORY,
                "graph.form is gram: the Gram matrix of %lld %s takes %.1f MB and %.1f MB are "
                "there for it; take graph.form direct or auto",
                (long long)form->n, small_name(form), (double)form->gram_bytes / 1e6,
                (double)room / 1e6);
    }
    return RK_OK;
}

static rk_status gram_bytes(rk_graph_form *out, const rk_options *o)
{
    if (o->model.layers < 2) {
        return RK_OK;
    }
    RK_TRY(rk__mul(&out->gram_bytes, out->n, out->n, "the Gram matrix"));
    return rk__mul(&out->gram_bytes, out->gram_bytes, (int64_t)sizeof(float), "the Gram matrix");
}

rk_status rk__graph_form_decide(rk_graph_form *out, const rk_options *o, const rk_model_kind *model,
                                const rk_graph *g, bool on_cuda, const rk_device_info *memory)
{
    bool small_items = g->n_items <= g->n_users, is_auto = o->graph.form == RK_FORM_AUTO;
    *out = (rk_graph_form){.first = small_items ? g->n_users : 0,
                           .n = small_items ? g->n_items : g->n_users};
    if (!model->has_gram_form || !model->has_gram_form(o)) {
        snprintf(out->reason, sizeof out->reason,
                 "direct: this model, depth or weighting has no other form");
        return RK_OK;
    }
    RK_TRY(gram_bytes(out, o));
    predict(out, g, o, on_cuda ? cuda_device : cpu_core);
    bool pays = out->direct_seconds > LEAST_GAIN * out->gram_seconds;
    bool fits = out->gram_bytes <= memory->memory_total / 4;
    bool can = o->model.layers > 1 && o->train.propagation != RK_TABLES_FP16 &&
               !(on_cuda && o->cuda.propagation == RK_PROPAGATION_CUSPARSE);
    if (is_auto && !can) {
        snprintf(out->reason, sizeof out->reason,
                 "direct: the other form is not for one layer, fp16 or cuSPARSE");
        return RK_OK;
    }
    out->is_gram = is_auto ? pays && fits : o->graph.form == RK_FORM_GRAM;
    if (out->is_gram && !is_auto) {
        RK_TRY(check_memory(out, memory));
    }
    snprintf(out->reason, sizeof out->reason,
             "%s: %s; predicted %.3g ms of a step direct, %.3g ms through the Gram matrix of the "
             "%lld %s (%.1f MB)%s",
             out->is_gram ? "gram" : "direct",
             !is_auto       ? "as graph.form says"
             : out->is_gram ? "the faster one"
             : pays         ? "the matrix would take more than a quarter of the memory"
                            : "the faster one or close",
             1e3 * out->direct_seconds, 1e3 * out->gram_seconds, (long long)out->n, small_name(out),
             (double)out->gram_bytes / 1e6, on_cuda ? ", on an H200" : ", on one core");
    return RK_OK;
}
