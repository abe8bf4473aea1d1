/* Text for terminals; see text.h. */
#include "top/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void add(Text *t, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    t->data = array_reserve(t->data, &t->capacity, t->n + (size_t)n + 1, 1);
    vsnprintf(t->data + t->n, (size_t)n + 1, format, again);
    t->n += (size_t)n;
    va_end(again);
}

void text_add(Text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(t, format, args);
    va_end(args);
}

void text_styled(Text *t, Style style, const char *format, ...)
{
    static const char *const codes[] = {"", "\033[1m", "\033[33m", "\033[31m"};
    va_list args;
    va_start(args, format);
    text_add(t, "%s", t->colours ? codes[style] : "");
    add(t, format, args);
    text_add(t, "%s", t->colours && *codes[style] ? "\033[0m" : "");
    va_end(args);
}

void text_curve(Text *t, const double *x, size_t n)
{
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        low = fmin(low, x[i]);
        high = fmax(high, x[i]);
    }
    for (size_t i = 0; i < n; i++) {
        double share = high > low ? (x[i] - low) / (high - low) : 0.5;
        text_add(t, "%s", isnan(x[i]) ? " " : blocks[(int)(share * 7 + 0.5)]);
    }
}

char *text_seconds(double seconds)
{
    if (!isfinite(seconds) || seconds < 0)
        return xstrdup("-");
    if (seconds < 120)
        return xasprintf("%.0f s", seconds);
    if (seconds < 7200)
        return xasprintf("%.0f min", floor(seconds / 60));
    return xasprintf("%.0f h %.0f min", floor(seconds / 3600), floor(fmod(seconds, 3600) / 60));
}

char *text_bytes(double bytes)
{
    static const char units[] = "BKMGT";
    size_t unit = 0;
    if (isnan(bytes))
        return xstrdup("-");
    while (bytes >= 1000 && unit + 2 < sizeof units) {
        bytes /= 1024;
        unit++;
    }
    return bytes < 9.95 && unit > 0 ? xasprintf("%.1f%c", bytes, units[unit]) : xasprintf("%.0f%c", bytes, units[unit]);
}

char *text_number(double x)
{
    return isnan(x) ? xstrdup("-") : fabs(x) >= 1e6 || (x != 0 && fabs(x) < 1e-3) ? xasprintf("%.1e", x) : xasprintf("%.4g", x);
}

/* The bytes of a line, from `from` on, that take at most so many columns; the colours that it begins are ended. */
static size_t fitting(const char *from, size_t n, size_t columns)
{
    size_t at = 0, used = 0;
    while (at < n) {
        if (from[at] == '\033') {
            while (at < n && from[at] != 'm')
                at++;
            at++;
            continue;
        }
        if (((unsigned char)from[at] & 0xc0) != 0x80 && ++used > columns)
            break;
        at++;
    }
    return at < n ? at : n;
}

void text_print(const Text *t, size_t columns, const char *end, FILE *out)
{
    for (size_t at = 0; at < t->n;) {
        size_t n = strcspn(t->data + at, "\n"), shown = fitting(t->data + at, n, columns);
        fwrite(t->data + at, 1, shown, out);
        if (shown < n && t->colours)
            fputs("\033[0m", out);
        fputs(end, out);
        at += n + (t->data[at + n] == '\n');
    }
}

void text_release(Text *t)
{
    free(t->data);
    *t = (Text){.colours = t->colours};
}
