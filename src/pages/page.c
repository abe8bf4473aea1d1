/* One HTML file out of data and the parts in share/pages; see page.h. */
#include "pages/page.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/options/options.h"

/* Everything comes from the file itself: pictures are data: addresses, scripts and styles stand in it. */
static const char head[] = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                           "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
                           "style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n";

void page_check_output(const char *path)
{
    if (!path && isatty(STDOUT_FILENO))
        usage_error("the page would go to the terminal: --output FILE, or > FILE");
}

/* Copies share/pages/NAME. */
static bool put_part(FILE *out, const char *name, Error *err)
{
    char *in_share = path_join("pages", name), *path = share_path(in_share);
    size_t size;
    char *text = file_read(path, &size, err);
    if (text)
        fwrite(text, 1, size, out);
    free(text);
    free(path);
    free(in_share);
    return text;
}

static bool put_styles(FILE *out, bool plots, Error *err)
{
    fputs("<style>\n", out);
    bool ok = (!plots || put_part(out, "uplot/uPlot.min.css", err)) && put_part(out, "page.css", err);
    fputs("</style>\n", out);
    return ok;
}

static bool put_script(FILE *out, const char *name, Error *err)
{
    fputs("<script>\n", out);
    bool ok = put_part(out, name, err);
    fputs("</script>\n", out);
    return ok;
}

/* The library's licence asks to go with it. */
static bool put_plots(FILE *out, Error *err)
{
    fputs("<script>\n/*\n", out);
    bool ok = put_part(out, "uplot/LICENSE", err);
    fputs("*/\n", out);
    ok = ok && put_part(out, "uplot/uPlot.iife.min.js", err);
    fputs("</script>\n", out);
    return ok;
}

static int put_escaped(const char *text, size_t size, void *stream)
{
    FILE *out = stream;
    for (const char *end = text + size; text < end;) {
        const char *mark = memchr(text, '<', (size_t)(end - text));
        fwrite(text, 1, (size_t)((mark ? mark : end) - text), out);
        if (!mark)
            break;
        fputs("\\u003c", out);
        text = mark + 1;
    }
    return 0;
}

static bool put_page(FILE *out, const char *kind, bool plots, const json_t *data, Error *err)
{
    char *script = xasprintf("%s.js", kind);
    fprintf(out, "%s<title>vlrm %s</title>\n", head, kind);
    bool ok = put_styles(out, plots, err);
    fprintf(out,
            "</head>\n<body class=\"%s\">\n<main id=\"page\"><p>This page is drawn by the scripts in it: it needs JavaScript.</p>"
            "</main>\n<script type=\"application/json\" id=\"data\">\n",
            kind);
    json_dump_callback(data, put_escaped, out, JSON_COMPACT | JSON_REAL_PRECISION(6));
    fputs("\n</script>\n", out);
    ok = ok && (!plots || put_plots(out, err)) && put_script(out, "common.js", err) && put_script(out, script, err);
    fputs("</body>\n</html>\n", out);
    free(script);
    return ok;
}

bool page_write(const char *path, const char *kind, bool plots, const json_t *data, Error *err)
{
    AtomicFile file;
    if (!path)
        return put_page(stdout, kind, plots, data, err);
    if (!atomic_open(&file, path, err))
        return false;
    if (!put_page(file.stream, kind, plots, data, err)) {
        atomic_abort(&file);
        return false;
    }
    return atomic_commit(&file, err);
}
