#include "ops/harness.h"

#include <math.h>

#include "device/cpu/isa.h"
#include "ops/family.h"

enum { MAX_TENSORS = 40, MAX_BLOCKS = 256 };

typedef struct expectation {
    rk_value value;
    const double *expected, *size; /* reals */
    double tolerance;
    const void *exact;
    void *bits; /* what the last first-of-its-kind target gave */
} expectation;

struct ops_case {
    char title[160];
    rk_store store;
    rk_program program;
    const void *initial[MAX_TENSORS]; /* of stored tensors that are variables, else NULL */
    expectation expectations[MAX_TENSORS];
    int n_expectations;
    bool diverges;
    void *blocks[MAX_BLOCKS];
    int n_blocks;
};

/* ---- targets ---- */

static void add_target(ops_target *targets, int *n, const rk_device *device, const char *isa,
                       int64_t threads, bool eager, bool is_first)
{
    assert_true(*n < OPS_MAX_TARGETS);
    ops_target *t = &targets[(*n)++];
    *t = (ops_target){device, {.threads = threads, .eager = eager, .isa = isa}, "", is_first};
    snprintf(t->label, sizeof t->label, "%s %s, %d threads%s", device->name, isa ? isa : "",
             (int)threads, eager ? ", eager" : "");
}

/* Long rows are split even in a small graph; one and several steps in a captured graph; cuSPARSE
 * sums in another order. */
static void add_cuda_targets(ops_target *targets, int *n, const rk_device *device)
{
    static const struct {
        const char *label;
        rk_device_options options;
        bool is_first;
    } kinds[] = {
        {"cuda, eager", {.eager = true, .piece_edges = 32}, true},
        {"cuda", {.piece_edges = 32}, false},
        {"cuda, 2 steps a launch", {.piece_edges = 32, .steps_per_launch = 2}, false},
        {"cuda, long pieces", {.piece_edges = 4096}, true},
        {"cuda, fp32 ranking", {.piece_edges = 32, .ranking = RK_RANKING_FP32}, true},
        {"cuda, fp32 Gram products", {.piece_edges = 32, .gram = RK_GRAM_FP32}, true},
        {"cuda, cusparse", {.propagation = RK_PROPAGATION_CUSPARSE}, true},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        assert_true(*n < OPS_MAX_TARGETS);
        ops_target *t = &targets[(*n)++];
        *t = (ops_target){.device = device, .options = kinds[i].options};
        t->options.exact = getenv("OPS_EXACT") != NULL;
        t->is_first = kinds[i].is_first;
        snprintf(t->label, sizeof t->label, "%s", kinds[i].label);
    }
}

/* OPS_FEW: each number of threads, and eagerly and plainly, once; guard bands with two threads. */
static void add_cpu_targets(ops_target *targets, int *n, const rk_device *device)
{
    const bool few = getenv("OPS_FEW") != NULL;
    for (const rk_isa *const *isa = rk__isa_all(); *isa; isa++) {
        for (int i = few ? 1 : 0; i < (few ? 3 : 4) && rk__isa_is_supported(*isa); i++) {
            add_target(targets, n, device, (*isa)->name, 1 + i % 2, i < 2, i == (few ? 1 : 0));
        }
    }
}

int ops_targets(ops_target targets[OPS_MAX_TARGETS])
{
    const char *only = getenv("OPS_DEVICE"), *reason = NULL;
    const rk_device *chosen = NULL;
    int n = 0;
    if (only && strcmp(only, "cuda") == 0 &&
        rk__device_choose(RK_DEVICE_CUDA, 0, &chosen, &reason) != RK_OK) {
        return 0; /* the reason is the last error */
    }
    for (const rk_device *const *d = rk__devices(); *d; d++) {
        if ((only && strcmp((*d)->name, only) != 0) || (*d)->probe(0) != RK_OK) {
            continue;
        }
        if (strcmp((*d)->name, "cpu") == 0) {
            add_cpu_targets(targets, &n, *d);
        } else {
            add_cuda_targets(targets, &n, *d);
        }
    }
    return n;
}

