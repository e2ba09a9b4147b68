/* Files of this folder that are built into the program by embed.cmake: no disk is read for them. */
#ifndef RK_SERVE_EMBEDDED_H
#define RK_SERVE_EMBEDDED_H

#include <stddef.h>

extern const char serve_page[]; /* page.html, ended by a zero byte */
extern const size_t serve_page_length;
/* The header Content-Security-Policy that goes with it: it names the hashes of its style and its
 * script, and allows nothing else but requests to where the page came from. */
extern const char serve_page_policy[];

extern const char serve_openapi_template[]; /* openapi.json; openapi.h fills it */
extern const size_t serve_openapi_length;

#endif
