# shellcheck shell=bash disable=SC2154 # `run` and `adds` are set by ./scripts/vm
# Builds the guest's file system: archives that the kernel unpacks one over the other. Sourced by ./scripts/vm.
#   tools.cpio    this machine's programs and their libraries; cached until one of them changes
#   modules.cpio  the kernel's modules; see kernel.sh
#   keepalived.cpio  another keepalived, where one is asked for; see keepalived.sh
#   overlay.cpio  what changes from run to run: our binaries, COMMAND, --add, and init; made at each start

TOOLS_DIR=
REPOSITORY=$(dirname "$SCRIPTS")
SYSTEM_PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
OWN_BIN=/opt/sockvs/bin
BUSYBOX_BIN=/opt/busybox

# pack FOLDER FILE: an archive of a folder's content, every file owned by root.
pack() {
  (cd "$1" && find . -mindepth 1 -print0 | sort -z | cpio --quiet -0 -o -H newc -R 0:0) >"$2"
}

# The place of a file in the image: its folder with links resolved, so that /bin/x is /usr/bin/x where /bin is a link.
place() {
  case $(basename "$1") in
    . | ..) realpath "$1" ;;
    *) printf '%s/%s\n' "$(realpath "$(dirname "$1")")" "$(basename "$1")" ;;
  esac
}

# libraries FILE...: the shared libraries that these programs load, theirs included.
libraries() {
  ldd "$@" 2>/dev/null | awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// && $2 ~ /^\(/ { print $1 }' | sort -u
}

# put ROOT FILE: copies a file, or what a link leads to, to its place in the image.
put() {
  local target=$1
  target+=$(place "$2")
  mkdir -p "$(dirname "$target")"
  cp -L --preserve=mode,timestamps "$2" "$target"
}

# The programs of vm.d/tools that are installed here, as absolute paths.
tool_paths() {
  local name
  while read -r name; do
    PATH=$SYSTEM_PATH type -P "$name" || true
  done < <(sed 's/#.*//' "$VM_D/tools" | tr -s ' ' '\n' | grep .)
}

# All that the tools archive depends on: this script, which programs there are, and each source file's size and time.
tools_stamp() {
  cat "$VM_D/image.sh" "$VM_D/tools" | sha256sum
  tool_paths
  xargs -d '\n' stat -L -c '%n %s %Y' <"$1" 2>/dev/null || true
}

# Sets TOOLS_DIR, a folder with tools.cpio in it.
tools_prepare() {
  TOOLS_DIR=$CACHE/tools
  if [[ -e $TOOLS_DIR/stamp && $(tools_stamp "$TOOLS_DIR/sources") == "$(<"$TOOLS_DIR/stamp")" ]]; then
    return
  fi
  say "building the guest's tools from this machine's programs"
  local scratch
  scratch=$(mktemp -d "$run/XXXXXX")
  mkdir "$scratch/new"
  tools_tree "$scratch/tree" >"$scratch/new/sources"
  pack "$scratch/tree" "$scratch/new/tools.cpio"
  tools_stamp "$scratch/new/sources" >"$scratch/new/stamp"
  rm -rf "$TOOLS_DIR"
  mv "$scratch/new" "$TOOLS_DIR"
  rm -rf "$scratch"
}

