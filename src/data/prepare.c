/*
 * The data set of a config: from the cache if it matches, else read, built and cached.
 *
 * It is found by two digests: of the options that shape it, with the paths of its sources, and of
 * the sources' state, their sizes and times. So configs that differ in other options share a data
 * set, and different ones lie side by side, those of other states of the same sources, too.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/file.h"
#include "base/near.h"
#include "base/parse.h"
#include "base/timer.h"
#include "data/cache.h"
#include "data/dataset_internal.h"
#include "data/hash.h"
#include "data/sides.h"

static void log_message(const rk_hooks *hooks, rk_log_level level, const char *format, ...)
    RK_PRINTF(3, 4);

static void log_message(const rk_hooks *hooks, rk_log_level level, const char *format, ...)
{
    if (hooks && hooks->log) {
        char text[1024];
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        hooks->log(hooks->user, level, text);
    }
}

/* Texts are written with their length, so that no two lists of options give the same bytes. */
static void add_text(rk_buffer *b, const char *text)
{
    rk__buffer_add(b, "%zu:%s,", strlen(text), text);
}

static rk_status add_source(rk_buffer *b, const rk_options *o, const rk_source_options *s)
{
    char *path = NULL;
    RK_TRY(rk__source_path(o, s->file, &path));
    add_text(b, path);
    rk__free(path);
    rk__buffer_add(b, "%d,%d,%d,", s->format, s->part, s->header);
    add_text(b, s->separator);
    add_text(b, s->user);
    add_text(b, s->item);
    add_text(b, s->time);
    add_text(b, s->where);
    /* What came later: nothing where it is as it was before. */
    if (!s->quotes || s->encoding != RK_ENCODING_UTF8 || s->decimal != RK_DECIMAL_POINT) {
        rk__buffer_add(b, "text %d,%d,%d,", s->quotes, s->encoding, s->decimal);
    }
    if (s->time_unit != RK_TIME_UNIT_AUTO) {
        rk__buffer_add(b, "time_unit %d,", s->time_unit);
    }
    if (s->value[0]) {
        add_text(b, "value");
        add_text(b, s->value);
    }
    if (s->relation[0]) {
        add_text(b, "relation");
        add_text(b, s->relation);
    }
    return RK_OK;
}

/* Options that came later: nothing where they are as they were before, so that the digests of other
 * data sets stay. */
static void add_row_options(rk_buffer *b, const rk_options *o)
{
    bool has_values = rk__options_have_values(o);
    if (o->data.missing_ids != RK_MISSING_ERROR) {
        rk__buffer_add(b, "missing_ids %d,", o->data.missing_ids);
    }
    if (o->data.repeats != RK_REPEATS_MERGE) {
        rk__buffer_add(b, "repeats %d,", o->data.repeats);
    }
    if (has_values) {
        rk__buffer_add(b, "repeat_value %d,", o->data.repeat_value);
    }
    if (has_values && o->data.value_range.n == 2) {
        rk__buffer_add(b, "value_range %a,%a,", o->data.value_range.v[0], o->data.value_range.v[1]);
    }
    if (rk__split_goes_by_row(o)) {
        rk__buffer_add(b, "ties %d,", o->split.ties);
    }
    if (o->split.kind == RK_SPLIT_USERS) {
        rk__buffer_add(b, "given %a,", o->split.given);
    }
    for (int64_t f = 0; f < o->n_fields; f++) {
        rk__buffer_add(b, "field %d,", o->fields[f].derive);
        add_text(b, o->fields[f].name);
        add_text(b, o->fields[f].column);
    }
    if (o->split.candidates > 0) {
        rk__buffer_add(b, "candidates %lld,%lld,", (long long)o->split.candidates,
                       (long long)o->split.seed);
    }
    if (o->split.candidates > 0 && o->split.candidates_by != RK_DRAWN_UNIFORM) {
        rk__buffer_add(b, "candidates_by %d,", o->split.candidates_by);
    }
}

static void add_moment(rk_buffer *b, const char *text)
{
    double number = 0;
    if (rk__parse_real(text, strlen(text), &number) == RK_PARSE_OK) {
        rk__buffer_add(b, "%a,", number);
    } else {
        add_text(b, text);
    }
}

