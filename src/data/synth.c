/* Writes the generated data set: ratings.csv, items.csv, and a config that trains on them. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/file.h"
#include "base/parse.h"
#include "base/timer.h"
#include "data/synth_world.h"
#include "io/aside.h"
#include "io/folder_lock.h"

enum {
    ROWS_PER_LOOK = 1 << 16,
    CHUNK = 1 << 20, /* bytes written at once */
    LONGEST_ROW = 80,
};

/* Names of clusters: titles like "Jazz 017" show at a glance whether recommendations make sense. */
static const char *const tastes[] = {
    "Jazz",    "Folk",   "Opera", "Techno", "Blues", "Reggae", "Metal",    "Tango",
    "Soul",    "Disco",  "Punk",  "Gospel", "Swing", "Samba",  "Flamenco", "Grunge",
    "Ambient", "Bolero", "Fado",  "Polka",  "Ska",   "Waltz",  "Country",  "Chanson",
};
enum { TASTES = sizeof tastes / sizeof tastes[0] };

/* ---- a file being written ---- */

typedef struct output {
    rk_aside aside;
    char *bytes; /* CHUNK, owned */
    int64_t n;
} output;

static rk_status output_open(output *out, const char *directory, const char *name)
{
    char *path = NULL;
    RK_TRY(rk__alloc(&out->bytes, CHUNK, 1, "a block to write"));
    RK_TRY(rk__path_join(&path, directory, name));
    rk_status status = rk__aside_open(&out->aside, path);
    rk__free(path);
    return status;
}

static void output_close(output *out)
{
    rk__aside_close(&out->aside);
    rk__free(out->bytes);
}

static rk_status output_flush(output *out)
{
    int64_t n = out->n;
    out->n = 0;
    return rk__aside_write(&out->aside, out->bytes, n);
}

/* Called before each row, so that the row fits. */
static rk_status make_room(output *out)
{
    return out->n > CHUNK - LONGEST_ROW ? output_flush(out) : RK_OK;
}

static void put_text(output *out, const char *text)
{
    size_t length = strlen(text);
    memcpy(out->bytes + out->n, text, length);
    out->n += (int64_t)length;
}

/* With leading zeros up to `digits`. */
static void put_number(output *out, int64_t number, int digits)
{
    char text[20];
    int n = 0;
    for (; number > 0 || n < digits; number /= 10) {
        text[n++] = (char)('0' + number % 10);
    }
    while (n > 0) {
        out->bytes[out->n++] = text[--n];
    }
}

/* ---- the three files ---- */

static rk_status write_items(const rk_synth_world *w, output *out)
{
    put_text(out, "item_id,title\n");
    for (int64_t i = 0; i < w->o.items; i++) {
        RK_TRY(make_room(out));
        int64_t number = 0, cluster = rk__synth_cluster(w, i, &number);
        put_number(out, i + 1, 1);
        put_text(out, ",");
        put_text(out, tastes[cluster % TASTES]);
        if (cluster >= TASTES) {
            put_text(out, "-");
            put_number(out, cluster / TASTES + 1, 1);
        }
        put_text(out, " ");
        put_number(out, number, 3);
        put_text(out, "\n");
    }
    return output_flush(out);
}

static rk_status look(const rk_hooks *hooks, double start, int64_t done, int64_t total)
{
    if (hooks && hooks->should_stop && hooks->should_stop(hooks->user)) {
        RK_FAIL(RK_ERR_INTERRUPTED, "interrupted while generating; nothing was written");
    }
    if (hooks && hooks->progress) {
        rk_progress progress = {.phase = "writing ratings.csv",
                                .done = done,
                                .total = total,
                                .unit = "rows",
                                .seconds = rk__now() - start,
                                .loss = NAN,
                                .eta_seconds = -1,
                                .metric_value = NAN};
        hooks->progress(hooks->user, &progress);
    }
    return RK_OK;
}

static rk_status write_ratings(rk_synth_world *w, output *out, const rk_hooks *hooks)
{
    const double start = rk__now();
    int64_t rows = 0;
    put_text(out, "user_id,item_id,rating,timestamp\n");
    for (int64_t user = 0; user < w->o.users; user++) {
        rk_synth_user u = rk__synth_user(w, user);
        rk_synth_row row;
        while (rk__synth_next(w, &u, &row)) {
            RK_TRY(make_room(out));
            put_number(out, user + 1, 1);
            put_text(out, ",");
            put_number(out, row.item + 1, 1);
            put_text(out, ",");
            put_number(out, row.rating, 1);
            put_text(out, ",");
            put_number(out, row.time, 1);
            put_text(out, "\n");
            if (++rows % ROWS_PER_LOOK == 0) {
                RK_TRY(look(hooks, start, rows, w->o.interactions));
            }
        }
    }
    RK_TRY(look(hooks, start, rows, w->o.interactions));
    return output_flush(out);
}

