/*
 * Alternating least squares for implicit feedback (Hu, Koren, Volinsky: Collaborative filtering for
 * implicit feedback datasets, ICDM 2008). A sweep solves for all users with the items held fixed,
 * then for all items. With G = V^T V over all rows of the other side and the sums over the n
 * entries of a row, a row x solves
 *   frequency   (sum v v^T + a G + l2 (n + a N) I) x = sum v         a = model.unobserved_weight
 *     (Rendle, Krichene, Zhang, Koren: Revisiting the performance of iALS on item recommendation
 *     benchmarks, RecSys 2022, with their exponent nu = 1; N rows on the other side)
 *   confidence  (G + (c - 1) sum v v^T + l2 I) x = c sum v           c = model.confidence
 *     (Hu et al., as the library `implicit` has it)
 * With model.weigh_by value an entry has a weight w: the sums are of w v and of w v v^T, and c w
 * stands for c. By Cholesky or by a few steps of conjugate gradients from the row as it is
 * (Takács, Pilászy, Tikk, RecSys 2011). Somebody new is solved for in the same way.
 */
#include <stddef.h>

#include "models/models.h"

static const char *const edge_values = "edge.values";
static const char *const phases[] = {"users", "items"};
static const double normal_l2 = 0.003;

static double l2_of(const rk_options *o)
{
    return o->model.l2 < 0 ? normal_l2 : o->model.l2;
}

/* What would leave all factors 0. */
static rk_status check(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    RK_TRY(rk__check_l2(config));
    if (o->model.init == RK_INIT_NORMAL && o->model.init_sd == 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s: sweeps that begin with factors of 0 stay there; take more",
                rk__config_says(config, "model.init_sd").text);
    }
    if (o->model.weighting == RK_WEIGHTING_CONFIDENCE && o->model.confidence == 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s: nothing would be learnt of interactions; take more",
                rk__config_says(config, "model.confidence").text);
    }
    return RK_OK;
}

static rk_status check_data(const rk_options *o, const rk_model_data *d)
{
    const int64_t smaller = d->n_users < d->n_items ? d->n_users : d->n_items;
    bool is_frequency = o->model.weighting == RK_WEIGHTING_FREQUENCY;
    if (o->model.dim > d->n_items) {
        RK_FAIL(RK_ERR_CONFIG,
                "model.dim is %lld, but the data set has %lld items: more factors than items "
                "cannot be told apart; lower model.dim",
                (long long)o->model.dim, (long long)d->n_items);
    }
    if (l2_of(o) == 0 && is_frequency && o->model.unobserved_weight == 0) {
        RK_FAIL(RK_ERR_CONFIG, "model.l2 and model.unobserved_weight are both 0: the equations of "
                               "users with fewer items than model.dim are singular; set model.l2 "
                               "above 0, e.g. 0.003");
    }
    if (l2_of(o) == 0 && o->model.dim > smaller) {
        RK_FAIL(RK_ERR_CONFIG,
                "model.l2 is 0 and model.dim (%lld) is larger than the number of users or items "
                "(%lld): the Gram matrix is singular; set model.l2 above 0",
                (long long)o->model.dim, (long long)smaller);
    }
    return RK_OK;
}

static bool is_weighted(const rk_model_instance *instance)
{
    return instance->options->model.weigh_by == RK_WEIGH_BY_VALUE;
}

static rk_status declare(rk_model_instance *instance)
{
    const int64_t dim = instance->options->model.dim;
    RK_TRY(rk__declare_factors(instance, "factors"));
    if (is_weighted(instance)) {
        RK_TRY(rk__model_add_edge_values(instance, edge_values));
    }
    return rk__model_add(
        instance, (rk_parameter){.name = "fold.gram", .rows = dim, .cols = dim, .role = RK_TABLE});
}

/* The equations of rows [first, first + n) whose other side has n_other rows. */
static rk_als_attr equations(const rk_options *o, int64_t first, int64_t n, int64_t n_other)
{
    const double l2 = l2_of(o);
    rk_als_attr attr = {.first = first, .n = n};
    if (o->model.weighting == RK_WEIGHTING_FREQUENCY) {
        attr.gram_weight = o->model.unobserved_weight;
        attr.p = 1;
        attr.l2 = l2;
        attr.l2_constant = l2 * o->model.unobserved_weight * (double)n_other;
    } else {
        attr.gram_weight = 1;
        attr.p = o->model.confidence;
        attr.q = 1;
        attr.l2_constant = l2;
    }
    attr.cg_steps = o->model.solver == RK_SOLVER_CG ? (int32_t)o->model.cg_steps : 0;
    return attr;
}

static void phase(const rk_model_instance *instance, rk_program *p, int number, rk_value state)
{
    const int64_t n_users = instance->data.n_users, n_items = instance->data.n_items;
    const rk_range_attr users = {0, n_users}, items = {n_users, n_items};
    const rk_range_attr own = number == 0 ? users : items, other = number == 0 ? items : users;
    rk_value factors = rk__use_named(p, "factors");
    rk_value gram = rk__side_gram(p, factors, other);
    rk_csr_values rows = rk__use_graph_rows(p);
    if (is_weighted(instance)) {
        rows.values = rk__use_named(p, edge_values);
    }
    rk__als_sweep(p, rows, factors, gram, state,
                  equations(instance->options, own.first, own.n, other.n));
}

static void finish(const rk_model_instance *instance, rk_program *p)
{
    const rk_range_attr items = {instance->data.n_users, instance->data.n_items};
    rk__assign_named(p, "fold.gram", rk__side_gram(p, rk__use_named(p, "factors"), items));
}

static rk_als_attr fold_equations(const rk_model_instance *instance)
{
    const int64_t n_users = instance->data.n_users, n_items = instance->data.n_items;
    rk_als_attr attr = equations(instance->options, n_users, n_items, n_items);
    attr.cg_steps = 0; /* there is no row to begin from */
    return attr;
}

static rk_value fold_in(const rk_model_instance *instance, rk_program *p, const rk_tile *tile)
{
    return rk__als_fold(p, tile->lists, rk__use_named(p, "factors"), rk__use_named(p, "fold.gram"),
                        fold_equations(instance));
}

const rk_model_kind rk__model_ials = {
    .name = "ials",
    .help = "alternating least squares for implicit feedback (Hu et al. 2008; Rendle et al. 2022)",
    .check = check,
    .check_data = check_data,
    .declare = declare,
    .n_phases = 2,
    .phases = phases,
    .phase = phase,
    .failure = "a row's equations have no solution in floats; set a larger model.l2",
    .finish = finish,
    .query = rk__query_embeddings,
    .fold_in = fold_in,
    .fold_equations = fold_equations,
    .similar = rk__similar_embeddings,
    .score = rk__score_embeddings,
    .embeddings = "factors",
    .scores_by_dot = true,
};