/* Every option that shapes the data set, so not those of a kind of split that is not used. */
static rk_status add_options(rk_buffer *b, const rk_options *o)
{
    rk__buffer_add(b, "%d,%lld,%lld,", o->data.ids, (long long)o->data.min_user,
                   (long long)o->data.min_item);
    for (int64_t i = 0; i < o->n_sources; i++) {
        RK_TRY(add_source(b, o, &o->sources[i]));
    }
    rk__buffer_add(b, "split %d,", o->split.kind);
    if (o->split.kind == RK_SPLIT_TIME) {
        rk__buffer_add(b, "%a,%a,", o->split.valid, o->split.test);
        add_moment(b, o->split.valid_from);
        add_moment(b, o->split.test_from);
        if (o->split.gap > 0) {
            rk__buffer_add(b, "gap %a,", o->split.gap);
        }
    } else if (o->split.kind != RK_SPLIT_GIVEN) {
        rk__buffer_add(b, "%d,%a,%a,%lld,", o->split.order, o->split.valid, o->split.test,
                       (long long)o->split.seed);
    } else if (o->split.carve_valid > 0) {
        rk__buffer_add(b, "carve %a,%lld,", o->split.carve_valid, (long long)o->split.seed);
    }
    add_row_options(b, o);
    if (o->labels.file[0]) {
        char *path = NULL;
        RK_TRY(rk__source_path(o, o->labels.file, &path));
        add_text(b, path);
        rk__free(path);
        rk__buffer_add(b, "%d,", o->labels.header);
        add_text(b, o->labels.separator);
        add_text(b, o->labels.id);
        add_text(b, o->labels.text);
        if (o->labels.encoding != RK_ENCODING_UTF8) {
            rk__buffer_add(b, "text %d,", o->labels.encoding);
        }
    }
    return rk__sides_key(b, o);
}

static void digest(const rk_buffer *b, char out[17])
{
    snprintf(out, 17, "%016llx", (unsigned long long)rk__hash(RK_HASH_START, b->at, b->length));
}

/* What the data set is called, in its reports and in its file. */
static const char *name_of(const rk_options *o)
{
    return o->data.name[0] ? o->data.name : o->config_name;
}

rk_status rk__dataset_options_digest(const rk_options *o, char out[17])
{
    rk_buffer b = {0};
    rk__buffer_add(&b, RK_CACHE_VERSION ",");
    add_text(&b, name_of(o));
    rk_status status = add_options(&b, o);
    status = status == RK_OK ? b.status : status;
    if (status == RK_OK) {
        digest(&b, out);
    }
    rk__buffer_free(&b);
    return status;
}

/* How the files of the data set are found. */
typedef struct wanted {
    rk_cache_key key;
    char *missing; /* the first that is gone, owned; NULL = all are there */
} wanted;

static rk_status add_state(rk_buffer *b, const rk_options *o, const char *file, wanted *w,
                           bool *out_known)
{
    char *path = NULL;
    RK_TRY(rk__source_path(o, file, &path));
    if (!rk__cache_add_source(b, path)) {
        *out_known = false;
        if (!w->missing && !rk__file_exists(path)) {
            w->missing = path;
            path = NULL;
        }
    }
    rk__free(path);
    return b->status;
}

static rk_status make_wanted(const rk_options *o, wanted *out)
{
    rk_buffer b = {0};
    bool known = true;
    rk_status status = rk__dataset_options_digest(o, out->key.options);
    for (int64_t i = 0; status == RK_OK && i < o->n_sources; i++) {
        status = add_state(&b, o, o->sources[i].file, out, &known);
    }
    if (status == RK_OK && o->labels.file[0]) {
        status = add_state(&b, o, o->labels.file, out, &known);
    }
    for (int64_t i = 0; status == RK_OK && i < rk__sides_n_files(o); i++) {
        status = add_state(&b, o, rk__sides_file(o, i), out, &known);
    }
    if (status == RK_OK && known) {
        digest(&b, out->key.sources);
    }
    if (status == RK_OK) {
        return rk__buffer_take(&b, &out->key.state);
    }
    rk__buffer_free(&b);
    return status;
}

