#!/usr/bin/env python3
"""Packs the seeds of a fuzz target into an archive, and unpacks them. It chooses none of them.

The same seeds make the same archive, byte by byte: names are sorted, times are fixed, and nothing is
compressed (git does that), so that git shows a change when a seed has changed and not otherwise.

    seeds.py pack FOLDER ARCHIVE
    seeds.py unpack ARCHIVE FOLDER
"""

import pathlib
import sys
import zipfile

# The first one that an archive can hold.
TIME = (1980, 1, 1, 0, 0, 0)
UNIX = 3
FILE_MODE = 0o100644


def pack(folder: pathlib.Path, archive: pathlib.Path) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
        for path in sorted(folder.iterdir()):
            entry = zipfile.ZipInfo(path.name, TIME)
            entry.create_system = UNIX
            entry.external_attr = FILE_MODE << 16
            packed.writestr(entry, path.read_bytes())


def unpack(archive: pathlib.Path, folder: pathlib.Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)


def main(words: list[str]) -> int:
    match words:
        case ["pack", folder, archive]:
            pack(pathlib.Path(folder), pathlib.Path(archive))
        case ["unpack", archive, folder]:
            unpack(pathlib.Path(archive), pathlib.Path(folder))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
