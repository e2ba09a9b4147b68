/*
 * Writing answers: a text that grows, JSON into it, and problems (RFC 9457).
 *
 * Nothing here fails: where there is no memory, the text says so (serve_text.has_failed), and
 * http.c answers 503.
 */
#ifndef RK_SERVE_REPLY_H
#define RK_SERVE_REPLY_H

#include "rankine/status.h"
#include "serve/request.h"
#include "text/json.h"

void serve_text_add(serve_text *text, const char *bytes, size_t length);
void serve_text_format(serve_text *text, const char *format, ...) RK_PRINTF(2, 3);
/* A zeroed one is fine; it is zeroed then. */
void serve_text_free(serve_text *text);

/* A writer of JSON at the end of the text, which is lent for its life. */
text_json serve_json(serve_text *text);

/* Ends an answer in JSON. */
void serve_reply_json(serve_reply *reply, int status);

/* Makes the reply a problem, whatever it has held: type, title, status, and the detail, one
 * sentence that says what is wrong and what to do. */
void serve_reply_problem(serve_reply *reply, int status, const char *detail, ...) RK_PRINTF(3, 4);

/* The phrase of a status of HTTP: "Not Found". A constant. */
const char *serve_status_title(int status);

#endif
