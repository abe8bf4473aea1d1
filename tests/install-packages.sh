#!/bin/bash
# Installs, by apt, what packages.txt names and this machine lacks. Asks sudo for it when not root. Where neither works it names
# what is missing and fails, so that whoever may install things can do so. Does nothing when nothing is missing.
set -eu
cd "$(dirname "$0")/.."

missing=()
while read -r package _; do
    case $package in '' | '#'*) continue ;; esac
    case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) in
    installed) ;;
    *) missing+=("$package") ;;
    esac
done <packages.txt
[ ${#missing[@]} -gt 0 ] || exit 0

give_up() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    printf '%s: missing packages: %s\n' "${0##*/}" "${missing[*]}" >&2
    exit 1
}
command -v apt-get >/dev/null || give_up 'no apt-get here; install what corresponds to these Debian packages'

as_root=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || give_up 'not root, and there is no sudo'
    as_root=(sudo)
fi
printf 'installing: %s\n' "${missing[*]}"
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o Dpkg::Use-Pty=0 -qq)
# The lists may be absent (a container) or old (a package is gone from the mirror): try as it is, then with fresh lists.
"${apt[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null 2>&1 && exit 0
"${apt[@]}" update || give_up 'apt-get update failed'
"${apt[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null || give_up 'apt-get install failed'
