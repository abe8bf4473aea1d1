/* Lines of text for a terminal of so many columns: columns, not bytes, are counted; escape sequences take none. */
#ifndef TOP_TEXT_H
#define TOP_TEXT_H

#include "base/base.h"

typedef struct Text {
    char *data; /* owned, zero-terminated */
    size_t n, capacity;
    bool colours;
} Text;

typedef enum Style { STYLE_PLAIN, STYLE_HEAD, STYLE_WARNING, STYLE_ALARM } Style;

/* Appends. */
void text_add(Text *t, const char *format, ...) PRINTF_LIKE(2, 3);

/* Appends in a colour, where there are colours. */
void text_styled(Text *t, Style style, const char *format, ...) PRINTF_LIKE(3, 4);

/* Appends n numbers as a curve of blocks, each between the least and the largest. NaN is a blank. */
void text_curve(Text *t, const double *x, size_t n);

/* "97 s", "34 min", "5 h 12 min"; "-" for NAN. "812", "12.3k". "120M". The caller frees it. */
char *text_seconds(double seconds);
char *text_bytes(double bytes);
char *text_number(double x);

/* Prints it, each line cut at so many columns, with `end` behind each line in place of "\n". */
void text_print(const Text *t, size_t columns, const char *end, FILE *out);

/* Frees it; it is empty after that. */
void text_release(Text *t);

#endif
