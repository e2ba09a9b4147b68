/*
 * The weighted mean of other models' scores. Each query's scores of each member are standardised
 * over all items (mean 0, standard deviation 1), since products of embeddings, sums of similarities
 * and weights of a regression have no common scale:
 *     score = sum_m w_m (s_m - mean(s_m)) / sd(s_m)
 * or, by model.member_scale, their ranks in place of scores (reciprocal ones: Cormack, Clarke,
 * Buettcher: Reciprocal rank fusion outperforms Condorcet and individual rank learning methods,
 * SIGIR 2009).
 *
 * The members' tensors are the ensemble's own, "1.NAME" for those of the first and so on, so that
 * it stands alone. Its programs are made by the members: each writes under its prefix
 * (rk__find_named). Tensors come from the members' runs and weights are chosen on valid, both
 * outside (train/members.h); the one phase makes the weights what they are before that.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "models/models.h"

enum { MOST_MEMBERS = RK_MAX_LAYERS };

static const char *const phases[] = {"weights"};
static const char weights_name[] = "weights", given_name[] = "given_weights";

static const rk_options *member_options(const rk_options *o, int64_t i)
{
    return rk__config_options(o->members[i]);
}

static bool are_given(const rk_options *o)
{
    return o->model.member_weights.v[0] >= 0;
}

static rk_status check(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    const rk_reals *w = &o->model.member_weights;
    double sum = 0;
    if (o->model.members.n < 2 || o->model.members.n > MOST_MEMBERS) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s: an ensemble has 2 to %d members; name their run folders, e.g. "
                "[runs/one, runs/two]",
                rk__config_says(config, "model.members").text, MOST_MEMBERS);
    }
    for (int64_t i = 0; i < w->n; i++) {
        sum += w->v[i];
        if (w->v[i] < 0 && w->n > 1) {
            RK_FAIL(RK_ERR_CONFIG, "%s: a weight is 0 or more; [-1] alone has them chosen on valid",
                    rk__config_says(config, "model.member_weights").text);
        }
    }
    if (are_given(o) && (w->n != o->model.members.n || sum == 0)) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but model.members has %lld: one weight a member, not all 0",
                rk__config_says(config, "model.member_weights").text,
                (long long)o->model.members.n);
    }
    return RK_OK;
}

static unsigned needs(const rk_options *o)
{
    unsigned all = 0;
    for (int64_t i = 0; i < o->n_members; i++) {
        const rk_options *member = member_options(o, i);
        const rk_model_kind *m = rk__model_of(member);
        all |= m->needs ? m->needs(member) : 0;
    }
    return all;
}

static rk_status check_data(const rk_options *o, const rk_model_data *data)
{
    for (int64_t i = 0; i < o->n_members; i++) {
        rk_status status = rk__model_check_data(member_options(o, i), data);
        if (status != RK_OK) {
            return rk__fail_prefix(status, "member %lld", (long long)i + 1);
        }
    }
    return RK_OK;
}

/* The tensors of a member that are saved, or the others, as the ensemble's own. */
static rk_status adopt(rk_model_instance *instance, int i, bool saved)
{
    rk_model_instance *member = &instance->members[i];
    int first = saved ? 0 : member->n_parameters;
    int end = saved ? member->n_parameters : member->n_tensors;
    for (int k = first; k < end; k++) {
        rk_parameter p = member->parameters[k];
        int length = snprintf(p.name, sizeof p.name, "%d.%s", i + 1, member->parameters[k].name);
        RK_ASSERT(length > 0 && (size_t)length < sizeof p.name);
        p.role = p.role == RK_TRAINED ? RK_COMPUTED : p.role; /* nothing is drawn */
        member->parameters[k].constant = NULL;                /* it is the ensemble's from now on */
        RK_TRY(rk__model_add(instance, p));
    }
    return RK_OK;
}

static rk_status declare_members(rk_model_instance *instance)
{
    const rk_options *o = instance->options;
    RK_TRY(rk__calloc(&instance->members, o->n_members, sizeof *instance->members,
                      "the members of an ensemble"));
    for (int64_t i = 0; i < o->n_members; i++) {
        const rk_options *member = member_options(o, i);
        rk_model_instance *m = &instance->members[i];
        *m = (rk_model_instance){.model = rk__model_of(member),
                                 .options = member,
                                 .data = instance->data,
                                 .n_nodes = instance->n_nodes};
        instance->n_members++;
        RK_TRY(m->model->declare(m));
        RK_TRY(adopt(instance, (int)i, true));
    }
    for (int i = 0; i < instance->n_members; i++) {
        RK_TRY(adopt(instance, i, false));
    }
    return RK_OK;
}

