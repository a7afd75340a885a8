# Runs COMMAND and sees to it that it does not outlive the process that holds the other end of our standard input.
#   sh -c "$this_file" supervisor RUN_DIR INPUT OUTPUT ERRORS COMMAND...
# Standard output: the pid of COMMAND, then "sent" or "gone" for every line of standard input, which names a signal.
# End of input means that the test process is dead: COMMAND is killed and RUN_DIR removed, all but the logs if it holds `keep`.
# Ends with COMMAND, with its exit status.
# shellcheck shell=sh
run_dir=$1 input=$2 output=$3 errors=$4
shift 4

exec 3<&0 </dev/null
"$@" <"$input" >>"$output" 2>>"$errors" 3<&- &
command=$!
# Whoever reads our output may die at any moment; we must not die of that. (After COMMAND, which would inherit it.)
trap '' PIPE
echo "$command"

(
    while read -r signal <&3; do
        if kill -s "$signal" "$command"; then echo sent; else echo gone; fi
    done
    # From here on the end of COMMAND, which is near, does not end us.
    trap '' TERM
    kill -s KILL "$command"
    while kill -0 "$command"; do sleep 0.05; done
    # Several supervisors may share the directory: the last of them finds nobody writing to it.
    if [ -e "$run_dir/keep" ]; then rm -rf "$run_dir"/*/data; else rm -rf "$run_dir"; fi
) &
watcher=$!
exec 3<&-

# The command is not reaped before this line returns, so the watcher never signals another process of the same pid.
wait "$command"
status=$?
kill -s TERM "$watcher"
exit "$status"
