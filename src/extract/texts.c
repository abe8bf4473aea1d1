/* Names, and the texts beside pictures; see texts.h. */
#include "extract/texts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/utf8.h"

/* Pictures that FFmpeg's build may lack a decoder for are named too: such a file is told, not skipped. */
static const char *const media_ends[] = {
    "jpg", "jpeg", "jpe", "jfif", "png",  "apng", "webp",  "gif",  "bmp",  "dib", "tif", "tiff", "heic", "heif", "avif", "jxl",
    "jp2", "j2k",  "jpx", "ppm",  "pgm",  "pbm",  "pnm",   "pam",  "tga",  "dds", "exr", "hdr",  "psd",  "ico",  "svg",  "qoi",
    "cr2", "cr3",  "nef", "arw",  "dng",  "orf",  "rw2",   "raf",  "mp4",  "m4v", "mov", "qt",   "mkv",  "webm", "avi",  "divx",
    "mpg", "mpeg", "mpe", "m1v",  "m2v",  "vob",  "ts",    "mts",  "m2ts", "3gp", "3g2", "wmv",  "asf",  "flv",  "f4v",  "ogv",
    "mxf", "h264", "264", "h265", "hevc", "265",  "mjpeg", "mjpg", "ivf",  "obu", "y4m", "nut",  "dv",   "rm",   "rmvb"};

enum { TEXT_MAX = 16 << 20, META_DEPTH = 200 };

/* What follows the last dot of the name's last part; empty where there is none. */
static const char *end_of(const char *name)
{
    const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name, *dot = strrchr(base, '.');
    return dot && dot > base ? dot + 1 : "";
}

bool media_named(const char *name)
{
    const char *end = end_of(name);
    for (size_t i = 0; i < sizeof media_ends / sizeof media_ends[0]; i++)
        if (strcasecmp(end, media_ends[i]) == 0)
            return true;
    return false;
}

bool text_named(const char *name)
{
    const char *end = end_of(name);
    return strcmp(end, "txt") == 0 || strcmp(end, "json") == 0;
}

/* How many bytes of a name come before its last dot. */
static size_t stem(const char *name)
{
    const char *end = end_of(name);
    return *end ? (size_t)(end - name) - 1 : strlen(name);
}

bool text_beside(const char *a, const char *b)
{
    size_t n = stem(a);
    return n == stem(b) && memcmp(a, b, n) == 0;
}

static void blame(Source *s, const char *name, const char *what)
{
    if (!s->text_problem)
        s->text_problem = xasprintf("%s beside it is left out: %s", name, what);
}

static void take_lines(Source *s, const char *data, size_t size)
{
    size_t capacity = s->n_references;
    for (const char *end, *at = data; at < data + size; at = end + 1) {
        size_t left = (size_t)(data + size - at);
        end = memchr(at, '\n', left);
        if (!end)
            end = at + left;
        while (at < end && strchr(" \t\r", *at))
            at++;
        size_t n = (size_t)(end - at);
        while (n > 0 && strchr(" \t\r", at[n - 1]))
            n--;
        if (n == 0)
            continue;
        s->references = array_reserve(s->references, &capacity, s->n_references + 1, sizeof *s->references);
        s->references[s->n_references++] = xstrndup(at, n);
    }
}

void text_take(Source *s, const char *name, const char *data, size_t size)
{
    static const char mark[] = "\xef\xbb\xbf"; /* some editors begin a text so */
    if (size >= 3 && memcmp(data, mark, 3) == 0) {
        data += 3;
        size -= 3;
    }
    if (size > TEXT_MAX)
        blame(s, name, "it has more than 16 MiB");
    else if (!utf8_valid(data, size) || memchr(data, '\0', size))
        blame(s, name, "it is no UTF-8 text");
    else if (strcmp(end_of(name), "txt") == 0)
        take_lines(s, data, size);
    else if (!s->meta)
        s->meta = xstrndup(data, size);
}

bool is_beside(const char *path, const char *ending)
{
    struct stat st;
    char *name = xasprintf("%.*s.%s", (int)stem(path), path, ending);
    bool there = stat(name, &st) == 0;
    free(name);
    return there;
}

void texts_read(Source *s, const char *path)
{
    static const char *const ends[] = {"txt", "json"};
    if (text_named(path))
        return;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct stat st;
        size_t size;
        Error err = {0};
        char *name = xasprintf("%.*s.%s", (int)stem(path), path, ends[i]);
        char *text = stat(name, &st) == 0 && S_ISREG(st.st_mode) ? file_read_regular(name, TEXT_MAX, &size, &err) : NULL;
        if (text)
            text_take(s, name, text, size);
        else if (err.text[0])
            blame(s, name, err.text);
        free(text);
        free(name);
    }
}

/* How deep a JSON value is nested. */
static int depth_of(const json_t *value)
{
    const char *key;
    json_t *inner;
    size_t i;
    int deepest = 0, depth;
    json_object_foreach ((json_t *)(uintptr_t)value, key, inner)
        deepest = (depth = depth_of(inner)) > deepest ? depth : deepest;
    json_array_foreach (value, i, inner)
        deepest = (depth = depth_of(inner)) > deepest ? depth : deepest;
    return deepest + 1;
}

bool meta_pack(Packer *p, const char *meta, Error *err)
{
    json_error_t why;
    json_t *value = json_loads(meta, JSON_DECODE_ANY, &why);
    bool ok = value || error_set(err, "the .json beside it is left out: line %d: %s", why.line, why.text);
    if (ok && depth_of(value) > META_DEPTH)
        ok = error_set(err, "the .json beside it is left out: it is nested deeper than %d levels", META_DEPTH);
    if (ok)
        pack_json(p, value);
    json_decref(value);
    return ok;
}

void texts_copy(Source *to, const Source *from)
{
    to->meta = from->meta ? xstrdup(from->meta) : NULL;
    to->text_problem = from->text_problem ? xstrdup(from->text_problem) : NULL;
    to->references = xcalloc(from->n_references + 1, sizeof *to->references);
    for (size_t i = 0; i < from->n_references; i++)
        to->references[i] = xstrdup(from->references[i]);
    to->n_references = from->n_references;
}

void texts_release(Source *s)
{
    for (size_t i = 0; i < s->n_references; i++)
        free(s->references[i]);
    free(s->references);
    free(s->meta);
    free(s->text_problem);
    s->references = NULL;
    s->n_references = 0;
    s->meta = s->text_problem = NULL;
}
