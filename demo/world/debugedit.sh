#!/bin/bash
# Stands beside find-debuginfo and is what that runs. debugedit 5.0 lets the length of the build path into the build-id, and into
# nothing else it writes. Paths in a first run, the build-id in a second: then the build-id depends on the content alone.
# Drop when one run of debugedit gives the same build-id in /a/x and /a/longer.
set -e
rewrite=() number=(-i)
for word in "$@"; do
    case "$word" in
        -i) ;;
        --build-id-seed=*) number+=("$word") ;;
        -n) exec /usr/bin/debugedit "$@" ;;
        *) rewrite+=("$word") ;;
    esac
done
/usr/bin/debugedit "${rewrite[@]}"
exec /usr/bin/debugedit "${number[@]}" "${!#}"