static rk_status config_text(const rk_synth_options *o, char **out)
{
    rk_buffer text = {0};
    char affinity[32], exponent[32];
    rk__print_real(affinity, o->affinity);
    rk__print_real(exponent, o->exponent);
    rk__buffer_add(&text,
                   "# A generated data set: %lld users in %lld taste clusters, %lld items,\n"
                   "# %lld ratings; a user draws a share of %s from their own cluster,\n"
                   "# popularity ~ rank^-%s, seed %llu.\n",
                   (long long)o->users, (long long)o->clusters, (long long)o->items,
                   (long long)o->interactions, affinity, exponent, (unsigned long long)o->seed);
    rk__buffer_add(&text, "data:\n"
                          "  name: synth\n"
                          "  sources:\n"
                          "    - file: ratings.csv\n"
                          "      time: timestamp\n"
                          "      where: rating >= 3\n"
                          "labels:\n"
                          "  file: items.csv\n"
                          "split:\n"
                          "  kind: ratio\n"
                          "  order: time\n"
                          "train:\n");
    rk__buffer_add(&text, "  learning_rate: 0.002\n");
    /* Large data sets need fewer epochs to show as much, and larger steps are faster. */
    bool is_large = o->interactions > 2000000;
    rk__buffer_add(&text, "%s", is_large ? "  epochs: 5\n  batch: 8192\n" : "  epochs: 30\n");
    return rk__buffer_take(&text, out);
}

static rk_status write_config(const rk_synth_options *o, output *out)
{
    char *text = NULL;
    RK_TRY(config_text(o, &text));
    put_text(out, text);
    rk__free(text);
    return output_flush(out);
}

/* ---- public ---- */

rk_synth_options rk_synth_defaults(void)
{
    return (rk_synth_options){.users = 6000,
                              .items = 3000,
                              .interactions = 200000,
                              .clusters = 24,
                              .affinity = 0.6,
                              .exponent = 1.0,
                              .seed = 2020};
}

static rk_status check_options(const rk_synth_options *o)
{
    if (o->users < 1 || o->users > INT32_MAX - 1 || o->items < 1 || o->items > INT32_MAX - 1) {
        RK_FAIL(RK_ERR_CONFIG, "synth: users (%lld) and items (%lld) must be 1 to 2147483646",
                (long long)o->users, (long long)o->items);
    }
    if (o->clusters < 1 || o->clusters > o->items) {
        RK_FAIL(RK_ERR_CONFIG, "synth: clusters (%lld) must be 1 to the number of items (%lld)",
                (long long)o->clusters, (long long)o->items);
    }
    if (o->interactions < o->users || o->interactions / o->users > o->items ||
        o->interactions > o->users * o->items) {
        RK_FAIL(RK_ERR_CONFIG,
                "synth: interactions (%lld) must be one a user (%lld) to every item for every user "
                "(%lld)",
                (long long)o->interactions, (long long)o->users, (long long)(o->users * o->items));
    }
    if (!(o->affinity >= 0 && o->affinity <= 1)) {
        RK_FAIL(RK_ERR_CONFIG, "synth: affinity (%g) must be 0 to 1", o->affinity);
    }
    if (!(o->exponent >= 0 && o->exponent <= 4)) {
        RK_FAIL(RK_ERR_CONFIG, "synth: exponent (%g) must be 0 to 4", o->exponent);
    }
    return RK_OK;
}

enum { RATINGS, ITEMS, CONFIG, FILES };
static const char *const file_names[FILES] = {"ratings.csv", "items.csv", "synth.yaml"};

static rk_status refuse_existing(const char *directory)
{
    for (int i = 0; i < FILES; i++) {
        char *path = NULL;
        RK_TRY(rk__path_join(&path, directory, file_names[i]));
        rk_status status = RK_OK;
        if (rk__file_exists(path)) {
            status = rk__fail(RK_ERR_CONFIG, __FILE__, __LINE__, __func__,
                              "%s is there already; force overwrites it", path);
        }
        rk__free(path);
        RK_TRY(status);
    }
    return RK_OK;
}

rk_status rk_synth_write(const rk_synth_options *options, const char *directory, bool force,
                         const rk_hooks *hooks)
{
    rk_status status = RK_OK;
    rk_synth_world world = {0};
    output out[FILES] = {0};
    rk_folder_lock lock = {.path = NULL};
    RK_TRY(check_options(options));
    /* Files of two calls at once would be those of two worlds. */
    RK_TRY_GOTO(done, rk__folder_take(&lock, directory, RK_FOLDER_PATIENCE));
    RK_TRY_GOTO(done, force ? RK_OK : refuse_existing(directory));
    RK_TRY_GOTO(done, rk__synth_world_create(&world, options));
    for (int i = 0; i < FILES; i++) {
        RK_TRY_GOTO(done, output_open(&out[i], directory, file_names[i]));
    }
    RK_TRY_GOTO(done, write_ratings(&world, &out[RATINGS], hooks));
    RK_TRY_GOTO(done, write_items(&world, &out[ITEMS]));
    RK_TRY_GOTO(done, write_config(options, &out[CONFIG]));
    for (int i = 0; i < FILES; i++) {
        rk_aside *aside = &out[i].aside;
        RK_TRY_GOTO(done, force ? rk__aside_commit(aside) : rk__aside_commit_new(aside, NULL));
    }
done:
    for (int i = 0; i < FILES; i++) {
        output_close(&out[i]);
    }
    rk__folder_release(&lock);
    rk__synth_world_free(&world);
    return status;
}