/* Those that were given, over their sum; else all the same. */
static rk_status declare_given(rk_model_instance *instance)
{
    const rk_options *o = instance->options;
    float *given = NULL;
    double sum = 0;
    RK_TRY(rk__alloc(&given, o->n_members, sizeof *given, "the weights of members"));
    for (int64_t i = 0; i < o->n_members; i++) {
        sum += are_given(o) ? o->model.member_weights.v[i] : 1;
    }
    for (int64_t i = 0; i < o->n_members; i++) {
        given[i] = (float)((are_given(o) ? o->model.member_weights.v[i] : 1) / sum);
    }
    rk_parameter p = {.rows = 1, .cols = o->n_members, .role = RK_CONSTANT, .constant = given};
    snprintf(p.name, sizeof p.name, "%s", given_name);
    return rk__model_add(instance, p);
}

static rk_status declare(rk_model_instance *instance)
{
    const rk_options *o = instance->options;
    rk_parameter weights = {.rows = 1, .cols = o->n_members, .role = RK_COMPUTED};
    RK_ASSERT(o->n_members == o->model.members.n);
    snprintf(weights.name, sizeof weights.name, "%s", weights_name);
    RK_TRY(rk__model_add(instance, weights));
    RK_TRY(declare_members(instance));
    return declare_given(instance);
}

static void phase(const rk_model_instance *instance, rk_program *p, int number, rk_value state)
{
    (void)instance, (void)number, (void)state;
    const rk_value given = rk__use_named(p, given_name);
    const float one = 1;
    rk__assign_named(p, weights_name, rk__combine(p, &given, &one, 1));
}

/* What follows in the program is member i's, to the end of the scope that sets it back. */
static void write_as(rk_program *p, int i)
{
    snprintf(p->prefix, sizeof p->prefix, "%d.", i + 1);
}

static void write_as_itself(rk_program *p)
{
    p->prefix[0] = '\0';
}

static void finish(const rk_model_instance *instance, rk_program *p)
{
    for (int i = 0; i < instance->n_members; i++) {
        const rk_model_instance *m = &instance->members[i];
        if (m->model->finish) {
            write_as(p, i);
            m->model->finish(m, p);
            write_as_itself(p);
        }
    }
}

static rk_value scores_of(const rk_model_instance *m, rk_program *p, const rk_tile *tile)
{
    rk_value queries = RK_NONE;
    if (m->model->query) {
        queries = tile->is_folded ? m->model->fold_in(m, p, tile) : m->model->query(m, p, tile);
    }
    return p->status == RK_OK ? rk__model_score_all(m, p, tile, queries) : RK_NONE;
}

enum { RECIPROCAL_OFFSET = 60 }; /* that of the paper */

static rk_value on_one_scale(const rk_options *o, rk_program *p, rk_value scores, rk_value count)
{
    if (o->model.member_scale == RK_MEMBER_SCALE_SCORES) {
        return rk__standardise_scores(p, scores, count);
    }
    const bool is_plain = o->model.member_scale == RK_MEMBER_SCALE_RANKS;
    return rk__rank_scores(p, scores, count, is_plain ? 0 : RECIPROCAL_OFFSET);
}

static rk_value score(const rk_model_instance *instance, rk_program *p, const rk_tile *tile,
                      rk_value queries)
{
    rk_value all[MOST_MEMBERS];
    (void)queries;
    for (int i = 0; i < instance->n_members; i++) {
        write_as(p, i);
        all[i] = on_one_scale(instance->options, p, scores_of(&instance->members[i], p, tile),
                              tile->count);
        write_as_itself(p);
    }
    return rk__mix(p, rk__use_named(p, weights_name), all, instance->n_members);
}

const rk_model_kind rk__model_ensemble = {
    .name = "ensemble",
    .help =
        "the weighted mean of the scores of other runs' models, standardised for each query, or "
        "of their ranks; weights by eval.metric on valid",
    .needs = needs,
    .check = check,
    .check_data = check_data,
    .declare = declare,
    .n_phases = 1,
    .is_closed = true,
    .phases = phases,
    .phase = phase,
    .finish = finish,
    .score = score,
    .reads_lists = true,
    .has_members = true,
};
