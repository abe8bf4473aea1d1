#!/bin/bash
# What doc/architecture.md and HACKING.md name exists: files, folders, and in `name()`-less form every function and type.
. "$(dirname "$0")/common.bash"

# Paths: any word with a slash under a folder of the tree, up to a placeholder.
grep -ohE '\b(lib|src|tests|formats|doc|world|pipelines|share)/[A-Za-z0-9_./-]+' HACKING.md doc/architecture.md | sed 's/[.:]$//' | sort -u |
    while read -r path; do
        case $path in */x | */x/* | */vlrm-x* | *_) continue ;; esac
        [ -e "$path" ] || compgen -G "$path*" >/dev/null || echo "$path"
    done | broken_lines 'named in a page for developers, and not there'

# Functions: what stands in backticks and has an underscore.
# shellcheck disable=SC2016 # backticks are meant
grep -ohE '`[a-z][a-z0-9]*(_[a-z0-9]+)+`' HACKING.md doc/architecture.md doc/glossary.md | tr -d "\`" | grep -v "^x_" | sort -u |
    while read -r name; do
        git grep -qwI --untracked -- "$name" lib src tests formats || echo "$name"
    done | broken_lines 'named in a page for developers, and no such function'
rule_end
