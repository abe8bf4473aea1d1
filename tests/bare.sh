#!/bin/bash
# Proves that `make test` and `make demo` work on a bare Debian 12 with only git and make: debootstraps one, clones the committed
# tree into it, and runs both there. Needs root, debootstrap, a few GB and minutes: by hand, not a part of make check.
#
#   tests/bare.sh [FOLDER [MIRROR]]     FOLDER is where to put the machine; one that is there already is used as it is. MIRROR is
#                                       the one from which this machine's apt takes bookworm, unless given
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
bare=${1:-$(mktemp -d)}
# shellcheck disable=SC2016 # apt fills these in
mirror=${2:-$(apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    awk '$1 == "bookworm" && $2 == "main" {print $3; exit}')}
[ -n "$mirror" ] || { echo 'bare.sh: apt here knows no mirror of bookworm; give one: tests/bare.sh FOLDER MIRROR' >&2; exit 1; }

[ -e "$bare/usr/bin/make" ] || debootstrap --variant=minbase --include=git,make,ca-certificates bookworm "$bare" "$mirror"
if chroot "$bare" sh -c 'command -v gcc || command -v pkg-config'; then
    echo "bare.sh: $bare is not bare any more; give another folder" >&2
    exit 1
fi
cp /etc/resolv.conf "$bare/etc/resolv.conf"
rm -rf "$bare/vlrm"
git clone -q --no-hardlinks "file://$root" "$bare/vlrm"

# shellcheck disable=SC2016 # $0 is the inner shell's
# A mount and process name space of its own: /proc and /dev are there for as long as the commands run, and nothing outlives them.
unshare --mount --pid --fork --kill-child bash -eu -c '
    mount --make-rprivate /
    mount -t proc proc "$0/proc"
    mount --rbind /dev "$0/dev"
    chroot "$0" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb JOBS='"${JOBS:-2}"' \
        bash -euc "cd /vlrm && make test && make demo"
' "$bare" </dev/null
echo "bare.sh: make test and make demo work in $bare"