static void wanted_free(wanted *w)
{
    rk__cache_key_free(&w->key);
    rk__free(w->missing);
}

rk_status rk__dataset_sources_digest(const rk_options *o, char out[17])
{
    wanted w = {.missing = NULL};
    rk_status status = make_wanted(o, &w);
    memcpy(out, w.key.sources, sizeof w.key.sources);
    wanted_free(&w);
    return status;
}

/* The name of the data set without what does not belong in the name of a file. */
static void file_name(const rk_options *o, char *name, size_t size)
{
    snprintf(name, size, "%s", name_of(o));
    for (char *c = name; *c; c++) {
        if (*c == '/' || (unsigned char)*c <= ' ' || *c == 0x7f || (c == name && *c == '.')) {
            *c = '_';
        }
    }
}

/* Opens what was found; *out stays NULL if that is damaged or of another layout. */
static rk_status open_cached(const char *path, rk_work *work, rk_dataset **out)
{
    const rk_hooks *hooks = work->hooks;
    rk_status status = rk__dataset_open(path, work, out);
    if (status == RK_ERR_DATA || status == RK_ERR_IO) {
        log_message(hooks, RK_LOG_WARNING, "the cached data set is prepared anew: %s",
                    rk_last_error());
        return RK_OK;
    }
    if (status == RK_OK) {
        log_message(hooks, RK_LOG_DEBUG, "data set %s: from %s", (*out)->name, path);
    }
    return status;
}

/* The cached data set if there is one, else *out = NULL. If a source is gone, its latest state that
 * is cached counts. */
static rk_status from_cache(const char *folder, const wanted *w, rk_work *work, rk_dataset **out)
{
    const rk_hooks *hooks = work->hooks;
    char *path = NULL;
    rk_status status = RK_OK;
    *out = NULL;
    RK_TRY_GOTO(done, rk__cache_find(folder, &w->key, &path));
    if (path) {
        status = open_cached(path, work, out);
        goto done;
    }
    RK_TRY_GOTO(done, rk__cache_find_any(folder, &w->key, &path));
    if (path && w->missing) {
        log_message(hooks, RK_LOG_WARNING,
                    "%s is not there any more; the data set prepared from it earlier is used: %s",
                    w->missing, path);
        status = open_cached(path, work, out);
    } else if (path && w->key.sources[0]) {
        log_message(hooks, RK_LOG_INFO,
                    "a source has changed: the data set is prepared anew (the earlier one stays in "
                    "%s until rankine cache --clean)",
                    folder);
    }
done:
    rk__free(path);
    return status;
}

/* from_cache, also of what another process is preparing now; force finds nothing. With *out NULL it
 * is this process's turn, and until that is released others wait. */
static rk_status find(const char *folder, const wanted *w, bool force, rk_work *work,
                      rk_folder_lock *turn, rk_dataset **out)
{
    const rk_hooks *hooks = work->hooks;
    char *path = NULL;
    RK_TRY(force ? RK_OK : from_cache(folder, w, work, out));
    if (*out) {
        return RK_OK;
    }
    RK_TRY(rk__cache_take_turn(folder, &w->key, hooks, turn));
    RK_TRY(force ? RK_OK : rk__cache_find(folder, &w->key, &path));
    rk_status status = path ? rk__dataset_open(path, work, out) : RK_OK;
    if (path && status == RK_OK) {
        log_message(hooks, RK_LOG_DEBUG, "data set %s: from %s", (*out)->name, path);
    }
    rk__free(path);
    /* Of one that is damaged from_cache has told. */
    return status == RK_ERR_DATA || status == RK_ERR_IO ? RK_OK : status;
}

