/*
 * What people liked, appended to a file of JSON lines that `prepare` reads (source.format: jsonl),
 * so that the next run learns from it.
 *
 * Durable: a line is answered when the disk has it. One thread writes whatever waits in one go and
 * waits for the disk once. A line is written whole or not at all; of a crash in the middle nothing
 * is left, since a cut last line is ended or removed when the file is opened. A file that has been
 * moved away or removed meanwhile is followed by a new one.
 */
#ifndef RK_SERVE_FEEDBACK_H
#define RK_SERVE_FEEDBACK_H

#include "rankine/config.h"
#include "serve/request.h"

typedef struct serve_feedback serve_feedback;

/* Opens the file or creates it. NULL: message is a sentence; one whose last line is neither a JSON
 * object nor the beginning of a line of the service is refused, and stays as it is. */
serve_feedback *serve_feedback_open(const char *path, char *message, size_t size);

/* Takes {"user", "item", "time", "value"}; time, in seconds since 1970, is now if it is not there,
 * and value may be left out. config: that of the run that is served; what preparing by it would not
 * take is refused, as a single such line would stop the next run. As serve_answer. */
bool serve_feedback_answer(serve_feedback *feedback, const rk_config *config,
                           const serve_request *request, serve_reply *reply);

/* The line of such a body; false: the reply is a problem. */
bool serve_feedback_line(const struct json_t *body, const rk_config *config, serve_text *out,
                         serve_reply *reply);

/* Writes what waits and closes. NULL is fine. */
void serve_feedback_close(serve_feedback *feedback);

#endif
