/* data: the folder of prepared data sets: which is taken, that none is lost, listing, cleaning. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "data/cache.h"
#include "data/dataset_internal.h"
#include "io/aside.h"
#include "rankine/cache.h"
#include "support/support.h"

static char *scratch, *cache;

/* What the hooks saw. */
static struct {
    int reports; /* of progress: files were read */
    char messages[2000];
} seen;

static void on_log(void *user, rk_log_level level, const char *message)
{
    (void)user, (void)level;
    strncat(seen.messages, message, sizeof seen.messages - strlen(seen.messages) - 1);
}

static void on_progress(void *user, const rk_progress *progress)
{
    (void)user, (void)progress;
    seen.reports++;
}

static bool on_should_stop(void *user)
{
    (void)user;
    return true;
}

static const rk_hooks hooks = {.log = on_log, .progress = on_progress};
static const rk_hooks stopped = {.should_stop = on_should_stop};

#define SMALL                                                                                      \
    "data.name=small; data.sources[0].file=ratings.csv; data.sources[0].where=rating >= 3; "       \
    "split.kind=leave_one_out; split.valid=0; labels.file=items.csv"
#define HEAD "user_id,item_id,rating\n"

static int set_up(void **state)
{
    (void)state;
    scratch = test_scratch();
    cache = strdup(test_path(scratch, "deep/cache"));
    test_write(test_path(scratch, "ratings.csv"),
               HEAD "7,10,5\n7,20,4\n7,30,3\n7,40,1\n8,10,3\n8,20,4\n8,30,5\n", -1);
    test_write(test_path(scratch, "items.csv"),
               "item_id,title\n10,\"Ten, the first\"\n30,Thirty\n99,Nobody\n30,Late\n", -1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rk__alloc_fail_after(-1);
    test_scratch_remove(scratch);
    free(cache);
    return 0;
}

static rk_config *config_with(const char *settings)
{
    char all[1500];
    snprintf(all, sizeof all, "data.root=%s; data.cache=%s; %s", scratch, cache, settings);
    return config_of(all);
}

static rk_status try_prepare(rk_dataset **out, const char *settings, bool force)
{
    rk_config *config = config_with(settings);
    memset(&seen, 0, sizeof seen);
    rk_status status = rk_dataset_prepare(config, force, &hooks, out);
    rk_config_free(config);
    return status;
}

static rk_dataset *prepare(const char *settings)
{
    rk_dataset *dataset = NULL;
    assert_ok(try_prepare(&dataset, settings, false));
    return dataset;
}

/* Data sets in the cache, and whatever else is there but its keys. */
static int64_t count_cached(void)
{
    return test_count_files(cache) - (access(test_path(cache, "keys"), F_OK) == 0);
}

static void assert_same(const rk_dataset *a, const rk_dataset *b)
{
    assert_string_equal(a->fingerprint, b->fingerprint);
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->path, b->path);
    assert_memory_equal(&a->stats, &b->stats, sizeof a->stats);
    for (int64_t item = 0; item < a->n_items; item++) {
        assert_string_equal(rk_dataset_item_label(a, item), rk_dataset_item_label(b, item));
    }
}

/* ---- finding ---- */

static void the_cache_is_taken_when_it_fits(void **state)
{
    (void)state;
    rk_dataset *first = prepare(SMALL);
    assert_int_equal(rk_dataset_get_stats(first)->train, 4);
    assert_int_equal(rk_dataset_get_stats(first)->rows_filtered, 1);
    assert_string_equal(rk_dataset_item_label(first, 0), "Ten, the first");
    assert_string_equal(rk_dataset_item_label(first, 1), "");
    assert_string_equal(rk_dataset_item_label(first, 2), "Thirty");
    assert_int_equal(seen.reports, 1);
    assert_int_equal(count_cached(), 1);

    rk_dataset *second = prepare(SMALL);
    assert_int_equal(seen.reports, 0); /* no file was read */
    assert_same(first, second);
    rk_dataset_free(second);
    /* Options of other rooms, and of splits that are not taken, do not matter. */
    second = prepare(SMALL "; train.epochs=3; model.dim=8; split.valid_from=17");
    assert_int_equal(seen.reports, 0);
    rk_dataset_free(second);
    /* Those that shape the data set do: another file. */
    second = prepare(SMALL "; data.sources[0].where=rating >= 1");
    assert_int_equal(seen.reports, 1);
    assert_int_equal(count_cached(), 2);
    rk_dataset_free(second);
    /* Its name is in the file, so one of that name is another. */
    second = prepare(SMALL "; data.name=other");
    assert_int_equal(seen.reports, 1);
    assert_string_equal(rk_dataset_name(second), "other");
    rk_dataset_free(second);

    rk_dataset *forced = NULL;
    assert_ok(try_prepare(&forced, SMALL, true));
    assert_int_equal(seen.reports, 1);
    assert_same(first, forced); /* the same bytes, so the same file */
    assert_int_equal(count_cached(), 3);
    rk_dataset_free(forced);
    rk_dataset_free(first);
}

