/*
 * What a served run answers: as its model does when it is asked directly, on every kind; together
 * with others, in other orders and lengths; while the run is replaced, also by one that is broken;
 * what waits too long in line. No sockets here: tests/unit/test_serve.c and tests/cli have those.
 * Also built for ThreadSanitizer (tests.cmake).
 */
#include <jansson.h>
#include <pthread.h>
#include <unistd.h>

#include "serve/memory.h"
#include "serve/reply.h"
#include "serve/world.h"
#include "train/every_kind.h"

enum { THREADS = 6, ROUNDS = 40, MOST = 40 };

/* ---- asking ---- */

/* A reply that somebody waits for. */
typedef struct waiting {
    serve_reply reply;
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool has_waited, is_done;
} waiting;

static void on_wait(serve_reply *reply)
{
    ((waiting *)reply->owner)->has_waited = true;
}

static void on_done(serve_reply *reply)
{
    waiting *w = reply->owner;
    pthread_mutex_lock(&w->lock);
    w->is_done = true;
    pthread_cond_signal(&w->done);
    pthread_mutex_unlock(&w->lock);
}

/* The answer as JSON; its status. Free with json_decref. */
static json_t *ask(serve_world *served_by, const serve_request *request, int *status)
{
    waiting w = {.reply = {.wait = on_wait, .done = on_done}};
    w.reply.owner = &w;
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.done, NULL);
    const bool is_complete = serve_answer(served_by, request, &w.reply);
    pthread_mutex_lock(&w.lock);
    while (!is_complete && !w.is_done) {
        pthread_cond_wait(&w.done, &w.lock);
    }
    pthread_mutex_unlock(&w.lock);
    pthread_mutex_destroy(&w.lock);
    pthread_cond_destroy(&w.done);
    *status = w.reply.text.has_failed       ? 503 /* as http.c has it */
              : is_complete || w.has_waited ? w.reply.status
                                            : -1;
    json_t *answer = w.reply.text.has_failed ? NULL
                                             : json_loadb(w.reply.text.at, w.reply.text.length,
                                                          JSON_REJECT_DUPLICATES, NULL);
    serve_text_free(&w.reply.text);
    return answer;
}

/* GET with one part of the path and parameters, names and texts in turn, ended by NULL. */
static json_t *get(serve_world *served_by, serve_question question, const char *part,
                   const char *const *parameters, int *status)
{
    serve_parameter query[8];
    const serve_parameter path = {"part", part, strlen(part)};
    serve_request request = {.question = question, .path = &path, .n_path = 1, .query = query};
    for (; parameters && parameters[2 * request.n_query]; request.n_query++) {
        const char *const *p = parameters + 2 * request.n_query;
        query[request.n_query] = (serve_parameter){p[0], p[1], strlen(p[1])};
    }
    return ask(served_by, &request, status);
}

