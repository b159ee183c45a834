# shellcheck shell=bash
# Sourced: a line for each assertion, and an end at the first that does not hold.

# expect WHAT COMMAND... : the command succeeds.
expect() {
  local what=$1 output
  shift
  if ! output=$("$@" 2>&1); then
    printf 'not ok: %s\n%s\n' "$what" "$output"
    exit 1
  fi
  echo "ok: $what"
}

# expect_not WHAT COMMAND... : the command fails.
expect_not() {
  local what=$1
  shift
  if "$@" >/dev/null 2>&1; then
    echo "not ok: $what"
    exit 1
  fi
  echo "ok: $what"
}
