#!/bin/bash
# Every shell script is free of shellcheck's complaints; tests in bats, of its warnings and errors.
. "$(dirname "$0")/common.bash"
scripts() {
    tree '*.sh' '*.bash' bin/vlrm .ci/run
}
scripts | xargs shellcheck -x -P SCRIPTDIR || broken 'see above'
tree '*.bats' | xargs shellcheck -x -P SCRIPTDIR -S warning || broken 'see above'
rule_end