static void a_changed_source_is_read_again(void **state)
{
    (void)state;
    rk_dataset *before = prepare(SMALL), *d = NULL;
    test_write(test_path(scratch, "ratings.csv"), HEAD "7,10,5\n7,20,4\n", -1);
    d = prepare(SMALL);
    assert_int_equal(seen.reports, 1);
    assert_non_null(strstr(seen.messages, "a source has changed"));
    assert_int_equal(rk_dataset_get_stats(d)->train, 2);
    assert_int_equal(count_cached(), 2);
    rk_dataset_free(d);
    assert_ok(rk_dataset_open(before->path, &d)); /* it may be somebody's */
    assert_string_equal(d->fingerprint, before->fingerprint);
    rk_dataset_free(d);
    rk_dataset_free(before);
    /* The same bytes at another time: the labels' file counts, too; it is the same data set. */
    struct timeval times[2] = {{1000000000, 0}, {1000000000, 0}};
    assert_int_equal(utimes(test_path(scratch, "items.csv"), times), 0);
    rk_dataset_free(prepare(SMALL));
    assert_int_equal(seen.reports, 1);
    assert_int_equal(count_cached(), 2);
    /* As many other bytes at the same time, as a tool that copies with times leaves them. */
    test_write(test_path(scratch, "items.csv"),
               "item_id,title\n10,\"Ten, the third\"\n30,Thirty\n99,Nobody\n30,Late\n", -1);
    assert_int_equal(utimes(test_path(scratch, "items.csv"), times), 0);
    d = prepare(SMALL);
    assert_string_equal(rk_dataset_item_label(d, 0), "Ten, the third");
    rk_dataset_free(d);
}

static void a_source_that_is_gone_still_serves(void **state)
{
    (void)state;
    rk_dataset *d = NULL;
    rk_dataset_free(prepare(SMALL));
    test_write(test_path(scratch, "ratings.csv"), HEAD "7,10,5\n7,20,4\n", -1);
    rk_dataset_free(prepare(SMALL));
    assert_int_equal(unlink(test_path(scratch, "ratings.csv")), 0);
    d = prepare(SMALL);
    assert_int_equal(seen.reports, 0);
    assert_non_null(strstr(seen.messages, "ratings.csv is not there any more"));
    assert_int_equal(rk_dataset_get_stats(d)->train, 2); /* the latest of two states */
    rk_dataset_free(d);
    assert_fails(RK_ERR_IO, "ratings.csv", try_prepare(&d, SMALL, true));
    assert_fails(RK_ERR_IO, "ratings.csv", try_prepare(&d, SMALL "; data.min_user=2", false));
}

/* What is read from a pipe is never taken for what came out of it earlier. */
static void a_pipe_is_read_each_time(void **state)
{
    (void)state;
    static const char *const texts[] = {HEAD "7,10,5\n7,20,4\n", HEAD "7,10,5\n7,30,4\n8,30,4\n"};
    static const int users[] = {1, 2};
    char pipe_path[600];
    snprintf(pipe_path, sizeof pipe_path, "%s", test_path(scratch, "pipe"));
    assert_int_equal(mkfifo(pipe_path, 0666), 0);
    for (int i = 0; i < 2; i++) {
        pid_t writer = fork();
        assert_true(writer >= 0);
        if (writer == 0) {
            alarm(20);
            int to = open(pipe_path, O_WRONLY);
            ssize_t n = write(to, texts[i], strlen(texts[i]));
            _exit(n == (ssize_t)strlen(texts[i]) ? 0 : 1);
        }
        rk_dataset *d = prepare("data.name=small; data.sources[0].file=pipe; split.kind=ratio");
        assert_int_equal(rk_dataset_get_stats(d)->users, users[i]);
        assert_int_equal(count_cached(), i + 1);
        rk_dataset_free(d);
        assert_int_equal(waitpid(writer, NULL, 0), writer);
    }
}