static json_t *post(serve_world *served_by, serve_question question, const char *body, int *status)
{
    json_t *json = json_loads(body, JSON_DECODE_ANY, NULL);
    assert_non_null(json);
    const serve_request request = {.question = question, .body = json};
    json_t *answer = ask(served_by, &request, status);
    json_decref(json);
    return answer;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* ---- what must come out ---- */

static bool is_item(const rk_dataset *dataset, const json_t *row, const rk_recommendation *best)
{
    char room[RK_ID_BYTES];
    return strcmp(text_of(row, "item"), rk_dataset_item_id(dataset, best->item, room)) == 0 &&
           (float)json_number_value(json_object_get(row, "score")) == best->score;
}

/* The list under `key` is what the model answers, in items and bits of scores. */
static bool is_answer(const rk_model *model, const json_t *answer, const char *key,
                      const rk_recommendation *best, int64_t k)
{
    const json_t *rows = json_object_get(answer, key);
    int64_t n = 0;
    while (n < k && best[n].item >= 0) {
        n++;
    }
    bool is_one = rows && (int64_t)json_array_size(rows) == n;
    for (int64_t i = 0; is_one && i < n; i++) {
        is_one = is_item(rk_model_dataset(model), json_array_get(rows, (size_t)i), &best[i]);
    }
    return is_one;
}

/* The model as it is served, and the one that was fitted. */
typedef struct served {
    serve_world *world;
    const rk_model *model;
    char path[600];
} served;

static served serve_kind(world *w, int kind, const rk_hooks *hooks)
{
    served s = {.model = w->models[kind]};
    snprintf(s.path, sizeof s.path, "%s", test_path(w->r.data, "served.h5"));
    char why[SERVE_WHY];
    assert_ok(rk_model_save(s.model, s.path, true));
    const serve_world_options options = {
        .run = s.path, .most = MOST, .most_waiting = 1000, .hooks = hooks};
    if (serve_world_open(&options, &s.world, why) != RK_OK) {
        fail_msg("%s: %s", rk_model_get_facts(s.model).kind, why);
    }
    return s;
}

static const char *user_id(const rk_model *model, int64_t user, char room[RK_ID_BYTES])
{
    return rk_dataset_user_id(rk_model_dataset(model), user, room);
}

/* ---- the answers of every kind ---- */

static void check_user(const served *s, int64_t user)
{
    char room[RK_ID_BYTES], other[2][RK_ID_BYTES];
    static const int32_t denied[] = {3, 12};
    const char *ids[2];
    int status = 0;
    rk_recommendation best[MOST], few[7];
    const rk_query query = {.user = user}, denies = {.user = user, .deny = denied, .n_deny = 2};
    for (int i = 0; i < 2; i++) {
        ids[i] = rk_dataset_item_id(rk_model_dataset(s->model), denied[i], other[i]);
    }
    const char *all[] = {"n", "40", NULL},
               *some[] = {"exclude", ids[0], "n", "5", "exclude", ids[1], "offset", "2", NULL};
    assert_ok(rk_model_top_k(s->model, &query, 1, NULL, MOST, best));
    json_t *answer = get(s->world, SERVE_USER, user_id(s->model, user, room), all, &status);
    assert_int_equal(status, 200);
    assert_true(is_answer(s->model, answer, "recommendations", best, MOST));
    json_decref(answer);
    assert_ok(rk_model_top_k(s->model, &denies, 1, NULL, 7, few));
    answer = get(s->world, SERVE_USER, user_id(s->model, user, room), some, &status);
    assert_int_equal(status, 200);
    assert_true(is_answer(s->model, answer, "recommendations", few + 2, 5));
    json_decref(answer);
}

static void check_list(const served *s)
{
    static const int32_t items[] = {77, 3}, among[] = {5, 9, 60};
    char id[6][RK_ID_BYTES], body[400];
    rk_selection selection = rk_selection_defaults();
    const rk_query query = {.user = -1, .items = items, .n_items = 2};
    rk_recommendation best[MOST];
    int status = 0;
    for (int i = 0; i < 5; i++) {
        const char *text =
            rk_dataset_item_id(rk_model_dataset(s->model), i < 2 ? items[i] : among[i - 2], id[5]);
        snprintf(id[i], sizeof id[i], "%s", text);
    }
    selection.allow = among;
    selection.n_allow = 3;
    snprintf(body, sizeof body,
             "{\"items\": [\"%s\", \"none\", \"%s\"], \"among\": [\"%s\", \"%s\", \"%s\"]}", id[0],
             id[1], id[2], id[3], id[4]);
    assert_ok(rk_model_top_k(s->model, &query, 1, &selection, 10, best));
    json_t *answer = post(s->world, SERVE_LIST, body, &status);
    assert_int_equal(status, 200);
    assert_true(is_answer(s->model, answer, "recommendations", best, 10));
    assert_int_equal(json_array_size(json_object_get(answer, "unknown_items")), 1);
    json_decref(answer);
    if (rk_model_get_facts(s->model).finds_similar) {
        assert_ok(rk_model_similar(s->model, items, 1, NULL, 10, best));
        answer = get(s->world, SERVE_SIMILAR, id[0], NULL, &status);
        assert_int_equal(status, 200);
        assert_true(is_answer(s->model, answer, "similar", best, 10));
        json_decref(answer);
    }
}

/* Nobody known, and a user without train items: popularity, and the answer says so. */
static void check_unknown(const served *s)
{
    char room[RK_ID_BYTES];
    const bool is_same = rk_model_get_facts(s->model).is_same_for_all;
    int status = 0;
    json_t *answer = get(s->world, SERVE_USER, "nobody", NULL, &status);
    assert_int_equal(status, 200);
    assert_true(json_is_true(json_object_get(answer, "unknown_user")));
    assert_string_equal(text_of(answer, "basis"), is_same ? "model" : "popularity");
    json_decref(answer);
    answer = get(s->world, SERVE_USER, user_id(s->model, COLD_USER, room), NULL, &status);
    assert_null(json_object_get(answer, "unknown_user"));
    assert_string_equal(text_of(answer, "basis"), is_same ? "model" : "popularity");
    json_decref(answer);
}

static void every_kind_answers_as_its_model(void **state)
{
    world *w = *state;
    for (int m = 0; m < N_KINDS; m++) {
        served s = serve_kind(w, m, NULL);
        for (int64_t user = 0; user < N_USERS; user += 48) {
            check_user(&s, user);
        }
        check_list(&s);
        check_unknown(&s);
        serve_world_close(s.world);
    }
}

static void a_batch_is_in_its_order(void **state)
{
    world *w = *state;
    served s = serve_kind(w, 0, NULL);
    char room[RK_ID_BYTES], body[200];
    int status = 0;
    const int64_t users[] = {17, 3, 100};
    rk_recommendation best[3][10];
    char ids[3][RK_ID_BYTES];
    for (int i = 0; i < 3; i++) {
        const rk_query query = {.user = users[i]};
        assert_ok(rk_model_top_k(s.model, &query, 1, NULL, 10, best[i]));
        snprintf(ids[i], sizeof ids[i], "%s", user_id(s.model, users[i], room));
    }
    snprintf(body, sizeof body, "{\"users\": [\"%s\", \"x\", \"%s\", \"%s\"]}", ids[0], ids[1],
             ids[2]);
    json_t *answer = post(s.world, SERVE_BATCH, body, &status);
    const json_t *results = json_object_get(answer, "results");
    assert_int_equal(status, 200);
    assert_int_equal(json_array_size(results), 4);
    assert_string_equal(text_of(json_array_get(results, 1), "user"), "x");
    for (size_t i = 0; i < 3; i++) {
        assert_true(is_answer(s.model, json_array_get(results, i > 0 ? i + 1 : 0),
                              "recommendations", best[i], 10));
    }
    json_decref(answer);
    serve_world_close(s.world);
}

static void items_are_found(void **state)
{
    world *w = *state;
    served s = serve_kind(w, 0, NULL);
    const char *seven[] = {"n", "30", "seed", "7", NULL}, *n[] = {"n", "12", NULL};
    int status = 0;
    json_t *a = get(s.world, SERVE_RANDOM, "", seven, &status),
           *b = get(s.world, SERVE_RANDOM, "", seven, &status);
    assert_true(json_equal(a, b));
    const json_t *items = json_object_get(a, "items");
    assert_int_equal(json_array_size(items), 30);
    for (size_t i = 0; i < 30; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(text_of(json_array_get(items, i), "item"),
                                    text_of(json_array_get(items, j), "item"));
        }
    }
    json_decref(a);
    json_decref(b);
    const rk_query nobody = {.user = -1};
    rk_recommendation best[12];
    assert_ok(rk_model_top_k(w->models[POPULARITY], &nobody, 1, NULL, 12, best));
    a = get(s.world, SERVE_POPULAR, "", n, &status);
    for (size_t i = 0; i < 12; i++) {
        char room[RK_ID_BYTES];
        const json_t *row = json_array_get(json_object_get(a, "items"), i);
        assert_string_equal(text_of(row, "item"),
                            rk_dataset_item_id(rk_model_dataset(s.model), best[i].item, room));
        assert_true((float)json_integer_value(json_object_get(row, "users")) == best[i].score);
    }
    json_decref(a);
    serve_world_close(s.world);
}

