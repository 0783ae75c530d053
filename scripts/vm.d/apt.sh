# shellcheck shell=bash disable=SC2016,SC2154 # apt-get's --format has dollar signs of its own; ./scripts/vm sets `run`
# Reads Debian's other releases with an apt that has lists, sources and a cache of its own, so that this machine's state
# stays as it is. Sourced by ./scripts/vm.

# How long what was fetched is good, before the mirror is asked for something newer.
MAX_AGE_HOURS=24
SYSTEM_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# older_than FILE HOURS: no such file counts as old.
older_than() {
  [[ -z $(find "$1" -mmin "-$(($2 * 60))" 2>/dev/null) ]]
}

own_apt() {
  local program=$1 suite=$2 home=$CACHE/apt/$2
  shift 2
  "$program" -qq -o Dir::Etc::SourceList="$home/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
    -o Dir::State="$home" -o Dir::State::Lists="$home/lists" -o Dir::State::status="$home/status" \
    -o Dir::Cache="$home/cache" -o APT::Architecture=amd64 -o APT::Architectures=amd64 \
    -o APT::Sandbox::User="$(id -un)" -o APT::Update::Error-Mode=any -o Acquire::GzipIndexes=true \
    -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 \
    -o Acquire::AllowInsecureRepositories=false -o Acquire::AllowWeakRepositories=false \
    -o Acquire::AllowDowngradeToInsecureRepositories=false -o APT::Get::AllowUnauthenticated=false "$@" </dev/null
}

# The mirror that this machine's own apt takes Debian from.
mirror() {
  if [[ ${SOCKVS_MIRROR:-} ]]; then
    printf '%s\n' "$SOCKVS_MIRROR"
    return
  fi
  local uri
  uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1)
  # Before the first `apt-get update` the origin is not known yet: go by the suite's name.
  [[ $uri ]] || uri=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' \
    | sed -nE '/^(bookworm|trixie|forky|sid|stable|oldstable|testing|unstable) /{s/^[^ ]+ //p;q}')
  [[ $uri ]] || { say "apt here knows no Debian mirror; set SOCKVS_MIRROR to one"; return 1; }
  printf '%s\n' "$uri"
}

# Where this machine's own apt takes security updates from, if it does. What people run is the kernel from there.
security_mirror() {
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian-Security' | head -n 1
}

keyring() {
  if [[ -s $CACHE/apt/keyring.gpg ]]; then
    printf '%s\n' "$CACHE/apt/keyring.gpg"
  else
    printf '%s\n' "$SYSTEM_KEYRING"
  fi
}

# Brings the package lists of one suite up to date, at most once a day.
apt_lists() {
  local suite=$1 home=$CACHE/apt/$1 uri security log entry
  older_than "$home/fresh" "$MAX_AGE_HOURS" || return 0
  uri=$(mirror) || return 1
  [[ -s $(keyring) ]] || { say "no $SYSTEM_KEYRING here; install debian-archive-keyring"; return 1; }
  mkdir -p "$home/lists/partial" "$home/cache/archives/partial"
  : >"$home/status"
  entry='deb [arch=amd64 lang=none target=Packages pdiffs=no signed-by=%s] %s %s main\n'
  # shellcheck disable=SC2059 # the entry is the format
  printf "$entry" "$(keyring)" "$uri" "$suite" >"$home/sources.list"
  security=$(security_mirror)
  if [[ $security && $suite != sid ]]; then
    # shellcheck disable=SC2059
    printf "$entry" "$(keyring)" "$security" "$suite-security" >>"$home/sources.list"
  fi
  say "reading Debian's package list of $suite"
  if ! log=$(own_apt apt-get "$suite" update 2>&1); then
    if [[ $log == *NO_PUBKEY* && $suite != bookworm && $(keyring) == "$SYSTEM_KEYRING" ]]; then
      keyring_fetch && apt_lists "$suite"
      return
    fi
    printf '%s\n' "$log" >&2
    return 1
  fi
  touch "$home/fresh"
}

# This machine's keyring lacks a key of a later release. Debian hands new keys down in the older release's package
# debian-archive-keyring, which the keys that are here do sign.
keyring_fetch() {
  local scratch
  say "fetching a newer debian-archive-keyring, verified by the one installed here"
  apt_lists bookworm || return 1
  scratch=$(mktemp -d "$run/XXXXXX")
  if (cd "$scratch" && own_apt apt-get bookworm download debian-archive-keyring && dpkg -x ./*.deb .) >&2; then
    cp -L "$scratch$SYSTEM_KEYRING" "$CACHE/apt/keyring.gpg"
    rm -rf "$scratch"
  else
    rm -rf "$scratch"
    return 1
  fi
}
