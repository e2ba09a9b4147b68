#include "data/synth_world.h"

#include "base/alloc.h"
#include "base/philox.h"

__extension__ typedef unsigned __int128 wide;

/* The purpose of a draw; the high bits of Philox's step. */
enum draw_kind { DRAW_SHUFFLE, DRAW_USER, DRAW_ITEM };

enum {
    MOST_NICHES = 8,   /* in a cluster */
    FEWEST_ITEMS = 5,  /* of a user, where the total allows it */
    MAX_ATTEMPTS = 64, /* to draw a new item, before the next free one is taken */
};

static const int64_t first_second = 1577836800; /* 2020-01-01 */
static const int64_t seconds_of_times = 2LL * 365 * 24 * 3600;

static rk_words draw(const rk_synth_world *w, enum draw_kind kind, int64_t id, int64_t k,
                     uint32_t attempt)
{
    return rk__philox(w->o.seed, RK_PURPOSE_SYNTH, (uint64_t)kind << 48 | (uint64_t)id, (uint64_t)k,
                      attempt);
}

/* Ranks go to the groups back and forth: those of group g of n are g, 2n - 1 - g, 2n + g, ... */
static int64_t rank_of(int64_t group, int64_t turn, int64_t n)
{
    return turn * n + (turn % 2 == 0 ? group : n - 1 - group);
}

/* How many of the ranks below `size` group g of n has. */
static int64_t group_size(int64_t group, int64_t n, int64_t size)
{
    return size / n + (rank_of(group, size / n, n) < size);
}

static int64_t niches_of(int64_t cluster_size)
{
    return cluster_size < MOST_NICHES ? cluster_size : MOST_NICHES;
}

/* Weights by place. */
static void weigh(rk_synth_world *w, uint64_t *weights)
{
    const int64_t n = w->o.items, n_clusters = w->o.clusters;
    const uint64_t exponent = (uint64_t)(w->o.exponent * 0x1p32);
    int64_t place = 0;
    for (int64_t c = 0; c < n_clusters; c++) {
        w->firsts[c] = place;
        int64_t size = group_size(c, n_clusters, n), n_niches = niches_of(size);
        for (int64_t niche = 0; niche < n_niches; niche++) {
            int64_t niche_size = group_size(niche, n_niches, size);
            for (int64_t k = 0; k < niche_size; k++) {
                int64_t rank = rank_of(c, rank_of(niche, k, n_niches), n_clusters);
                weights[place++] = rk__fixed_power((uint64_t)rank + 1, exponent);
            }
        }
    }
    w->firsts[n_clusters] = place;
    RK_ASSERT(place == n);
}

static rk_status place_items(rk_synth_world *w)
{
    rk_status status = RK_OK;
    const int64_t n = w->o.items;
    uint64_t *weights = NULL;
    RK_TRY(rk__alloc(&weights, n, sizeof(uint64_t), "weights of items"));
    weigh(w, weights);
    RK_TRY_GOTO(done, rk__draw_table_create(&w->table, weights, n));
    /* Ids say nothing about cluster or popularity (Fisher and Yates' shuffle). */
    for (int64_t i = 0; i < n; i++) {
        w->item_at[i] = (int32_t)i;
    }
    for (int64_t i = n - 1; i > 0; i--) {
        rk_words r = draw(w, DRAW_SHUFFLE, 0, i, 0);
        int64_t j = (int64_t)rk__bounded(r.v[0], r.v[1], (uint64_t)i + 1);
        int32_t held = w->item_at[i];
        w->item_at[i] = w->item_at[j];
        w->item_at[j] = held;
    }
    for (int64_t i = 0; i < n; i++) {
        w->place_of[w->item_at[i]] = (int32_t)i;
    }
done:
    rk__free(weights);
    return status;
}

/* Activity is roughly lognormal: 2^-y with y twice the sum of four uniform numbers. */
static uint64_t activity(const rk_synth_world *w, int64_t user)
{
    rk_words r = draw(w, DRAW_USER, user, 0, 0);
    return rk__fixed_exp2_minus(2 * ((uint64_t)r.v[0] + r.v[1] + r.v[2] + r.v[3]));
}

/* Degrees of the users that sum to o.interactions. */
static void share_out(rk_synth_world *w)
{
    const int64_t n = w->o.users;
    int64_t base = w->o.interactions / n;
    base = base < FEWEST_ITEMS ? base : FEWEST_ITEMS;
    const uint64_t spare = (uint64_t)(w->o.interactions - base * n);
    uint64_t all = 0, sum = 0, given = 0;
    for (int64_t u = 0; u < n; u++) {
        all += activity(w, u);
    }
    int64_t left = 0; /* interactions that users with every item cannot take */
    for (int64_t u = 0; u < n; u++) {
        sum += activity(w, u);
        uint64_t upto = (uint64_t)((wide)spare * sum / all);
        int64_t degree = base + (int64_t)(upto - given) + left;
        given = upto;
        left = degree > w->o.items ? degree - w->o.items : 0;
        w->degrees[u] = (int32_t)(degree - left);
    }
    for (int64_t u = 0; u < n && left > 0; u++) {
        int64_t room = w->o.items - w->degrees[u], more = left < room ? left : room;
        w->degrees[u] += (int32_t)more;
        left -= more;
    }
    RK_ASSERT(left == 0);
}

void rk__synth_world_free(rk_synth_world *w)
{
    rk__free(w->firsts);
    rk__free(w->item_at);
    rk__free(w->place_of);
    rk__free(w->taken_by);
    rk__free(w->degrees);
    rk__draw_table_free(&w->table);
    *w = (rk_synth_world){0};
}