/* ---- what is refused ---- */

static void wrong_questions_are_problems(void **state)
{
    world *w = *state;
    served s = serve_kind(w, 0, NULL);
    const struct {
        serve_question question;
        const char *parameters[5];
        int status;
        const char *detail;
    } gets[] = {
        {SERVE_USER, {"n", "0"}, 400, "n must be from 1 to 40"},
        {SERVE_USER, {"n", "41"}, 400, "n must be from 1 to 40"},
        {SERVE_USER, {"n", "-1"}, 400, "n must be"},
        {SERVE_USER, {"n", "1e1"}, 400, "n must be"},
        {SERVE_USER, {"n", "99999999999999999999"}, 400, "n must be"},
        {SERVE_USER, {"n", "1", "n", "2"}, 400, "The parameter n is there twice"},
        {SERVE_USER, {"top", "1"}, 400, "There is no parameter 'top' here; there is n, offset"},
        {SERVE_USER, {"exclude", ""}, 400, "An id is empty"},
        {SERVE_USER, {"context", "hour=3"}, 400, "The model reads no context"},
        {SERVE_SEARCH, {NULL}, 400, "The parameter q is missing"},
        {SERVE_INFO, {"n", "1"}, 400, "There is no parameter 'n' here; there is none"},
        {SERVE_ITEM, {NULL}, 404, "item 'zzz' is not in the data set"},
        {SERVE_SIMILAR, {NULL}, 404, "item 'zzz' is not in the data set"},
    };
    const struct {
        serve_question question;
        const char *body;
        int status;
        const char *detail;
    } posts[] = {
        {SERVE_LIST, "[]", 422, "The body must be an object"},
        {SERVE_LIST, "{}", 422, "The member items is missing"},
        {SERVE_LIST, "{\"items\": \"a\"}", 422, "items must be a list of ids"},
        {SERVE_LIST, "{\"items\": [1]}", 422, "items: the element 0 is no string"},
        {SERVE_LIST, "{\"items\": [], \"n\": 1.5}", 422, "n must be a whole number"},
        {SERVE_LIST, "{\"items\": [], \"exlude\": []}", 422, "There is no member 'exlude' here"},
        {SERVE_LIST, "{\"items\": [\"1\"], \"weights\": []}", 422, "0 weights for 1 items"},
        {SERVE_LIST, "{\"items\": [\"0\"], \"weights\": [-1]}", 422, "weights: the element 0"},
        {SERVE_LIST, "{\"items\": [\"0\"], \"weights\": [1e300]}", 422, "weights: the element 0"},
        {SERVE_LIST, "{\"items\": [], \"context\": {\"hour\": \"3\"}}", 422, "reads no context"},
        {SERVE_LIST, "{\"items\": [], \"context\": {\"hour\": 3}}", 422, "with a string for each"},
        {SERVE_BATCH, "{\"users\": []}", 422, "ask for 1 user or more"},
        {SERVE_SCORES, "{\"pairs\": [{\"user\": \"1\"}]}", 422, "pairs must be a list of"},
        {SERVE_GORSE_LIST, "{}", 422, "must be a list of objects with an ItemId"},
    };
    for (size_t i = 0; i < sizeof gets / sizeof gets[0]; i++) {
        int status = 0;
        json_t *problem = get(s.world, gets[i].question, "zzz", gets[i].parameters, &status);
        assert_int_equal(status, gets[i].status);
        assert_int_equal(json_integer_value(json_object_get(problem, "status")), status);
        if (!strstr(text_of(problem, "detail"), gets[i].detail)) {
            fail_msg("'%s' does not say '%s'", text_of(problem, "detail"), gets[i].detail);
        }
        json_decref(problem);
    }
    for (size_t i = 0; i < sizeof posts / sizeof posts[0]; i++) {
        int status = 0;
        json_t *problem = post(s.world, posts[i].question, posts[i].body, &status);
        assert_int_equal(status, posts[i].status);
        if (!strstr(text_of(problem, "detail"), posts[i].detail)) {
            fail_msg("'%s' does not say '%s'", text_of(problem, "detail"), posts[i].detail);
        }
        json_decref(problem);
    }
    serve_world_close(s.world);
}

