/* The term over the neighbours of a batch's positives: slots, losses and derivatives by a plain
 * loop, and the gradient through slot_grad where neighbours are missing. */
#include <math.h>

#include "ops/harness.h"

static const struct neighbour_shape {
    int64_t users, items, batch, triplets, neighbours, d;
} shapes[] = {
    {1, 2, 1, 1, 1, 1},        {5, 4, 7, 7, 3, 3},     {30, 20, 33, 10, 1, 20},
    {60, 80, 50, 50, 10, 16},  {40, 50, 64, 0, 2, 65}, {40, 50, 35, 34, 7, 130},
    {200, 90, 20, 20, 40, 64},
};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };
static const double WEIGHT = 0.75;

typedef struct setting {
    ops_case *c;
    ops_batch b;
    int64_t n_users, n_items, n_nodes, k, d;
    int32_t *items;  /* [n_items, k] */
    float *weights;  /* [n_items, k] */
    int32_t *slots;  /* [(1 + k) batch] */
    int32_t *row_of; /* [n_nodes]: row of x, -1 = none */
    int64_t n_rows, capacity;
    float *x;
    ops_random r;
    rk_attr attr;
} setting;

/* The slot of neighbour k of a triplet: B users, B first neighbours, then the others by triplet. */
static int64_t slot_of(const setting *t, int64_t b, int64_t k)
{
    return k == 0 ? t->b.batch + b : 2 * t->b.batch + b * (t->k - 1) + (k - 1);
}

/* Of a third of the items some neighbours are missing, of a sixth all. */
static void make_tables(setting *t)
{
    t->items = ops_memory(t->c, t->n_items * t->k, sizeof *t->items);
    t->weights = ops_reals(t->c, t->n_items * t->k, &t->r);
    for (int64_t i = 0; i < t->n_items; i++) {
        int64_t kind = ops_below(&t->r, 6);
        int64_t n = kind == 0 ? 0 : kind == 1 ? ops_below(&t->r, t->k + 1) : t->k;
        for (int64_t k = 0; k < t->k; k++) {
            int64_t cell = i * t->k + k;
            t->items[cell] = k < n ? (int32_t)(t->n_users + ops_below(&t->r, t->n_items)) : -1;
            t->weights[cell] = k < n ? fabsf(t->weights[cell]) : 0;
        }
    }
}

static void make_slots(setting *t)
{
    int64_t n_slots = (1 + t->k) * t->b.batch;
    t->slots = ops_memory(t->c, n_slots, sizeof *t->slots);
    t->row_of = ops_memory(t->c, t->n_nodes, sizeof *t->row_of);
    for (int64_t b = 0; b < t->b.batch; b++) {
        int64_t positive = t->b.nodes[t->b.batch + b];
        t->slots[b] = t->b.nodes[b];
        for (int64_t k = 0; k < t->k; k++) {
            t->slots[slot_of(t, b, k)] =
                positive < 0 ? -1 : t->items[(positive - t->n_users) * t->k + k];
        }
    }
    for (int64_t node = 0; node < t->n_nodes; node++) {
        bool is_there = false;
        for (int64_t s = 0; s < n_slots; s++) {
            is_there = is_there || t->slots[s] == node;
        }
        t->row_of[node] = is_there ? (int32_t)t->n_rows++ : -1;
    }
    t->capacity = n_slots < t->n_nodes ? n_slots : t->n_nodes;
}

static setting begin(const char *what, int i)
{
    const struct neighbour_shape *s = &shapes[i];
    setting t = {.c = ops_begin("%s, shape %d", what, i),
                 .n_users = s->users,
                 .n_items = s->items,
                 .n_nodes = s->users + s->items,
                 .k = s->neighbours,
                 .d = s->d,
                 .r = {(uint64_t)(i + 3)}};
    t.attr.neighbour =
        (rk_neighbour_attr){.batch = s->batch, .n_users = s->users, .weight = WEIGHT};
    t.b = ops_make_batch(t.c, s->users, s->items, s->batch, 2, s->triplets, &t.r);
    make_tables(&t);
    make_slots(&t);
    t.x = ops_reals(t.c, t.capacity * t.d, &t.r);
    return t;
}

static double score(const setting *t, int64_t user, int64_t item)
{
    double sum = 0;
    for (int64_t j = 0; j < t->d; j++) {
        sum += (double)t->x[t->row_of[user] * t->d + j] * (double)t->x[t->row_of[item] * t->d + j];
    }
    return sum;
}