static rk_status from_sources(const rk_options *o, rk_work *work, rk_dataset **out)
{
    const rk_hooks *hooks = work->hooks;
    rk_raw raw;
    rk_dataset *dataset = NULL;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__raw_init(&raw, o, work));
    RK_TRY_GOTO(done, rk__raw_read(&raw, o, hooks));
    if (rk__spill_is_on_disk(work->spill)) {
        log_message(hooks, RK_LOG_INFO,
                    "%lld rows do not fit data.memory: they are sorted and divided in files",
                    (long long)raw.n);
    }
    RK_TRY_GOTO(done, rk__dataset_build(&dataset, &raw, o));
    RK_TRY_GOTO(done, rk__dataset_add_labels(dataset, o, rk__stop_of(hooks)));
    RK_TRY_GOTO(done, rk__sides_read(dataset, o, hooks));
    *out = dataset;
    dataset = NULL;
done:
    rk__raw_free(&raw);
    rk_dataset_free(dataset);
    return status;
}

/* A warning where it is more than a rare accident. */
static void warn_of_ties(const rk_dataset *dataset, const rk_options *options,
                         const rk_hooks *hooks)
{
    const rk_dataset_stats *s = &dataset->stats;
    bool by_row = rk__split_goes_by_row(options);
    int64_t users = s->test_users > s->valid_users ? s->test_users : s->valid_users;
    if (s->tied_users > 0) {
        log_message(hooks, s->tied_users * 100 >= users ? RK_LOG_WARNING : RK_LOG_INFO,
                    "for %lld of %lld users rows of equal time decide what is held out: the %s "
                    "counts as later%s",
                    (long long)s->tied_users, (long long)users,
                    by_row ? "later row of the sources" : "larger item id",
                    by_row ? "" : " (split.ties=row takes the order of the sources)");
    }
}

/* A type that was hardly meant: of a name like that of another one. NULL = there is no such. */
static const char *near_type(const rk_sides *sides, const char *name)
{
    const char *best = NULL;
    int least = RK_NEAR_MOST + 1;
    for (int64_t t = 0; t < sides->n_types; t++) {
        const char *other = sides->types[t].name;
        const int distance = rk__name_distance(other, name);
        if (sides->types[t].is_joined && distance < least && rk__is_near(distance, strlen(name))) {
            best = other;
            least = distance;
        }
    }
    return best;
}

/* Relations whose nodes have nothing to do with users and items. */
static void warn_of_types(const rk_dataset *dataset, const rk_hooks *hooks)
{
    const rk_sides *sides = dataset->sides;
    for (int64_t i = 0; sides && i < sides->n_relations; i++) {
        const rk_relation_store *r = &sides->relations[i];
        const rk_node_type *from = &sides->types[r->from], *to = &sides->types[r->to];
        if (!from->is_joined) {
            const char *meant = near_type(sides, from->name);
            meant = meant ? meant : near_type(sides, to->name);
            log_message(hooks, RK_LOG_WARNING,
                        "the relation %s, from %s to %s, joins nothing: no relation leads from "
                        "these nodes to users or items%s%s%s",
                        r->name, from->name, to->name, meant ? "; did you mean " : "",
                        meant ? meant : "", meant ? "?" : "");
        }
    }
}

/* A file that says nothing of these users and items was hardly meant. */
static void warn_of_sides(const rk_dataset *dataset, const rk_hooks *hooks)
{
    for (int64_t i = 0; i < rk_dataset_n_relations(dataset); i++) {
        const rk_relation *r = rk_dataset_relation(dataset, i);
        if (r->n_edges == 0 && !r->is_derived) {
            log_message(hooks, RK_LOG_WARNING,
                        "the relation %s has no edges: of %lld rows where dropped %lld, and %lld "
                        "edges are of ids not in the data set; are head and tail the right "
                        "columns?",
                        r->name, (long long)r->rows_read, (long long)r->rows_filtered,
                        (long long)r->edges_unknown);
        }
    }
    for (int64_t i = 0; i < rk_dataset_n_features(dataset); i++) {
        const rk_features *f = rk_dataset_features(dataset, i);
        if (f->nodes_known == 0) {
            log_message(hooks, RK_LOG_WARNING,
                        "no node of the type %s has features: %lld rows are of ids not in the data "
                        "set; is id the right column?",
                        f->of, (long long)f->rows_unknown);
        }
    }
}

