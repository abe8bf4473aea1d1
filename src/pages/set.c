/* Captions of frames by step and run; see set.h. */
#include "pages/set.h"

#include <stdarg.h>
#include <stdio.h>

#include "pages/shown.h"
#include "stream/filter.h"

void set_init(FrameSet *s, const char *name)
{
    *s = (FrameSet){.frames = json_array(), .entries = json_array(), .places = json_object()};
    s->json = json_pack("{s:s, s:o, s:o}", "name", name, "frames", s->frames, "entries", s->entries);
}

void set_release(FrameSet *s)
{
    json_decref(s->json);
    json_decref(s->places);
    *s = (FrameSet){0};
}

size_t set_find(const FrameSet *s, const char *id)
{
    const json_t *place = json_object_get(s->places, id);
    return place ? (size_t)json_integer_value(place) : SIZE_MAX;
}

size_t set_add(FrameSet *s, const char *id)
{
    size_t place = set_find(s, id);
    if (place != SIZE_MAX)
        return place;
    place = json_array_size(s->frames);
    json_object_set_new(s->places, id, json_integer((json_int_t)place));
    json_array_append_new(s->frames, json_pack("{s:s}", "id", id));
    return place;
}

void set_say(FrameSet *s, size_t frame, size_t run, int64_t step, json_t *caption)
{
    json_array_append_new(s->entries, json_pack("[I, I, o, o]", (json_int_t)frame, (json_int_t)run,
                                                step == -2 ? json_null() : json_integer(step), caption));
}

void notes_missing(Notes *n, const char *format, ...)
{
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    json_array_append_new(n->missing, shown_text(slice_of(text)));
}

void notes_failed(Notes *n, const Error *err)
{
    warn("%s", err->text);
    notes_missing(n, "%s", err->text);
    notes_status(n, err->status ? err->status : STATUS_FAILURE);
}

void notes_status(Notes *n, int status)
{
    n->status = status_worse(n->status, status);
}
