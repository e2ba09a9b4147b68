#include "serve/world.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "serve/batches.h"
#include "serve/memory.h"
#include "serve/reply.h"
#include "serve/run.h"

enum { WATCH_SECONDS = 2, MOST_RELOADS = 16 };

/* What is looked at to see that there is another run: of a run folder its report, which is written
 * last. A link that points elsewhere, or a file that was renamed into place, is another inode. */
typedef struct signature {
    bool is_there;
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec time;
} signature;

struct serve_world {
    serve_world_options options;
    char *name, *device, *data; /* its texts; owned */
    rk_hooks hooks;             /* without progress */
    char *report;               /* the file to watch; owned */
    signature seen;             /* of that, before the run was opened */
    serve_batches *batches;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock;
    pthread_cond_t wanted;
    /* Under the lock: */
    serve_run *run;
    bool is_wanted, is_over;
    serve_reply *waiting[MOST_RELOADS]; /* for the outcome of the next reload */
    int n_waiting;
    int64_t reloads, failed_reloads;
    atomic_llong answers[3];
};

/* ---- the run that is served ---- */

serve_run *serve_world_take(serve_world *w)
{
    pthread_mutex_lock(&w->lock);
    serve_run *run = w->run;
    run->holders++;
    pthread_mutex_unlock(&w->lock);
    return run;
}

void serve_world_give(serve_world *w, serve_run *run)
{
    pthread_mutex_lock(&w->lock);
    bool is_last = --run->holders == 0;
    pthread_mutex_unlock(&w->lock);
    if (is_last) {
        serve_run_free(run);
    }
}

bool serve_world_ask(serve_world *w, serve_ask *ask)
{
    return serve_batches_add(w->batches, ask);
}

void serve_world_count(serve_world *w, rk_basis basis, int64_t n)
{
    atomic_fetch_add(&w->answers[basis], n);
}

const serve_world_options *serve_world_get_options(const serve_world *w)
{
    return &w->options;
}

/* ---- another one ---- */

static void say(const serve_world *w, rk_log_level level, const char *text)
{
    if (w->hooks.log) {
        w->hooks.log(w->hooks.user, level, text);
    }
}

static int64_t resident_bytes(void)
{
    long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file) {
        if (fscanf(file, "%*s %lld", &pages) != 1) {
            pages = 0;
        }
        fclose(file);
    }
    return pages * sysconf(_SC_PAGESIZE);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void answer_reload(serve_reply *reply, const serve_run *run, const char *name,
                          double seconds, const char *why)
{
    if (!run) {
        serve_reply_problem(reply, 409,
                            "The run was not replaced, the one before is still served: %s", why);
    } else {
        text_json j = serve_json(&reply->text);
        text_json_open(&j, '{');
        text_json_key(&j, "run");
        text_json_text(&j, name);
        text_json_key(&j, "fingerprint");
        text_json_text(&j, rk_dataset_fingerprint(run->dataset));
        text_json_key(&j, "epoch");
        text_json_int(&j, run->facts.epoch);
        text_json_key(&j, "seconds");
        text_json_real(&j, seconds);
        text_json_close(&j, '}');
        serve_reply_json(reply, 200);
    }
    reply->done(reply);
}

/* Opens the run once more and puts it in place of the one before. Whoever asks while it is being
 * opened may mean a later one, and waits for the next time. */
static void reload(serve_world *w)
{
    char why[SERVE_WHY] = "", text[SERVE_WHY + 512];
    serve_reply *waiting[MOST_RELOADS];
    serve_run *run = NULL, *old = NULL;
    const double began = now();
    snprintf(text, sizeof text,
             "opening %s again: %lld MB are in use, and both models will be until the old one has "
             "answered",
             w->options.run, (long long)(resident_bytes() / 1000000));
    say(w, RK_LOG_INFO, text);
    pthread_mutex_lock(&w->lock);
    const int n_waiting = w->n_waiting;
    memcpy(waiting, w->waiting, sizeof waiting);
    w->n_waiting = 0;
    pthread_mutex_unlock(&w->lock);
    const rk_status status = serve_run_open(&w->options, &w->hooks, &run, why);
    pthread_mutex_lock(&w->lock);
    if (status == RK_OK) {
        old = w->run;
        w->run = run;
        run->holders++; /* until it is told of */
        w->reloads++;
    } else {
        w->failed_reloads++;
    }
    pthread_mutex_unlock(&w->lock);
    const double seconds = now() - began;
    if (status == RK_OK) {
        snprintf(text, sizeof text, "%s is served, epoch %lld, data %s; opened in %.2f s",
                 w->options.run, (long long)run->facts.epoch, rk_dataset_fingerprint(run->dataset),
                 seconds);
    } else {
        snprintf(text, sizeof text, "the run is still the one before: %s", why);
    }
    say(w, status == RK_OK ? RK_LOG_INFO : RK_LOG_WARNING, text);
    for (int i = 0; i < n_waiting; i++) {
        answer_reload(waiting[i], status == RK_OK ? run : NULL, w->options.run, seconds, why);
    }
    if (status == RK_OK) {
        serve_world_give(w, run);
        serve_world_give(w, old);
    }
}

void serve_world_reload(serve_world *w, serve_reply *reply)
{
    pthread_mutex_lock(&w->lock);
    bool fits = !reply || (w->n_waiting < MOST_RELOADS && !w->is_over);
    if (fits) {
        w->is_wanted = true;
        if (reply) {
            w->waiting[w->n_waiting++] = reply;
        }
        pthread_cond_signal(&w->wanted);
    }
    pthread_mutex_unlock(&w->lock);
    if (!fits) {
        serve_reply_problem(reply, 503, "%d others wait for the run to be opened: ask later",
                            MOST_RELOADS);
        reply->retry_after = 1;
        reply->done(reply);
    }
}