static void neighbour_slots(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        setting t = begin("neighbour_slots", i);
        rk_value in[] = {ops_input(t.c, RK_I32, t.b.slots, 1, t.b.nodes),
                         ops_input(t.c, RK_I32, t.n_items, t.k, t.items)};
        ops_expect_exactly(t.c, ops_append(t.c, RK_OP_NEIGHBOUR_SLOTS, in, 2, t.attr), t.slots);
        ops_run(t.c, 1);
    }
}

static rk_row_set row_set(setting *t)
{
    rk_value slots = ops_input(t->c, RK_I32, (1 + t->k) * t->b.batch, 1, t->slots);
    return rk__unique_rows(ops_program(t->c), slots, t->n_nodes);
}

static void neighbour_loss(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        setting t = begin("neighbour_loss", i);
        double *loss = ops_doubles(t.c, 1), *size = ops_doubles(t.c, 1);
        double *by_score = ops_doubles(t.c, t.b.batch * t.k);
        double *one = ops_doubles(t.c, t.b.batch * t.k), n = (double)t.b.triplets;
        for (int64_t b = 0; b < t.b.triplets; b++) {
            for (int64_t k = 0; k < t.k; k++) {
                int64_t item = t.slots[slot_of(&t, b, k)];
                int64_t cell = (t.b.nodes[t.b.batch + b] - t.n_users) * t.k + k;
                if (item >= 0) {
                    double s = score(&t, t.b.nodes[b], item), w = (double)t.weights[cell] * WEIGHT;
                    double chance = 1 / (1 + exp(-s));
                    ops_add(loss, size, -w * log(chance) / n);
                    *size += (double)t.d * w / n; /* rounding of the score */
                    by_score[b * t.k + k] = -w * (1 - chance) / n;
                    one[b * t.k + k] = (double)t.d * w / n;
                }
            }
        }
        rk_step_state state = ops_state(&t.b);
        rk_row_set set = row_set(&t);
        rk_value in[] = {ops_input(t.c, RK_F32, t.capacity, t.d, t.x), set.slot_row,
                         ops_input(t.c, RK_I32, t.b.slots, 1, t.b.nodes),
                         ops_input(t.c, RK_F32, t.n_items, t.k, t.weights),
                         ops_variable(t.c, RK_STATE, 1, 1, &state)};
        rk_value out = ops_append(t.c, RK_OP_NEIGHBOUR_LOSS, in, 5, t.attr);
        ops_expect_reals(t.c, out, loss, size, 1e-6);
        ops_expect_reals(t.c, out + 1, by_score, one, 1e-6);
        ops_run(t.c, 1);
    }
}

/* One neighbour has no others, and slots without a row have no derivative. */
static void slot_grad(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        setting t = begin("slot_grad of neighbours", i);
        float *by_score = ops_reals(t.c, t.b.batch * t.k, &t.r);
        double *y = ops_doubles(t.c, t.capacity * t.d), *size = ops_doubles(t.c, t.capacity * t.d);
        for (int64_t b = 0; b < t.b.batch; b++) {
            for (int64_t k = 0; k < t.k; k++) {
                int64_t node = t.slots[slot_of(&t, b, k)];
                float *w = &by_score[b * t.k + k];
                *w = node >= 0 ? *w : 0;
                for (int64_t j = 0; j < t.d && *w != 0; j++) {
                    int64_t user = t.row_of[t.slots[b]] * t.d + j;
                    int64_t item = t.row_of[node] * t.d + j;
                    ops_add(&y[user], &size[user], (double)*w * (double)t.x[item]);
                    ops_add(&y[item], &size[item], (double)*w * (double)t.x[user]);
                }
            }
        }
        rk_row_set set = row_set(&t);
        rk_value in[] = {ops_input(t.c, RK_F32, t.capacity, t.d, t.x),
                         ops_input(t.c, RK_F32, t.b.batch, t.k, by_score),
                         set.slot_row,
                         set.segments,
                         set.order,
                         set.count};
        rk_attr attr = {.slot = {.batch = t.b.batch}};
        ops_expect_reals(t.c, ops_append(t.c, RK_OP_SLOT_GRAD, in, 6, attr), y, size, 4e-6);
        ops_run(t.c, 1);
    }
}

const ops_entry ops_cases_neighbours[] = {
    {RK_OP_NEIGHBOUR_SLOTS, neighbour_slots},
    {RK_OP_NEIGHBOUR_LOSS, neighbour_loss},
    {RK_OP_SLOT_GRAD, slot_grad},
    {RK_OP_COUNT, NULL},
};
