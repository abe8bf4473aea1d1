/*
 * A page: one HTML file that holds all it shows, to be opened from disk. What is drawn is decided by the scripts in share/pages;
 * here data, scripts and styles become one file that asks nothing of any network (its content security policy forbids it).
 *
 * Data go in as JSON in which no `<` is left, and the scripts put texts of it into the page as text: no caption is ever markup.
 */
#ifndef PAGES_PAGE_H
#define PAGES_PAGE_H

#include <jansson.h>

#include "base/base.h"

/* Refuses to go on (usage_error) where the page would go to a terminal; path is --output, NULL for stdout. */
void page_check_output(const char *path);

/*
 * Writes the page KIND ("report", "gallery", "ballot") of share/pages with its data (borrowed) to path, whole or not at all, or
 * to stdout where path is NULL. plots: with the library that draws curves.
 */
MUST_USE bool page_write(const char *path, const char *kind, bool plots, const json_t *data, Error *err);

#endif