static void a_bad_cache_is_replaced(void **state)
{
    (void)state;
    rk_dataset *d = prepare(SMALL);
    char path[500];
    snprintf(path, sizeof path, "%s", rk_dataset_path(d));
    rk_dataset_free(d);
    assert_int_equal(truncate(path, 1500), 0);
    assert_fails(RK_ERR_DATA, "truncated or damaged", rk_dataset_open(path, &d));
    d = prepare(SMALL);
    assert_int_equal(seen.reports, 1);
    assert_non_null(strstr(seen.messages, "prepared anew"));
    assert_string_equal(rk_dataset_path(d), path);
    rk_dataset_free(d);
    assert_ok(rk_dataset_open(path, &d));
    rk_dataset_free(d);
    test_write(path, "something else", -1);
    assert_fails(RK_ERR_DATA, "is not an HDF5 file", rk_dataset_open(path, &d));
    rk_h5 *file = NULL;
    assert_ok(rk__h5_create(&file, path, "checkpoint", 1));
    assert_ok(rk__h5_commit(file));
    rk__h5_close(file);
    assert_fails(RK_ERR_DATA, "is a checkpoint of rankine, not a data set",
                 rk_dataset_open(path, &d));
    rk_dataset_free(prepare(SMALL));
    assert_int_equal(seen.reports, 1);
    assert_fails(RK_ERR_IO, "No such file", rk_dataset_open(test_path(scratch, "nothing.h5"), &d));
    /* A key that leads nowhere, one of another version and one that is no key. */
    assert_int_equal(unlink(path), 0);
    rk_dataset_free(prepare(SMALL));
    assert_int_equal(seen.reports, 1);
    static const char *const texts[] = {"rankine cache key 1\nfile small.h5\n", "", "\n\n/../x"};
    for (int i = 0; i < 3; i++) {
        rk_cache *list = NULL;
        char command[1200];
        snprintf(command, sizeof command, "for k in %s/keys/*; do printf '%s' >$k; done", cache,
                 texts[i]);
        assert_int_equal(system(command), 0);
        assert_ok(rk_cache_open(cache, &list));
        assert_int_equal(rk_cache_at(list, 0)->state, RK_CACHE_UNUSED);
        rk_cache_free(list);
        rk_dataset_free(prepare(SMALL));
        assert_int_equal(seen.reports, 1);
    }
    assert_int_equal(count_cached(), 1);
}