void rk__dataset_warn(const rk_dataset *dataset, const rk_options *options, const rk_hooks *hooks)
{
    const rk_dataset_stats *s = &dataset->stats;
    if (s->overlap > 0) {
        log_message(hooks, RK_LOG_WARNING,
                    "%lld held-out rows were dropped from valid or test: their user and item are "
                    "together in an earlier part too, where they stay",
                    (long long)s->overlap);
    }
    warn_of_ties(dataset, options, hooks);
    warn_of_sides(dataset, hooks);
    warn_of_types(dataset, hooks);
    if (s->test == 0) {
        log_message(hooks, RK_LOG_WARNING, "the data set %s has no test part", dataset->name);
    }
}

/* data.memory while a data set is prepared or opened. */
typedef struct bound {
    rk_budget budget;
    rk_budget *before; /* of the thread */
    bool is_set;
    rk_spill *spill; /* NULL = there is no bound */
} bound;

/* folder: for rows that do not fit. */
static rk_status begin_bound(bound *b, int64_t memory, const char *folder)
{
    if (memory == 0) {
        return RK_OK;
    }
    b->budget = (rk_budget){.name = "data.memory",
                            /* the rest is for mapped pages */
                            .limit = memory - memory / RK_SPILL_SHARE_OF_PAGES};
    b->before = rk__alloc_bind(&b->budget);
    b->is_set = true;
    return rk__spill_create(&b->spill, folder, memory);
}

static void end_bound(bound *b)
{
    rk__spill_release(b->spill);
    if (b->is_set) {
        rk__alloc_bind(b->before);
    }
}

rk_status rk__dataset_open_within(const char *path, int64_t memory, const rk_hooks *hooks,
                                  rk_dataset **out)
{
    bound b = {.spill = NULL};
    char *folder = NULL;
    rk_status status = RK_OK;
    const char *slash = strrchr(path, '/');
    RK_TRY_GOTO(done, slash ? rk__strndup(&folder, path, (size_t)(slash - path) + 1)
                            : rk__strdup(&folder, "."));
    RK_TRY_GOTO(done, begin_bound(&b, memory, folder));
    rk_work work = {.hooks = hooks, .spill = b.spill};
    status = rk__dataset_open(path, &work, out);
done:
    end_bound(&b);
    rk__free(folder);
    return status;
}

rk_status rk__dataset_prepare(const rk_options *options, bool force, const rk_hooks *hooks,
                              rk_dataset **out)
{
    const char *folder = options->data.cache[0] ? options->data.cache : ".";
    bound b = {.spill = NULL};
    rk_work work = {.hooks = hooks};
    rk_status status = RK_OK;
    wanted w = {.missing = NULL};
    rk_dataset *dataset = NULL;
    rk_folder_lock turn = {.path = NULL};
    double began = rk__now();
    RK_TRY_GOTO(done, begin_bound(&b, options->data.memory, folder));
    work.spill = b.spill;
    RK_TRY_GOTO(done, make_wanted(options, &w));
    RK_TRY_GOTO(done, find(folder, &w, force, &work, &turn, &dataset));
    if (!dataset) {
        char name[101];
        file_name(options, name, sizeof name);
        RK_TRY_GOTO(done, from_sources(options, &work, &dataset));
        RK_TRY_GOTO(done, rk__cache_add(folder, name, &w.key, dataset, &work));
    }
    rk__dataset_warn(dataset, options, hooks);
    memcpy(dataset->sources, w.key.sources, sizeof dataset->sources);
    dataset->seconds = rk__now() - began;
    *out = dataset;
    dataset = NULL;
done:
    rk__folder_release(&turn);
    wanted_free(&w);
    rk_dataset_free(dataset);
    end_bound(&b);
    return status;
}

rk_status rk_dataset_prepare(const rk_config *config, bool force, const rk_hooks *hooks,
                             rk_dataset **out)
{
    /* Options of training are no business of the data. */
    RK_TRY(rk__config_check(config, RK_CHECK_SOURCES));
    return rk__dataset_prepare(rk__config_options(config), force, hooks, out);
}