/* ---- the thread ---- */

static signature look(const serve_world *w)
{
    signature s = {.is_there = false};
    struct stat info;
    if (stat(w->report, &info) == 0) {
        s = (signature){true, info.st_dev, info.st_ino, info.st_size, info.st_mtim};
    }
    return s;
}

static bool is_same(const signature *a, const signature *b)
{
    return a->is_there == b->is_there && a->device == b->device && a->inode == b->inode &&
           a->size == b->size && a->time.tv_sec == b->time.tv_sec &&
           a->time.tv_nsec == b->time.tv_nsec;
}

/* Until somebody asks, or for a while; false: it is over. */
static bool wait(serve_world *w, bool *out_wanted)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WATCH_SECONDS;
    int is_late = 0;
    pthread_mutex_lock(&w->lock);
    while (!w->is_wanted && !w->is_over && is_late == 0) {
        is_late = w->options.watches ? pthread_cond_timedwait(&w->wanted, &w->lock, &until)
                                     : pthread_cond_wait(&w->wanted, &w->lock);
    }
    *out_wanted = w->is_wanted;
    w->is_wanted = false;
    bool goes_on = !w->is_over || w->n_waiting > 0;
    pthread_mutex_unlock(&w->lock);
    return goes_on;
}

static void *run(void *self)
{
    serve_world *w = self;
    for (bool is_wanted; wait(w, &is_wanted);) {
        const signature next = look(w);
        bool is_new = w->options.watches && next.is_there && !is_same(&w->seen, &next);
        w->seen = next.is_there ? next : w->seen;
        if (is_wanted || is_new) {
            reload(w);
        }
    }
    return NULL;
}

/* ---- life ---- */

/* The file that is watched: report.json of a run folder, else what is served itself. */
static char *report_of(const char *run)
{
    const size_t room = strlen(run) + 16;
    char *path = serve_alloc((int64_t)room, 1);
    struct stat info;
    if (path) {
        bool is_folder = stat(run, &info) == 0 && S_ISDIR(info.st_mode);
        snprintf(path, room, is_folder ? "%s/report.json" : "%s", run);
    }
    return path;
}

static bool copy_options(serve_world *w, const serve_world_options *o)
{
    w->options = *o;
    w->options.run = w->name = serve_copy(o->run);
    w->options.device = w->device = serve_copy(o->device);
    w->options.data = w->data = serve_copy(o->data);
    w->options.hooks = &w->hooks;
    if (o->hooks) {
        w->hooks = (rk_hooks){.log = o->hooks->log, .user = o->hooks->user};
    }
    w->report = report_of(o->run);
    return w->name && w->report && (!o->device || w->device) && (!o->data || w->data);
}

rk_status serve_world_open(const serve_world_options *options, serve_world **out, char *why)
{
    rk_status status = RK_ERR_MEMORY;
    snprintf(why, SERVE_WHY, "there is not enough memory to serve %s", options->run);
    serve_world *w = serve_alloc(1, sizeof *w);
    if (!w) {
        return status;
    }
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wanted, NULL);
    if (copy_options(w, options)) {
        w->seen = look(w);
        status = serve_run_open(&w->options, options->hooks, &w->run, why);
    }
    if (status == RK_OK) {
        status = serve_batches_start(options->most_waiting, &w->batches);
    }
    if (status == RK_OK) {
        w->has_thread = pthread_create(&w->thread, NULL, run, w) == 0;
        status = w->has_thread ? RK_OK : RK_ERR_MEMORY;
    }
    if (status != RK_OK) {
        serve_world_close(w);
        return status;
    }
    *out = w;
    return RK_OK;
}

void serve_world_close(serve_world *w)
{
    if (!w) {
        return;
    }
    if (w->has_thread) {
        pthread_mutex_lock(&w->lock);
        w->is_over = true;
        pthread_cond_signal(&w->wanted);
        pthread_mutex_unlock(&w->lock);
        pthread_join(w->thread, NULL);
    }
    serve_batches_stop(w->batches);
    serve_run_free(w->run);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->wanted);
    serve_free(w->name);
    serve_free(w->device);
    serve_free(w->data);
    serve_free(w->report);
    serve_free(w);
}

void serve_world_get_facts(serve_world *w, serve_world_facts *out)
{
    const serve_batches_facts batches = serve_batches_get_facts(w->batches);
    *out = (serve_world_facts){
        .batches = batches.batches, .questions = batches.questions, .waiting = batches.waiting};
    serve_run *run = serve_world_take(w);
    snprintf(out->run, sizeof out->run, "%s", w->options.run);
    snprintf(out->model, sizeof out->model, "%s", run->facts.kind);
    snprintf(out->fingerprint, sizeof out->fingerprint, "%s", rk_dataset_fingerprint(run->dataset));
    out->epoch = run->facts.epoch;
    out->users = run->facts.users;
    out->items = run->facts.items;
    out->loaded = run->loaded;
    serve_world_give(w, run);
    pthread_mutex_lock(&w->lock);
    out->reloads = w->reloads;
    out->failed_reloads = w->failed_reloads;
    pthread_mutex_unlock(&w->lock);
    for (int i = 0; i < 3; i++) {
        out->answers[i] = atomic_load(&w->answers[i]);
    }
}