# Lays out the tools under a folder and prints every file of this machine that went in.
tools_tree() {
  local root=$1 programs=() extra=() file name
  mkdir -p "$root"/{dev,etc/keepalived,mnt,opt,proc,root,run,sys,tmp,usr/{bin,sbin,lib,lib64,local/bin},var/{lib,log}}
  chmod 1777 "$root/tmp"
  for name in bin sbin lib lib64; do
    ln -s "usr/$name" "$root/$name"
  done
  ln -s ../run "$root/var/run"

  mapfile -t programs < <(tool_paths)
  mapfile -t extra < <(find /etc/iproute2 /usr/share/iproute2 /etc/libnl-3 /usr/lib/*/xtables /usr/lib/tc \
    /usr/lib/locale/C.utf8 /etc/protocols /etc/services /etc/ld.so.cache -xtype f 2>/dev/null)
  mapfile -t -O "${#extra[@]}" extra < <(libraries "${programs[@]}" "${extra[@]}")
  for file in "${programs[@]}" "${extra[@]}"; do
    put "$root" "$file"
    printf '%s\n' "$file"
  done

  # Busybox fills the gaps, at the end of PATH, where its ip and modprobe can't hide the real ones.
  if file=$(PATH=$SYSTEM_PATH type -P busybox); then
    mkdir -p "$root$BUSYBOX_BIN"
    cp -L "$file" "$root$BUSYBOX_BIN/busybox"
    for name in $("$file" --list); do
      [[ $name == busybox ]] || ln -s busybox "$root$BUSYBOX_BIN/$name"
    done
    printf '%s\n' "$file"
  fi

  mkdir "$root/etc/modprobe.d"
  {
    # As on an installed Debian: loading the module alone makes no device.
    echo 'options dummy numdummies=0'
    # The kernel waits for ever when it has to load one of these for a service while a network namespace goes: each holds
    # a lock that the other waits for. So they are there before the first service.
    echo 'softdep ip_vs post: ip_vs_lblc ip_vs_lblcr'
  } >"$root/etc/modprobe.d/vm.conf"

  printf '%s\n' root:x:0:0::/root:/bin/bash daemon:x:1:1::/:/bin/false nobody:x:65534:65534::/:/bin/false >"$root/etc/passwd"
  printf '%s\n' root:x:0: daemon:x:1: nogroup:x:65534: >"$root/etc/group"
  printf '%s\n' '127.0.0.1 localhost' '::1 localhost' '127.0.1.1 sockvs-vm' >"$root/etc/hosts"
  printf '%s: files\n' passwd group hosts services protocols networks >"$root/etc/nsswitch.conf"
}

# overlay_build FOLDER DIRECTORY COMMAND...: makes FOLDER.cpio. DIRECTORY is where COMMAND starts.
overlay_build() {
  local root=$1 directory=$2 path
  shift 2
  mkdir -p "$root/vm" "$root$OWN_BIN"
  install -m 755 "$VM_D/init" "$root/init"
  printf '%s\0' "$@" >"$root/vm/command"
  printf '%s' "$directory" >"$root/vm/directory"
  printf '%s' "$OWN_BIN:$SYSTEM_PATH:$BUSYBOX_BIN" >"$root/vm/path"
  own_programs "$root$OWN_BIN"
  for path in "${adds[@]}"; do
    add "$root" "$path"
  done
  overlay_libraries "$root"
  pack "$root" "$root.cpio"
}

# Our own programs as cargo built them, and the newest build of each compat test under the test's plain name.
own_programs() {
  local target=${CARGO_TARGET_DIR:-$REPOSITORY/target} file name profile
  for file in "$target"/release/*; do
    [[ ! -f $file || ! -x $file || $file == *.so ]] || cp --preserve=mode,timestamps "$file" "$1/"
  done
  for file in "$REPOSITORY"/compat-tests/tests/*.rs "$REPOSITORY"/compat-tests/tests/*/main.rs; do
    [[ -e $file ]] || continue
    name=${file%/main.rs}
    name=$(basename "$name" .rs)
    for profile in release debug; do
      file=$(newest_executable "$target/$profile/deps/$name"-*)
      [[ -z $file ]] || { cp --preserve=mode,timestamps "$file" "$1/$name"; break; }
    done
  done
}

newest_executable() {
  local file newest=
  for file in "$@"; do
    if [[ -f $file && -x $file && $file != *.* && (-z $newest || $file -nt $newest) ]]; then
      newest=$file
    fi
  done
  printf '%s' "$newest"
}

# add ROOT PATH: one --add.
add() {
  local target
  target=$(place "$2")
  case $target in
    /proc | /proc/* | /sys | /sys/* | /dev | /dev/* | / | //*)
      die "$STATUS_USAGE" "--add: '$2' is in a place that the VM fills itself; give a path elsewhere"
      ;;
  esac
  mkdir -p "$1$(dirname "$target")"
  # A link given by name is followed; links inside a folder stay links.
  cp -r -H -T --preserve=mode,timestamps,links "$2" "$1$target" \
    || die "$STATUS_PREPARE" "--add: '$2' can't be read in full; make it readable or give a smaller part of it"
}

# The libraries that programs in the overlay need and the tools archive does not have.
overlay_libraries() {
  local root=$1 programs=() file
  mapfile -d '' -t programs < <(find "$root" -type f -size +1k \( -perm -u+x -o -name '*.so' -o -name '*.so.*' \) -print0)
  ((${#programs[@]})) || return 0
  while read -r file; do
    grep -qxF "$file" "$TOOLS_DIR/sources" || [[ -e $root$(place "$file") ]] || put "$root" "$file"
  done < <(libraries "${programs[@]}")
}