/* ---- many at once ---- */

typedef struct asker {
    const served *s;
    int number;
    const rk_recommendation *best; /* [N_USERS, MOST] */
    int wrong;
} asker;

/* Users in turn, each with another number of answers; lists and unknown people between them. */
static void *keep_asking(void *self)
{
    static const char *const lengths[] = {"1", "10", "40", "33"};
    asker *a = self;
    for (int i = 0; i < ROUNDS; i++) {
        char room[RK_ID_BYTES];
        const int64_t user = (a->number * 37 + i * 11) % (N_USERS - 1);
        const char *n = lengths[(a->number + i) % 4], *parameters[] = {"n", n, NULL};
        const rk_recommendation *best = a->best + user * MOST;
        int status = 0;
        json_t *answer = i % 5 == 4 ? post(a->s->world, SERVE_LIST, "{\"items\": []}", &status)
                                    : get(a->s->world, SERVE_USER, user_id(a->s->model, user, room),
                                          parameters, &status);
        bool is_right = i % 5 == 4
                            ? strcmp(text_of(answer, "basis"), "popularity") == 0
                            : is_answer(a->s->model, answer, "recommendations", best, atoi(n));
        a->wrong += status != 200 || !is_right;
        json_decref(answer);
    }
    return NULL;
}

static rk_recommendation *all_answers(const rk_model *model)
{
    rk_recommendation *best = calloc((size_t)N_USERS * MOST, sizeof *best);
    rk_query queries[N_USERS];
    assert_non_null(best);
    for (int64_t u = 0; u < N_USERS; u++) {
        queries[u] = (rk_query){.user = u};
    }
    assert_ok(rk_model_top_k(model, queries, N_USERS, NULL, MOST, best));
    return best;
}

