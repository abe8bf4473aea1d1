#!/bin/bash
# Every shell script is free of shellcheck's complaints.
. "$(dirname "$0")/common.bash"
scripts() {
    tree '*.sh' '*.bash' '*.bats' bin/vlrm .ci/run
}
scripts | xargs shellcheck -x -P SCRIPTDIR || broken 'see above'
rule_end
