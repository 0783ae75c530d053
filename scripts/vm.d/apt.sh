# shellcheck shell=bash disable=SC2016,SC2154 # apt-get's --format has dollar signs of its own; ./scripts/vm sets `run`
# Fetches packages of Debian's releases by an apt that has lists, sources and a cache of its own, so that this machine's
# state stays as it is. Sourced by ./scripts/vm.
#
# The cache of whatever is made out of packages, in a folder HOME of its own:
#   HOME/debs/VERSION/   the packages as downloaded
#   HOME/VERSION/        what was made out of them, and made-by: a hash of the script that did it
#   HOME/current         the VERSION in use
#   HOME/checked         its time is when the mirror was last asked for a newer one

# How long what was fetched is good, before the mirror is asked again.
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
  type -P apt-get >/dev/null || { say "fetching packages needs apt-get, which this machine does not have"; return 1; }
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

# up_to_date HOME WHAT FETCH...: sees that HOME has the newest of something, by FETCH, which calls `download`. Where no
# mirror is within reach, what is there will do.
up_to_date() {
  local home=$1 what=$2 current=
  shift 2
  mkdir -p "$home/debs"
  [[ ! -e $home/current ]] || current=$(<"$home/current")
  if [[ $current && -d $home/debs/$current ]] && ! older_than "$home/checked" "$MAX_AGE_HOURS"; then
    return
  fi
  if "$@"; then
    touch "$home/checked"
  elif [[ $current && -e $home/$current/made-by ]]; then
    say "no newer $what could be looked for; going on with the cached $current"
    touch -d "$((MAX_AGE_HOURS - 1)) hours ago" "$home/checked" # look again in an hour
  else
    die "$STATUS_PREPARE" "no $what could be fetched; is a mirror within reach? (SOCKVS_MIRROR sets it)"
  fi
}

# download SUITE HOME VERSION PACKAGE...: downloads packages where they are not here yet, and notes VERSION in `current`.
download() {
  local suite=$1 home=$2 version=$3 scratch
  shift 3
  if [[ ! -e $home/debs/$version ]]; then
    say "downloading $1, $version"
    scratch=$(mktemp -d "$run/XXXXXX")
    if ! (cd "$scratch" && own_apt apt-get "$suite" download "$@") >&2; then
      rm -rf "$scratch"
      return 1
    fi
    rm -rf "$home/debs"
    mkdir "$home/debs" && mv "$scratch" "$home/debs/$version" || return 1
  fi
  printf '%s\n' "$version" >"$home/current"
}

# is_made_by FOLDER SCRIPT: whether this SCRIPT, as it is now, made what is in FOLDER; see `made_by`.
is_made_by() {
  [[ -e $1/made-by && $(<"$1/made-by") == "$(sha256sum <"$2")" ]]
}

# made_by FOLDER SCRIPT: notes that SCRIPT made what is in FOLDER.
made_by() {
  sha256sum <"$2" >"$1/made-by"
}
