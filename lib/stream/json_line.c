/* JSON as one line of text. jansson's own printer gives every number 17 digits; ours as few as give the same number back. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream/stream.h"

/* A Packer serves as growing text. */
static void add(Packer *t, const char *text, size_t n)
{
    pack_raw(t, (Slice){text, n});
}

static void add_real(Packer *t, double v)
{
    char text[40];
    int n = 0;
    for (int digits = 6; digits <= 17; digits++) {
        n = snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    add(t, text, (size_t)n);
    if (!strpbrk(text, ".e"))
        add(t, ".0", 2); /* stays a real when it is read again */
}

static void add_string(Packer *t, const char *text, size_t n)
{
    char escaped[8];
    add(t, "\"", 1);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            add(t, (char[]){'\\', (char)c}, 2);
        else if (c == '\n')
            add(t, "\\n", 2);
        else if (c < 0x20 || c == 0x7f) {
            snprintf(escaped, sizeof escaped, "\\u%04x", c);
            add(t, escaped, 6);
        } else
            add(t, text + i, 1);
    }
    add(t, "\"", 1);
}

static void add_value(Packer *t, const json_t *v);

static void add_object(Packer *t, const json_t *v)
{
    const char *key;
    json_t *value;
    const char *between = "{";
    json_object_foreach ((json_t *)(uintptr_t)v, key, value) {
        add(t, between, strlen(between));
        add_string(t, key, strlen(key));
        add(t, ": ", 2);
        add_value(t, value);
        between = ", ";
    }
    add(t, *between == '{' ? "{}" : "}", *between == '{' ? 2 : 1);
}

static void add_array(Packer *t, const json_t *v)
{
    add(t, "[", 1);
    for (size_t i = 0; i < json_array_size(v); i++) {
        add(t, ", ", i > 0 ? 2 : 0);
        add_value(t, json_array_get(v, i));
    }
    add(t, "]", 1);
}

static void add_value(Packer *t, const json_t *v)
{
    char number[32];
    switch (json_typeof(v)) {
    case JSON_NULL:
        add(t, "null", 4);
        break;
    case JSON_TRUE:
        add(t, "true", 4);
        break;
    case JSON_FALSE:
        add(t, "false", 5);
        break;
    case JSON_INTEGER:
        add(t, number, (size_t)snprintf(number, sizeof number, "%" PRId64, (int64_t)json_integer_value(v)));
        break;
    case JSON_REAL:
        add_real(t, json_real_value(v));
        break;
    case JSON_STRING:
        add_string(t, json_string_value(v), json_string_length(v));
        break;
    case JSON_OBJECT:
        add_object(t, v);
        break;
    case JSON_ARRAY:
        add_array(t, v);
        break;
    }
}

char *json_line(const json_t *value, size_t *size)
{
    Packer t = {0};
    add_value(&t, value);
    if (size)
        *size = t.size;
    add(&t, "", 1);
    return t.data;
}

void json_line_put(FILE *out, json_t *value)
{
    size_t n;
    char *line = json_line(value, &n);
    line[n] = '\n';
    fwrite(line, 1, n + 1, out);
    free(line);
    json_decref(value);
}
