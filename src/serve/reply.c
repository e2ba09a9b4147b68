#include "serve/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "serve/memory.h"

enum { FIRST_ROOM = 1024 };

/* Room for `more` bytes and a zero byte. */
static bool reserve(serve_text *text, size_t more)
{
    if (text->has_failed || more > SIZE_MAX / 4 || text->length > SIZE_MAX / 4) {
        text->has_failed = true;
        return false;
    }
    const size_t wanted = text->length + more + 1;
    if (wanted > text->room) {
        size_t room = text->room > 0 ? text->room : FIRST_ROOM;
        while (room < wanted) {
            room *= 2;
        }
        char *grown = serve_grow(text->at, (int64_t)room, 1);
        if (!grown) {
            text->has_failed = true;
            return false;
        }
        text->at = grown;
        text->room = room;
    }
    return true;
}

void serve_text_add(serve_text *text, const char *bytes, size_t length)
{
    if (reserve(text, length)) {
        memcpy(text->at + text->length, bytes, length);
        text->length += length;
        text->at[text->length] = '\0';
    }
}

static void RK_PRINTF(2, 0) add_formatted(serve_text *text, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0) {
        text->has_failed = true;
    } else if (reserve(text, (size_t)length)) {
        vsnprintf(text->at + text->length, (size_t)length + 1, format, arguments);
        text->length += (size_t)length;
    }
}

void serve_text_format(serve_text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_formatted(text, format, arguments);
    va_end(arguments);
}

void serve_text_free(serve_text *text)
{
    serve_free(text->at);
    *text = (serve_text){.at = NULL};
}

static void put(void *to, const char *bytes, size_t length)
{
    serve_text_add(to, bytes, length);
}

text_json serve_json(serve_text *text)
{
    return (text_json){.put = put, .to = text};
}

void serve_reply_json(serve_reply *reply, int status)
{
    reply->status = status;
    reply->content_type = "application/json";
}

const char *serve_status_title(int status)
{
    static const struct {
        int status;
        const char *title;
    } titles[] = {
        {200, "OK"},
        {202, "Accepted"},
        {204, "No Content"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
    };
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++) {
        if (titles[i].status == status) {
            return titles[i].title;
        }
    }
    return status < 500 ? "Error" : "Server Error";
}

void serve_reply_problem(serve_reply *reply, int status, const char *detail, ...)
{
    serve_text text = {.at = NULL};
    va_list arguments;
    va_start(arguments, detail);
    add_formatted(&text, detail, arguments);
    va_end(arguments);
    serve_text_free(&reply->text);
    text_json j = serve_json(&reply->text);
    text_json_open(&j, '{');
    text_json_key(&j, "type");
    text_json_text(&j, "about:blank");
    text_json_key(&j, "title");
    text_json_text(&j, serve_status_title(status));
    text_json_key(&j, "status");
    text_json_int(&j, status);
    text_json_key(&j, "detail");
    text_json_bytes(&j, text.at ? text.at : "", text.length);
    text_json_close(&j, '}');
    serve_text_free(&text);
    reply->status = status;
    reply->content_type = "application/problem+json";
}