rk_status rk__synth_world_create(rk_synth_world *w, const rk_synth_options *options)
{
    *w = (rk_synth_world){.o = *options};
    RK_TRY(rk__alloc(&w->firsts, options->clusters + 1, sizeof(int64_t), "clusters"));
    RK_TRY(rk__alloc(&w->item_at, options->items, sizeof(int32_t), "items"));
    RK_TRY(rk__alloc(&w->place_of, options->items, sizeof(int32_t), "items"));
    RK_TRY(rk__calloc(&w->taken_by, options->items, sizeof(int32_t), "items"));
    RK_TRY(rk__alloc(&w->degrees, options->users, sizeof(int32_t), "users"));
    share_out(w);
    return place_items(w);
}

int64_t rk__synth_cluster(const rk_synth_world *w, int64_t item, int64_t *out_number)
{
    int64_t place = w->place_of[item], low = 0, high = w->o.clusters;
    while (high - low > 1) {
        int64_t middle = (low + high) / 2;
        *(w->firsts[middle] <= place ? &low : &high) = middle;
    }
    int64_t at = place - w->firsts[low], size = w->firsts[low + 1] - w->firsts[low];
    int64_t n_niches = niches_of(size), niche = 0;
    while (at >= group_size(niche, n_niches, size)) {
        at -= group_size(niche++, n_niches, size);
    }
    *out_number = rank_of(niche, at, n_niches) + 1;
    return low;
}

/* ---- a user's items ---- */

rk_synth_user rk__synth_user(const rk_synth_world *w, int64_t user)
{
    rk_words r = draw(w, DRAW_USER, user, 1, 0);
    int64_t c = (int64_t)rk__bounded(r.v[0], r.v[1], (uint64_t)w->o.clusters);
    rk_places cluster = {w->firsts[c], w->firsts[c + 1]};
    int64_t size = cluster.last - cluster.first, n_niches = niches_of(size);
    int64_t niche = (int64_t)rk__bounded(r.v[2], r.v[3], (uint64_t)n_niches);
    rk_places places = {cluster.first, cluster.first + group_size(0, n_niches, size)};
    for (int64_t k = 1; k <= niche; k++) {
        places = (rk_places){places.last, places.last + group_size(k, n_niches, size)};
    }
    return (rk_synth_user){.user = user, .cluster = cluster, .niche = places};
}

/* Draws a place by weight, inside or outside these places; it may be taken already. */
static int64_t draw_place(const rk_synth_world *w, rk_places places, bool inside, rk_words r)
{
    uint64_t begin = places.first > 0 ? w->table.ends[places.first - 1] : 0;
    uint64_t width = w->table.ends[places.last - 1] - begin;
    if (inside) {
        return rk__draw_table_find(&w->table, begin + rk__bounded(r.v[1], r.v[2], width));
    }
    uint64_t at = rk__bounded(r.v[1], r.v[2], w->table.ends[w->o.items - 1] - width);
    return rk__draw_table_find(&w->table, at < begin ? at : at + width);
}

static bool is_taken(const rk_synth_world *w, const rk_synth_user *u, int64_t place)
{
    return w->taken_by[place] == (int32_t)(u->user + 1);
}

/* The next place that the user has not taken, cyclically inside or outside their cluster. */
static int64_t next_free(const rk_synth_world *w, const rk_synth_user *u, bool inside,
                         int64_t place)
{
    const int64_t n = w->o.items;
    while (is_taken(w, u, place)) {
        place = (place + 1) % n;
        if (inside && place == u->cluster.last % n) {
            place = u->cluster.first;
        } else if (!inside && place == u->cluster.first) {
            place = u->cluster.last % n;
        }
    }
    return place;
}

/* Stars: most items inside the cluster get four or five, most others fewer. */
static int rating_of(bool inside, uint32_t bits)
{
    static const uint8_t percent_below[2][4] = {{30, 60, 85, 97}, {1, 5, 20, 60}};
    uint64_t percent = (uint64_t)bits * 100 >> 32;
    int rating = 1;
    while (rating < 5 && percent >= percent_below[inside][rating - 1]) {
        rating++;
    }
    return rating;
}

bool rk__synth_next(rk_synth_world *w, rk_synth_user *u, rk_synth_row *out)
{
    const int64_t k = u->inside + u->outside, n = w->degrees[u->user];
    const int64_t size = u->cluster.last - u->cluster.first;
    if (k == n) {
        return false;
    }
    const rk_words r = draw(w, DRAW_ITEM, u->user, k, 0);
    bool inside = (double)r.v[0] < w->o.affinity * 0x1p32 || u->outside == w->o.items - size;
    inside = inside && u->inside < size;
    const rk_places places = inside && r.v[3] % 2 == 0 ? u->niche : u->cluster;
    int64_t place = draw_place(w, places, inside, r);
    for (uint32_t i = 1; i < MAX_ATTEMPTS && is_taken(w, u, place); i++) {
        place = draw_place(w, places, inside, draw(w, DRAW_ITEM, u->user, k, i));
    }
    place = next_free(w, u, inside, place);
    w->taken_by[place] = (int32_t)(u->user + 1);
    *(inside ? &u->inside : &u->outside) += 1;
    /* A user's times are spread over all the years, so that any moment splits every user's. */
    const int64_t within =
        (int64_t)((uint64_t)(r.v[3] ^ r.v[1]) * (uint64_t)seconds_of_times >> 32);
    const int64_t time = first_second + (k * seconds_of_times + within) / n;
    u->time = time > u->time ? time : u->time + 1;
    *out = (rk_synth_row){
        .item = w->item_at[place], .time = u->time, .rating = rating_of(inside, r.v[3])};
    return true;
}