/* Is the target worth running this program on? */
static bool concerns(const ops_target *target, const rk_program *program)
{
    const rk_device_options *o = &target->options;
    bool of_sparse = o->propagation == RK_PROPAGATION_CUSPARSE, of_pieces = o->piece_edges > 32;
    bool of_ranking = o->ranking == RK_RANKING_FP32, of_gram = o->gram == RK_GRAM_FP32;
    bool any = !of_sparse && !of_pieces && !of_ranking && !of_gram;
    for (int32_t i = 0; i < program->n_nodes; i++) {
        rk_op op = program->nodes[i].op;
        uint32_t flags = rk__op_info(op)->flags;
        bool is_graph = flags & RK_OP_IS_GRAPH, is_side = flags & RK_OP_IS_SIDE;
        any = any || (of_pieces && is_graph) || (of_sparse && is_graph && !is_side) ||
              (of_ranking && op == RK_OP_SCORE_TOPK) || (of_gram && op == RK_OP_GRAM_PRODUCT);
    }
    return any;
}

/* ---- random numbers ---- */

/* splitmix64 (Steele, Lea, Flood 2014): not the generator under test. */
uint64_t ops_next(ops_random *r)
{
    uint64_t z = (r->state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

int64_t ops_below(ops_random *r, int64_t n)
{
    return (int64_t)(ops_next(r) % (uint64_t)n);
}

double ops_real(ops_random *r)
{
    return (double)(ops_next(r) >> 11) * 0x1p-52 - 1;
}

/* ---- building a case ---- */

ops_case *ops_begin(const char *title, ...)
{
    ops_case *c = calloc(1, sizeof *c);
    assert_non_null(c);
    va_list arguments;
    va_start(arguments, title);
    vsnprintf(c->title, sizeof c->title, title, arguments);
    va_end(arguments);
    rk__program_init(&c->program, &c->store, "case");
    return c;
}

rk_program *ops_program(ops_case *c)
{
    return &c->program;
}

void *ops_memory(ops_case *c, int64_t n, size_t size)
{
    assert_true(c->n_blocks < MAX_BLOCKS);
    void *block = calloc(n > 0 ? (size_t)n : 1, size);
    assert_non_null(block);
    c->blocks[c->n_blocks++] = block;
    return block;
}

float *ops_reals(ops_case *c, int64_t n, ops_random *r)
{
    float *x = ops_memory(c, n, sizeof *x);
    for (int64_t i = 0; i < n; i++) {
        x[i] = (float)ops_real(r);
    }
    return x;
}

double *ops_doubles(ops_case *c, int64_t n)
{
    return ops_memory(c, n, sizeof(double));
}

static int32_t store_add(ops_case *c, rk_dtype dtype, int64_t rows, int64_t cols, const void *data)
{
    char name[RK_NAME_LENGTH];
    int32_t number = -1;
    bool is_state = dtype == RK_STATE && rk__store_find(&c->store, "step_state") < 0;
    snprintf(name, sizeof name, is_state ? "step_state" : "t%d", c->store.n);
    assert_ok(rk__store_add(&c->store, name, dtype, rows, cols, data, &number));
    assert_true(number < MAX_TENSORS);
    return number;
}

static void *copy_of(ops_case *c, rk_dtype dtype, int64_t rows, int64_t cols, const void *data)
{
    size_t bytes = (size_t)(rows * cols * rk__dtype_size(dtype));
    void *copy = ops_memory(c, (int64_t)bytes, 1);
    if (data && bytes > 0) {
        memcpy(copy, data, bytes);
    }
    return copy;
}

rk_value ops_input(ops_case *c, rk_dtype dtype, int64_t rows, int64_t cols, const void *data)
{
    const void *copy = copy_of(c, dtype, rows, cols, data);
    return rk__use(&c->program, store_add(c, dtype, rows, cols, copy));
}

rk_value ops_variable(ops_case *c, rk_dtype dtype, int64_t rows, int64_t cols, const void *data)
{
    int32_t number = store_add(c, dtype, rows, cols, NULL);
    c->initial[number] = copy_of(c, dtype, rows, cols, data);
    return rk__use(&c->program, number);
}

rk_value ops_append(ops_case *c, rk_op op, const rk_value *in, int n, rk_attr attr)
{
    rk_node node = {.op = op, .n_inputs = n, .attr = attr};
    memcpy(node.in, in, (size_t)n * sizeof *in);
    for (int i = 0; i < RK_MAX_OUTPUTS; i++) {
        node.out[i] = RK_NONE;
    }
    return rk__append_value(&c->program, node);
}

static expectation *expect(ops_case *c, rk_value value)
{
    if (c->program.status != RK_OK) {
        fail_msg("%s: %s", c->title, rk_last_error());
    }
    assert_true(value >= 0 && c->n_expectations < MAX_TENSORS);
    expectation *e = &c->expectations[c->n_expectations++];
    e->value = value;
    e->bits = ops_memory(c, rk__tensor_bytes(&c->program.tensors[value]), 1);
    return e;
}

void ops_expect_reals(ops_case *c, rk_value value, const double *expected, const double *size,
                      double tolerance)
{
    expectation *e = expect(c, value);
    e->expected = expected;
    e->size = size;
    e->tolerance = tolerance;
}

void ops_expect_exactly(ops_case *c, rk_value value, const void *expected)
{
    expectation *e = expect(c, value);
    const rk_tensor *t = &c->program.tensors[value];
    e->exact = copy_of(c, t->dtype, t->rows, t->cols, expected);
}

void ops_expect_divergence(ops_case *c)
{
    c->diverges = true;
}

/* ---- running ---- */

static void compare_reals(const ops_case *c, const ops_target *target, const expectation *e,
                          const void *actual)
{
    const rk_tensor *t = &c->program.tensors[e->value];
    for (int64_t i = 0; i < t->rows * t->cols; i++) {
        double value =
            t->dtype == RK_F64 ? ((const double *)actual)[i] : (double)((const float *)actual)[i];
        double allowed = e->tolerance * e->size[i];
        if (!(fabs(value - e->expected[i]) <= allowed)) {
            fail_msg("%s, on %s: %s[%lld, %lld] is %.9g, expected %.9g within %.1e", c->title,
                     target->label, t->name, (long long)(i / t->cols), (long long)(i % t->cols),
                     value, e->expected[i], allowed);
        }
    }
}

static void compare_bytes(const ops_case *c, const ops_target *target, const expectation *e,
                          const void *actual, const void *expected, const char *what)
{
    const rk_tensor *t = &c->program.tensors[e->value];
    int64_t size = rk__dtype_size(t->dtype), bytes = rk__tensor_bytes(t);
    for (int64_t i = 0; i < bytes; i++) {
        if (((const unsigned char *)actual)[i] != ((const unsigned char *)expected)[i]) {
            int64_t at = i / size;
            long long got = 0, wanted = 0;
            memcpy(&got, (const char *)actual + at * size, size < 8 ? (size_t)size : 8);
            memcpy(&wanted, (const char *)expected + at * size, size < 8 ? (size_t)size : 8);
            fail_msg("%s, on %s: %s[%lld] differs from %s (byte %lld; as integers %lld, %lld)",
                     c->title, target->label, t->name, (long long)at, what, (long long)i,
                     size == 4 ? (long long)(int32_t)got : got,
                     size == 4 ? (long long)(int32_t)wanted : wanted);
        }
    }
}

static void check_target(ops_case *c, const ops_target *target, rk_device_context *context,
                         rk_loaded *loaded)
{
    for (int i = 0; i < c->n_expectations; i++) {
        expectation *e = &c->expectations[i];
        const rk_tensor *t = &c->program.tensors[e->value];
        size_t bytes = (size_t)rk__tensor_bytes(t);
        void *actual = calloc(bytes ? bytes : 1, 1);
        assert_non_null(actual);
        if (t->stored >= 0) {
            assert_ok(target->device->read(context, t->stored, 0, t->rows, actual));
        } else {
            assert_ok(target->device->read_value(context, loaded, e->value, actual));
        }
        if (e->exact) {
            compare_bytes(c, target, e, actual, e->exact, "what is expected");
        } else {
            compare_reals(c, target, e, actual);
            if (target->is_first) {
                memcpy(e->bits, actual, bytes);
            }
            compare_bytes(c, target, e, actual, e->bits, "the first such target");
        }
        free(actual);
    }
}

static void run_on(ops_case *c, const ops_target *target, int64_t steps)
{
    const rk_device *device = target->device;
    rk_device_context *context = NULL;
    rk_loaded *loaded = NULL;
    assert_ok(device->open(&target->options, &context));
    assert_ok(device->bind(context, &c->store));
    for (int32_t i = 0; i < c->store.n; i++) {
        if (c->initial[i]) {
            assert_ok(device->write(context, i, 0, c->store.items[i].rows, c->initial[i]));
        }
    }
    assert_ok(device->load(context, &c->program, &loaded));
    rk_status status = device->run(context, loaded, steps);
    status = status == RK_OK ? device->sync(context) : status;
    if (c->diverges && target->options.eager) {
        assert_int_equal(status, RK_ERR_DIVERGED);
    } else if (status != RK_OK) {
        fail_msg("%s, on %s: %s", c->title, target->label, rk_last_error());
    } else {
        check_target(c, target, context, loaded);
    }
    device->close(context);
}

/* Elements that the program's operations read and write, each edge of a graph once a column. */
static int64_t work_of(const rk_program *p)
{
    int64_t work = 0;
    for (int32_t i = 0; i < p->n_nodes; i++) {
        const rk_node *node = &p->nodes[i];
        int64_t columns = node->n_outputs > 0 ? p->tensors[node->out[0]].cols : 1;
        for (int32_t j = 0; j < node->n_inputs; j++) {
            const rk_tensor *t = node->in[j] == RK_NONE ? NULL : &p->tensors[node->in[j]];
            work += t ? t->rows * (t->cols > 1 ? t->cols : columns) : 0;
        }
        if (node->op == RK_OP_ATTEND) { /* everything with everything */
            work += node->attr.attend.n * node->attr.attend.n;
        }
        if (node->op == RK_OP_UNIQUE_ROWS) { /* its map */
            work += node->attr.n_nodes;
        }
    }
    return work;
}

/* OPS_WORK=n leaves out the cases above that much work: for targets that are very slow. */
static bool is_too_large(const rk_program *p)
{
    const char *limit = getenv("OPS_WORK");
    return limit && work_of(p) > strtoll(limit, NULL, 10);
}

void ops_run(ops_case *c, int64_t steps)
{
    ops_target targets[OPS_MAX_TARGETS];
    int n = ops_targets(targets);
    if (rk__program_verify(&c->program) != RK_OK || rk__program_plan(&c->program) != RK_OK) {
        fail_msg("%s: %s", c->title, rk_last_error());
    }
    assert_true(c->n_expectations > 0);
    for (int i = 0; i < n; i++) {
        if (concerns(&targets[i], &c->program) && !is_too_large(&c->program)) {
            run_on(c, &targets[i], steps);
        }
    }
    ops_discard(c);
}

void ops_discard(ops_case *c)
{
    rk__program_free(&c->program);
    rk__store_free(&c->store);
    for (int i = 0; i < c->n_blocks; i++) {
        free(c->blocks[i]);
    }
    free(c);
}

/* ---- graphs ---- */

ops_graph ops_make_graph(ops_case *c, int64_t n_users, int64_t n_items, double chance,
                         ops_random *r)
{
    ops_graph g = {.n_users = n_users, .n_items = n_items, .n_nodes = n_users + n_items};
    bool awkward = n_users >= 4 && n_items >= 4;
    char *has = ops_memory(c, n_users * n_items, 1);
    int64_t *offsets = ops_memory(c, g.n_nodes + 1, sizeof *offsets);
    float *scale = ops_memory(c, g.n_nodes, sizeof *scale);
    for (int64_t u = 0; u < n_users; u++) {
        for (int64_t i = 0; i < n_items; i++) {
            bool hit = ops_real(r) < 2 * chance - 1;
            if (awkward) {
                hit = u == 0 ? i != 1 : hit;
                hit = hit && u != n_users - 1 && i != n_items - 1;
            }
            has[u * n_items + i] = hit;
            g.n_edges += hit;
        }
    }
    int32_t *columns = ops_memory(c, 2 * g.n_edges, sizeof *columns);
    int64_t n = 0;
    for (int64_t node = 0; node < g.n_nodes; node++) {
        for (int64_t other = 0; other < (node < n_users ? n_items : n_users); other++) {
            int64_t u = node < n_users ? node : other, i = node < n_users ? other : node - n_users;
            if (has[u * n_items + i]) {
                columns[n++] = (int32_t)(node < n_users ? n_users + other : other);
            }
        }
        offsets[node + 1] = n;
        int64_t degree = n - offsets[node];
        scale[node] = degree > 0 ? (float)(1 / sqrt((double)degree)) : 0;
    }
    g.offsets = offsets;
    g.columns = columns;
    g.scale = scale;
    return g;
}

rk_graph_values ops_graph_inputs(ops_case *c, const ops_graph *g)
{
    return (rk_graph_values){.offsets = ops_input(c, RK_I64, g->n_nodes + 1, 1, g->offsets),
                             .columns = ops_input(c, RK_I32, 2 * g->n_edges, 1, g->columns),
                             .scale = ops_input(c, RK_F32, g->n_nodes, 1, g->scale)};
}

void ops_order_rows(ops_case *c, rk_value offsets, ops_random *r)
{
    int32_t stored = c->program.tensors[offsets].stored;
    int64_t n = c->store.items[stored].rows - 1;
    int32_t *order = ops_memory(c, n, sizeof *order);
    for (int64_t i = 0; i < n; i++) { /* inside-out shuffle */
        int64_t at = ops_below(r, i + 1);
        order[i] = order[at];
        order[at] = (int32_t)i;
    }
    rk__store_order_rows(&c->store, stored, order);
}

/* ---- batches ---- */

ops_batch ops_make_batch(ops_case *c, int64_t n_users, int64_t n_items, int64_t batch,
                         int64_t candidates, int64_t triplets, ops_random *r)
{
    int64_t slots = (2 + candidates) * batch, n_nodes = n_users + n_items;
    ops_batch b = {.batch = batch,
                   .candidates = candidates,
                   .triplets = triplets,
                   .slots = slots,
                   .capacity = slots < n_nodes ? slots : n_nodes,
                   .nodes = ops_memory(c, slots, sizeof(int32_t)),
                   .rows = ops_memory(c, slots, sizeof(int32_t)),
                   .map = ops_memory(c, n_nodes, sizeof(int32_t)),
                   .slot_row = ops_memory(c, slots, sizeof(int32_t)),
                   .segments = ops_memory(c, slots + 1, sizeof(int32_t)),
                   .order = ops_memory(c, slots, sizeof(int32_t))};
    for (int64_t s = 0; s < slots; s++) {
        int64_t triplet = s < 2 * batch ? s % batch : (s - 2 * batch) / candidates;
        b.nodes[s] = -1;
        if (triplet < triplets) {
            b.nodes[s] =
                (int32_t)(s < batch ? ops_below(r, n_users) : n_users + ops_below(r, n_items));
        }
        b.slot_row[s] = b.order[s] = b.rows[s] = -1;
    }
    int32_t used = 0;
    for (int64_t node = 0; node < n_nodes; node++) {
        b.map[node] = -1;
        for (int64_t s = 0; s < slots; s++) {
            if (b.nodes[s] == node) {
                b.map[node] = b.slot_row[s] = (int32_t)b.count;
                b.order[used++] = (int32_t)s;
            }
        }
        if (b.map[node] >= 0) {
            b.rows[b.count++] = (int32_t)node;
            b.segments[b.count] = used;
        }
    }
    for (int64_t s = b.count + 1; s <= slots; s++) {
        b.segments[s] = used;
    }
    return b;
}

rk_row_set ops_batch_inputs(ops_case *c, const ops_batch *b, int64_t n_nodes)
{
    int32_t count = (int32_t)b->count;
    return (rk_row_set){.rows = ops_input(c, RK_I32, b->capacity, 1, b->rows),
                        .count = ops_input(c, RK_I32, 1, 1, &count),
                        .map = ops_input(c, RK_I32, n_nodes, 1, b->map),
                        .slot_row = ops_input(c, RK_I32, b->slots, 1, b->slot_row),
                        .segments = ops_input(c, RK_I32, b->capacity + 1, 1, b->segments),
                        .order = ops_input(c, RK_I32, b->slots, 1, b->order)};
}

rk_step_state ops_state(const ops_batch *b)
{
    return (rk_step_state){.seed = 7,
                           .step = 41,
                           .epoch = 2,
                           .step_in_epoch = 3,
                           .steps_per_epoch = 4,
                           .draws_per_epoch = 3 * b->batch + b->triplets,
                           .batch = b->batch,
                           .learning_rate = 0.01};
}

ops_scene ops_begin_scene(const char *what, const ops_shape *shapes, int number, int variant)
{
    const ops_shape *s = &shapes[number];
    ops_scene t = {.c = ops_begin("%s, shape %d, variant %d", what, number, variant),
                   .r = {(uint64_t)(number + 100 * variant + 1)},
                   .d = s->d,
                   .n_nodes = s->users + s->items};
    t.b = ops_make_batch(t.c, s->users, s->items, s->batch, s->candidates, s->triplets, &t.r);
    t.set = ops_batch_inputs(t.c, &t.b, t.n_nodes);
    rk_step_state state = ops_state(&t.b);
    t.state = ops_variable(t.c, RK_STATE, 1, 1, &state);
    t.x = ops_reals(t.c, t.b.capacity * s->d, &t.r);
    t.x_value = ops_input(t.c, RK_F32, t.b.capacity, s->d, t.x);
    return t;
}
