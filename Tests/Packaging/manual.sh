#!/usr/bin/env bash
# Writes the manual pages and the shells' completions, has them read by those who know, and looks for what must be in them.
# usage: Tests/Packaging/manual.sh BIN_DIR
set -euo pipefail

cd "$(dirname "$0")/../.."
source Tests/Packaging/expect.sh
[[ $# -eq 1 ]] || { echo "usage: $0 BIN_DIR" >&2; exit 2; }
ctl=$(realpath "$1")/swiftletctl
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# --- the manual
scripts/man "$ctl" "$work/man"
rendered() { MANWIDTH=200 man --warnings -l "$work/man/$1"; }
complaints() { { mandoc -T lint "$work/man/$1"; { rendered "$1" >/dev/null; } 2>&1; } || true; }
has() { grep -qF -- "$2" <(rendered "$1" | col -b); }
for page in swiftletctl.8 swiftlet.8 swiftlet-conf.5; do
  expect "$page is good roff" test -z "$(complaints "$page")"
done
commands=$("$ctl" --experimental-dump-help | python3 -c '
import json, sys
def walk(command, path):
    if command["commandName"] == "help" or not command["shouldDisplay"]: return
    print(" ".join(path + [command["commandName"]]))
    for sub in command.get("subcommands", []): walk(sub, path + [command["commandName"]])
walk(json.load(sys.stdin)["command"], [])')
[[ $(wc -l <<<"$commands") -ge 8 ]] || { echo "not ok: the help has no commands"; exit 1; }
while read -r command; do expect "$command is in the manual" has swiftletctl.8 "$command"; done <<<"$commands"
while read -r name; do expect "plugin $name is in the manual" has swiftlet.8 "$name"; done <scripts/plugin-names
while read -r key; do
  has swiftlet-conf.5 "$key" || { echo "not ok: key $key is not in the manual"; exit 1; }
done < <(sed -n 's/^| `\([A-Za-z0-9]*\)` .*/\1/p' docs/configuration.md)
echo "ok: every key is in the manual"
expect "an example can be copied" has swiftletctl.8 "swiftletctl netns list --json"

# --- the completions
scripts/completions "$ctl" "$work/completions"
expect "zsh reads its completions" zsh -n "$work/completions/_swiftletctl"
# bash_offers LINE: what bash offers for its last word.
bash_offers() {
  bash -c '
    source "$1"
    read -ra COMP_WORDS <<<"$2"
    [[ $2 != *" " ]] || COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$2 COMP_POINT=${#2}
    _swiftletctl swiftletctl "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"
    printf "%s\n" "${COMPREPLY[@]}"' bash "$work/completions/swiftletctl" "$1"
}
fish_offers() { fish --no-config -c 'source $argv[1]; complete --do-complete $argv[2]' "$work/completions/swiftletctl.fish" "$1"; }
for shell in bash fish; do
  offers() { "${shell}_offers" "$1" | cut -f 1; }
  expect "$shell completes a command" test "$(offers "swiftletctl netn")" = netns
  expect "$shell completes a command of a command" test "$(offers "swiftletctl netns ex")" = exec
  expect "$shell completes an option" test "$(offers "swiftletctl repair --forg")" = --forget-gone
done