static void begin(pthread_t threads[THREADS], asker askers[THREADS], const served *s,
                  const rk_recommendation *best)
{
    for (int i = 0; i < THREADS; i++) {
        askers[i] = (asker){.s = s, .number = i, .best = best};
        assert_int_equal(pthread_create(&threads[i], NULL, keep_asking, &askers[i]), 0);
    }
}

static void end(pthread_t threads[THREADS], const asker askers[THREADS])
{
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(askers[i].wrong, 0);
    }
}

static void many_at_once_get_what_each_gets_alone(void **state)
{
    world *w = *state;
    served s = serve_kind(w, 0, NULL);
    rk_recommendation *best = all_answers(s.model);
    pthread_t threads[THREADS];
    asker askers[THREADS];
    serve_world_facts facts;
    begin(threads, askers, &s, best);
    end(threads, askers);
    serve_world_get_facts(s.world, &facts);
    assert_int_equal(facts.questions, THREADS * ROUNDS);
    assert_int_equal(facts.answers[RK_BASIS_MODEL] + facts.answers[RK_BASIS_POPULARITY],
                     THREADS * ROUNDS);
    assert_true(facts.batches <= facts.questions && facts.waiting == 0);
    free(best);
    serve_world_close(s.world);
}

/* ---- other runs ---- */

typedef struct heard {
    pthread_mutex_t lock;
    char warning[2000];
} heard;

static void hear(void *user, rk_log_level level, const char *message)
{
    heard *h = user;
    pthread_mutex_lock(&h->lock);
    if (level == RK_LOG_WARNING) {
        snprintf(h->warning, sizeof h->warning, "%s", message);
    }
    pthread_mutex_unlock(&h->lock);
}

static void nobody_notices_another_run(void **state)
{
    world *w = *state;
    heard h = {.warning = ""};
    pthread_mutex_init(&h.lock, NULL);
    const rk_hooks hooks = {.log = hear, .user = &h};
    served s = serve_kind(w, 0, &hooks);
    rk_recommendation *best = all_answers(s.model);
    pthread_t threads[THREADS];
    asker askers[THREADS];
    serve_world_facts facts;
    const serve_request reload = {.question = SERVE_RELOAD};
    int status = 0;
    begin(threads, askers, &s, best);
    for (int i = 0; i < 3; i++) {
        json_t *answer = ask(s.world, &reload, &status);
        assert_int_equal(status, 200);
        assert_string_equal(text_of(answer, "fingerprint"),
                            rk_dataset_fingerprint(rk_model_dataset(s.model)));
        json_decref(answer);
    }
    end(threads, askers);
    FILE *file = fopen(s.path, "r+b"); /* what cannot be opened changes nothing */
    assert_non_null(file);
    assert_int_equal(ftruncate(fileno(file), 5000), 0);
    fclose(file);
    json_t *problem = ask(s.world, &reload, &status);
    assert_int_equal(status, 409);
    assert_non_null(strstr(text_of(problem, "detail"), "the one before is still served"));
    json_decref(problem);
    assert_non_null(strstr(h.warning, "the run is still the one before"));
    begin(threads, askers, &s, best);
    end(threads, askers);
    serve_world_get_facts(s.world, &facts);
    assert_int_equal(facts.reloads, 3);
    assert_int_equal(facts.failed_reloads, 1);
    assert_ok(rk_model_save(w->models[2], s.path, true)); /* and a sound one is taken again */
    json_t *answer = ask(s.world, &reload, &status);
    assert_int_equal(status, 200);
    json_decref(answer);
    serve_world_get_facts(s.world, &facts);
    assert_string_equal(facts.model, "mf");
    free(best);
    serve_world_close(s.world);
    pthread_mutex_destroy(&h.lock);
}

