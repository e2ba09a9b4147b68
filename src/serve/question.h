/*
 * A question on its way: what a request wants, looked up in the run that is served, until the
 * answering thread has answered it.
 */
#ifndef RK_SERVE_QUESTION_H
#define RK_SERVE_QUESTION_H

#include "serve/batches.h"
#include "serve/reply.h"
#include "serve/wants.h"

typedef struct question {
    serve_ask ask; /* first, so that one is the other */
    serve_world *world;
    serve_run *run; /* taken */
    const serve_request *request;
    serve_reply *reply;
    serve_wants wants;
    /* Owned: */
    rk_query *queries;             /* [ask.n]; user -1: unknown, or somebody known by items */
    int32_t *context;              /* [fields of the model] */
    int32_t *items, *deny, *allow; /* those that are in the data set */
    float *weights;                /* of items; NULL = none are given */
    int64_t n_items, n_deny, n_allow;
    serve_texts unknown; /* items that are not */
    int32_t item;        /* that others are like */
} question;

/* NULL, and a problem in the reply, where there is no memory. Takes the run. */
question *question_create(serve_world *world, const serve_request *request, serve_reply *reply);
/* Gives the run back. */
void question_free(question *q);

/* Looks up what the wants name: context, lists, items with their weights. false: the reply is a
 * problem. */
bool question_look_up(question *q);
/* Of what depends on no context: every field that the model reads is empty. false: the reply is a
 * problem. */
bool question_empty_context(question *q);
/* A query with the context and the denied items; user -1 of nobody known. */
rk_query question_query(const question *q, int64_t user);
/* The item of an id, a part of the path; false: the reply is a problem, 404. */
bool question_find_item(question *q, const char *id, int32_t *out);

/* Hands it to the answering thread, which calls q->ask.answer. Always false, as serve_answer
 * returns for what comes later; too many waiting are told so. */
bool question_wait(question *q);
/* The end of an answer: the question is freed, the reply completed. */
void question_done(question *q);
/* Of a status of the library: the problem that it is to a client. */
void question_problem(question *q, rk_status status, const char *why);

/* ---- writing (rows.c) ---- */

/* {"item": ..., "label": ...} without its end. */
void rows_item(text_json *j, const serve_run *run, int64_t item);
/* {"item", "label", "users"} */
void rows_counted_item(text_json *j, const serve_run *run, int64_t item);
/* What the answers to one query are: as rankine recommend --json writes them, ids as strings. user
 * NULL: of somebody known by items. On failure nothing more is to be written. */
rk_status rows_answer(text_json *j, question *q, const char *user, const rk_query *query,
                      const rk_recommendation *best);
/* As rankine similar --json. */
void rows_similar(text_json *j, question *q, const rk_recommendation *best);
/* The ids alone, or as gorse has scores. query: the one answered; NULL = similar items. */
rk_status rows_ids(text_json *j, const question *q, const rk_query *query,
                   const rk_recommendation *best);
rk_status rows_gorse(text_json *j, const question *q, const rk_query *query,
                     const rk_recommendation *best);
/* What the pairs score: as rankine score --json, as a list. */
rk_status rows_scores(text_json *j, question *q);

#endif
