# shellcheck shell=bash disable=SC2016,SC2154 # apt-get's --format has dollar signs of its own; ./scripts/vm sets `run`
# Fetches Debian's cloud kernels without touching this machine's own apt state. Sourced by ./scripts/vm.
#
# The cache, for each series:
#   kernels/SERIES/debs/       the packages as downloaded
#   kernels/SERIES/VERSION/    vmlinuz, modules.cpio, and made-by: a hash of this file
#   kernels/SERIES/current     the VERSION in use
#   kernels/SERIES/checked     its time is when the mirror was last asked for a newer one

KERNEL_DIR=
KERNEL_VERSION=
KERNEL_MAX_AGE_HOURS=24
SYSTEM_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# Modules that go into the image besides all of kernel/net: paths below kernel/, without .ko. What they depend on
# comes along.
KERNEL_MODULES='drivers/(virtio/.*|char/virtio_console|net/(dummy|veth|nlmon|ifb|tun|macvlan|ipvlan|vrf|vxlan|bareudp))'

# Sets KERNEL_DIR (vmlinuz, modules.cpio) and KERNEL_VERSION for the series 6.1, 6.12 or latest.
kernel_prepare() {
  local series=$1 home=$CACHE/kernels/$1 current=
  mkdir -p "$home/debs"
  [[ ! -e $home/current ]] || current=$(<"$home/current")
  if [[ -z $current || ! -d $home/debs/$current ]] || older_than "$home/checked" "$KERNEL_MAX_AGE_HOURS"; then
    if kernel_fetch "$series" "$home"; then
      touch "$home/checked"
      current=$(<"$home/current")
    elif [[ $current && -e $home/$current/vmlinuz ]]; then
      say "no newer kernel could be looked for; going on with the cached Linux $current"
      touch -d "$((KERNEL_MAX_AGE_HOURS - 1)) hours ago" "$home/checked" # look again in an hour
    else
      die "$STATUS_PREPARE" "no kernel for --kernel $series could be fetched; is a mirror within reach? (SOCKVS_MIRROR sets it)"
    fi
  fi
  KERNEL_VERSION=$current
  KERNEL_DIR=$home/$current
  local made_by
  made_by=$(sha256sum <"$VM_D/kernel.sh")
  [[ -e $KERNEL_DIR/made-by && $(<"$KERNEL_DIR/made-by") == "$made_by" ]] || kernel_unpack "$home" "$made_by"
}

# older_than FILE HOURS: no such file counts as old.
older_than() {
  [[ -z $(find "$1" -mmin "-$(($2 * 60))" 2>/dev/null) ]]
}

# ---- apt with lists, sources and cache of our own ----

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
  older_than "$home/fresh" "$KERNEL_MAX_AGE_HOURS" || return 0
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

# ---- kernels ----

# Finds the newest kernel of a series, downloads it where it is not here yet and notes it in `current`.
kernel_fetch() {
  local series=$1 home=$2 suite image names package version fetch=() part revision scratch cloud=cloud-amd64
  case $series in
    6.1) suite=bookworm image="linux-image-6\.1\.[^ ]*-$cloud-unsigned" ;;
    6.12) suite=trixie image="linux-image-6\.12\.[^ ]*-$cloud-unsigned" ;;
    # Here the image may be one package or be split in three: linux-binary, linux-modules and linux-base.
    latest) suite=sid image="linux-(image-[0-9][^ ]*-$cloud-unsigned|binary-unsigned-[0-9][^ ]*-$cloud)" ;;
  esac
  type -P apt-get >/dev/null || { say "fetching a kernel needs apt-get, which this machine does not have"; return 1; }
  apt_lists "$suite" || return 1
  names=$(own_apt apt-cache "$suite" pkgnames linux- | grep -E '^linux-(image|binary|modules|base)-[0-9u]') || true
  # Sort by the version in the name, not by the words before it.
  package=$(grep -xE "$image" <<<"$names" | sed -E 's/^([^0-9]*)(.*)$/\2 \1\2/' | sort -V | tail -n 1 | cut -d ' ' -f 2)
  [[ $package ]] || { say "the suite $suite has no kernel package that looks like $image"; return 1; }
  fetch=("$package")
  version=${package#"${package%%[0-9]*}"}
  version=${version%-unsigned}
  for part in modules base; do
    if grep -qxF "linux-$part-$version" <<<"$names"; then
      fetch+=("linux-$part-$version")
    fi
  done
  revision=$(own_apt apt-cache "$suite" show --no-all-versions "$package" | sed -n 's/^Version: //p') || return 1
  version+=_${revision//[^A-Za-z0-9.+~-]/_}
  if [[ ! -e $home/debs/$version ]]; then
    say "downloading Linux $version"
    scratch=$(mktemp -d "$run/XXXXXX")
    if ! (cd "$scratch" && own_apt apt-get "$suite" download "${fetch[@]}") >&2; then
      rm -rf "$scratch"
      return 1
    fi
    rm -rf "$home/debs"
    mkdir "$home/debs" && mv "$scratch" "$home/debs/$version" || return 1
  fi
  printf '%s\n' "$version" >"$home/current"
}

# Makes KERNEL_DIR out of the downloaded packages.
kernel_unpack() {
  local home=$1 made_by=$2 scratch tree release deb
  say "unpacking Linux $KERNEL_VERSION"
  scratch=$(mktemp -d "$run/XXXXXX")
  for deb in "$home/debs/$KERNEL_VERSION"/*.deb; do
    dpkg -x "$deb" "$scratch/all"
  done
  tree=$scratch/all/lib/modules
  [[ -d $tree ]] || tree=$scratch/all/usr/lib/modules
  release=$(ls "$tree")
  mkdir -p "$scratch/new" "$scratch/base/lib/modules"
  mv "$tree/$release" "$scratch/base/lib/modules/"
  modules_select "$scratch/base" "$scratch/image" "$release"
  mv "$(find "$scratch" -name 'vmlinuz*' -type f | head -n 1)" "$scratch/new/vmlinuz"
  pack "$scratch/image" "$scratch/new/modules.cpio"
  printf '%s\n' "$made_by" >"$scratch/new/made-by"
  find "$home" -mindepth 1 -maxdepth 1 -type d ! -name debs -exec rm -rf {} +
  mv "$scratch/new" "$KERNEL_DIR"
  rm -rf "$scratch"
}

# modules_select FROM TO RELEASE: copies the wanted modules with all that they depend on, uncompressed (the host does
# that faster than the VM), and writes TO's modules.dep.
modules_select() {
  local from=$1 to=$2 release=$3 source target
  source=$from/lib/modules/$release
  target=$to/usr/lib/modules/$release
  mkdir -p "$target"
  find "$source" -name '*.ko.xz' -exec xz -d {} +
  find "$source" -name '*.ko.zst' -exec zstd -q --rm -d {} +
  depmod -b "$from" "$release"
  cp "$source"/modules.{builtin,builtin.modinfo,order} "$target/"
  sed 's/://' "$source/modules.dep" \
    | awk -v want="^kernel/(net/.*|$KERNEL_MODULES)[.]ko$" '$1 ~ want { for (i = 1; i <= NF; i++) print $i }' \
    | sort -u | (cd "$source" && cpio --quiet -pdm "$target")
  # depmod looks in lib/modules; in the image that is a link to usr/lib/modules.
  ln -s usr/lib "$to/lib"
  depmod -b "$to" "$release"
  rm "$to/lib"
}
