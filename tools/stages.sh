# Shared by tools/check and tools/demo: stages with numbers, elapsed time, logs, and a summary. Source it after
# setting `stage_total` and `log_dir`. Not a program.
# shellcheck shell=bash

: "${stage_total:?}" "${log_dir:?}"

stage_number=0
stage_status=0
stage_shown=no
stage_started=$SECONDS
stage_names=()
stage_results=()
stage_seconds=()
stage_cpu=()
heartbeat=""
# On a terminal: a line that changes in place; else: a line a minute, so that nobody (and no CI) takes it for hung.
heartbeat_every=60
heartbeat_line='    ... %d s: %s\n'
heartbeat_end=''
if [[ -t 1 ]]; then
  heartbeat_every=2
  heartbeat_line='\r    %d s: %s\033[K'
  heartbeat_end=$'\r\033[K'
fi

# The stages' own counts ("passed N failed N" lines) and reasons for skipping: stages run in subshells, so by file.
stages_begin() {
  mkdir -p "$log_dir"
  rm -f "$log_dir"/*.log "$log_dir"/*.txt
  counts_file=$log_dir/counts
  skip_file=$log_dir/skipped
  : >"$counts_file"
  trap stop_heartbeat EXIT
  trap 'stop_heartbeat; echo; echo "interrupted after $((SECONDS - stage_started)) s"; exit 130' INT TERM
}

stop_heartbeat() {
  if [[ -n $heartbeat ]]; then
    kill "$heartbeat" 2>/dev/null || true
    wait "$heartbeat" 2>/dev/null || true
    heartbeat=""
    printf '%s' "$heartbeat_end"
  fi
}

start_heartbeat() {
  local log=$1 from=$SECONDS
  (
    trap 'kill "$pause" 2>/dev/null; exit 0' TERM
    while true; do
      sleep "$heartbeat_every" &
      pause=$!
      wait "$pause"
      # shellcheck disable=SC2059
      printf "$heartbeat_line" "$((SECONDS - from))" "$(tail -n 1 "$log" 2>/dev/null | tr -d '\r' | cut -c1-90)"
    done
  ) &
  heartbeat=$!
}

# Processor time in seconds of all programs that this script has run and that have ended.
cpu_seconds() {
  local fields
  read -r -a fields <"/proc/$$/stat"
  echo $(((fields[15] + fields[16]) / $(getconf CLK_TCK)))
}

# count PASSED FAILED: adds to the final sum.
count() { echo "passed $1 failed $2" >>"$counts_file"; }

# skip REASON: to be the last thing a stage does.
skip() { printf '%s' "$1" >"$skip_file"; }

# In a subshell that ends at the first error.
run_strictly() (
  set -euo pipefail
  trap - EXIT INT TERM
  heartbeat=""
  "$@"
)

# stage NAME FUNCTION [ARG...]: runs it with its output in a log, shows the log's end if it fails, goes on.
# With stage_shown=yes the output is shown as it comes. The function's status is in `stage_status` afterwards. Never call it in a condition (if, ||, &&): bash would then
# ignore `set -e` in the function.
stage() {
  local name=$1 started=$SECONDS cpu_before log
  cpu_before=$(cpu_seconds)
  shift
  stage_number=$((stage_number + 1))
  log=$log_dir/$(printf '%02d' "$stage_number")-${name//[^a-zA-Z0-9]/-}.log
  echo "==> [$stage_number/$stage_total] $name"
  rm -f "$skip_file"
  : >"$log"
  set +e
  if [[ $stage_shown == yes ]]; then
    run_strictly "$@" 2>&1 | tee "$log"
    stage_status=${PIPESTATUS[0]}
  else
    start_heartbeat "$log"
    run_strictly "$@" >"$log" 2>&1
    stage_status=$?
    stop_heartbeat
  fi
  set -e
  local took=$((SECONDS - started)) result=ok
  if [[ $stage_status -ne 0 ]]; then
    result=FAILED
    count 0 1
    if [[ $stage_shown == no ]]; then
      echo "--- the end of $log:"
      # Without progress: what failed is what matters.
      grep -vE '^\[[0-9]+/[0-9]+ |^ +Start +[0-9]+: | Passed +[0-9.]+ sec$' "$log" | tail -n 80
      echo "---"
    fi
  elif [[ -e $skip_file ]]; then
    result="skipped: $(cat "$skip_file")"
  else
    count 1 0
  fi
  if [[ $stage_shown == no ]]; then sed -n 's/^note: /    /p' "$log"; fi
  echo "    $result ($took s)"
  stage_names+=("$name")
  stage_results+=("$result")
  stage_seconds+=("$took")
  stage_cpu+=("$(($(cpu_seconds) - cpu_before))")
}

# One line per stage, then "N passed, N failed" alone on the last line. Returns 1 if anything failed.
summary() {
  local i passed failed cpu=0
  echo
  echo "Stages, with the time they took and the processors':"
  for i in "${!stage_names[@]}"; do
    printf '  %5d s %6d s  %-36s %s\n' "${stage_seconds[$i]}" "${stage_cpu[$i]}" "${stage_names[$i]}" \
      "${stage_results[$i]}"
    cpu=$((cpu + stage_cpu[i]))
  done
  printf '  %5d s %6d s  all; logs in %s\n' "$((SECONDS - stage_started))" "$cpu" "${log_dir#"$PWD"/}"
  passed=$(awk '{ sum += $2 } END { print sum + 0 }' "$counts_file")
  failed=$(awk '{ sum += $4 } END { print sum + 0 }' "$counts_file")
  echo "$passed passed, $failed failed"
  [[ $failed -eq 0 ]]
}

# How many compilers to run: one per core, but not more than one per GiB of free memory.
build_jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable:/ { print int($2 / 1048576) }' /proc/meminfo)
  ((memory >= 1)) || memory=1
  echo $((cores < memory ? cores : memory))
}