/* Jobs that start at once read the sources once; one that is told to stop does not wait. */
static void one_of_several_reads(void **state)
{
    (void)state;
    enum { PROCESSES = 5 };
    pid_t children[PROCESSES];
    FILE *file = fopen(test_path(scratch, "ratings.csv"), "w");
    assert_non_null(file);
    fputs(HEAD, file);
    for (int i = 0; i < 100000; i++) {
        fprintf(file, "%d,%d,5\n", i / 100, i % 100);
    }
    fclose(file);
    for (int c = 0; c < PROCESSES; c++) {
        children[c] = fork();
        assert_true(children[c] >= 0);
        if (children[c] == 0) {
            rk_dataset *d = NULL;
            bool good = try_prepare(&d, SMALL, false) == RK_OK && d->stats.users == 1000;
            rk_dataset_free(d);
            _exit(!good ? 2 : seen.reports > 0);
        }
    }
    int readers = 0;
    for (int c = 0; c < PROCESSES; c++) {
        int status = -1;
        assert_int_equal(waitpid(children[c], &status, 0), children[c]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
        readers += WEXITSTATUS(status);
    }
    assert_int_equal(readers, 1);
    assert_int_equal(test_count_files(test_path(cache, "keys")), 1);

    /* Somebody is at it, and is killed: what is left is in nobody's way. */
    rk_config *config = config_with(SMALL "; data.min_user=2");
    rk_folder_lock busy = {.path = NULL};
    rk_cache_key key = {.state = NULL};
    rk_dataset *d = NULL;
    char path[700];
    assert_ok(rk__dataset_options_digest(rk__config_options(config), key.options));
    assert_ok(rk__dataset_sources_digest(rk__config_options(config), key.sources));
    snprintf(path, sizeof path, "%s/keys/%s-%s.busy", cache, key.options, key.sources);
    assert_int_equal(mkdir(path, 0777), 0);
    assert_ok(rk__folder_take(&busy, path, 0));
    assert_fails(RK_ERR_INTERRUPTED, "another process",
                 rk_dataset_prepare(config, false, &stopped, &d));
    rk__folder_release(&busy);
    assert_int_equal(access(path, F_OK), 0);
    assert_ok(rk_dataset_prepare(config, false, NULL, &d));
    rk_dataset_free(d);
    rk_config_free(config);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(mkdir(path, 0777), 0);
    assert_ok(rk_cache_clean(cache, false, NULL, NULL));
    assert_int_not_equal(access(path, F_OK), 0);
}

/* Several processes prepare at once, of the same source and of one that differs: each gets what it
 * asked for, whole, and nobody's file goes. */
static void preparing_at_once_is_safe(void **state)
{
    (void)state;
    enum { PROCESSES = 6, ROUNDS = 5 };
    pid_t children[PROCESSES];
    for (int c = 0; c < PROCESSES; c++) {
        children[c] = fork();
        assert_true(children[c] >= 0);
        if (children[c] == 0) {
            const char *settings = c % 3 == 0 ? SMALL "; data.min_user=4" : SMALL;
            int64_t users = c % 3 == 0 ? 0 : 2;
            bool good = true;
            for (int r = 0; r < ROUNDS; r++) {
                rk_dataset *d = NULL, *again = NULL;
                rk_status status = try_prepare(&d, settings, r % 2 == 0);
                if (users == 0) {
                    good = good && status == RK_ERR_DATA; /* it drops everybody */
                    continue;
                }
                good = good && status == RK_OK && d->stats.users == users;
                good = good && rk_dataset_open(rk_dataset_path(d), &again) == RK_OK;
                good = good && strcmp(d->fingerprint, again->fingerprint) == 0;
                rk_dataset_free(d);
                rk_dataset_free(again);
            }
            _exit(good ? 0 : 1);
        }
    }
    for (int c = 0; c < PROCESSES; c++) {
        int status = -1;
        assert_int_equal(waitpid(children[c], &status, 0), children[c]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(count_cached(), 1);
    assert_int_equal(test_count_files(test_path(cache, "keys")), 1);
}

static void names_make_safe_file_names(void **state)
{
    (void)state;
    rk_dataset *d = prepare(SMALL "; data.name=../a b/c");
    assert_string_equal(rk_dataset_name(d), "../a b/c");
    assert_non_null(strstr(rk_dataset_path(d), "/deep/cache/_._a_b_c-"));
    assert_int_equal(count_cached(), 1);
    rk_dataset_free(d);
}

/* ---- a file of its own ---- */

static ino_t inode_of(const char *path)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return info.st_ino;
}

static void a_data_set_is_kept_as_it_was_read(void **state)
{
    (void)state;
    rk_dataset *d = prepare(SMALL), *other = NULL, *kept = NULL;
    char own[600], cached[600];
    snprintf(own, sizeof own, "%s", test_path(scratch, "own.h5"));
    snprintf(cached, sizeof cached, "%s", d->path);
    assert_ok(rk__dataset_keep(d, own));
    assert_int_equal(inode_of(own), inode_of(cached)); /* no second copy on the disk */
    assert_ok(rk__dataset_keep(d, own));               /* once more, onto itself */
    assert_int_equal(inode_of(own), inode_of(cached));
    assert_true(access(test_path(scratch, "own.h5.new"), F_OK) != 0);

    /* Another file has taken the name since: what is kept is what was read, not that. */
    other = prepare(SMALL "; data.name=other");
    assert_int_equal(rename(other->path, cached), 0);
    assert_ok(rk__dataset_keep(d, own));
    assert_int_not_equal(inode_of(own), inode_of(cached));
    assert_ok(rk_dataset_open(own, &kept));
    assert_string_equal(kept->name, "small");
    assert_string_equal(kept->fingerprint, d->fingerprint);
    rk_dataset_free(kept);

    /* And none: written anew, with the same bytes. */
    char *first = test_read(own);
    assert_int_equal(unlink(cached), 0);
    assert_int_equal(unlink(own), 0);
    assert_ok(rk__dataset_keep(d, own));
    char *second = test_read(own);
    assert_string_equal(first, second);
    free(first);
    free(second);
    assert_fails(RK_ERR_IO, "nowhere/own.h5",
                 rk__dataset_keep(d, test_path(scratch, "nowhere/own.h5")));
    rk_dataset_free(other);
    rk_dataset_free(d);
}

/* ---- listing and cleaning ---- */

static const rk_cache_entry *find_entry(const rk_cache *list, const char *name)
{
    for (int64_t i = 0; i < rk_cache_count(list); i++) {
        if (strstr(rk_cache_at(list, i)->path, name)) {
            return rk_cache_at(list, i);
        }
    }
    fail_msg("%s is not listed", name);
    return NULL;
}

static void assert_state(const char *name, rk_cache_state state, const char *source)
{
    rk_cache *list = NULL;
    assert_ok(rk_cache_open(cache, &list));
    const rk_cache_entry *e = find_entry(list, name);
    assert_int_equal(e->state, state);
    assert_non_null(strstr(e->source, source));
    rk_cache_free(list);
}

static void lists_and_cleans(void **state)
{
    (void)state;
    char own[600], path[600];
    rk_cache *list = NULL;
    int64_t files = -1, bytes = -1;
    assert_fails(RK_ERR_IO, "deep/cache", rk_cache_open(cache, &list));
    test_write(test_path(scratch, "odd\nname%.csv"), HEAD "7,10,5\n7,20,4\n", -1);
    rk_dataset *gone = prepare("data.name=gone; data.sources[0].file=\"odd\\nname%.csv\"; "
                               "split.kind=ratio");
    assert_state("gone-", RK_CACHE_CURRENT, "odd\nname%.csv");
    assert_int_equal(unlink(test_path(scratch, "odd\nname%.csv")), 0);
    assert_state("gone-", RK_CACHE_GONE, "odd\nname%.csv");
    rk_dataset *d = prepare(SMALL "; data.name=held");
    snprintf(own, sizeof own, "%s", test_path(scratch, "own.h5"));
    assert_ok(rk__dataset_keep(d, own));
    rk_dataset_free(prepare(SMALL "; data.name=lost"));
    assert_state("held-", RK_CACHE_CURRENT, "ratings.csv");
    test_write(test_path(scratch, "items.csv"), "item_id,title\n10,Ten\n", -1);
    assert_state("held-", RK_CACHE_CHANGED, "items.csv");
    rk_dataset_free(prepare(SMALL "; data.name=held"));

    /* Others' files, a dead writer's, a living one's, an earlier version's. */
    rk_aside living = {.descriptor = -1};
    assert_ok(rk__aside_open(&living, test_path(cache, "living.h5")));
    test_write(test_path(cache, "dead.h5.tmp"), "half", -1);
    test_write(test_path(cache, "dead.h5.7.tmp"), "half", -1);
    test_write(test_path(cache, "keys/dead.tmp"), "half", -1);
    test_write(test_path(cache, "mine-0123456789abcdef.h5.txt"), "mine", -1);
    test_write(test_path(cache, "mine-01234567.h5"), "mine", -1);
    snprintf(path, sizeof path, "%s", test_path(cache, "copy-20261231.h5"));
    assert_ok(rk__dataset_save(d, path));
    rk_h5 *older = NULL;
    assert_ok(rk__h5_create(&older, test_path(cache, "older-01234567.h5"), "data set", 1));
    assert_ok(rk__h5_set_text(older, "name", "older"));
    assert_ok(rk__h5_set_text(older, "fingerprint", "0123456789abcdef"));
    assert_ok(rk__h5_commit(older));
    rk__h5_close(older);
    assert_ok(rk_cache_open(cache, &list));
    const rk_cache_entry *held = find_entry(list, d->path);
    assert_int_equal(rk_cache_count(list), 8); /* gone, 2 held, lost, older, 3 remains */
    assert_int_equal(held->runs, 1);
    assert_string_equal(held->name, "held");
    assert_string_equal(held->fingerprint, d->fingerprint);
    assert_int_equal(find_entry(list, "older-")->state, RK_CACHE_UNUSED);
    assert_int_equal(find_entry(list, "lost-")->state, RK_CACHE_CHANGED);
    assert_int_equal(find_entry(list, "dead.h5.7.tmp")->state, RK_CACHE_REMAINS);
    assert_null(rk_cache_at(list, 8));
    int64_t freed = find_entry(list, "older-")->bytes + find_entry(list, "lost-")->bytes + 8;
    rk_cache_free(list);

    assert_ok(rk_cache_clean(cache, false, &files, &bytes));
    assert_int_equal(files, 5);
    assert_int_equal(bytes, freed);         /* what a run shares frees nothing */
    assert_int_equal(access(own, F_OK), 0); /* and stays there */
    assert_int_not_equal(access(d->path, F_OK), 0);
    assert_state("gone-", RK_CACHE_GONE, ""); /* there is no other of these */
    assert_state("held-", RK_CACHE_CURRENT, "");
    assert_int_equal(access(test_path(cache, "mine-01234567.h5"), F_OK), 0);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(access(test_path(cache, "mine-0123456789abcdef.h5.txt"), F_OK), 0);
    assert_int_equal(test_count_files(test_path(cache, "keys")), 2);
    assert_ok(rk__aside_commit(&living));
    rk__aside_close(&living);

    assert_ok(rk_cache_clean(cache, true, &files, NULL));
    assert_int_equal(files, 2);
    assert_int_equal(count_cached(), 4); /* living.h5, and what is mine */
    assert_int_equal(test_count_files(test_path(cache, "keys")), 0);
    rk_dataset_free(prepare(SMALL));
    assert_int_equal(seen.reports, 1);
    rk_dataset_free(gone);
    rk_dataset_free(d);
}

/* Found by another state of its sources, and kept in a file of its own. */
static void every_allocation_of_finding_may_fail(void **state)
{
    (void)state;
    rk_dataset *d = NULL;
    rk_status status = RK_ERR_MEMORY;
    rk_config *config = config_with(SMALL);
    rk_dataset_free(prepare(SMALL));
    assert_int_equal(unlink(test_path(scratch, "ratings.csv")), 0);
    for (int64_t n = 0; status != RK_OK; n++) {
        rk__alloc_fail_after(n);
        status = rk_dataset_prepare(config, false, NULL, &d);
        rk__alloc_fail_after(-1);
        assert_true(status == RK_OK ? n > 20 : status == RK_ERR_MEMORY);
    }
    rk_config_free(config);
    status = RK_ERR_MEMORY;
    for (int64_t n = 0; status != RK_OK; n++) {
        rk__alloc_fail_after(n);
        status = rk__dataset_keep(d, test_path(scratch, "own.h5"));
        rk__alloc_fail_after(-1);
        assert_true(status == RK_OK || status == RK_ERR_MEMORY);
        assert_int_equal(test_count_files(scratch), status == RK_OK ? 3 : 2); /* deep, items.csv */
    }
    rk_dataset_free(d);
}

static void every_allocation_of_a_list_may_fail(void **state)
{
    (void)state;
    rk_dataset_free(prepare(SMALL));
    rk_dataset_free(prepare(SMALL "; data.name=other"));
    rk_status status = RK_ERR_MEMORY;
    for (int64_t n = 0; status != RK_OK; n++) {
        rk_cache *list = NULL;
        rk__alloc_fail_after(n);
        status = rk_cache_open(cache, &list);
        rk__alloc_fail_after(-1);
        assert_true(status == RK_OK ? n > 15 : status == RK_ERR_MEMORY);
        rk_cache_free(list);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_cache_is_taken_when_it_fits),
        TEST(a_changed_source_is_read_again),
        TEST(a_source_that_is_gone_still_serves),
        TEST(a_pipe_is_read_each_time),
        TEST(a_bad_cache_is_replaced),
        TEST(one_of_several_reads),
        TEST(preparing_at_once_is_safe),
        TEST(names_make_safe_file_names),
        TEST(a_data_set_is_kept_as_it_was_read),
        TEST(lists_and_cleans),
        TEST(every_allocation_of_finding_may_fail),
        TEST(every_allocation_of_a_list_may_fail),
    };
    return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