/* ---- no memory ---- */

/* Each allocation of a question fails in turn: 503, or an answer that is right; and then it is over
 * with that. */
static void no_memory_is_503(void **state)
{
    world *w = *state;
    served s = serve_kind(w, 0, NULL);
    static const struct {
        serve_question question;
        const char *body;
    } asked[] = {
        {SERVE_LIST, "{\"items\": [\"1\", \"2\", \"3\"], \"n\": 40, \"reasons\": 3, \"exclude\": "
                     "[\"4\"], \"among\": [\"5\", \"6\", \"7\"]}"},
        {SERVE_BATCH, "{\"users\": [\"1\", \"2\", \"zz\"], \"n\": 40}"},
        {SERVE_SCORES, "{\"pairs\": [{\"user\": \"1\", \"item\": \"2\"}]}"},
    };
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        int status = 0, failed = 0;
        json_t *right = post(s.world, asked[i].question, asked[i].body, &status);
        assert_int_equal(status, 200);
        for (int n = 0; n < 200; n++) {
            serve_alloc_fail_after(n);
            json_t *answer = post(s.world, asked[i].question, asked[i].body, &status);
            failed += status == 503;
            assert_true(status == 503 || (status == 200 && json_equal(answer, right)));
            json_decref(answer);
        }
        serve_alloc_fail_after(-1);
        assert_true(failed >= 3 && failed < 150);
        json_decref(right);
    }
    serve_world_close(s.world);
}

/* ---- a line that is full ---- */

static void too_many_are_told_so(void **state)
{
    world *w = *state;
    char why[SERVE_WHY];
    served s = {.model = w->models[0]};
    snprintf(s.path, sizeof s.path, "%s", test_path(w->r.data, "served.h5"));
    assert_ok(rk_model_save(s.model, s.path, true));
    const serve_world_options options = {.run = s.path, .most = MOST, .most_waiting = 0};
    assert_ok(serve_world_open(&options, &s.world, why));
    int status = 0;
    json_t *problem = get(s.world, SERVE_USER, "nobody", NULL, &status);
    assert_int_equal(status, 503);
    json_decref(problem);
    serve_world_close(s.world);
}

static void bad_runs_are_refused(void **state)
{
    world *w = *state;
    char why[SERVE_WHY] = "";
    serve_world *none = NULL;
    const serve_world_options gone = {.run = "no/such/run", .most = 10, .most_waiting = 10};
    assert_int_equal(serve_world_open(&gone, &none, why), RK_ERR_IO);
    assert_non_null(strstr(why, "no/such/run"));
    assert_ok(runs_train(&w->r, "unfinished", kind_how(0)));
    assert_int_equal(unlink(runs_file(&w->r, "unfinished", "report.json")), 0);
    const char *path = test_path(w->r.data, "unfinished");
    const serve_world_options unfinished = {.run = path, .most = 10, .most_waiting = 10};
    assert_int_equal(serve_world_open(&unfinished, &none, why), RK_ERR_IO);
    assert_non_null(strstr(why, "is not finished, it has no report.json yet"));
    assert_null(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_answers_as_its_model),
        cmocka_unit_test(a_batch_is_in_its_order),
        cmocka_unit_test(items_are_found),
        cmocka_unit_test(wrong_questions_are_problems),
        cmocka_unit_test(many_at_once_get_what_each_gets_alone),
        cmocka_unit_test(nobody_notices_another_run),
        cmocka_unit_test(no_memory_is_503),
        cmocka_unit_test(too_many_are_told_so),
        cmocka_unit_test(bad_runs_are_refused),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
