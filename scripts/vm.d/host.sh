# shellcheck shell=bash
# What this machine needs for ./scripts/vm. Sourced by it.

# program:Debian package
HOST_NEEDS=(
  qemu-system-x86_64:qemu-system-x86 cpio:cpio depmod:kmod xz:xz-utils ip:iproute2 mount:mount flock:util-linux
  ipvsadm:ipvsadm keepalived:keepalived
)

# Sees that every needed program is there: installs what is missing when root, else says what to install.
host_require() {
  local need missing=()
  [[ $(uname -m) == x86_64 ]] || die "$STATUS_PREPARE" "this needs an x86-64 machine, and this one is $(uname -m)"
  for need in "${HOST_NEEDS[@]}"; do
    type -P "${need%%:*}" >/dev/null || missing+=("${need#*:}")
  done
  ((${#missing[@]})) || return 0
  if ! type -P apt-get >/dev/null || ((EUID != 0)); then
    die "$STATUS_PREPARE" "packages are missing; as root: apt-get install --no-install-recommends ${missing[*]}"
  fi
  say "installing ${missing[*]}"
  local log
  log=$(mktemp)
  export DEBIAN_FRONTEND=noninteractive
  if ! { apt-get update && apt-get install -y --no-install-recommends "${missing[@]}"; } </dev/null >"$log" 2>&1; then
    tail -n 15 "$log" >&2
    rm -f "$log"
    die "$STATUS_PREPARE" "apt-get could not install ${missing[*]}; see its message above"
  fi
  rm -f "$log"
}
